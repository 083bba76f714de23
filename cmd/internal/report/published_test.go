package report

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/format"
	"st/quant"
)

// What is expected of a shape is what a file of that shape has, and what is known of the published models.
func TestExpectations(t *testing.T) {
	for _, tt := range []struct {
		checkpoint string
		typ        quant.Type
	}{
		{"tiny-smallthinker", quant.Q4_0}, {"tiny-smallthinker", quant.Q8_0}, {"architectures/gemma3_text", quant.Q4_0}, {"architectures/phi3", quant.Q8_0},
	} {
		typ, path := tt.typ, filepath.Join(t.TempDir(), "model.stm")
		if _, err := convert.Run(context.Background(), "../../../testdata/"+tt.checkpoint, path, convert.Options{Recipe: convert.Recipe{Type: typ}}); err != nil {
			t.Fatal(err)
		}
		r, err := format.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var f File
		f.addSizes(r)
		s := newShape(&r.Config)
		var bytes int64
		for _, size := range f.Types {
			bytes += size.Bytes
		}
		if got := s.expect(typ); got.File-metadataBytes != bytes || s.total() != f.Parameters.Total || s.active() != f.Parameters.ActivePerToken {
			t.Errorf("%s, %v: %+v with %d and %d weights; the file has %d bytes of %d and %d", tt.checkpoint, typ, got, s.total(), s.active(), bytes, f.Parameters.Total, f.Parameters.ActivePerToken)
		}
	}
	p, err := ReadPublished(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.Bandwidth <= 0 {
		t.Errorf("%+v", p)
	}
	near := func(got int64, want float64) bool { return math.Abs(float64(got)/want-1) < 0.03 }
	// The numbers of parameters that are published, of Gemma's text part.
	for name, want := range map[string]float64{"microsoft/phi-4": 14.66e9, "microsoft/Phi-4-mini-instruct": 3.836e9, "google/gemma-3-12b-it": 11.77e9,
		"google/gemma-3-4b-it": 3.88e9, "google/gemma-3-1b-it": 1.0e9, "Qwen/Qwen3-0.6B": 0.596e9} {
		i := slices.IndexFunc(p.Models, func(m PublishedModel) bool { return m.Name == name })
		if i < 0 || !near(p.Models[i].Parameters, want) || p.Models[i].Gated != strings.HasPrefix(name, "google/") {
			t.Errorf("%s is at %d: %+v", name, i, p.Models)
		}
	}
	for i, want := range []struct {
		name                               string
		params, active, file, needed, read float64 // Q4_0
	}{
		// st inspect of files of these shapes, and st bench for what is read.
		{"Tiiny/SmallThinker-4BA0.6B-Instruct", 4.04e9, 0.864e9, 2.527e9, 2.3 * (1 << 30), 0.3768e9},
		{"Tiiny/SmallThinker-21BA3B-Instruct", 21.5e9, 3.3e9, 12.3e9, 11.6 * (1 << 30), 1.43e9},
	} {
		m := p.Models[i]
		e := m.Types[0]
		if m.Name != want.name || e.Type != "q4_0" || !near(m.Parameters, want.params) || !near(m.Active, want.active) || !near(e.File, want.file) || !near(e.Needed, want.needed) ||
			math.Abs(float64(e.Read)/want.read-1) > 0.05 {
			t.Errorf("%+v, want %+v", m, want)
		}
	}
}

func TestBest(t *testing.T) {
	model := func(params int64, fits bool, speed float64) PublishedModel {
		return PublishedModel{Parameters: params, Types: []Expectation{{Fits: fits, Speed: speed}, {Fits: true, Speed: 100}}}
	}
	gated := model(40, true, 50)
	gated.Gated = true
	for _, tt := range []struct {
		models []PublishedModel
		want   int
	}{
		{[]PublishedModel{model(4, true, 50), model(21, true, 12), model(30, false, 12), model(10, true, 20)}, 1},
		{[]PublishedModel{model(4, true, 50), model(21, true, 2)}, 0},
		{[]PublishedModel{gated, model(4, true, 50)}, 1},
		{[]PublishedModel{model(4, false, 50)}, -1},
	} {
		if got := (&Published{Models: tt.models}).Best(); got != tt.want {
			t.Errorf("%+v: %d, want %d", tt.models, got, tt.want)
		}
	}
}
