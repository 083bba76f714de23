//go:build !noasm

package kernel

import "st/quant"

func above(masks []uint64, x []float32, threshold float32) {
	if !useAVX2 {
		aboveEach(masks, x, threshold)
		return
	}
	aboveAVX2(masks, x[:len(masks)*PeakRun], threshold)
}

// aboveAVX2 is aboveEach.
//
//go:noescape
func aboveAVX2(masks []uint64, x []float32, threshold float32)

// interleave makes a group of sixteen rows, and meanwhile prefetches those at ahead.
func interleave(group []byte, rows, ahead *[quant.GroupRows]*byte, t quant.Type, cols int) {
	done := 0
	if eights := cols / quant.BlockSize / 8; useAVX2 && eights > 0 {
		group, done = group[:t.GroupBytes(cols)], 8*eights
		for half := range 2 {
			some, next := (*[8]*byte)(rows[half*8:]), (*[8]*byte)(ahead[half*8:])
			if t == quant.Q4_0 {
				interleaveQ4AVX2(&group[0], some, next, half, t.QuantBytes(cols), eights)
			} else {
				interleaveQ8AVX2(&group[0], some, next, half, t.QuantBytes(cols), eights)
			}
		}
	}
	interleaveGeneric(group, rows, t, cols, done)
}

// interleaveQ4AVX2 stores eight Q4_0 rows, whose scales are scales bytes behind their quants, as half of a group: eight blocks of them eights times.
// Meanwhile it prefetches rows at ahead, of which it reads nothing.
//
//go:noescape
func interleaveQ4AVX2(group *byte, rows, ahead *[8]*byte, half, scales, eights int)

// interleaveQ8AVX2 is interleaveQ4AVX2 for Q8_0.
//
//go:noescape
func interleaveQ8AVX2(group *byte, rows, ahead *[8]*byte, half, scales, eights int)
