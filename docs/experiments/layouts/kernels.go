package layouts

// kernels is one implementation of the inner loops. Arguments named ahead are
// distances in bytes: the loop prefetches the weights that lie so much further
// on than those it reads.
type kernels struct {
	ggufDot  func(y []float32, w []byte, x *activations, ahead int)
	ggufAxpy func(y []float32, w []byte, a float32, ahead int)

	rowsDot  func(y []float32, q, d []byte, stride int, x *activations, ahead int)
	rowsAxpy func(y []float32, q, d []byte, a float32, ahead int)
	rowsMul  func(y []float32, q, d []byte, stride int, x *activations)

	tilesDot func(y []float32, q, d []byte, qStep, dStep int, x *activations, qAhead, dAhead int)
	tilesMul func(y []float32, yStride int, q, d []byte, qStep, dStep int, x *activations)

	pairsDot func(y []float32, w []byte, x *activations, ahead int)
	pairsMul func(y []float32, yStride int, w []byte, x *activations)
}

// generic are the plain Go twins.
var generic = kernels{
	ggufDot: ggufDot, ggufAxpy: ggufAxpy,
	rowsDot: rowsDot, rowsAxpy: rowsAxpy, rowsMul: rowsMul,
	tilesDot: tilesDot, tilesMul: tilesMul,
	pairsDot: pairsDot, pairsMul: pairsMul,
}

// fast are the assembly kernels where there are any, else the twins.
var fast = generic

// batch is how many vectors the Mul kernels take.
const batch = 8
