//go:build !noasm

package kernel

// floatBlock returns how many rows of so many floats are multiplied with how many vectors at a time; 0: there is no kernel for that.
func floatBlock(cols int) (rows, vectors int) {
	switch {
	case cols == 0 || cols%32 != 0:
	case useAVX512:
		return 4, 2
	case useAVX2:
		return 3, 1
	}
	return 0, 0
}

// dotRows adds the products of some columns of rows with one or two vectors, as many as floatBlock says, to sums, or if these columns are the first, has
// sums begin with them. If dots is not nil, they are the last, and it stores the products there instead, to the bit as dot computes them: dots[2r] is row r
// times a, dots[2r+1] times b.
func dotRows(dots *[8]float32, sums *dotSums, rows *[4][]float32, a, b []float32, first bool) {
	n, _ := floatBlock(len(a))
	if n == 0 {
		panic("kernel: there is no kernel for several rows of floats")
	}
	for _, row := range rows[:n] {
		_ = row[:len(a)]
	}
	if useAVX512 {
		dots4x2AVX512(dots, sums, rows, a, b[:len(a)], first)
		return
	}
	dots3AVX2(dots, sums, rows, a, first)
}

// dots4x2AVX512 is dotRows for four rows and two vectors. Rows and b are as long as a.
//
//go:noescape
func dots4x2AVX512(dots *[8]float32, sums *dotSums, rows *[4][]float32, a, b []float32, first bool)

// dots3AVX2 is dotRows for three rows, which are as long as a, and one vector.
//
//go:noescape
func dots3AVX2(dots *[8]float32, sums *dotSums, rows *[4][]float32, a []float32, first bool)
