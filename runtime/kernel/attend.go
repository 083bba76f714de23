package kernel

// PositionTile is the number of positions whose keys or values attention takes at a time.
const PositionTile = 32

// Scores computes q·kᵀ: dst[i·PositionTile + p] = row i of q [_, d] times row p of k [PositionTile, d], for n positions. q has
// an even number of rows. Of dst, up to three entries after the last position are overwritten too.
func Scores(dst, q, k []float32, n, d int) {
	n = (n + 3) &^ 3
	for i := 0; i < len(q); i += 2 * d {
		scores2(dst[i/d*PositionTile:][:2*PositionTile], q[i:][:2*d], k[:n*d])
	}
}

// AddWeighted adds p·v to out: row i of out [_, d] gains the sum of p[i·PositionTile + j] times row j of v [_, d], for n
// positions. out has an even number of rows.
func AddWeighted(out, p, v []float32, n, d int) {
	for i := 0; i < len(out); i += 2 * d {
		addWeighted2(out[i:][:2*d], p[i/d*PositionTile:][:2*PositionTile], v[:n*d])
	}
}

// ExpSum replaces x by exp(x − m) and returns the sum. m is no less than any x.
func ExpSum(x []float32, m float32) float32 { return expSum(x, m) }
