package kernel

import (
	"math"

	"st/quant"
)

// Input is a batch of N activation vectors of Cols numbers, in float32 and, where Cols allows it, in int8 blocks.
type Input struct {
	N, Cols int
	F       []float32 // [N, Cols]
	q       []int8    // [N, Cols], in blocks of 32
	d       []float32 // [N, Cols/32] scales: a ≈ d·q
	sum     []int32   // [N, Cols/32] sums of a block's q
}

// NewInput makes room for n vectors.
func NewInput(n, cols int) *Input {
	x := &Input{N: n, Cols: cols, F: make([]float32, n*cols)}
	if cols%quant.BlockSize == 0 {
		x.q = make([]int8, n*cols)
		x.d = make([]float32, n*cols/quant.BlockSize)
		x.sum = make([]int32, n*cols/quant.BlockSize)
	}
	return x
}

// Bytes returns the memory that the batch takes.
func (x *Input) Bytes() int { return 4*len(x.F) + len(x.q) + 4*len(x.d) + 4*len(x.sum) }

// Row returns vector i.
func (x *Input) Row(i int) []float32 { return x.F[i*x.Cols : (i+1)*x.Cols] }

// Quantize fills the int8 form of vector i from its float32 form: call it after the vector was written and before it is
// multiplied. The rounding is that of ggml's Q8_0, with the scale kept in float32.
func (x *Input) Quantize(i int) {
	if x.q == nil {
		return
	}
	nb := x.Cols / quant.BlockSize
	quantizeGeneric(x.q[i*x.Cols:(i+1)*x.Cols], x.d[i*nb:(i+1)*nb], x.sum[i*nb:(i+1)*nb], x.Row(i))
}

func quantizeGeneric(q []int8, d []float32, sum []int32, src []float32) {
	for b := range d {
		v := src[b*quant.BlockSize:][:quant.BlockSize]
		o := q[b*quant.BlockSize:][:quant.BlockSize]
		var amax float32
		for _, f := range v {
			amax = max(amax, math.Float32frombits(math.Float32bits(f)&^(1<<31)))
		}
		d[b] = amax / 127
		var id float32
		if amax > 0 {
			id = 127 / amax
		}
		var s int32
		for j, f := range v {
			n := quant.RoundToInt8(f * id)
			o[j] = n
			s += int32(n)
		}
		sum[b] = s
	}
}
