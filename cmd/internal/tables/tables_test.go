package tables_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"st/cmd/internal/report"
	"st/cmd/internal/report/reporttest"
	"st/cmd/internal/tables"
	"st/cmd/internal/terminal"
	"st/format"
	"st/runtime/activity"
)

var update = flag.Bool("update", false, "write the golden files anew")

// checkGolden compares an output with a file of testdata, which -update writes anew.
func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test ./cmd/internal/tables -update accepts it):\n%s", name, diff)
	}
}

// read describes a model as on a machine with 8 GiB.
func read(t *testing.T, c format.Config) *report.File {
	t.Helper()
	r, err := format.Open(reporttest.Write(t, c))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := report.Read(t.Context(), r, report.Parts{Tensors: true, Layers: true, Experts: true, Layer: -1}, report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.File = filepath.Base(f.File)
	f.Memory.Available, f.Memory.Needed, f.Memory.Fits = 8<<30, 100<<20, true
	for i := range f.Memory.Budgets {
		f.Memory.Budgets[i].Memory = int64(i+1) * 40 << 20 // it depends on the number of cores
	}
	return f
}

// Models without experts, and with some layers without, as a person sees them.
func TestArchitectures(t *testing.T) {
	for _, c := range []format.Config{reporttest.Dense(), reporttest.Mixed()} {
		f := read(t, c)
		s := terminal.Screen{Width: terminal.PipeWidth}
		var got strings.Builder
		tables.Summary(&got, s, f)
		fmt.Fprintln(&got)
		tables.Lists(&got, s, f)
		checkGolden(t, c.Architecture, got.String())
	}
}

// TestRoPEScaling: the facts tell how the rotary angles are stretched.
func TestRoPEScaling(t *testing.T) {
	factors := slices.Repeat([]float64{2}, 16)
	for want, s := range map[string]format.RoPEScaling{
		"stretched by 4":              {Type: format.Linear, Factor: 4},
		"YaRN by 4 from 2,048":        {Type: format.YaRN, Factor: 4, OriginalContext: 2048, BetaFast: 32, BetaSlow: 1, AttentionFactor: 1},
		"Llama 3's by 8 from 2,048":   {Type: format.Llama3, Factor: 8, OriginalContext: 2048, BetaFast: 4, BetaSlow: 1, AttentionFactor: 1},
		"LongRoPE above 4,096 tokens": {Type: format.LongRoPE, OriginalContext: 4096, AttentionFactor: 1, ShortFactors: factors, LongFactors: factors},
	} {
		c := reporttest.Dense()
		c.RoPEScaling = &s
		var out bytes.Buffer
		tables.Summary(&out, terminal.Screen{Width: terminal.PipeWidth}, read(t, c))
		if !strings.Contains(out.String(), "RoPE theta 1e+06, "+want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

// The tables of a made-up run: a real one may differ in the last bits of a gate from CPU to CPU.
func TestActivity(t *testing.T) {
	model := &format.Config{Layers: 2, MoE: &format.MoE{Experts: 6, ExpertsPerToken: 2, ExpertFFN: 8}}
	c, err := activity.NewCollector(model)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(40) {
		c.ExpertsUsed(0, []int32{i * i % 5, 5}, []float32{0.75, 0.25}, []int32{i % 4, 8})
		c.ExpertsUsed(1, []int32{i % 3, 3 + i%3}, []float32{0.5, 0.5}, []int32{i % 9, 1})
		if i%20 == 19 {
			c.EndSequence()
		}
	}
	r, err := c.Report()
	if err != nil {
		t.Fatal(err)
	}
	r.Model, r.Text, r.Context = "m.stm", "a\x1b[2J.txt", 20 // names must not play tricks on the terminal
	other, err := activity.NewCollector(model)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(60) {
		other.ExpertsUsed(0, []int32{i % 5, 5}, []float32{0.75, 0.25}, []int32{i % 4, 8})
		other.ExpertsUsed(1, []int32{i % 3, 3 + i%2}, []float32{0.5, 0.5}, []int32{1, 1})
	}
	r2, err := other.Report()
	if err != nil {
		t.Fatal(err)
	}
	r2.Model, r2.Text = "m.stm", "b.txt"
	comparison, err := activity.Compare(r, r2)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	s := terminal.Screen{Width: terminal.PipeWidth}
	tables.Activity(&got, s, r)
	fmt.Fprintln(&got)
	tables.ActivityLayer(&got, s, r, &r.Layers[0])
	fmt.Fprintln(&got)
	tables.Comparison(&got, s, comparison)
	fmt.Fprintln(&got)
	tables.ComparisonLayer(&got, s, comparison, &comparison.Layers[1])
	checkGolden(t, "activity", got.String())
}

// A token that chooses one expert has no pair of them, so there is no table of pairs, and none at all if the activation is dense.
func TestActivityOfOneExpert(t *testing.T) {
	for activation, heading := range map[format.Activation]string{format.ReLU: "max", format.SiLU: "experts 0 to 2"} {
		c, err := activity.NewCollector(&format.Config{Layers: 1, Activation: activation, MoE: &format.MoE{Experts: 3, ExpertsPerToken: 1, ExpertFFN: 8}})
		if err != nil {
			t.Fatal(err)
		}
		c.ExpertsUsed(0, []int32{1, 2}, []float32{1, 1}, []int32{3, 4})
		r, err := c.Report()
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		tables.Activity(&got, terminal.Screen{Width: 80}, r)
		parts := strings.Split(got.String(), "\n\n")
		if first, _, _ := strings.Cut(parts[len(parts)-1], "\n"); strings.Contains(got.String(), "pairs") || !strings.HasSuffix(first, heading) {
			t.Errorf("activation %q: the last table is not the one with %q:\n%s", activation, heading, got.String())
		}
	}
}

// What stands out is pointed at.
func TestStatisticsRemarks(t *testing.T) {
	weights := report.TensorStatistics{Weights: 64, RMS: 0.5, MaxOverRMS: 9.25, OutlierShare: 0.00012, MinScale: 0.001, MaxScale: 0.5}
	broken := weights
	broken.NonFinite = 1
	statistics := &report.LayerStatistics{
		Attention: weights, Router: weights, Experts: broken, Gate: weights, Up: weights, Down: weights,
		Matrices: map[string]report.TensorStatistics{"q_proj": weights}, ExpertRMS: []float64{0.5, 0.25}, DeadNeurons: 1234,
	}
	for i := range 12 {
		statistics.Alike = append(statistics.Alike, report.AlikePair{Experts: [2]int{i, 20}, Cosine: 0.95, StandardError: 0.002})
	}
	expert := func(nearest int) *report.ExpertStatistics {
		return &report.ExpertStatistics{All: broken, Gate: weights, Up: weights, Down: weights, Nearest: &report.NearestExpert{Expert: nearest, Cosine: 0.95, StandardError: 0.002}}
	}
	f := &report.File{Layers: []report.Layer{{Layer: 3, Position: "rope", Window: 64, Statistics: statistics}}}
	var out bytes.Buffer
	tables.Lists(&out, terminal.Screen{Width: 100}, f)
	for _, want := range []string{
		"    3  RoPE      64", "0.500      –      –      –      9.2   0.012 %  0.0010…0.50", "1,234     12  █▁\n", "rms of experts: ▁ 0.25 … █ 0.5\n",
		"layer 3: experts 0 and 20 are alike, cosine 0.950 ± 0.002\n", "… and 2 more: --json lists them\n", "layer 3: 1 weight is NaN or infinite\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("layers do not show %q:\n%s", want, out.String())
		}
	}
	out.Reset()
	f = &report.File{Experts: []report.Expert{{Layer: 3, Expert: 0, Statistics: expert(1)}, {Layer: 3, Expert: 1, Statistics: expert(0)},
		{Layer: 3, Expert: 2, Statistics: &report.ExpertStatistics{}}}}
	tables.Lists(&out, terminal.Screen{Width: 80}, f)
	if text := out.String(); strings.Count(text, "are alike") != 1 || !strings.Contains(text, "layer 3: experts 0 and 1 are alike") ||
		!strings.Contains(text, "standard error is at most 0.002") || strings.Contains(text, "scales") || !strings.Contains(text, "layer 3 expert 1: 1 weight is NaN") {
		t.Errorf("experts:\n%s", text)
	}
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Output is as wide as the screen at most, and in colour says the same as without.
func TestSummaryOnScreens(t *testing.T) {
	plain, wide := read(t, reporttest.Mixed()), read(t, reporttest.Mixed())
	for i := range wide.Sizes {
		if x := &wide.Sizes[i]; x.Class == report.Embedding {
			x.Class, x.Types = report.PerLayer, []string{"f16", "q8_0"} // as Gemma 3n has them
		}
	}
	for name, f := range map[string]*report.File{"short names": plain, "long names": wide} {
		t.Run(name, func(t *testing.T) { summaryFits(t, f) })
	}
}

func summaryFits(t *testing.T, f *report.File) {
	t.Helper()
	for _, width := range []int{80, 100, 160} {
		var plain, color bytes.Buffer
		tables.Summary(&plain, terminal.Screen{Width: width}, f)
		tables.Summary(&color, terminal.Screen{Width: width, Color: true}, f)
		if strings.Contains(plain.String(), "\x1b") || !strings.Contains(color.String(), "\x1b[1m") {
			t.Errorf("colours at width %d:\n%s\n%s", width, plain.String(), color.String())
		}
		if got := escapes.ReplaceAllString(color.String(), ""); got != plain.String() {
			t.Errorf("in colour:\n%s\nwithout:\n%s", got, plain.String())
		}
		lines := strings.Split(strings.TrimSuffix(plain.String(), "\n"), "\n")
		if len(lines) > 45 {
			t.Errorf("the summary has %d lines", len(lines))
		}
		for _, line := range lines {
			if utf8.RuneCountInString(line) > width || strings.HasSuffix(line, " ") {
				t.Errorf("at width %d: %q", width, line)
			}
		}
	}
}

// A file that mixes many types, as dynamic quantizations do, does not make lines longer than the screen either.
func TestCheckpointOnScreens(t *testing.T) {
	types := []string{"iq2_xxs", "iq3_xxs", "iq4_xs", "q4_k", "q5_k", "q6_k", "q8_0", "f32"}
	r := &report.Checkpoint{
		Kind: "gguf version 3", Path: "UD-Q2_K_XL.gguf", Files: []report.CheckpointFile{{Name: "UD-Q2_K_XL.gguf", Bytes: 1199 << 20}}, Bytes: 1199 << 20,
		Parameters: 3_999_999_999, BitsPerWeight: 3.06, Sizes: []report.ClassSize{{Class: report.PerLayer, Types: types, BitsPerWeight: 3.06, Bytes: 1199 << 20, Share: 1}},
	}
	for _, s := range []terminal.Screen{{Width: 70}, {Width: 80}, {Width: 160}, {Width: 80, Whole: true}} {
		var out strings.Builder
		tables.Checkpoint(&out, s, r)
		if whole := strings.Contains(out.String(), strings.Join(types, ", ")); whole != (s.Whole || s.Width == 160) {
			t.Errorf("%+v: all types are there: %v\n%s", s, whole, out.String())
		}
		for _, line := range strings.Split(out.String(), "\n") {
			if !s.Whole && utf8.RuneCountInString(line) > s.Width {
				t.Errorf("at width %d: %q", s.Width, line)
			}
		}
	}
}
