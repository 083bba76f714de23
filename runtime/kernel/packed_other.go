//go:build !amd64 || noasm

package kernel

import "st/quant"

// There are no kernels for packed vectors.

func minPacked() int { return 0 }

func packsType(quant.Type) bool { return false }

func packsAll() bool { return false }

func packsWords() bool { return false }

func groupPacked(t quant.Type, _ bool, p *packed, group []byte, blocks int, _ *byte) {
	groupPackedGeneric(t, p, group, blocks)
}

func packVector(to []byte, stride, k int, x *vector) { packVectorGeneric(to, stride, k, x, false) }

func positive(masks *[MaxBlock]uint64, gates []float32) { positiveGeneric(masks, gates) }

// listActive is ListActive for the first of gates. It returns how many these are.
func listActive(neurons []int32, h, gates []float32, weight float32) (taken, n int) { return 0, 0 }

func groupPackedTo(quant.Type, []float32, int, *packed, []byte, int, *byte) {
	panic("kernel: products with packed vectors are stored in order")
}
