package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Queries in rows of registers come to the softmax of what they see, whatever is beside it, tile by tile.
func TestAttendRows(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(18, 1))
		for _, d := range []int{16, 64, 128} {
			for _, scale := range []float32{0.1, 4} { // weights of about the same size, and of one position
				const rows, positions = 21, 77
				src := cases(rng, rows*d)["random"]
				var at, to [QueryRows]int
				for i := range at {
					at[i], to[i] = (i*5+3)%rows*d, i*d
				}
				k, v := cases(rng, (positions+PositionTile)*d)["random"], cases(rng, (positions+PositionTile)*d)["random"]
				for i := range PositionTile * d { // behind the last position is what was there before
					k[positions*d+i], v[positions*d+i] = float32(math.NaN()), float32(math.Inf(1))
				}
				// Each query sees another span, one of them a single position, and the first ones do not see the first tile.
				var from, end [QueryRows]int
				for i := range from {
					from[i], end[i] = max(0, 40-5*i), min(positions, 45+2*i)
				}
				from[7], end[7] = 50, 51
				run := func(masked bool) []float32 {
					q, out, state := make([]float32, d*QueryRows), slices.Repeat([]float32{7}, d*QueryRows), make([]float32, RowsState)
					BeginRows(q, out, state, src, &at, d, scale)
					for p := 0; p < positions; p += PositionTile {
						n := min(PositionTile, positions-p)
						var spans *Spans
						if masked {
							spans = new(Spans)
							for i := range from {
								spans.From[i], spans.To[i] = int32(from[i]-p), int32(end[i]-p)
							}
						}
						AttendRows(q, out, state, k[p*d:], v[p*d:], n, d, spans)
					}
					got := make([]float32, QueryRows*d)
					EndRows(got, &to, out, state, d)
					return got
				}
				for _, masked := range []bool{true, false} {
					got := run(masked)
					for i := range at {
						a, b := from[i], end[i]
						if !masked {
							a, b = 0, positions
						}
						scores, top := make([]float64, b), math.Inf(-1)
						for p := a; p < b; p++ {
							scores[p] = dot64(src[at[i]:][:d], k[p*d:][:d]) * float64(scale)
							top = max(top, scores[p])
						}
						var sum float64
						want := make([]float64, d)
						for p := a; p < b; p++ {
							w := math.Exp(scores[p] - top)
							sum += w
							for c := range want {
								want[c] += w * float64(v[p*d+c])
							}
						}
						for c := range want {
							if g := float64(got[i*d+c]); !(math.Abs(g-want[c]/sum) <= 2e-6*(1+float64(scale)*math.Sqrt(float64(d)))) {
								t.Fatalf("%d numbers, scale %g, masked %t: query %d comes to %g at %d, want %g", d, scale, masked, i, g, c, want[c]/sum)
							}
						}
					}
				}
			}
		}
	})
}
