package kernel

// SiLUMul stores silu(gate)·up in dst, where silu(x) = x/(1 + exp(−x)) (Elfwing et al., arXiv 1702.03118): the product inside
// SwiGLU (Shazeer, arXiv 2002.05202). dst may be gate or up. The bits are the same on every instruction set, and silu is exact to
// three units in the last place of its value, also where that is denormal; silu(−∞) is −0, the limit.
func SiLUMul(dst, gate, up []float32) {
	siluMul(dst[:len(gate)], gate, up[:len(gate)])
}

// GELUMul stores gelu(gate)·up in dst, where gelu is the approximation of the Gaussian error linear unit with tanh (Hendrycks and Gimpel,
// arXiv 1606.08415): gelu(x) = x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))), which is x/(1 + exp(−z)) with z twice the argument of tanh: the product
// inside GeGLU (Shazeer, arXiv 2002.05202). dst may be gate or up. The bits are the same on every instruction set.
func GELUMul(dst, gate, up []float32) {
	geluMul(dst[:len(gate)], gate, up[:len(gate)])
}
