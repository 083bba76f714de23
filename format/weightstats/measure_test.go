package weightstats

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"st/format"
	"st/quant"
)

const (
	testHidden = 64
	testFFN    = 40 // not whole groups
)

// testExpert lays an expert out as converted files do; exact: in F32, matrix by matrix.
func testExpert(layer, expert int, exact bool) format.Record {
	name := func(s string) string { return fmt.Sprintf("layers.%d.experts.%d.%s.weight", layer, expert, s) }
	rec := format.Record{Layer: layer, Expert: expert, Tensors: []format.Tensor{
		{Name: name("gate"), Type: quant.Q4_0, Layout: format.Groups16, Rows: testFFN, Cols: testHidden, Stride: 576},
		{Name: name("up"), Type: quant.Q4_0, Rows: testFFN, Cols: testHidden, Offset: 1728, Stride: 128, ScaleOffset: 64},
		{Name: name("down"), Type: quant.Q4_0, Rows: testFFN, Cols: testHidden, Offset: 1760, Stride: 128, ScaleOffset: 36, Transposed: true},
	}}
	for i := range rec.Tensors {
		if t := &rec.Tensors[i]; exact {
			t.Type, t.Layout, t.Stride, t.ScaleOffset, t.Offset = quant.F32, format.Rows, 4*testHidden, 0, int64(i)*4*testHidden*testFFN
		}
	}
	return rec
}

// testWeight is a weight of a file in which expert 2 of layer 1 is expert 0 once more, stored otherwise, expert 1 resembles it with a
// cosine of 0.96, and expert 3 has dead neurons: 5 in gate, 7 and 9 in up, 9 and 11 in down.
func testWeight(layer, expert, matrix, row, col int) float32 {
	normal := func(expert int) float64 {
		return rand.New(rand.NewPCG(uint64(layer*10+expert), uint64(matrix<<40|row<<20|col))).NormFloat64()
	}
	if layer == 1 {
		switch expert {
		case 1:
			return float32(0.96*normal(0) + 0.28*normal(1))
		case 2:
			return float32(normal(0))
		case 3:
			if matrix == 0 && row == 5 || matrix == 1 && (row == 7 || row == 9) || matrix == 2 && (row == 9 || row == 11) {
				return 0
			}
		}
	}
	return float32(normal(expert))
}

