package engine

import "math"

// rope holds the angles of rotary position embedding (Su et al., arXiv 2104.09864) for a batch of positions, in the "rotate
// half" form: dimension i turns with dimension i + head_dim/2 by position · θ^(−2i/head_dim).
type rope struct {
	frequency []float64 // radians per position
	sin, cos  []float32 // [batch, head_dim/2]
}

func newRope(headDim int, theta float64) *rope {
	r := &rope{frequency: make([]float64, headDim/2)}
	for i := range r.frequency {
		r.frequency[i] = math.Pow(theta, -2*float64(i)/float64(headDim))
	}
	r.sin = make([]float32, maxBatch*len(r.frequency))
	r.cos = make([]float32, maxBatch*len(r.frequency))
	return r
}

// set computes the angles of n positions from start on: in float64, so that they stay exact at long contexts.
func (r *rope) set(start, n int) {
	for t := range n {
		for i, f := range r.frequency {
			s, c := math.Sincos(float64(start+t) * f)
			r.sin[t*len(r.frequency)+i], r.cos[t*len(r.frequency)+i] = float32(s), float32(c)
		}
	}
}

// rotate turns one head's query or key of the batch's token t.
func (r *rope) rotate(x []float32, t int) {
	half := len(r.frequency)
	sin, cos := r.sin[t*half:][:half], r.cos[t*half:][:half]
	a, b := x[:half], x[half:][:half]
	for i := range a {
		a[i], b[i] = a[i]*cos[i]-b[i]*sin[i], b[i]*cos[i]+a[i]*sin[i]
	}
}
