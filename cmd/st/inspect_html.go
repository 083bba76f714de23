package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"st/cmd/st/chart"
	"st/cmd/st/page"
	"st/format"
	"st/runtime/activity"
)

// inspectPage writes everything that can be told of a file as one page: with --run also what its experts do on a text, and speeds by
// --memory if it is known which experts are used.
func (a *app) inspectPage(ctx context.Context, r *format.Reader, f inspectFlags, run *activityFlags) error {
	if f.json || f.tensors || f.layers || f.experts || f.verify || f.layer >= 0 {
		return usagef("--html tells of everything: leave out --json, --tensors, --layers, --experts, --layer and --verify")
	}
	if err := checkOutput(f.html, f.force, r.Path(), run.text, f.trace); err != nil {
		return err
	}
	report, err := newFileReport(r)
	if err != nil {
		return err
	}
	var did *activity.Report
	if run.run {
		if did, err = a.runActivity(ctx, r.Path(), run, -1); err != nil {
			return err
		}
	}
	report.Tensors, report.Layers, report.Experts = tensorReports(r, -1), layerReports(r, -1), expertReports(r, -1)
	if err := a.addStatistics(ctx, r, report, -1); err != nil {
		return err
	}
	usage, err := r.Usage()
	if err != nil && !errors.Is(err, format.ErrUsage) {
		return err
	}
	if f.trace != "" || f.cachePlan || usage != nil {
		if report.CachePlan, err = a.planCache(ctx, r, f.trace); err != nil {
			return err
		}
	}
	p := report.page(did)
	if err := writeFile(f.html, func(w *bufio.Writer) error { return p.Write(w) }); err != nil {
		return err
	}
	a.note("%s: open it in a browser", f.html)
	return nil
}

// page makes a page of a report that has everything; did tells what the experts did on a text, if it is not nil.
func (f *fileReport) page(did *activity.Report) *page.Page {
	c := &f.Architecture
	all := f.Memory.Budgets[len(f.Memory.Budgets)-1]
	p := &page.Page{
		Title: filepath.Base(f.File),
		Subtitle: fmt.Sprintf("%s, %d layers of width %d, %d attention heads over %d KV heads, %d experts a layer with %d neurons each, %d active",
			c.Architecture, c.Layers, c.Hidden, c.Heads, c.KVHeads, c.MoE.Experts, c.MoE.ExpertFFN, c.MoE.ExpertsPerToken),
		Tiles: []page.Tile{
			{Name: "parameters", Value: count(f.Parameters.Total), Note: count(f.Parameters.ActivePerToken) + " active for a token"},
			{Name: "file", Value: size(f.FileBytes), Note: fmt.Sprintf("%.3g bits a weight", f.BitsPerWeight)},
			{Name: "a token reads", Value: size(f.Token.Bytes), Note: size(f.Token.Experts) + " of it experts"},
			{Name: "smallest --memory", Value: mebibytes(f.Memory.Budgets[0].Memory), Note: "experts are read when needed"},
			{Name: "--memory for all", Value: mebibytes(all.Memory), Note: fmt.Sprintf("with a context of %s", humanize.Comma(int64(all.Context)))},
		},
		Footer: f.footer(),
	}
	p.Sections = append(p.Sections, f.sizeSection())
	if did != nil {
		p.Sections = append(p.Sections, usesSection(did), densitySection(did))
	}
	p.Sections = append(p.Sections, f.layerSection())
	if f.CachePlan != nil {
		p.Sections = append(p.Sections, f.CachePlan.section())
	}
	p.Sections = append(p.Sections, f.expertSection(), f.tensorSection())
	return p
}

func (f *fileReport) footer() string {
	var names []string
	for _, s := range f.Provenance.Sources {
		names = append(names, s.Name)
	}
	return fmt.Sprintf("Made by %s from %s.", f.Provenance.Tool, strings.Join(names, ", "))
}

