package engine

import (
	"math"

	"st/format"
)

// rope holds the angles of rotary position embedding (Su et al., arXiv 2104.09864) for the rows of a pass, in the "rotate half" form:
// dimension i turns with dimension i + head_dim/2 by position · θ^(−2i/head_dim).
type rope struct {
	frequency []float64 // radians per position
	scale     float64   // of sine and cosine
	sin, cos  []float32 // [rows, head_dim/2]
}

func newRope(headDim int, theta float64, s *format.RoPEScaling, rows int, a *arena) *rope {
	r := &rope{frequency: frequencies(headDim, theta, s), scale: 1}
	if s != nil && s.Type == "yarn" {
		r.scale = s.AttentionFactor
	}
	r.sin = take[float32](a, rows*len(r.frequency))
	r.cos = take[float32](a, rows*len(r.frequency))
	return r
}

// frequencies returns the radians per position of each pair of dimensions.
func frequencies(headDim int, theta float64, s *format.RoPEScaling) []float64 {
	f := make([]float64, headDim/2)
	for i := range f {
		f[i] = math.Pow(theta, -2*float64(i)/float64(headDim))
	}
	switch {
	case s == nil:
	case s.Type == "linear": // positions are interpolated (Chen et al., arXiv 2306.15595)
		for i := range f {
			f[i] /= s.Factor
		}
	default:
		yarn(f, s, theta, float64(headDim))
	}
	return f
}

// yarn stretches frequencies as YaRN does (Peng et al., arXiv 2309.00071, section 3.2, "NTK-by-parts"): a ramp over the dimensions goes from
// those that turn BetaFast times in the original context, which stay, to those that turn BetaSlow times, which are divided by Factor.
func yarn(f []float64, s *format.RoPEScaling, theta, dim float64) {
	// The dimension that turns n times in the original context.
	turns := func(n float64) float64 {
		return dim * math.Log(float64(s.OriginalContext)/(n*2*math.Pi)) / (2 * math.Log(theta))
	}
	low, high := turns(s.BetaFast), turns(s.BetaSlow)
	if s.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, dim-1)
	if low == high {
		high += 0.001 // no division by zero
	}
	for i := range f {
		ramp := min(1, max(0, (float64(i)-low)/(high-low)))
		f[i] = f[i]/s.Factor*ramp + f[i]*(1-ramp)
	}
}

// set computes the angles of n rows, which are the positions from start on: in float64, so that they stay exact at long contexts.
func (r *rope) set(row, start, n int) {
	for t := range n {
		for i, f := range r.frequency {
			s, c := math.Sincos(float64(start+t) * f)
			at := (row+t)*len(r.frequency) + i
			r.sin[at], r.cos[at] = float32(s*r.scale), float32(c*r.scale)
		}
	}
}

// rotate turns one head's query or key of a row.
func (r *rope) rotate(x []float32, row int) {
	half := len(r.frequency)
	sin, cos := r.sin[row*half:][:half], r.cos[row*half:][:half]
	a, b := x[:half], x[half:][:half]
	for i := range a {
		a[i], b[i] = a[i]*cos[i]-b[i]*sin[i], b[i]*cos[i]+a[i]*sin[i]
	}
}
