package kernel

import "st/quant"

// dotQ4Generic is the inner product of a Q4_0 row with an int8 vector.
func dotQ4Generic(quants, scales []byte, x *vector) float32 {
	var acc float32
	for b := range x.d {
		w := quants[b*16:][:16]
		q := x.q[b*quant.BlockSize:][:quant.BlockSize]
		var s int32
		for j, v := range w {
			s += int32(v&15)*int32(q[j]) + int32(v>>4)*int32(q[j+16])
		}
		acc += float32(s-8*x.sum[b]) * (quant.HalfToFloat(le.Uint16(scales[2*b:])) * x.d[b])
	}
	return acc
}

// dotQ8Generic is the inner product of a Q8_0 row with an int8 vector.
func dotQ8Generic(quants, scales []byte, x *vector) float32 {
	var acc float32
	for b := range x.d {
		w := quants[b*quant.BlockSize:][:quant.BlockSize]
		q := x.q[b*quant.BlockSize:][:quant.BlockSize]
		var s int32
		for j, v := range w {
			s += int32(int8(v)) * int32(q[j])
		}
		acc += float32(s) * (quant.HalfToFloat(le.Uint16(scales[2*b:])) * x.d[b])
	}
	return acc
}

// axpyQ4Generic adds f times a Q4_0 row to y.
func axpyQ4Generic(y []float32, f float32, quants, scales []byte) {
	axpyBlocks(quant.Q4_0, y, f, quants, scales)
}

// axpyQ8Generic adds f times a Q8_0 row to y.
func axpyQ8Generic(y []float32, f float32, quants, scales []byte) {
	axpyBlocks(quant.Q8_0, y, f, quants, scales)
}

func axpyBlocks(t quant.Type, y []float32, f float32, quants, scales []byte) {
	var w [quant.BlockSize]float32
	size := t.QuantBytes(quant.BlockSize)
	for b := range len(y) / quant.BlockSize {
		t.Decode(w[:], quants[b*size:][:size], scales[2*b:][:2])
		axpyGeneric(y[b*quant.BlockSize:][:quant.BlockSize], f, w[:])
	}
}
