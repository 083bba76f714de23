package kernel

import (
	"hash/fnv"
	"math"
	"slices"
	"testing"
)

// geluInputs are those of silu, and all of the range where gelu is neither 0 nor its argument.
func geluInputs(n int) []float32 {
	x := siluInputs(n)
	for i := float32(-14); i < 14; i += 1. / 256 {
		x = append(x, i)
	}
	return x
}

// GELUMul has the bits of its twin, in place too.
func TestGELUMulTwin(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		all := geluInputs(2000)
		for n := range 40 {
			all = append(all[len(all)-n:], all...)[:len(all)] // other lanes
			for _, gate := range [][]float32{all[:n], all} {
				up := slices.Clone(gate)
				slices.Reverse(up)
				want, got := make([]float32, len(gate)), unaligned(append(slices.Clone(gate), 7))
				geluMulGeneric(want, gate, up)
				GELUMul(got[:len(gate)], got[:len(gate)], up)
				for i := range want {
					if !sameBits(got[i], want[i]) {
						t.Fatalf("gelu(%g)·%g is %g, want %g", gate[i], up[i], got[i], want[i])
					}
				}
				if got[len(gate)] != 7 {
					t.Errorf("what follows was overwritten")
				}
			}
		}
	})
}

// gelu is that of the formula with tanh. Rounding its argument z, which reaches −110 where gelu vanishes, costs a few |z| roundings.
func TestGELUAccuracy(t *testing.T) {
	x := geluInputs(1 << 16)
	ones := slices.Repeat([]float32{1}, len(x))
	got := make([]float32, len(x))
	GELUMul(got, x, ones)
	for i, x := range x {
		if x != x || math.IsInf(float64(x), -1) {
			if x != x && got[i] == got[i] || x == x && math.Float32bits(got[i]) != 1<<31 {
				t.Errorf("gelu(%g) is %g", x, got[i])
			}
			continue
		}
		z := math.Sqrt(2/math.Pi) * (float64(x) + 0.044715*math.Pow(float64(x), 3))
		want := float64(x) / (1 + math.Exp(-2*z))
		if float64(float32(want)) == float64(got[i]) {
			continue
		}
		limit := math.Abs(want)*(4+4*math.Abs(2*z))*0x1p-24 + 2*math.SmallestNonzeroFloat32
		if d := math.Abs(float64(got[i]) - want); !(d <= limit) {
			t.Errorf("gelu(%g) is %g, want %g ± %g", x, got[i], want, limit)
		}
	}
}

// The bits are the same on every CPU.
func TestGELUMulBits(t *testing.T) {
	x := geluInputs(2000)
	up := slices.Clone(x)
	slices.Reverse(up)
	forEachISA(t, func(t *testing.T) {
		got := make([]float32, len(x))
		GELUMul(got, x, up)
		hash := fnv.New32a()
		for _, v := range got {
			if v != v {
				v = 0 // NaN has many forms
			}
			hash.Write(le.AppendUint32(nil, math.Float32bits(v)))
		}
		if sum := hash.Sum32(); sum != 0x56f1a378 {
			t.Errorf("the hash is %#x, want 0x56f1a378", sum)
		}
	})
}
