package quant

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// roundTrip returns what e makes of x.
func roundTrip(e *Encoder, x []float32) []float32 {
	q, s, y := make([]byte, Q4_0.QuantBytes(len(x))), make([]byte, Q4_0.ScaleBytes(len(x))), make([]float32, len(x))
	e.Encode(Q4_0, q, s, x)
	Q4_0.Decode(y, q, s)
	return y
}

// loss is Σ v·(x − y)², v the same for all if it is nil.
func loss(x, y, v []float32) (sum float64) {
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		if v != nil {
			d *= math.Sqrt(float64(v[i]))
		}
		sum += d * d
	}
	return sum
}

// bestLoss tries many scales.
func bestLoss(x, v []float32) float64 {
	var m float64
	for _, w := range x {
		m = max(m, math.Abs(float64(w)))
	}
	best := math.Inf(1)
	y := make([]float32, len(x))
	for f := -0.3; f < 0.3; f += 1e-4 {
		d := float32(m * f)
		for i, w := range x {
			y[i] = d * float32(math.RoundToEven(min(7, max(-8, float64(w)/float64(d)))))
		}
		best = min(best, loss(x, y, v))
	}
	return best
}

func TestSearch(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var rtn, search, best, plain, weighted, bestWeighted float64
	for range 300 {
		x, v := make([]float32, BlockSize), make([]float32, BlockSize)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
			v[i] = float32(math.Exp(2 * rng.NormFloat64()))
		}
		found := roundTrip(&Encoder{Search: true}, x)
		rtn += loss(x, roundTrip(&Encoder{}, x), nil)
		search += loss(x, found, nil)
		best += bestLoss(x, nil)
		plain += loss(x, found, v)
		weighted += loss(x, roundTrip(&Encoder{Search: true, Importance: v}, x), v)
		bestWeighted += bestLoss(x, v)
	}
	if search > 0.9*rtn || search > 1.01*best {
		t.Errorf("search loses %.4f, rounding to nearest %.4f, the best scales %.4f", search, rtn, best)
	}
	if weighted > 0.9*plain || weighted > 1.1*bestWeighted {
		t.Errorf("by importance: search with it loses %.4f, without it %.4f, the best scales %.4f", weighted, plain, bestWeighted)
	}
}

// Blocks that a search could trip over.
func TestSearchEdges(t *testing.T) {
	for name, x := range blocks() {
		limit := 1.0001*loss(x, roundTrip(&Encoder{}, x), nil) + 1e-12
		for _, importance := range [][]float32{nil, make([]float32, BlockSize)} {
			if got := loss(x, roundTrip(&Encoder{Search: true, Importance: importance}, x), nil); !(got <= limit) {
				t.Errorf("%s: loses %g, rounding to nearest %g", name, got, limit)
			}
		}
	}
	largest := make([]float32, BlockSize)
	for i := range largest {
		largest[i] = Q4_0.Max()
	}
	for _, e := range []*Encoder{{}, {Search: true}} {
		for i, v := range roundTrip(e, largest) {
			if math.Abs(float64(v/Q4_0.Max()-1)) > 0.13 {
				t.Fatalf("weight %d of the largest magnitude becomes %g", i, v)
			}
		}
	}
}

// productLoss is the mean squared error of y·input for inputs of a covariance: (x−y)ᵀ·H·(x−y).
func productLoss(x, y, covariance []float32) (sum float64) {
	n, at := len(x), 0
	for i := range n {
		for j := i; j < n; j++ {
			f := float64(covariance[at]) * float64(x[i]-y[i]) * float64(x[j]-y[j])
			if j > i {
				f *= 2
			}
			sum += f
			at++
		}
	}
	return sum
}

