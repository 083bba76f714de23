package main

import (
	"math"
	"strings"
	"testing"

	"st/cmd/internal/report"
	"st/format"
)

// The statistics are those of the weights, decoded one by one.
func TestInspectStatistics(t *testing.T) {
	got := mustJSON[report.File](t, "inspect", tiny(t), "--json", "--layers", "--experts")
	r, err := format.Open(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const layer, expert = 4, 7
	rec, _ := r.Expert(layer, expert)
	data := make([]byte, rec.Length)
	if err := r.ReadRecord(rec, data); err != nil {
		t.Fatal(err)
	}
	st := got.Experts[layer*16+expert].Statistics
	var all float64
	for i, want := range []report.TensorStatistics{st.Gate, st.Up, st.Down} {
		m := &rec.Tensors[i]
		row := make([]float32, m.Cols)
		sum, top := 0., 0.
		for j := range m.Rows {
			m.DecodeRow(row, data, j)
			for _, w := range row {
				sum += float64(w) * float64(w)
				top = max(top, math.Abs(float64(w)))
			}
		}
		all += sum
		rms := math.Sqrt(sum / float64(m.Params()))
		if want.Weights != m.Params() || math.Abs(want.RMS-rms) > 1e-9 || want.MaxAbs != float32(top) || math.Abs(want.MaxOverRMS-top/rms) > 1e-6 {
			t.Errorf("%s: %+v, the weights have rms %g and maximum %g", m.Name, want, rms, top)
		}
	}
	if rms := math.Sqrt(all / (3 * 64 * 192)); math.Abs(st.All.RMS-rms) > 1e-9 || math.Abs(got.Layers[layer].Statistics.ExpertRMS[expert]-rms) > 1e-9 {
		t.Errorf("rms of the expert is %g and %g, want %g", st.All.RMS, got.Layers[layer].Statistics.ExpertRMS[expert], rms)
	}
	if n := st.Nearest; n == nil || n.Expert == expert || n.StandardError <= 0 || math.Abs(n.Cosine) > 0.5 {
		t.Errorf("nearest: %+v", n)
	}
	if l := got.Layers[layer].Statistics; l.Attention.Weights != 2*256*192+2*128*192 || l.Router.Weights != 16*192 || l.Norms.Weights != 2*192 {
		t.Errorf("layer: %+v", l)
	}
	// The summary alone reads no weights, and tells nothing of them.
	if out := must(t, "inspect", tiny(t), "--json"); strings.Contains(out, "statistics") {
		t.Error("st inspect --json has statistics that were not asked for")
	}
}
