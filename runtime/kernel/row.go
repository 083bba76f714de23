package kernel

import "st/quant"

// dotRow multiplies one Q4_0 or Q8_0 row with vector i of x.
func dotRow(t quant.Type, quants, scales []byte, x *Input, i int) float32 {
	nb := x.Cols / quant.BlockSize
	q := x.q[i*x.Cols:][:x.Cols]
	d, sum := x.d[i*nb:][:nb], x.sum[i*nb:][:nb]
	if t == quant.Q4_0 {
		return dotQ4Generic(quants, scales, q, d, sum)
	}
	return dotQ8Generic(quants, scales, q, d)
}

// dotQ4Generic is the inner product of a Q4_0 row with an int8 vector.
func dotQ4Generic(quants, scales []byte, q []int8, d []float32, sum []int32) float32 {
	var acc float32
	for b := range d {
		w := quants[b*16:][:16]
		x := q[b*quant.BlockSize:][:quant.BlockSize]
		var s int32
		for j, v := range w {
			s += int32(v&15)*int32(x[j]) + int32(v>>4)*int32(x[j+16])
		}
		acc += float32(s-8*sum[b]) * (quant.HalfToFloat(le.Uint16(scales[2*b:])) * d[b])
	}
	return acc
}

// dotQ8Generic is the inner product of a Q8_0 row with an int8 vector.
func dotQ8Generic(quants, scales []byte, q []int8, d []float32) float32 {
	var acc float32
	for b := range d {
		w := quants[b*quant.BlockSize:][:quant.BlockSize]
		x := q[b*quant.BlockSize:][:quant.BlockSize]
		var s int32
		for j, v := range w {
			s += int32(int8(v)) * int32(x[j])
		}
		acc += float32(s) * (quant.HalfToFloat(le.Uint16(scales[2*b:])) * d[b])
	}
	return acc
}
