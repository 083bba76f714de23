package kernel

// SiLUMul stores silu(gate)·up in dst, where silu(x) = x/(1 + exp(−x)) (Elfwing et al., arXiv 1702.03118): the product inside
// SwiGLU (Shazeer, arXiv 2002.05202). dst may be gate or up. The bits are the same on every instruction set, and silu is exact to
// three units in the last place of its value, also where that is denormal; silu(−∞) is −0, the limit.
func SiLUMul(dst, gate, up []float32) {
	siluMul(dst[:len(gate)], gate, up[:len(gate)])
}
