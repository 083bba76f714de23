package weightstats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"st/format"
	"st/quant"
)

// testTensor stores weights in a record. gap is room between its rows, as between those of an expert's up and down.
func testTensor(typ quant.Type, layout format.Layout, rows, cols, gap int, weight func(row, col int) float32) (*format.Tensor, []byte) {
	t := &format.Tensor{Name: "w", Type: typ, Layout: layout, Rows: rows, Cols: cols, Offset: 64}
	t.ScaleOffset = int64(typ.QuantBytes(cols))
	if layout == format.Rows {
		t.ScaleOffset += int64(gap)
	}
	t.Stride = int64(t.UnitBytes() + 2*gap)
	record := make([]byte, 64+int(t.Stride)*t.Units())
	scratch := make([]byte, t.UnitBytes())
	unit := make([]float32, t.UnitRows()*cols)
	for u := range t.Units() {
		clear(unit)
		for r := range min(t.UnitRows(), rows-u*t.UnitRows()) {
			for c := range cols {
				unit[r*cols+c] = weight(u*t.UnitRows()+r, c)
			}
		}
		t.EncodeUnits(record[t.Offset+int64(u)*t.Stride:], unit, new(quant.Encoder), scratch)
	}
	return t, record
}

// naive is the definition: every weight is decoded, and added to the sketch by itself. Scales are left out.
func naive(t *format.Tensor, record []byte, sk *sketch, matrix int) Stats {
	s := Stats{Weights: t.Params()}
	var all []float64
	row := make([]float32, t.Cols)
	nb := (t.Cols + 31) / 32
	var sign uint64
	for r := range t.Rows {
		t.DecodeRow(row, record, r)
		zero, random := true, rowSigns(matrix, r)
		for c, w := range row {
			if c%32 == 0 {
				sign = random.next()
			}
			v := float64(w)
			zero = zero && v == 0
			if math.IsNaN(v) || math.IsInf(v, 0) {
				s.NonFinite++
				continue
			}
			all = append(all, v)
			s.SumSquares += v * v
			s.MaxAbs = max(s.MaxAbs, float32(math.Abs(v)))
			if sign>>signBit(c%32)&1 == 1 {
				v = -v
			}
			sk.buckets[(sk.blocks+r*nb+c/32)%SketchSize] += v
		}
		if zero {
			s.ZeroRows++
		}
	}
	sk.blocks += t.Rows * nb
	rms := s.RMS()
	for _, v := range all {
		if math.Abs(v) > OutlierSigma*rms {
			s.Outliers++
		}
	}
	if rms > 0 {
		s.Peak = float64(s.MaxAbs) / rms
	}
	return s
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1e-30, math.Abs(a), math.Abs(b)) }

func TestScanEqualsNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	normal := func(int, int) float32 { return float32(rng.NormFloat64()) * 0.02 }
	weights := map[string]func(r, c int) float32{
		"normal": normal,
		"outliers": func(r, c int) float32 {
			if (r*7+c)%501 == 0 {
				return 5
			}
			return normal(r, c)
		},
		"dead rows": func(r, c int) float32 {
			if r%3 == 1 {
				return 0
			}
			return normal(r, c)
		},
		"zeros":      func(int, int) float32 { return 0 },
		"of one row": func(r, c int) float32 { return float32(r%2) * float32(c%15-7) },
	}
	for _, shape := range []struct {
		typ        quant.Type
		layout     format.Layout
		rows, cols int
		gap        int
	}{
		{quant.F32, format.Rows, 5, 33, 0}, {quant.F32, format.Rows, 1, 1, 0}, {quant.F16, format.Rows, 7, 100, 64},
		{quant.BF16, format.Rows, 64, 96, 128}, {quant.Q8_0, format.Rows, 40, 96, 0}, {quant.Q8_0, format.Rows, 64, 192, 208},
		{quant.Q8_0, format.Groups16, 40, 96, 0}, {quant.Q8_0, format.Groups16, 1, 32, 0}, {quant.Q4_0, format.Rows, 40, 96, 0},
		{quant.Q4_0, format.Rows, 64, 192, 64}, {quant.Q4_0, format.Groups16, 40, 96, 0}, {quant.Q4_0, format.Groups16, 17, 32, 64},
		{quant.Q4_0, format.Groups16, 64, 2048, 0},
	} {
		for name, weight := range weights {
			t.Run(fmt.Sprintf("%s %s %dx%d %s", shape.typ, shape.layout, shape.rows, shape.cols, name), func(t *testing.T) {
				tensor, record := testTensor(shape.typ, shape.layout, shape.rows, shape.cols, shape.gap, weight)
				// Not the first matrix of its vector: the buckets go on after the one before.
				gotSketch, wantSketch := &sketch{blocks: 4000}, &sketch{blocks: 4000}
				got, want := new(scanner).scan(tensor, record, gotSketch, 2), naive(tensor, record, wantSketch, 2)
				if !near(got.SumSquares, want.SumSquares) || !near(got.Peak, want.Peak) {
					t.Errorf("sum of squares %g and peak %g, want %g and %g", got.SumSquares, got.Peak, want.SumSquares, want.Peak)
				}
				got.SumSquares, got.Peak, got.MinScale, got.MaxScale = want.SumSquares, want.Peak, 0, 0
				if got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
				for i := range wantSketch.buckets {
					if d := gotSketch.buckets[i] - wantSketch.buckets[i]; math.Abs(d) > 1e-6*max(1, math.Abs(wantSketch.buckets[i])) {
						t.Fatalf("bucket %d is %g, want %g", i, gotSketch.buckets[i], wantSketch.buckets[i])
					}
				}
				if gotSketch.blocks != wantSketch.blocks {
					t.Errorf("%d blocks, want %d", gotSketch.blocks, wantSketch.blocks)
				}
			})
		}
	}
}

