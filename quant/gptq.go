package quant

import (
	"fmt"
	"math"
)

// GPTQ encodes rows in Q4_0 so that their products with typical inputs are right, rather than their weights: what rounding one
// weight does to a product is made up for by the weights after it, as far as their inputs are correlated (Frantar et al., GPTQ,
// arXiv 2210.17323, algorithm 1). It knows the inputs by their covariance H = E[x·xᵀ]. With the upper triangular U of
// H⁻¹ = Uᵀ·U, rounding w[i] to q[i] takes (w[i] − q[i])/U[i,i] · U[i,j] from each later w[j].
//
// Other than in the paper, each block's scale is the one among the candidates of a search for which the block's errors, made up
// for inside of it, are least: Σ ((w[i] − q[i])/U[i,i])², which is what the block adds to the squared error of the product.
type GPTQ struct {
	n     int
	later []float32   // [n, n] Uᵀ: row j holds U[0…j, j]
	inner [][]float32 // of each block: U inside of it, [32, 32] row by row
	inv   []float32   // [n] 1/U[i,i]
}

// gptqRows is the number of rows that are encoded side by side, one in each lane of a vector.
const gptqRows = 8

// damping is added to the diagonal of the covariance, as a part of its mean: it makes it positive definite, and keeps what the
// sample did not show from being relied on.
const damping = 0.1

// NewGPTQ prepares to encode rows of n weights, whose inputs have the given covariance, up to a factor: its upper triangle, row
// after row. n must be a multiple of [BlockSize].
func NewGPTQ(covariance []float32, n int) (*GPTQ, error) {
	if n < 1 || n%BlockSize != 0 || len(covariance) != n*(n+1)/2 {
		return nil, fmt.Errorf("a covariance of %d numbers does not belong to rows of %d weights", len(covariance), n)
	}
	u, err := inverseFactor(covariance, n)
	if err != nil {
		return nil, err
	}
	g := &GPTQ{n: n, later: make([]float32, n*n), inv: make([]float32, n)}
	for i := range n {
		g.inv[i] = float32(1 / u[i*n+i])
		for j := i; j < n; j++ {
			g.later[j*n+i] = float32(u[i*n+j])
		}
	}
	for b := 0; b < n; b += BlockSize {
		inner := make([]float32, BlockSize*BlockSize)
		for i := range BlockSize {
			for j := i; j < BlockSize; j++ {
				inner[i*BlockSize+j] = float32(u[(b+i)*n+b+j])
			}
		}
		g.inner = append(g.inner, inner)
	}
	return g, nil
}

// inverseFactor returns the upper triangular U with Uᵀ·U = (H + damping)⁻¹, [n, n]. H = R·Rᵀ with an upper triangular R is a
// Cholesky decomposition from the last row to the first, and U is R⁻¹.
func inverseFactor(covariance []float32, n int) ([]float64, error) {
	r := make([]float64, n*n)
	var trace float64
	for i, at := 0, 0; i < n; i++ {
		trace += float64(covariance[at])
		for j := i; j < n; j++ {
			r[i*n+j] = float64(covariance[at])
			at++
		}
	}
	if !(trace > 0) || math.IsInf(trace, 0) {
		return nil, fmt.Errorf("the covariance's diagonal sums up to %v", trace)
	}
	for i := range n {
		r[i*n+i] += damping * trace / float64(n)
	}
	// Column j of R is done when every later one is; R[i,j] = (H[i,j] − Σ_{k>j} R[i,k]·R[j,k]) / R[j,j].
	for j := n - 1; j >= 0; j-- {
		row := r[j*n : (j+1)*n]
		d := row[j] - dot(row[j+1:], row[j+1:])
		if !(d > 0) {
			return nil, fmt.Errorf("the covariance is not positive definite: its row %d depends on the later ones", j)
		}
		d = math.Sqrt(d)
		row[j] = d
		for i := range j {
			r[i*n+j] = (r[i*n+j] - dot(r[i*n+j+1:(i+1)*n], row[j+1:])) / d
		}
	}
	// The inverse replaces R from the last row to the first: U[i,j] = −(Σ_{i<k≤j} R[i,k]·U[k,j]) / R[i,i].
	sum := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		row := r[i*n : (i+1)*n]
		clear(sum)
		for k := i + 1; k < n; k++ {
			f := row[k]
			for j, v := range r[k*n+k : (k+1)*n] {
				sum[k+j] += f * v
			}
		}
		row[i] = 1 / row[i]
		for j := i + 1; j < n; j++ {
			row[j] = -sum[j] * row[i]
		}
	}
	return r, nil
}

func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return s0 + s1 + s2 + s3
}

// lanes holds the weights of gptqRows rows, column by column.
type lanes [gptqRows]float32

// gptqScratch is the working memory of one goroutine.
type gptqScratch struct {
	w      []lanes // [n]
	errors [BlockSize]lanes
	levels [BlockSize]lanes
}

