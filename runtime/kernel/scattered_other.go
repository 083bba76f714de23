//go:build !amd64 || noasm

package kernel

import "st/quant"

func above(masks []uint64, x []float32, threshold float32) { aboveEach(masks, x, threshold) }

func interleave(group []byte, rows, _ *[quant.GroupRows]*byte, t quant.Type, cols int) {
	interleaveGeneric(group, rows, t, cols, 0)
}
