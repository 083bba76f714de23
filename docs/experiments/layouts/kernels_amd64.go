package layouts

import "golang.org/x/sys/cpu"

func init() {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasF16C {
		fast = kernels{
			ggufDot: ggufDotAVX2, ggufAxpy: ggufAxpyAVX2,
			rowsDot: rowsDotAVX2, rowsAxpy: rowsAxpyAVX2, rowsMul: rowsMulAVX2,
			tilesDot: tilesDotAVX2, tilesMul: tilesMulAVX2,
			pairsDot: pairsDotAVX2, pairsMul: pairsMulAVX2,
		}
	}
}

//go:noescape
func ggufDotAVX2(y []float32, w []byte, x *activations, ahead int)

//go:noescape
func ggufAxpyAVX2(y []float32, w []byte, a float32, ahead int)

//go:noescape
func rowsDotAVX2(y []float32, q, d []byte, stride int, x *activations, ahead int)

//go:noescape
func rowsAxpyAVX2(y []float32, q, d []byte, a float32, ahead int)

//go:noescape
func rowsMulAVX2(y []float32, q, d []byte, stride int, x *activations)

//go:noescape
func tilesDotAVX2(y []float32, q, d []byte, qStep, dStep int, x *activations, qAhead, dAhead int)

//go:noescape
func tilesMulAVX2(y []float32, yStride int, q, d []byte, qStep, dStep int, x *activations)

//go:noescape
func pairsDotAVX2(y []float32, w []byte, x *activations, ahead int)

//go:noescape
func pairsMulAVX2(y []float32, yStride int, w []byte, x *activations)