// sizeSection shows where the bytes are: classes in colours, and layers inside.
func (f *fileReport) sizeSection() page.Section {
	s := page.Section{Title: "Where the bytes are", Text: "Areas are bytes of the file. The experts' are cut by layer.",
		Table: &page.Table{Heads: []page.Head{{Name: "part"}, {Name: "type"}, {Name: "weights", Right: true}, {Name: "bits a weight", Right: true},
			{Name: "bytes", Right: true}, {Name: "share", Right: true}}}}
	var areas []chart.Area
	for i, x := range slices.SortedStableFunc(slices.Values(f.Sizes), func(a, b sizeReport) int { return cmp.Compare(b.Bytes, a.Bytes) }) {
		if i = min(i, chart.Series-1); i < chart.Series-1 {
			s.Keys = append(s.Keys, page.Key{Series: i, Name: x.Class})
		}
		s.Table.Rows = append(s.Table.Rows, []page.Cell{{Text: x.Class}, {Text: strings.Join(x.Types, ", ")},
			orDash(x.Parameters > 0, number(int(x.Parameters))), orDash(x.Parameters > 0, decimal(x.BitsPerWeight)),
			{Text: size(x.Bytes), Sort: float64(x.Bytes)}, {Text: fmt.Sprintf("%.1f %%", 100*x.Share), Sort: x.Share}})
		if x.Class != classExperts {
			areas = append(areas, chart.Area{Name: x.Class, Title: x.Class + ", " + size(x.Bytes), Size: float64(x.Bytes), Group: i})
			continue
		}
		for _, l := range f.Layers {
			areas = append(areas, chart.Area{Name: fmt.Sprintf("layer %d", l.Layer), Size: float64(l.ExpertsBytes), Group: i,
				Title: fmt.Sprintf("experts of layer %d, %s", l.Layer, size(l.ExpertsBytes))})
		}
	}
	s.Keys = append(s.Keys, page.Key{Series: chart.Series - 1, Name: "the rest"})
	s.Picture = chart.Treemap(areas, 960, 320, "bytes of the file by part")
	return s
}

func (f *fileReport) layerSection() page.Section {
	s := page.Section{Title: "Layers", Text: "NoPE layers attend to all positions without rotary embeddings; layers with a window attend to the last positions only. " +
		"RMS is the root mean square of the weights, and the largest weight is in multiples of it.",
		Table: &page.Table{Heads: []page.Head{{Name: "layer", Right: true}, {Name: "position"}, {Name: "window", Right: true},
			{Name: "attention", Right: true}, {Name: "attention RMS", Right: true}, {Name: "experts", Right: true}, {Name: "experts RMS", Right: true},
			{Name: "largest / RMS", Right: true}, {Name: "outliers", Right: true}, {Name: "dead neurons", Right: true}}}}
	for _, l := range f.Layers {
		window := "all"
		if l.Window > 0 {
			window = humanize.Comma(int64(l.Window))
		}
		x := l.Statistics
		s.Table.Rows = append(s.Table.Rows, []page.Cell{number(l.Layer), {Text: positionName(l.Position)}, {Text: window, Sort: float64(l.Window)},
			bytesCell(l.AttentionBytes), decimal(x.Attention.RMS), bytesCell(l.ExpertsBytes), decimal(x.Experts.RMS),
			decimal(max(x.Attention.MaxOverRMS, x.Experts.MaxOverRMS)), number(int(x.Attention.Outliers + x.Experts.Outliers)), number(x.DeadNeurons)})
	}
	return s
}

// expertSection shows how large experts' weights are.
func (f *fileReport) expertSection() page.Section {
	s := page.Section{Title: "Experts' weights", Table: &page.Table{Heads: []page.Head{{Name: "layer", Right: true}, {Name: "expert", Right: true},
		{Name: "bytes", Right: true}, {Name: "gate RMS", Right: true}, {Name: "up RMS", Right: true}, {Name: "down RMS", Right: true},
		{Name: "largest / RMS", Right: true}, {Name: "dead neurons", Right: true}, {Name: "most like", Right: true}, {Name: "cosine", Right: true}}}}
	values := make([][]float64, len(f.Layers))
	low, high := 0.0, 0.0
	for i, x := range f.Experts {
		rms := x.Statistics.All.RMS
		values[x.Layer] = append(values[x.Layer], rms)
		if i == 0 {
			low, high = rms, rms
		}
		low, high = min(low, rms), max(high, rms)
		like, cosine := orDash(false, page.Cell{}), orDash(false, page.Cell{})
		if n := x.Statistics.Nearest; n != nil {
			like, cosine = number(n.Expert), decimal(n.Cosine)
		}
		s.Table.Rows = append(s.Table.Rows, []page.Cell{number(x.Layer), number(x.Expert), bytesCell(x.Bytes), decimal(x.Statistics.Gate.RMS),
			decimal(x.Statistics.Up.RMS), decimal(x.Statistics.Down.RMS), decimal(x.Statistics.All.MaxOverRMS), number(x.Statistics.DeadNeurons), like, cosine})
	}
	s.Text = fmt.Sprintf("Root mean square of the weights, layer by expert, from %.4g (pale) to %.4g. Likeness to another expert of the layer is "+
		"the cosine of their weights, position by position, as estimated.", low, high)
	s.Picture = chart.Heatmap(values, low, high, func(l, x int) string {
		return fmt.Sprintf("layer %d, expert %d: RMS %.4g", l, x, values[l][x])
	}, "root mean square of experts' weights, layer by expert")
	return s
}

