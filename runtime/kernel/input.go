package kernel

import "st/quant"

// Input is a batch of N activation vectors of Cols numbers, in float32 and, where Cols allows it, in int8 blocks.
type Input struct {
	N, Cols int
	F       []float32 // [N, Cols]
	q       []int8    // [N, Cols], in blocks of 32
	d       []float32 // [N, Cols/32] scales: a ≈ d·q
	sum     []int32   // [N, Cols/32] sums of a block's q
}

// NewInput makes room for n vectors on Go's heap.
func NewInput(n, cols int) *Input {
	return PlaceInput(make([]float32, n*cols), make([]int8, int8Numbers(n, cols)), make([]float32, int8Numbers(n, cols)/quant.BlockSize),
		make([]int32, int8Numbers(n, cols)/quant.BlockSize), n, cols)
}

// PlaceInput makes an Input of n vectors of the caller's memory: f has n·cols numbers, q as many, and d and sum n·cols/32; the last three
// are not used if cols is no multiple of 32.
func PlaceInput(f []float32, q []int8, d []float32, sum []int32, n, cols int) *Input {
	x := &Input{N: n, Cols: cols, F: f}
	if int8Numbers(n, cols) > 0 {
		x.q, x.d, x.sum = q, d, sum
	}
	return x
}

// int8Numbers returns how many numbers of n vectors have an int8 form: all of them, or none.
func int8Numbers(n, cols int) int {
	if cols%quant.BlockSize == 0 {
		return n * cols
	}
	return 0
}

// Bytes returns the memory that the batch takes.
func (x *Input) Bytes() int { return 4*len(x.F) + len(x.q) + 4*len(x.d) + 4*len(x.sum) }

// Row returns vector i.
func (x *Input) Row(i int) []float32 { return x.F[i*x.Cols : (i+1)*x.Cols] }

// vector is one vector in int8 blocks of 32. The assembly knows its fields.
type vector struct {
	q   []int8
	d   []float32
	sum []int32
}

// vector returns the int8 form of vector i.
func (x *Input) vector(i int) vector {
	nb := x.Cols / quant.BlockSize
	return vector{x.q[i*x.Cols:][:x.Cols], x.d[i*nb:][:nb], x.sum[i*nb:][:nb]}
}

// check panics if the fields do not fit together: assembly does not check what it reads.
func (v *vector) check() {
	if len(v.q) != len(v.d)*quant.BlockSize || len(v.sum) != len(v.d) {
		panic("kernel: the fields of a vector differ in length")
	}
}

// checkPair panics if two vectors are not of one length.
func checkPair(x *[2]vector) {
	x[0].check()
	x[1].check()
	if len(x[0].d) != len(x[1].d) {
		panic("kernel: vectors differ in length")
	}
}

// checkFour panics if four vectors are not of one length.
func checkFour(x *[4]vector) {
	for i := range x {
		x[i].check()
		if len(x[i].d) != len(x[0].d) {
			panic("kernel: vectors differ in length")
		}
	}
}

// Quantize fills the int8 form of vector i from its float32 form: call it after the vector was written and before it is
// multiplied. The rounding is that of ggml's Q8_0, with the scale kept in float32.
func (x *Input) Quantize(i int) { x.QuantizePart(i, 0, x.Cols) }

// QuantizePart is [Input.Quantize] of numbers [from, to) of vector i, which are whole blocks of 32 if x has an int8 form.
func (x *Input) QuantizePart(i, from, to int) {
	if x.q == nil {
		return
	}
	first, a, b := i*x.Cols, i*x.Cols/quant.BlockSize+from/quant.BlockSize, i*x.Cols/quant.BlockSize+to/quant.BlockSize
	quantize(x.q[first+from:first+to], x.d[a:b], x.sum[a:b], x.F[first+from:first+to])
}
