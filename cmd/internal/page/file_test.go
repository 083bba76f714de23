package page_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"st/cmd/internal/page"
	"st/cmd/internal/report"
	"st/cmd/internal/report/reporttest"
	"st/format"
	"st/runtime/activity"
)

// pageOf makes the page of a model of random weights. did is of a made-up run; nil for none.
func pageOf(t *testing.T, c format.Config, did *activity.Report) *page.Page {
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
	p := page.File(f, did)
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"NaN", "Inf", "%!"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the page says %s", bad)
		}
	}
	return p
}

func titles(p *page.Page) (all []string) {
	for _, s := range p.Sections {
		all = append(all, s.Title)
	}
	return all
}

func TestDensePage(t *testing.T) {
	p := pageOf(t, reporttest.Dense(), nil)
	if want := []string{"Where the bytes are", "Layers", "Tensors"}; !slices.Equal(titles(p), want) {
		t.Errorf("sections %q, want %q", titles(p), want)
	}
	if want := "feed-forward networks of 64 neurons"; !strings.HasSuffix(p.Subtitle, want) {
		t.Errorf("subtitle %q, want one that ends with %q", p.Subtitle, want)
	}
	if n := len(p.Sections[1].Table.Rows); n != 2 {
		t.Errorf("%d layers", n)
	}
}

func TestSubtitle(t *testing.T) {
	c := reporttest.Mixed()
	if want := ", 2 layers without experts, of 64 neurons"; !strings.HasSuffix(pageOf(t, c, nil).Subtitle, want) {
		t.Errorf("subtitle %q, want one that ends with %q", pageOf(t, c, nil).Subtitle, want)
	}
	c.MoE.Layout[2] = true
	if want := ", 1 layer without experts, of 64 neurons"; !strings.HasSuffix(pageOf(t, c, nil).Subtitle, want) {
		t.Errorf("subtitle %q, want one that ends with %q", pageOf(t, c, nil).Subtitle, want)
	}
}

// Experts keep the numbers of their layers, in tables and in pictures, and SiLU has no sparsity to show.
func TestMixedPage(t *testing.T) {
	c := reporttest.Mixed()
	collector, err := activity.NewCollector(&c)
	if err != nil {
		t.Fatal(err)
	}
	collector.ExpertsUsed(1, []int32{0, 1, 1, 2}, []float32{0.5, 0.5, 0.5, 0.5}, nil)
	collector.ExpertsUsed(3, []int32{3, 1, 3, 2}, []float32{0.5, 0.5, 0.5, 0.5}, nil)
	did, err := collector.Report()
	if err != nil {
		t.Fatal(err)
	}
	p := pageOf(t, c, did)
	if want := []string{"Where the bytes are", "Experts at work", "Choice of experts", "Layers", "Experts' weights", "Tensors"}; !slices.Equal(titles(p), want) {
		t.Fatalf("sections %q, want %q", titles(p), want)
	}
	uses := p.Sections[1]
	if row := uses.Table.Rows[4]; len(uses.Table.Rows) != 8 || row[0].Text != "3" || row[5].Text != "–" {
		t.Errorf("%d rows, the fifth is %+v", len(uses.Table.Rows), row)
	}
	for _, want := range []string{"layer 1, expert 1: 100.00 % of tokens", "layer 3, expert 3: 100.00 % of tokens"} {
		if !strings.Contains(string(uses.Picture), want) {
			t.Errorf("no tooltip says %q: %s", want, uses.Picture)
		}
	}
	if strings.Contains(string(uses.Picture), "layer 0, expert") || p.Sections[2].Picture != "" {
		t.Error("there is a picture of what is not there")
	}
	if n := strings.Count(string(p.Sections[4].Picture), "<rect"); n != 8 {
		t.Errorf("the heat map of weights has %d cells", n)
	}
}
