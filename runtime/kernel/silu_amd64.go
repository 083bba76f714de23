//go:build !noasm

package kernel

func siluMul(dst, gate, up []float32) {
	if !useAVX2 {
		siluMulGeneric(dst, gate, up)
		return
	}
	siluMulAVX2(dst, gate[:len(dst)], up[:len(dst)])
}

// siluMulAVX2 is siluMulGeneric, to the bit.
//
//go:noescape
func siluMulAVX2(dst, gate, up []float32)

func geluMul(dst, gate, up []float32) {
	if !useAVX2 {
		geluMulGeneric(dst, gate, up)
		return
	}
	geluMulAVX2(dst, gate[:len(dst)], up[:len(dst)])
}

// geluMulAVX2 is geluMulGeneric, to the bit.
//
//go:noescape
func geluMulAVX2(dst, gate, up []float32)
