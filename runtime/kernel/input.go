package kernel

import "st/quant"

// Input is a batch of N activation vectors of Cols numbers, in float32 and, where Cols allows it, in int8 blocks.
type Input struct {
	N, Cols int
	F       []float32 // [N, Cols]
	q       []int8    // [N, Cols], in blocks of 32
	d       []float32 // [N, Cols/32] scales: a ≈ d·q
	sum     []int32   // [N, Cols/32] sums of a block's q

	packed []byte // room for the vectors packed: see packed.go
	tiles  int    // how many vectors Quantize packs
}

// NewInput makes room for n vectors on Go's heap.
func NewInput(n, cols int) *Input {
	return PlaceInput(make([]float32, n*cols), make([]int8, int8Numbers(n, cols)), make([]float32, int8Numbers(n, cols)/quant.BlockSize),
		make([]int32, int8Numbers(n, cols)/quant.BlockSize), n, cols)
}

// PlaceInput makes an Input of n vectors of the caller's memory: f has n·cols numbers, q as many, and d and sum n·cols/32; the last three
// are not used if cols is no multiple of 32.
func PlaceInput(f []float32, q []int8, d []float32, sum []int32, n, cols int) *Input {
	x := &Input{N: n, Cols: cols, F: f}
	if int8Numbers(n, cols) > 0 {
		x.q, x.d, x.sum = q, d, sum
	}
	return x
}

// PackedBytes returns the memory that n vectors take packed, or 0 if there are no kernels for packed vectors.
func PackedBytes(n, cols int) int {
	if least := minPacked(); least == 0 || n < least {
		return 0
	}
	return int8Numbers((n+3)/4, cols) / quant.BlockSize * quadBytes
}

// PlacePacked gives x memory for its vectors packed, of [PackedBytes].
func (x *Input) PlacePacked(packed []byte) { x.packed = packed }

// Expect tells that the first n vectors will be multiplied together, by [Mul] or [MulEach] with idx 0 to n-1: [Input.Quantize] packs them for that, if x has
// the memory. It is called before they are quantized. Without it, every call of Mul packs what it needs.
func (x *Input) Expect(n int) {
	if x.tiles = n; PackedBytes(n, x.Cols) == 0 || len(x.packed) < PackedBytes(n, x.Cols) {
		x.tiles = 0
	}
}

// hasPacked reports whether Quantize has packed the vectors of x from first on, and idx are these.
func (x *Input) hasPacked(idx []int32, first int) bool {
	if x.tiles == 0 || len(idx) != x.tiles-first {
		return false
	}
	for i, t := range idx {
		if int(t) != first+i {
			return false
		}
	}
	return true
}

// pack packs blocks [from, to) of vector i, if it is expected to be multiplied with those beside it.
func (x *Input) pack(i, from, to int) {
	first := i / packTile * packTile
	if i >= x.tiles {
		return
	}
	n := min(packTile, x.tiles-first)
	quads := wholeQuads(n)
	if n < minPacked() || i-first >= 4*quads {
		return
	}
	size, nb := quads*quadBytes, x.Cols/quant.BlockSize
	// In one step: what is copied in wider pieces than it was written waits for all stores before.
	a, b := i*nb+from, i*nb+to
	v := vector{x.q[a*quant.BlockSize : b*quant.BlockSize], x.d[a:b], x.sum[a:b]}
	at := first/4*nb*quadBytes + (i-first)/4*quadBytes
	packVector(x.packed[at+from*size:at+(to-1)*size+quadBytes], size, i%4, &v)
}

// int8Numbers returns how many numbers of n vectors have an int8 form: all of them, or none.
func int8Numbers(n, cols int) int {
	if cols%quant.BlockSize == 0 {
		return n * cols
	}
	return 0
}

// Row returns vector i.
func (x *Input) Row(i int) []float32 { return x.F[i*x.Cols : (i+1)*x.Cols] }

// vector is one vector in int8 blocks of 32. The assembly knows its fields.
type vector struct {
	q   []int8
	d   []float32
	sum []int32
}

// vector returns the int8 form of vector i.
func (x *Input) vector(i int) vector {
	nb := x.Cols / quant.BlockSize
	return vector{x.q[i*x.Cols:][:x.Cols], x.d[i*nb:][:nb], x.sum[i*nb:][:nb]}
}

// check panics if the fields do not fit together: assembly does not check what it reads.
func (v *vector) check() {
	if len(v.q) != len(v.d)*quant.BlockSize || len(v.sum) != len(v.d) {
		panic("kernel: the fields of a vector differ in length")
	}
}

// checkPair panics if two vectors are not of one length.
func checkPair(x *[2]vector) {
	x[0].check()
	x[1].check()
	if len(x[0].d) != len(x[1].d) {
		panic("kernel: vectors differ in length")
	}
}

// checkFour panics if four vectors are not of one length.
func checkFour(x *[4]vector) {
	for i := range x {
		x[i].check()
		if len(x[i].d) != len(x[0].d) {
			panic("kernel: vectors differ in length")
		}
	}
}

// Quantize fills the int8 form of vector i from its float32 form: call it after the vector was written and before it is
// multiplied. The rounding is that of ggml's Q8_0, with the scale kept in float32.
func (x *Input) Quantize(i int) { x.QuantizePart(i, 0, x.Cols) }

// QuantizePart is [Input.Quantize] of numbers [from, to) of vector i, which are whole blocks of 32 if x has an int8 form.
func (x *Input) QuantizePart(i, from, to int) {
	if x.q == nil || from == to {
		return
	}
	nb := x.Cols / quant.BlockSize
	a, b := from/quant.BlockSize, to/quant.BlockSize
	quantize(x.q[i*x.Cols+from:i*x.Cols+to], x.d[i*nb+a:i*nb+b], x.sum[i*nb+a:i*nb+b], x.F[i*x.Cols+from:i*x.Cols+to])
	x.pack(i, a, b)
}
