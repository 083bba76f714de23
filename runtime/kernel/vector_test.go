package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

// What is positive is decided on the bits of numbers.
func TestPositive(t *testing.T) {
	inf := float32(math.Inf(1))
	all := []float32{0, 1, float32(math.Copysign(0, -1)), -1, inf, -inf, float32(math.NaN()), -float32(math.NaN()), 1e-45, -1e-45, 3e38}
	forEachISA(t, func(t *testing.T) {
		gates := make([]float32, 5*chunkRows)
		want := [MaxBlock]uint64{1: 1<<63 | 2, 5: 7}
		copy(gates[3*chunkRows:], all)
		want[3] = 1<<1 | 1<<4 | 1<<8 | 1<<10
		for i := range chunkRows {
			gates[4*chunkRows+i] = 1
		}
		want[4] = math.MaxUint64
		gates[chunkRows+1], gates[chunkRows+63] = 1, 1
		masks := [MaxBlock]uint64{0: 5, 5: 7}
		if positive(&masks, gates); masks != want {
			t.Errorf("masks %x, want %x", masks, want)
		}
	})
}

func TestTranspose(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	var m, got [64]uint64
	for i := range m {
		m[i] = rng.Uint64()
	}
	got = m
	transpose(&got)
	for i := range m {
		for j := range m {
			if got[i]>>j&1 != m[j]>>i&1 {
				t.Fatalf("bit %d of mask %d is wrong", j, i)
			}
		}
	}
}

// Attention's three kernels, with dimensions and numbers of positions that vectors do not divide.
func TestAttend(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	random := func(n int) []float32 { return cases(rng, n)["random"] }
	forEachISA(t, func(t *testing.T) {
		for _, d := range []int{4, 8, 20, 32, 64, 96, 128} {
			for _, n := range []int{1, 3, 4, 17, PositionTile} {
				const rows = 6
				q, k, p := random(rows*d), random(PositionTile*d), random(rows*PositionTile)
				got, out := make([]float32, rows*PositionTile), random(rows*d)
				want := slices.Clone(out)
				Scores(got, q, k, n, d)
				AddWeighted(out, p, k, n, d)
				for r := range rows {
					for j := range n {
						wantClose(t, fmt.Sprintf("score [%d, %d]", r, j), got[r*PositionTile+j], dotGeneric(q[r*d:][:d], k[j*d:][:d]), float32(d))
						axpyGeneric(want[r*d:][:d], p[r*PositionTile+j], k[j*d:][:d])
					}
				}
				for i := range out {
					wantClose(t, fmt.Sprintf("%d positions of %d: out[%d]", n, d, i), out[i], want[i], float32(4*n))
				}
			}
		}
	})
}

func TestExpSum(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 2))
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	forEachISA(t, func(t *testing.T) {
		for n := range 40 {
			x := make([]float32, n+1) // one more, which must stay
			for i := range x {
				x[i] = -rng.Float32() * 100
			}
			x[0] = 0
			got, was := slices.Clone(x), x[n]
			sum := ExpSum(got[:n], 2)
			var want float64
			for i, v := range x[:n] {
				e := math.Exp(float64(v - 2))
				want += e
				if math.Abs(float64(got[i])-e) > 3e-7*e+1.2e-38 {
					t.Fatalf("exp(%g) is %g, want %g", v-2, got[i], e)
				}
			}
			if math.Abs(float64(sum)-want) > 1e-6*want || got[n] != was {
				t.Errorf("sum of %d is %g, want %g; what follows is %g, was %g", n, sum, want, got[n], was)
			}
		}
		x := []float32{0, -inf, -87.3, -88, -1e30, nan}
		sum := ExpSum(x, 0)
		if x[0] != 1 || x[1] != 0 || x[2] == 0 || x[3] > 1e-37 || x[4] != 0 || x[5] == x[5] || sum == sum {
			t.Errorf("exp of edges is %v, sum %g", x, sum)
		}
	})
}

func TestNormKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 3))
	forEachISA(t, func(t *testing.T) {
		for n := 1; n <= 128; n++ {
			x, w := cases(rng, n)["random"], cases(rng, n)["random"]
			if got, want := sumSquares(x), sumSquaresGeneric(x); math.Abs(got-want) > 1e-13*want {
				t.Errorf("sum of %d squares is %v, want %v", n, got, want)
			}
			got, want := make([]float32, n), make([]float32, n)
			scaleMul(got, x, w, 0.3)
			scaleMulGeneric(want, x, w, 0.3)
			if !slices.Equal(got, want) {
				t.Errorf("%d scaled numbers differ", n)
			}
			RMSNorm(want, x, w, 1e-6)
			copy(got, x)
			if RMSNorm(got, got, w, 1e-6); !slices.Equal(got, want) { // as QK norm does with each head
				t.Errorf("%d numbers normalized in place differ", n)
			}
			x[0] = []float32{65519.99, 65520, 6e-8, 2.9e-8, 1.00048828125, -0}[n%6] // edges of float16
			half, wantHalf := make([]byte, 2*n), make([]byte, 2*n)
			EncodeF16(half, x)
			quant.F16.Encode(wantHalf, nil, x)
			if !slices.Equal(half, wantHalf) {
				t.Errorf("%d float16 differ", n)
			}
		}
	})
}

func TestRead(t *testing.T) {
	b := make([]byte, 1000)
	for i := range b {
		b[i] = byte(i * 7)
	}
	forEachISA(t, func(t *testing.T) {
		for n := range len(b) {
			if got, want := Read(b[:n]), readGeneric(b[:n]); got != want {
				t.Fatalf("sum of %d bytes is %d, want %d", n, got, want)
			}
		}
	})
}

// The peaks of a vector are the largest numbers of its runs, whatever lies between them.
func TestPeaks(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 8))
		for _, n := range []int{1, PeakRun - 1, PeakRun, PeakRun + 1, 5*PeakRun + 7} {
			for name, x := range cases(rng, n) {
				for _, other := range []float32{0, nan, inf, -inf} {
					if other != 0 {
						for i := range x {
							if rng.IntN(8) == 0 || i/PeakRun == 2 {
								x[i] = other
							}
						}
					}
					got := make([]float32, n/PeakRun+1)
					got = got[:Peaks(got, x)]
					var want []float32
					for run := range slices.Chunk(x, PeakRun) {
						top := -inf
						for _, v := range run {
							if v > top {
								top = v
							}
						}
						want = append(want, top)
					}
					if !slices.Equal(got, want) {
						t.Fatalf("%d numbers (%s, %v): peaks %v, want %v", n, name, other, got, want)
					}
				}
			}
		}
	})
}

// Max and Scale are what their twins are, to the bit.
func TestMaxScale(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(9, 10))
		for n := range 41 {
			for name, x := range cases(rng, n) {
				for i := range x {
					if rng.IntN(5) == 0 {
						x[i] = []float32{nan, inf, -inf, 0}[rng.IntN(4)]
					}
				}
				for _, f := range []float32{-inf, -1.5, 0, 3, inf} {
					if got, want := Max(x, f), maxGeneric(x, f); got != want {
						t.Fatalf("%s: the largest of %v and %v is %v, want %v", name, f, x, got, want)
					}
					got, want := make([]float32, n), make([]float32, n)
					Scale(got, f, x)
					scaleGeneric(want, f, x)
					for i := range want {
						if got[i] != want[i] && (got[i] == got[i] || want[i] == want[i]) {
							t.Fatalf("%s: %v·%v is %v, want %v", name, f, x[i], got[i], want[i])
						}
					}
				}
			}
		}
	})
}
