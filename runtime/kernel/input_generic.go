package kernel

import (
	"math"

	"st/quant"
)

// quantizeGeneric rounds src to int8 blocks: q, their scales d, and the sums of each block's q.
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
