package kernel

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// siluInputs are edges, and numbers over the whole range of float32.
func siluInputs(n int) []float32 {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	x := []float32{0, float32(math.Copysign(0, -1)), 1, -1, inf, -inf, nan, -nan, 1e-45, -1e-45, 1e-39, -1e-39, 1e-38, -1e-38, 3e38, -3e38,
		-87.3, -87.4, -88.7, -88.8, -91, -92.5, -103, -107, -108.5, -109, -110, -119.9, -120, -120.1, 87.3, 88.8, 104, 120, 121}
	rng := rand.New(rand.NewPCG(8, 1))
	for range n {
		x = append(x, math.Float32frombits(rng.Uint32()), float32(rng.NormFloat64()), float32(rng.NormFloat64()*30))
	}
	return x
}

// SiLUMul has the bits of its twin, in place too.
func TestSiLUMulTwin(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		all := siluInputs(5000)
		for n := range 40 {
			all = append(all[len(all)-n:], all...)[:len(all)] // other lanes
			for _, gate := range [][]float32{all[:n], all} {
				up := slices.Clone(gate)
				slices.Reverse(up)
				want, got := make([]float32, len(gate)), unaligned(append(slices.Clone(gate), 7))
				siluMulGeneric(want, gate, up)
				SiLUMul(got[:len(gate)], got[:len(gate)], up)
				for i := range want {
					if !sameBits(got[i], want[i]) {
						t.Fatalf("silu(%g)·%g is %g, want %g", gate[i], up[i], got[i], want[i])
					}
				}
				if got[len(gate)] != 7 {
					t.Errorf("what follows was overwritten")
				}
			}
		}
	})
}

// silu is exact to three units in the last place, from −∞ to ∞.
func TestSiLUAccuracy(t *testing.T) {
	x := siluInputs(1 << 18)
	for i := float32(-121); i < 121; i += 1. / 512 {
		x = append(x, i)
	}
	ones := make([]float32, len(x))
	for i := range ones {
		ones[i] = 1
	}
	got := make([]float32, len(x))
	SiLUMul(got, x, ones)
	var worst float64
	for i, x := range x {
		if x != x || math.IsInf(float64(x), -1) {
			if x != x && got[i] == got[i] || x == x && math.Float32bits(got[i]) != 1<<31 {
				t.Errorf("silu(%g) is %g", x, got[i])
			}
			continue
		}
		want := float64(x) / (1 + math.Exp(-float64(x)))
		if float64(float32(want)) == float64(got[i]) {
			continue
		}
		rounded := float32(want)
		ulp := float64(math.Nextafter32(float32(math.Abs(want)), float32(math.Inf(1)))) - math.Abs(float64(rounded))
		ulp = max(ulp, math.SmallestNonzeroFloat32)
		d := math.Abs(float64(got[i])-want) / ulp
		worst = max(worst, d)
		if !(d <= 3) {
			t.Errorf("silu(%g) is %g, want %g: %.1f units", x, got[i], want, d)
		}
	}
	t.Logf("the largest error is %.2f units in the last place", worst)
}

// The bits are the same on every CPU.
func TestSiLUMulBits(t *testing.T) {
	x := siluInputs(5000)
	up := slices.Clone(x)
	slices.Reverse(up)
	forEachISA(t, func(t *testing.T) {
		got := make([]float32, len(x))
		SiLUMul(got, x, up)
		hash := fnv.New32a()
		for _, v := range got {
			if v != v {
				v = 0 // NaN has many forms
			}
			hash.Write(le.AppendUint32(nil, math.Float32bits(v)))
		}
		if sum := hash.Sum32(); sum != 0x97263623 {
			t.Errorf("the hash is %#x, want 0x97263623", sum)
		}
	})
}
