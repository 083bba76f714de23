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

func geluMul(dst, gate, up []float32) {
	if !useNEON {
		geluMulGeneric(dst, gate, up)
		return
	}
	geluMulNEON(dst, gate[:len(dst)], up[:len(dst)])
}

// geluMulNEON is geluMulGeneric, to the bit.
//
//go:noescape
func geluMulNEON(dst, gate, up []float32)
