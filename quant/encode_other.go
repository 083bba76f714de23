//go:build !amd64 || noasm

package quant

// Other CPUs have the plain code only: what is encoded once can wait.
const hasSIMD = false

var simd bool

func encodeQ4Fast(_, _ []byte, _ []float32) int { return 0 }

func explain(xl, ll, id *[numSearch]float32, x, v *[BlockSize]float32) {
	explainGeneric(xl, ll, id, x, v)
}

func largest(x *[BlockSize]float32) (top uint32, m float32) { return largestOfBlock(x) }

func packQ4(q *[16]byte, x *[BlockSize]float32, d float32) (half uint16) {
	return packQ4Generic(q, x, d)
}

func compensate(loss *lanes, w *[BlockSize]lanes, inner *[BlockSize * BlockSize]float32, inv *[BlockSize]float32, d, id *lanes,
	errors, levels *[BlockSize]lanes) {

	compensateGeneric(loss, w, inner, inv, d, id, errors, levels)
}

func try(loss, d, id *[2]lanes, w *[BlockSize]lanes, inner *[BlockSize * BlockSize]float32, inv *[BlockSize]float32, s *gptqScratch) {
	tryGeneric(loss, d, id, w, inner, inv, s)
}

func subtract(w []lanes, errors *[BlockSize]lanes, u []float32, stride int) {
	subtractGeneric(w, errors, u, stride)
}

// Largest returns the bits of the largest magnitude among x. As integers magnitudes are ordered as the floats are, with infinity
// and NaN above all.
func Largest(x []float32) uint32 { return largestGeneric(x) }

func decodeBF16(dst []float32, src []byte) { decodeBF16Generic(dst, src) }
