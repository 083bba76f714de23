package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"st/format"
)

// The statistics are those of the weights, decoded one by one.
func TestInspectStatistics(t *testing.T) {
	report := mustJSON[fileReport](t, "inspect", tiny(t), "--json", "--layers", "--experts")
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
	st := report.Experts[layer*16+expert].Statistics
	var all float64
	for i, want := range []weightReport{st.Gate, st.Up, st.Down} {
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
	if rms := math.Sqrt(all / (3 * 64 * 192)); math.Abs(st.All.RMS-rms) > 1e-9 || math.Abs(report.Layers[layer].Statistics.ExpertRMS[expert]-rms) > 1e-9 {
		t.Errorf("rms of the expert is %g and %g, want %g", st.All.RMS, report.Layers[layer].Statistics.ExpertRMS[expert], rms)
	}
	if n := st.Nearest; n == nil || n.Expert == expert || n.StandardError <= 0 || math.Abs(n.Cosine) > 0.5 {
		t.Errorf("nearest: %+v", n)
	}
	if l := report.Layers[layer].Statistics; l.Attention.Weights != 2*256*192+2*128*192 || l.Router.Weights != 16*192 || l.Norms.Weights != 2*192 {
		t.Errorf("layer: %+v", l)
	}
	// The summary alone reads no weights, and tells nothing of them.
	if out := must(t, "inspect", tiny(t), "--json"); strings.Contains(out, "statistics") {
		t.Error("st inspect --json has statistics that were not asked for")
	}
}

// What stands out is pointed at.
func TestStatisticsRemarks(t *testing.T) {
	weights := weightReport{Weights: 64, RMS: 0.5, MaxOverRMS: 9.25, OutlierShare: 0.00012, MinScale: 0.001, MaxScale: 0.5}
	broken := weights
	broken.NonFinite = 1
	statistics := &layerStatistics{
		Attention: weights, Router: weights, Experts: broken, Gate: weights, Up: weights, Down: weights,
		Matrices: map[string]weightReport{"q_proj": weights}, ExpertRMS: []float64{0.5, 0.25}, DeadNeurons: 1234,
	}
	for i := range 12 {
		statistics.Alike = append(statistics.Alike, alikeReport{[2]int{i, 20}, 0.95, 0.002})
	}
	expert := func(nearest int) *expertStatistics {
		return &expertStatistics{All: broken, Gate: weights, Up: weights, Down: weights, Nearest: &nearestReport{nearest, 0.95, 0.002}}
	}
	f := &fileReport{Layers: []layerReport{{Layer: 3, Position: "rope", Window: 64, Statistics: statistics}}}
	var out bytes.Buffer
	f.printLists(&out, screen{width: 100})
	for _, want := range []string{
		"    3  RoPE      64", "0.500      –      –      –      9.2   0.012 %  0.0010…0.50", "1,234     12  █▁\n", "rms of experts: ▁ 0.25 … █ 0.5\n",
		"layer 3: experts 0 and 20 are alike, cosine 0.950 ± 0.002\n", "… and 2 more: --json lists them\n", "layer 3: 1 weight is NaN or infinite\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("layers do not show %q:\n%s", want, out.String())
		}
	}
	out.Reset()
	f = &fileReport{Experts: []expertReport{{Layer: 3, Expert: 0, Statistics: expert(1)}, {Layer: 3, Expert: 1, Statistics: expert(0)},
		{Layer: 3, Expert: 2, Statistics: &expertStatistics{}}}}
	f.printLists(&out, screen{width: 80})
	if text := out.String(); strings.Count(text, "are alike") != 1 || !strings.Contains(text, "layer 3: experts 0 and 1 are alike") ||
		!strings.Contains(text, "standard error is at most 0.002") || strings.Contains(text, "scales") || !strings.Contains(text, "layer 3 expert 1: 1 weight is NaN") {
		t.Errorf("experts:\n%s", text)
	}
}