func (f *fileReport) tensorSection() page.Section {
	s := page.Section{Title: "Tensors", Table: &page.Table{Heads: []page.Head{{Name: "name"}, {Name: "shape"}, {Name: "type"}, {Name: "layout"},
		{Name: "bytes", Right: true}, {Name: "offset", Right: true}}}}
	for _, t := range f.Tensors {
		s.Table.Rows = append(s.Table.Rows, []page.Cell{{Text: t.Name}, {Text: strings.Trim(strings.ReplaceAll(fmt.Sprint(t.Shape), " ", "×"), "[]")},
			{Text: t.Type}, {Text: t.Layout}, bytesCell(t.Bytes), {Text: humanize.Comma(t.Offset), Sort: float64(t.Offset)}})
	}
	return s
}

func (c *cacheReport) section() page.Section {
	s := page.Section{Title: "Speed by --memory", Text: fmt.Sprintf("About so many tokens a second, by %s of %s: what this disk (%.0f MB/s) and this memory (%.1f GB/s) allow.",
		c.Source, plural(int(c.Tokens), "token"), c.DiskSpeed/1e6, c.MemorySpeed/1e9),
		Table: &page.Table{Heads: []page.Head{{Name: "--memory", Right: true}, {Name: "experts kept", Right: true}, {Name: "found in memory", Right: true},
			{Name: "read a token", Right: true}, {Name: "tokens/s", Right: true}}}}
	var points []chart.Point
	for _, p := range c.Plans {
		points = append(points, chart.Point{X: float64(p.Memory), Y: p.TokensPerSecond, Title: fmt.Sprintf("--memory %s: %d experts kept, %.1f %% found, %.1f tokens/s",
			mebibytes(p.Memory), p.Experts, 100*p.HitRate, p.TokensPerSecond)})
		s.Table.Rows = append(s.Table.Rows, []page.Cell{{Text: mebibytes(p.Memory), Sort: float64(p.Memory)}, number(p.Experts),
			{Text: fmt.Sprintf("%.1f %%", 100*p.HitRate), Sort: p.HitRate}, {Text: size(int64(p.BytesPerToken)), Sort: p.BytesPerToken}, decimal(p.TokensPerSecond)})
	}
	s.Picture = chart.Curve(points, func(v float64) string { return fmt.Sprintf("%.3g GB", v/1e9) }, figure,
		"tokens a second by memory")
	return s
}

func number(n int) page.Cell { return page.Cell{Text: humanize.Comma(int64(n)), Sort: float64(n)} }

func decimal(v float64) page.Cell { return page.Cell{Text: figure(v), Sort: v} }

// figure writes a number with four digits or so.
func figure(v float64) string {
	if v >= 1000 {
		return humanize.Comma(int64(v + 0.5))
	}
	return fmt.Sprintf("%.4g", v)
}

func bytesCell(n int64) page.Cell { return page.Cell{Text: size(n), Sort: float64(n)} }

// orDash is a cell, or a dash if there is nothing to say.
func orDash(ok bool, c page.Cell) page.Cell {
	if ok {
		return c
	}
	return page.Cell{Text: "–", Sort: -1}
}

func positionName(position string) string {
	return map[string]string{"rope": "RoPE", "nope": "NoPE"}[position]
}