// One weight that is not finite makes no NaN of what is said of the others; in a block format its scale takes the block along.
func TestNonFinite(t *testing.T) {
	nan := float32(math.NaN())
	inf := float32(math.Inf(1))
	for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16} {
		tensor, record := testTensor(typ, format.Rows, 3, 64, 0, func(r, c int) float32 {
			switch {
			case r == 1:
				return nan
			case r == 2 && c == 5:
				return -inf
			}
			return 2
		})
		sk := new(sketch)
		s := new(scanner).scan(tensor, record, sk, 0)
		if s.NonFinite != 65 || s.RMS() != 2 || s.MaxAbs != 2 || s.Peak != 1 || s.Outliers != 0 || s.ZeroRows != 0 {
			t.Errorf("%s: %+v", typ, s)
		}
		if d := dot(&sk.buckets, &sk.buckets); math.IsNaN(d) || math.IsInf(d, 0) {
			t.Errorf("%s: the sketch's square is %g", typ, d)
		}
	}
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0} {
		for _, scale := range []uint16{0x7c00, 0xfc00, 0x7e01} { // ∞, −∞, NaN
			tensor, record := testTensor(typ, format.Rows, 2, 64, 0, func(r, c int) float32 { return float32(1 - r) })
			le.PutUint16(record[tensor.Offset+tensor.Stride+tensor.ScaleOffset:], scale)
			s := new(scanner).scan(tensor, record, new(sketch), 0)
			if s.NonFinite != 32 || s.ZeroRows != 0 || s.Weights != 128 || math.Abs(s.RMS()-math.Sqrt(64./96)) > 0.01 {
				t.Errorf("%s with scale %#x: %+v", typ, scale, s)
			}
		}
	}
	all := Stats{Weights: 3, NonFinite: 3}
	if all.RMS() != 0 {
		t.Errorf("the RMS of no finite weight is %g", all.RMS())
	}
}

// The range of scales has their magnitudes, and not the zeros of blocks that are zero.
func TestScales(t *testing.T) {
	for _, layout := range []format.Layout{format.Rows, format.Groups16} {
		tensor, record := testTensor(quant.Q4_0, layout, 3, 64, 0, func(r, c int) float32 {
			return []float32{0, 8, -2}[r] * float32(1-c/32)
		})
		if s := new(scanner).scan(tensor, record, new(sketch), 0); s.MinScale != 0.25 || s.MaxScale != 1 {
			t.Errorf("%s: scales are %g to %g, want 0.25 to 1", layout, s.MinScale, s.MaxScale)
		}
	}
}

func TestMerge(t *testing.T) {
	a := Stats{Weights: 10, SumSquares: 40, MaxAbs: 3, Peak: 1.5, Outliers: 1, MinScale: 0.5, MaxScale: 1, ZeroRows: 1}
	a.Merge(&Stats{Weights: 6, NonFinite: 1, SumSquares: 20, MaxAbs: 2, Peak: 7, Outliers: 3, MinScale: 0.25, MaxScale: 0.75})
	a.Merge(&Stats{}) // no scales
	want := Stats{Weights: 16, NonFinite: 1, SumSquares: 60, MaxAbs: 3, Peak: 7, Outliers: 4, MinScale: 0.25, MaxScale: 1, ZeroRows: 1}
	if a != want {
		t.Errorf("%+v, want %+v", a, want)
	}
	if a.RMS() != 2 || a.OutlierShare() != 0.25 {
		t.Errorf("RMS %g, outliers %g", a.RMS(), a.OutlierShare())
	}
}