func TestGPTQ(t *testing.T) {
	const n, rows = 96, 21 // not a multiple of the rows that go side by side
	rng := rand.New(rand.NewPCG(9, 10))
	covariance := randomCovariance(rng, n)
	x := make([]float32, rows*n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	g, err := NewGPTQ(covariance, n)
	if err != nil {
		t.Fatal(err)
	}
	var search, gptq float64
	plain, made := roundTrip(&Encoder{Search: true}, x), roundTrip(&Encoder{GPTQ: g}, x)
	for r := 0; r < len(x); r += n {
		search += productLoss(x[r:r+n], plain[r:r+n], covariance)
		gptq += productLoss(x[r:r+n], made[r:r+n], covariance)
	}
	if gptq > 0.6*search {
		t.Errorf("products' errors are %.3f, with a search %.3f", gptq, search)
	}
	// A row's blocks do not depend on the rows beside it.
	for r := range rows {
		alone := roundTrip(&Encoder{GPTQ: g}, x[r*n:(r+1)*n])
		for i, v := range alone {
			if v != made[r*n+i] {
				t.Fatalf("row %d alone differs at %d", r, i)
			}
		}
	}
}

// Uᵀ·U·(H + damping) is the identity.
func TestInverseFactor(t *testing.T) {
	const n = 64
	covariance := randomCovariance(rand.New(rand.NewPCG(11, 12)), n)
	u, err := inverseFactor(covariance, n)
	if err != nil {
		t.Fatal(err)
	}
	var h [n][n]float64
	var trace float64
	for i, at := 0, 0; i < n; i++ {
		for j := i; j < n; j++ {
			h[i][j], h[j][i] = float64(covariance[at]), float64(covariance[at])
			at++
		}
		trace += h[i][i]
	}
	for i := range n {
		h[i][i] += damping * trace / n
	}
	for i := range n {
		for j := range n {
			var sum, want float64
			for k := range n {
				var inverse float64 // (UᵀU)[i,k]
				for m := 0; m <= min(i, k); m++ {
					inverse += u[m*n+i] * u[m*n+k]
				}
				sum += inverse * h[k][j]
			}
			if i == j {
				want = 1
			}
			if math.Abs(sum-want) > 1e-9 {
				t.Fatalf("element %d, %d is %g", i, j, sum)
			}
		}
	}
}

func TestGPTQRefuses(t *testing.T) {
	zeros := make([]float32, 32*33/2)
	negative := make([]float32, 32*33/2)
	for i, at := 0, 0; i < 32; at, i = at+32-i, i+1 {
		negative[at] = float32(5 - i%8)
	}
	for name, covariance := range map[string][]float32{"all zeros": zeros, "too short": zeros[1:], "not positive definite": negative} {
		if _, err := NewGPTQ(covariance, 32); err == nil {
			t.Errorf("a covariance that is %s is accepted", name)
		}
	}
}

// MB/s are of bfloat16 source, decoded and checked, per core.
func BenchmarkEncode(b *testing.B) {
	const n, rows = 1536, 64
	rng := rand.New(rand.NewPCG(1, 1))
	source := make([]byte, 2*n*rows)
	for i := range n * rows {
		le.PutUint16(source[2*i:], FloatToBFloat(float32(rng.NormFloat64()*0.02)))
	}
	importance := make([]float32, n)
	for i := range importance {
		importance[i] = float32(rng.ExpFloat64())
	}
	gptq, err := NewGPTQ(randomCovariance(rng, n), n)
	if err != nil {
		b.Fatal(err)
	}
	x := make([]float32, n*rows)
	for _, bb := range []struct {
		name string
		e    Encoder
	}{
		{"rtn", Encoder{}}, {"search", Encoder{Search: true}}, {"importance", Encoder{Search: true, Importance: importance}}, {"gptq", Encoder{GPTQ: gptq}},
	} {
		for _, layout := range []string{"rows", "groups"} {
			b.Run(fmt.Sprintf("%s/%s", bb.name, layout), func(b *testing.B) {
				out, scratch := make([]byte, Q4_0.RowBytes(n*rows)), make([]byte, Q4_0.RowBytes(n*rows))
				b.SetBytes(int64(len(source)))
				for b.Loop() {
					BF16.Decode(x, source, nil)
					if Largest(x) > math.Float32bits(Q4_0.Max()) {
						b.Fatal("out of range")
					}
					if layout == "rows" {
						bb.e.Encode(Q4_0, out[:Q4_0.QuantBytes(len(x))], out[Q4_0.QuantBytes(len(x)):], x)
						continue
					}
					for r := 0; r < rows; r += GroupRows {
						bb.e.EncodeGroup(Q4_0, out[:Q4_0.GroupBytes(n)], x[r*n:][:GroupRows*n], scratch[:Q4_0.GroupBytes(n)])
					}
				}
			})
		}
	}
}
