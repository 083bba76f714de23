package main

import "math"

// What least squares need. Matrices are row-major; sums that end in a matrix to be solved are in float64.

// gram returns xᵀ·x/n of x [n, cols]: [cols, cols].
func gram(x []float32, cols int) []float64 {
	n := len(x) / cols
	columns := make([]float32, len(x)) // [cols, n]
	for t := range n {
		for i := range cols {
			columns[i*n+t] = x[t*cols+i]
		}
	}
	g := make([]float64, cols*cols)
	for i, v := range project(columns, columns, n) {
		g[i] = float64(v) / float64(n)
	}
	return g
}

// product returns a·b of [n, n] matrices, b being symmetric.
func product(a, b []float64, n int) []float64 { return multiply(a, b, n, n) }

// multiply returns a·b of a [rows, n] and a symmetric b [n, n].
func multiply(a, b []float64, rows, n int) []float64 {
	c := make([]float64, rows*n)
	_ = parallel(rows, func(i int) error {
		for j := range n {
			c[i*n+j] = dot64(a[i*n:][:n], b[j*n:][:n])
		}
		return nil
	})
	return c
}

// subspace returns an orthonormal basis [k, n] of the space of the k largest eigenvalues of a [n, n], a product of two positive matrices, whose
// eigenvalues are therefore real, by orthogonal iteration (Golub and Van Loan, Matrix Computations, section 7.3.2).
func subspace(a []float64, n, k int) []float64 {
	q, next := make([]float64, k*n), make([]float64, k*n)
	start, r := make([]float32, k*n), stream(1, "subspace", 0)
	r.normal(start, 1)
	for i, v := range start {
		q[i] = float64(v)
	}
	orthonormal(q, n)
	for range fitSteps {
		_ = parallel(k, func(i int) error {
			for j := range n {
				next[i*n+j] = dot64(a[j*n:][:n], q[i*n:][:n])
			}
			return nil
		})
		q, next = next, q
		orthonormal(q, n)
	}
	return q
}

// orthonormal makes rows of n orthonormal, by Gram and Schmidt's method, twice.
func orthonormal(q []float64, n int) {
	for i := 0; i < len(q); i += n {
		row := q[i:][:n]
		for range 2 {
			for j := 0; j < i; j += n {
				along := dot64(row, q[j:][:n])
				for c, v := range q[j:][:n] {
					row[c] -= along * v
				}
			}
			length := math.Sqrt(dot64(row, row))
			for c := range row {
				row[c] /= length
			}
		}
	}
}

// solve replaces b [n, cols] by a⁻¹·b for a symmetric positive a [n, n], of which it makes its Cholesky factor.
func solve(a, b []float64, n, cols int) error {
	for i := range n {
		row := a[i*n:][:n]
		for j := range i {
			other := a[j*n:][:j]
			row[j] = (row[j] - dot64(row[:j], other)) / a[j*n+j]
		}
		rest := row[i] - dot64(row[:i], row[:i])
		if !(rest > 0) {
			return errSingular
		}
		row[i] = math.Sqrt(rest)
	}
	for i := range n {
		x := b[i*cols:][:cols]
		for j := range i {
			axpy64(x, -a[i*n+j], b[j*cols:][:cols])
		}
		scale64(x, 1/a[i*n+i])
	}
	for i := n - 1; i >= 0; i-- {
		x := b[i*cols:][:cols]
		for j := i + 1; j < n; j++ {
			axpy64(x, -a[j*n+i], b[j*cols:][:cols])
		}
		scale64(x, 1/a[i*n+i])
	}
	return nil
}

func dot64(a, b []float64) (s float64) {
	b = b[:len(a)]
	for i, v := range a {
		s += v * b[i]
	}
	return s
}

func axpy64(y []float64, a float64, x []float64) {
	for i, v := range x {
		y[i] += a * v
	}
}

func scale64(x []float64, a float64) {
	for i := range x {
		x[i] *= a
	}
}

func toFloat32(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// columnRMS is the root of the mean square of a column of x [n, cols].
func columnRMS(x []float32, cols, i int) float64 {
	var s float64
	for ; i < len(x); i += cols {
		s += float64(x[i]) * float64(x[i])
	}
	return math.Sqrt(s * float64(cols) / float64(len(x)))
}
