//go:build !noasm

package quant

import (
	"math"

	"golang.org/x/sys/cpu"
)

// hasSIMD: whether the CPU has what the assembly needs. simd: whether it is used.
var (
	hasSIMD = cpu.X86.HasAVX2 && cpu.X86.HasF16C
	simd    = hasSIMD
)

//go:noescape
func encodeQ4AVX2(quants, scales []byte, src []float32, limit uint32) (blocks int)

//go:noescape
func explainAVX2(xl, ll, id *[numSearch]float32, x, v *[BlockSize]float32)

//go:noescape
func largestOfBlockAVX2(x *[BlockSize]float32) (top uint32, m float32)

//go:noescape
func packQ4AVX2(q *[16]byte, x *[BlockSize]float32, d float32) (half uint16)

//go:noescape
func compensateAVX2(loss *lanes, w *[BlockSize]lanes, inner *[BlockSize * BlockSize]float32, inv *[BlockSize]float32, d, id *lanes,
	errors, levels *[BlockSize]lanes)

//go:noescape
func tryAVX2(loss, d, id *[2]lanes, w *[BlockSize]lanes, inner *[BlockSize * BlockSize]float32, inv *[BlockSize]float32)

//go:noescape
func subtractAVX2(w []lanes, errors *[BlockSize]lanes, u *float32, stride int)

//go:noescape
func largestAVX2(x []float32) uint32

//go:noescape
func decodeBF16AVX2(dst []float32, src []byte)

// encodeQ4Fast encodes blocks up to one that the plain code must look at, and returns how many.
func encodeQ4Fast(quants, scales []byte, src []float32) int {
	if !simd {
		return 0
	}
	_, _ = quants[:len(src)/2], scales[:len(src)/16]
	return encodeQ4AVX2(quants, scales, src, math.Float32bits(Q4_0.Max()))
}

func explain(xl, ll, id *[numSearch]float32, x, v *[BlockSize]float32) {
	if simd {
		explainAVX2(xl, ll, id, x, v)
		return
	}
	explainGeneric(xl, ll, id, x, v)
}

func largest(x *[BlockSize]float32) (top uint32, m float32) {
	if simd {
		return largestOfBlockAVX2(x)
	}
	return largestOfBlock(x)
}

func packQ4(q *[16]byte, x *[BlockSize]float32, d float32) (half uint16) {
	if simd {
		return packQ4AVX2(q, x, d)
	}
	return packQ4Generic(q, x, d)
}

func compensate(loss *lanes, w *[BlockSize]lanes, inner *[BlockSize * BlockSize]float32, inv *[BlockSize]float32, d, id *lanes,
	errors, levels *[BlockSize]lanes) {

	if simd {
		compensateAVX2(loss, w, inner, inv, d, id, errors, levels)
		return
	}
	compensateGeneric(loss, w, inner, inv, d, id, errors, levels)
}

func try(loss, d, id *[2]lanes, w *[BlockSize]lanes, inner *[BlockSize * BlockSize]float32, inv *[BlockSize]float32, s *gptqScratch) {
	if simd {
		tryAVX2(loss, d, id, w, inner, inv)
		return
	}
	tryGeneric(loss, d, id, w, inner, inv, s)
}

func subtract(w []lanes, errors *[BlockSize]lanes, u []float32, stride int) {
	if simd && len(w) > 0 {
		_ = u[(len(w)-1)*stride : (len(w)-1)*stride+BlockSize]
		subtractAVX2(w[:len(w)/4*4], errors, &u[0], stride)
		done := len(w) / 4 * 4
		w, u = w[done:], u[min(done*stride, len(u)):]
	}
	subtractGeneric(w, errors, u, stride)
}

// Largest returns the bits of the largest magnitude among x. As integers magnitudes are ordered as the floats are, with infinity
// and NaN above all.
func Largest(x []float32) uint32 {
	if !simd {
		return largestGeneric(x)
	}
	n := len(x) / 32 * 32
	return max(largestAVX2(x[:n]), largestGeneric(x[n:]))
}

func decodeBF16(dst []float32, src []byte) {
	if simd {
		n := len(dst) / 32 * 32
		decodeBF16AVX2(dst[:n], src[:2*n])
		dst, src = dst[n:], src[2*n:]
	}
	decodeBF16Generic(dst, src)
}
