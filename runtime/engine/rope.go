package engine

import (
	"math"
	"slices"

	"st/format"
)

// rope holds the angles of rotary position embedding (Su et al., arXiv 2104.09864) for the rows of a pass, in the "rotate half" form: of the d
// dimensions of a head that rotate, the first ones, dimension i turns with dimension i + d/2 by position · θ^(−2i/d).
type rope struct {
	short, long []float64 // [d/2] radians per position, in sequences that LongRoPE calls short and long; else both are the same
	scale       float64   // of sine and cosine
	sin, cos    []float32 // [rows, d/2]
}

func newRope(dim int, theta float64, s *format.RoPEScaling, rows int, a *arena) *rope {
	r := &rope{scale: 1}
	r.short, r.long = frequencies(dim, theta, s)
	if s != nil && s.AttentionFactor != 0 {
		r.scale = s.AttentionFactor
	}
	r.sin = take[float32](a, rows*len(r.short))
	r.cos = take[float32](a, rows*len(r.short))
	return r
}

// frequencies returns the radians per position of each pair of dim dimensions, in short and in long sequences.
func frequencies(dim int, theta float64, s *format.RoPEScaling) (short, long []float64) {
	f := make([]float64, dim/2)
	for i := range f {
		f[i] = math.Pow(theta, -2*float64(i)/float64(dim))
	}
	if s == nil {
		return f, f
	}
	switch s.Type {
	case format.Linear:
		for i := range f {
			f[i] /= s.Factor
		}
	case format.YaRN:
		yarn(f, s, theta, float64(dim))
	case format.Llama3:
		llama3(f, s)
	case format.LongRoPE:
		long = slices.Clone(f)
		for i := range f {
			f[i] /= s.ShortFactors[i]
			long[i] /= s.LongFactors[i]
		}
		return f, long
	}
	return f, f
}

// isLong reports whether LongRoPE rotates all positions of a sequence of n tokens by its long factors.
func isLong(c *format.Config, n int) bool {
	s := c.RoPEScaling
	return s != nil && s.Type == format.LongRoPE && n > s.OriginalContext
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

// llama3 stretches frequencies as Llama 3.1 does: those that turn BetaFast times or more in the original context stay, those that turn BetaSlow times or
// less are divided by Factor, and between them the share of what stays grows with the turns.
func llama3(f []float64, s *format.RoPEScaling) {
	for i := range f {
		turns := f[i] * float64(s.OriginalContext) / (2 * math.Pi)
		switch {
		case turns >= s.BetaFast:
		case turns <= s.BetaSlow:
			f[i] /= s.Factor
		default:
			kept := (turns - s.BetaSlow) / (s.BetaFast - s.BetaSlow)
			f[i] = f[i]/s.Factor*(1-kept) + f[i]*kept
		}
	}
}

// set computes the angles of n rows, which are the positions from start on of a sequence that is long or not: in float64, so that they stay exact
// at long contexts.
func (r *rope) set(row, start, n int, long bool) {
	frequencies := r.short
	if long {
		frequencies = r.long
	}
	for t := range n {
		for i, f := range frequencies {
			s, c := math.Sincos(float64(start+t) * f)
			at := (row+t)*len(frequencies) + i
			r.sin[at], r.cos[at] = float32(s*r.scale), float32(c*r.scale)
		}
	}
}

// rotate turns one head's query or key of a row.
func (r *rope) rotate(x []float32, row int) {
	half := len(r.short)
	sin, cos := r.sin[row*half:][:half], r.cos[row*half:][:half]
	a, b := x[:half], x[half:][:half]
	for i := range a {
		a[i], b[i] = a[i]*cos[i]-b[i]*sin[i], b[i]*cos[i]+a[i]*sin[i]
	}
}