func writeTest(t *testing.T) string {
	t.Helper()
	meta := format.Meta{Config: format.Config{
		Architecture: "smallthinker", Layers: 2, Hidden: testHidden, Heads: 2, KVHeads: 1, HeadDim: 32, MoE: &format.MoE{Experts: 4, ExpertsPerToken: 1, ExpertFFN: testFFN},
		Vocab: 40, Context: 128, RoPETheta: 1e4, RoPELayout: []bool{true, false}, SlidingLayout: []bool{false, false},
	}}
	records := []format.Record{{Layer: -1, Expert: -1, Tensors: []format.Tensor{{Name: "embed", Type: quant.F32, Rows: 4, Cols: 8, Stride: 32}}}}
	for l := range 2 {
		for _, name := range []string{"norm", "q"} {
			records = append(records, format.Record{Layer: l, Expert: -1, Tensors: []format.Tensor{
				{Name: fmt.Sprintf("layers.%d.%s", l, name), Type: quant.F32, Rows: 2, Cols: 50, Stride: 200}}})
		}
	}
	for l := range 2 {
		for e := range 4 {
			records = append(records, testExpert(l, e, l == 1 && e == 2))
		}
	}
	path := filepath.Join(t.TempDir(), "m.stm")
	w, err := format.Create(path, meta, records, format.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i := range w.Records() {
		rec := &w.Records()[i]
		data := make([]byte, rec.Length)
		for m := range rec.Tensors {
			x := &rec.Tensors[m]
			unit := make([]float32, x.UnitRows()*x.Cols)
			for u := range x.Units() {
				clear(unit)
				for j := range min(len(unit), (x.Rows-u*x.UnitRows())*x.Cols) {
					unit[j] = testWeight(rec.Layer, rec.Expert, m, u*x.UnitRows()+j/x.Cols, j%x.Cols)
				}
				x.EncodeUnits(data[x.Offset+int64(u)*x.Stride:], unit, new(quant.Encoder), make([]byte, x.UnitBytes()))
			}
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(format.Provenance{Tool: "test"}); err != nil {
		t.Fatal(err)
	}
	return path
}

func openTest(t *testing.T, path string) *format.Reader {
	t.Helper()
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestMeasure(t *testing.T) {
	r := openTest(t, writeTest(t))
	var done, total atomic.Int64
	report, err := Measure(t.Context(), r, Options{Layer: -1, Workers: 3, Progress: func(d, n int64) {
		done.Store(max(done.Load(), d))
		total.Store(n)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if done.Load() != total.Load() || total.Load() == 0 {
		t.Errorf("progress ends at %d of %d", done.Load(), total.Load())
	}
	if len(report.Layers) != 2 || len(report.Layers[0].Experts) != 4 || len(report.Layers[0].Dense) != 2 || report.Layers[0].Dense[1].Name != "layers.0.q" {
		t.Fatalf("%+v", report)
	}
	for l, layer := range report.Layers {
		for e, x := range layer.Experts {
			all := x.All()
			if x.Index != e || len(x.Matrices) != 3 || all.Weights != 3*testHidden*testFFN || math.Abs(all.RMS()-1) > 0.05 {
				t.Errorf("layer %d expert %d: %+v", l, e, x)
			}
			if want := map[bool]int{true: 4}[l == 1 && e == 3]; x.DeadNeurons != want {
				t.Errorf("layer %d expert %d has %d dead neurons, want %d", l, e, x.DeadNeurons, want)
			}
		}
	}
	if a := report.Layers[0].Alike; a != nil {
		t.Errorf("layer 0 has random experts, and these are alike: %+v", a)
	}
	alike := report.Layers[1].Alike
	for i, want := range []struct {
		a, b   int
		cosine float64
	}{{0, 2, 1}, {1, 2, 0.96}, {0, 1, 0.96}} {
		if len(alike) != 3 {
			t.Fatalf("alike: %+v", alike)
		}
		// Quantization to 4 bits takes up to 1 % of a cosine.
		if p := alike[i]; i == 0 && (p.A != 0 || p.B != 2) || math.Abs(p.Cosine-want.cosine) > 0.02 {
			t.Errorf("pair %d: %+v, want %+v", i, p, want)
		}
	}
	if x := report.Layers[1].Experts[2]; x.Nearest != 0 || x.Cosine < 0.98 || x.StandardError > 0.01 {
		t.Errorf("nearest of expert 2: %+v", x)
	}
	// Of one layer, and by one worker: the same figures to the last bit.
	one, err := Measure(t.Context(), r, Options{Layer: 1, Workers: 1})
	if err != nil || len(one.Layers) != 1 || !reflect.DeepEqual(one.Layers[0], report.Layers[1]) {
		t.Errorf("%v: layer 1 by itself is %+v, among the others %+v", err, one, report.Layers[1])
	}
}

func TestMeasureFails(t *testing.T) {
	path := writeTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Measure(ctx, openTest(t, path), Options{Layer: -1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	r := openTest(t, path)
	rec, _ := r.Expert(1, 2)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[rec.Offset+99] ^= 4
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Measure(t.Context(), r, Options{Layer: -1, Workers: 2}); !errors.Is(err, format.ErrCorrupt) || !strings.Contains(err.Error(), "layer 1 expert 2") {
		t.Errorf("a damaged record: %v", err)
	}
	if _, err := Measure(t.Context(), r, Options{Layer: 0, Workers: 2}); err != nil {
		t.Errorf("damage elsewhere: %v", err)
	}
}

// Estimates err as much as their standard error says, and no more where vectors are longer than a sketch.
func TestStandardError(t *testing.T) {
	for _, n := range []int{16 << 10, 192 << 10} { // in blocks: fewer than buckets, and more
		if testing.Short() && n > 16<<10 {
			continue
		}
		for _, want := range []float64{0, 0.5, 0.95} {
			var sum, expected float64
			const trials = 25
			for trial := range trials {
				rng := rand.New(rand.NewPCG(uint64(n), uint64(trial)))
				x, y := make([]float32, n), make([]float32, n)
				var xx, yy, xy float64
				for i := range x {
					a, b := rng.NormFloat64(), rng.NormFloat64()
					x[i], y[i] = float32(a), float32(want*a+math.Sqrt(1-want*want)*b)
					xx, yy, xy = xx+float64(x[i])*float64(x[i]), yy+float64(y[i])*float64(y[i]), xy+float64(x[i])*float64(y[i])
				}
				sketches := make([]*sketch, 2)
				for i, v := range [][]float32{x, y} {
					tensor, record := testTensor(quant.F32, format.Rows, n/512, 512, 0, func(r, c int) float32 { return v[r*512+c] })
					sketches[i] = new(sketch)
					new(scanner).scan(tensor, record, sketches[i], trial) // other signs every time
				}
				exact := xy / math.Sqrt(xx*yy)
				cosines(sketches, func(_, _ int, c float64) {
					sum += (c - exact) * (c - exact)
					expected += math.Pow(standardError(exact, sketches[0].blocks), 2)
				})
			}
			if ratio := math.Sqrt(sum / expected); ratio < 0.6 || ratio > 1.4 {
				t.Errorf("vectors of %d blocks with cosine %g: errors are %.2f times the standard error", n/32, want, ratio)
			}
		}
	}
}

func TestCosineOfZero(t *testing.T) {
	zero, one := new(sketch), new(sketch)
	one.buckets[3] = 1
	cosines([]*sketch{zero, one, zero}, func(a, b int, c float64) { t.Errorf("cosine of %d and %d is %g", a, b, c) })
}
