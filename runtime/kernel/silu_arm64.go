//go:build !noasm

package kernel

func siluMul(dst, gate, up []float32) {
	if !useNEON {
		siluMulGeneric(dst, gate, up)
		return
	}
	siluMulNEON(dst, gate[:len(dst)], up[:len(dst)])
}

// siluMulNEON is siluMulGeneric, to the bit.
//
//go:noescape
func siluMulNEON(dst, gate, up []float32)