// encode stores rows of n weights, one after the other in src.
func (g *GPTQ) encode(quants, scales []byte, src []float32, s *gptqScratch) {
	if cap(s.w) < g.n {
		s.w = make([]lanes, g.n)
	}
	s.w = s.w[:g.n]
	rowQuants, rowScales := Q4_0.QuantBytes(g.n), Q4_0.ScaleBytes(g.n)
	for rows := len(src) / g.n; rows > 0; rows -= gptqRows {
		n := min(rows, gptqRows)
		clear(s.w)
		for r := range n {
			for c, v := range src[r*g.n : (r+1)*g.n] {
				s.w[c][r] = finite(v)
			}
		}
		for b := range g.inner {
			g.block(s, b, n, quants[b*16:], scales[2*b:])
		}
		src = src[n*g.n:]
		quants, scales = quants[n*rowQuants:], scales[n*rowScales:]
	}
}

// finite brings a weight into the range of Q4_0, as rounding to nearest does.
func finite(v float32) float32 {
	if v != v {
		return 0
	}
	const limit = 8 * maxHalf
	return min(limit, max(-limit, v))
}

// block encodes block b of n rows, and changes the later columns.
func (g *GPTQ) block(s *gptqScratch, b, n int, quants, scales []byte) {
	w := (*[BlockSize]lanes)(s.w[b*BlockSize:])
	inv := (*[BlockSize]float32)(g.inv[b*BlockSize:])
	inner := (*[BlockSize * BlockSize]float32)(g.inner[b])
	var m, best, d, id lanes
	for c := range w {
		for r, v := range w[c] {
			if math.Abs(float64(v)) > math.Abs(float64(m[r])) {
				m[r] = v
			}
		}
	}
	for r := range best {
		best[r] = math.MaxFloat32
	}
	for c := 0; c < numSearch; c += 2 {
		var loss, scale, inverses [2]lanes
		for k := range scale {
			for r := range scale[k] {
				scale[k][r] = m[r] / searchSteps[c+k]
				inverses[k][r] = inverse(scale[k][r])
			}
		}
		try(&loss, &scale, &inverses, w, inner, inv, s)
		for k := range loss {
			for r, l := range loss[k] {
				if l < best[r] {
					best[r], d[r] = l, scale[k][r]
				}
			}
		}
	}
	rowQuants, rowScales := Q4_0.QuantBytes(g.n), Q4_0.ScaleBytes(g.n)
	for r := range d {
		half := FloatToHalf(max(-maxHalf, min(maxHalf, d[r])))
		d[r] = halves[half]
		id[r] = inverse(d[r])
		if r < n {
			le.PutUint16(scales[r*rowScales:], half)
		}
	}
	var loss lanes
	compensate(&loss, w, inner, inv, &d, &id, &s.errors, &s.levels)
	for r := range n {
		q := (*[16]byte)(quants[r*rowQuants:])
		for j := range q {
			q[j] = byte(int32(s.levels[j][r])+8) | byte(int32(s.levels[j+16][r])+8)<<4
		}
	}
	if c := (b + 1) * BlockSize; c < g.n {
		subtract(s.w[c:], &s.errors, g.later[c*g.n+b*BlockSize:], g.n)
	}
}

// compensateGeneric rounds the columns of a block one after the other, with scales d and their inverses id, and makes the later
// ones up for each. loss gets the sum of the squares of errors, which are over U's diagonal.
func compensateGeneric(loss *lanes, w *[BlockSize]lanes, inner *[BlockSize * BlockSize]float32, inv *[BlockSize]float32, d, id *lanes,
	errors, levels *[BlockSize]lanes) {

	t := *w
	*loss = lanes{}
	for i := range t {
		e := &errors[i]
		for r, v := range t[i] {
			l := level(float32(v * id[r]))
			levels[i][r] = l
			e[r] = float32(v-float32(l*d[r])) * inv[i]
			loss[r] += float32(e[r] * e[r])
		}
		for j := i + 1; j < BlockSize; j++ {
			u := inner[i*BlockSize+j]
			for r, f := range e {
				t[j][r] -= float32(f * u)
			}
		}
	}
}

// tryGeneric is compensateGeneric for two scales, which gives the loss only.
func tryGeneric(loss, d, id *[2]lanes, w *[BlockSize]lanes, inner *[BlockSize * BlockSize]float32, inv *[BlockSize]float32, s *gptqScratch) {
	for k := range loss {
		compensateGeneric(&loss[k], w, inner, inv, &d[k], &id[k], &s.errors, &s.levels)
	}
}

// subtractGeneric takes Σ errors[i]·u[i] from every column of w; u of the next column begins stride later.
func subtractGeneric(w []lanes, errors *[BlockSize]lanes, u []float32, stride int) {
	for c := range w {
		for i, f := range u[c*stride:][:BlockSize] {
			for r, e := range errors[i] {
				w[c][r] -= float32(e * f)
			}
		}
	}
}
