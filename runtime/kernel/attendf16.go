package kernel

// ScoresF16 is [Scores] with float16 keys as they lie in the KV cache, [n, d], to the bit. It is for few queries, an even number, where
// [AttendsF16]: a tile of keys that many queries share is better widened once. Of dst, up to three entries after the last position may be overwritten.
// Meanwhile it prefetches as many bytes as k has at ahead, of which it reads nothing; nil: it does not.
func ScoresF16(dst, q []float32, k []byte, n, d int, ahead []byte) {
	if n == 0 {
		return
	}
	rows := len(q) / d
	k = k[:2*n*d]
	for i := 0; i < rows; {
		r := someRows(rows - i)
		scoresF16(dst[i*PositionTile:][:r*PositionTile], q[i*d:][:r*d], k, n, ahead)
		i += r
		ahead = nil
	}
}

// AddWeightedF16 is [AddWeighted] with float16 values as they lie in the KV cache, where [AttendsF16]. Compare [ScoresF16].
func AddWeightedF16(out, p []float32, v []byte, n, d int, ahead []byte) {
	if n == 0 {
		return
	}
	rows := len(out) / d
	v = v[:2*n*d]
	for i := 0; i < rows; {
		r := someRows(rows - i)
		addWeightedF16(out[i*d:][:r*d], p[i*PositionTile:][:r*PositionTile], v, n, ahead)
		i += r
		ahead = nil
	}
}

// someRows returns how many of so many rows a kernel takes: six or four, or the two that there are.
func someRows(rows int) int {
	switch {
	case rows < 4 || rows == 6 || rows > 8:
		return min(rows, 6)
	default:
		return 4
	}
}

// scoresF16Generic is ScoresF16 without prefetching.
func scoresF16Generic(dst, q []float32, k []byte, n int) {
	rows := len(dst) / PositionTile
	d := len(q) / rows
	key := make([]float32, d)
	for p := range n {
		decodeF16(key, k[2*p*d:][:2*d])
		for i := range rows {
			dst[i*PositionTile+p] = dotGeneric(q[i*d:][:d], key)
		}
	}
}

// addWeightedF16Generic is AddWeightedF16 without prefetching.
func addWeightedF16Generic(out, p []float32, v []byte, n int) {
	rows := len(p) / PositionTile
	d := len(out) / rows
	value := make([]float32, d)
	for j := range n {
		decodeF16(value, v[2*j*d:][:2*d])
		for i := range rows {
			axpyGeneric(out[i*d:][:d], p[i*PositionTile+j], value)
		}
	}
}
