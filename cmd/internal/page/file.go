package page

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"st/cmd/internal/chart"
	"st/cmd/internal/report"
	"st/cmd/internal/terminal"
	"st/format"
	"st/runtime/activity"
	"st/runtime/engine"
)

// File makes a page of a report that has tensors, layers and experts, and perhaps a cache plan. did tells what the experts did on a
// text; nil: nobody knows.
func File(f *report.File, did *activity.Report) *Page {
	p := &Page{Title: filepath.Base(f.File), Subtitle: subtitle(&f.Architecture), Tiles: tiles(f), Footer: footer(f)}
	p.Sections = append(p.Sections, sizeSection(f))
	if did != nil {
		p.Sections = append(p.Sections, usesSection(did), choiceSection(did))
	}
	p.Sections = append(p.Sections, layerSection(f))
	if f.CachePlan != nil {
		p.Sections = append(p.Sections, planSection(f.CachePlan))
	}
	if len(f.Experts) > 0 {
		p.Sections = append(p.Sections, expertSection(f))
	}
	p.Sections = append(p.Sections, tensorSection(f))
	return p
}

func subtitle(c *format.Config) string {
	s := fmt.Sprintf("%s, %d layers of width %d, %d attention heads over %d KV heads", c.Architecture, c.Layers, c.Hidden, c.Heads, c.KVHeads)
	if m := c.MoE; m != nil {
		s += fmt.Sprintf(", %d experts a layer with %d neurons each, %d active", m.Experts, m.ExpertFFN, m.ExpertsPerToken)
	}
	switch dense := c.Layers - len(c.MoELayers()); {
	case dense == c.Layers:
		s += fmt.Sprintf(", feed-forward networks of %d neurons", c.FFN)
	case dense > 0:
		s += fmt.Sprintf(", %s without experts, of %d neurons", terminal.Plural(dense, "layer"), c.FFN)
	}
	return s
}

func tiles(f *report.File) []Tile {
	smallest, all := f.Memory.Budgets[0], f.Memory.Budgets[len(f.Memory.Budgets)-1]
	reads, small, large := terminal.Size(f.Token.Experts)+" of it experts", "experts are read when needed", "--memory for all"
	if all.Experts == 0 { // a dense model
		reads, small = "all weights", "layers are read for every token"
	}
	return []Tile{
		{Name: "parameters", Value: terminal.Count(f.Parameters.Total), Note: terminal.Count(f.Parameters.ActivePerToken) + " active for a token"},
		{Name: "file", Value: terminal.Size(f.FileBytes), Note: fmt.Sprintf("%.3g bits a weight", f.BitsPerWeight)},
		{Name: "a token reads", Value: terminal.Size(f.Token.Bytes), Note: reads},
		{Name: "smallest --memory", Value: terminal.MiB(smallest.Memory), Note: small},
		{Name: large, Value: terminal.MiB(all.Memory), Note: fmt.Sprintf("with a context of %s", terminal.Comma(all.Context))},
	}
}

func footer(f *report.File) string {
	var names []string
	for _, s := range f.Provenance.Sources {
		names = append(names, s.Name)
	}
	return fmt.Sprintf("Made by %s from %s.", f.Provenance.Tool, strings.Join(names, ", "))
}

// sizeSection shows where the bytes are: classes in colours, and layers inside.
func sizeSection(f *report.File) Section {
	s := Section{Title: "Where the bytes are", Text: "Areas are bytes of the file. Those of experts and feed-forward networks are cut by layer.",
		Table: &Table{Heads: []Head{{Name: "part"}, {Name: "type"}, {Name: "weights", Right: true}, {Name: "bits a weight", Right: true},
			{Name: "bytes", Right: true}, {Name: "share", Right: true}}}}
	var areas []chart.Area
	for i, x := range slices.SortedStableFunc(slices.Values(f.Sizes), func(a, b report.ClassSize) int { return cmp.Compare(b.Bytes, a.Bytes) }) {
		if i = min(i, chart.Series-1); i < chart.Series-1 {
			s.Keys = append(s.Keys, Key{Series: i, Name: string(x.Class)})
		}
		s.Table.Rows = append(s.Table.Rows, []Cell{{Text: string(x.Class)}, {Text: strings.Join(x.Types, ", ")},
			orDash(x.Parameters > 0, number(int(x.Parameters))), orDash(x.Parameters > 0, decimal(x.BitsPerWeight)),
			{Text: terminal.Size(x.Bytes), Sort: float64(x.Bytes)}, {Text: terminal.Percent(x.Share), Sort: x.Share}})
		if x.Class != report.Experts && x.Class != report.DenseFFN {
			areas = append(areas, chart.Area{Name: string(x.Class), Title: string(x.Class) + ", " + terminal.Size(x.Bytes), Size: float64(x.Bytes), Group: i})
			continue
		}
		for _, l := range f.Layers {
			bytes, what := l.ExpertsBytes, "experts"
			if x.Class == report.DenseFFN {
				bytes, what = l.FFNBytes, "feed-forward network"
			}
			if bytes > 0 {
				areas = append(areas, chart.Area{Name: fmt.Sprintf("layer %d", l.Layer), Size: float64(bytes), Group: i,
					Title: fmt.Sprintf("%s of layer %d, %s", what, l.Layer, terminal.Size(bytes))})
			}
		}
	}
	s.Keys = append(s.Keys, Key{Series: chart.Series - 1, Name: "the rest"})
	s.Picture = chart.Treemap(areas, 960, 320, "bytes of the file by part")
	return s
}

func layerSection(f *report.File) Section {
	network := "experts"
	if len(f.Experts) == 0 {
		network = "feed-forward network"
	}
	s := Section{Title: "Layers", Text: "NoPE layers attend to all positions without rotary embeddings; layers with a window attend to the last positions only. " +
		"RMS is the root mean square of the weights, and the largest weight is in multiples of it.",
		Table: &Table{Heads: []Head{{Name: "layer", Right: true}, {Name: "position"}, {Name: "window", Right: true},
			{Name: "attention", Right: true}, {Name: "attention RMS", Right: true}, {Name: network, Right: true}, {Name: network + " RMS", Right: true},
			{Name: "largest / RMS", Right: true}, {Name: "outliers", Right: true}, {Name: "dead neurons", Right: true}}}}
	for _, l := range f.Layers {
		window := "all"
		if l.Window > 0 {
			window = terminal.Comma(l.Window)
		}
		x := l.Statistics
		ffn := x.FFN()
		s.Table.Rows = append(s.Table.Rows, []Cell{number(l.Layer), {Text: positionName(l.Position)}, {Text: window, Sort: float64(l.Window)},
			bytesCell(l.AttentionBytes), decimal(x.Attention.RMS), bytesCell(l.ExpertsBytes + l.FFNBytes), decimal(ffn.RMS),
			decimal(max(x.Attention.MaxOverRMS, ffn.MaxOverRMS)), number(int(x.Attention.Outliers + ffn.Outliers)), number(x.DeadNeurons)})
	}
	return s
}

// expertSection shows how large experts' weights are.
func expertSection(f *report.File) Section {
	s := Section{Title: "Experts' weights", Table: &Table{Heads: []Head{{Name: "layer", Right: true}, {Name: "expert", Right: true},
		{Name: "bytes", Right: true}, {Name: "gate RMS", Right: true}, {Name: "up RMS", Right: true}, {Name: "down RMS", Right: true},
		{Name: "largest / RMS", Right: true}, {Name: "dead neurons", Right: true}, {Name: "most like", Right: true}, {Name: "cosine", Right: true}}}}
	values := make([][]float64, len(f.Layers)) // none in layers without experts
	low, high := 0.0, 0.0
	for i, x := range f.Experts {
		rms := x.Statistics.All.RMS
		values[x.Layer] = append(values[x.Layer], rms)
		if i == 0 {
			low, high = rms, rms
		}
		low, high = min(low, rms), max(high, rms)
		like, cosine := orDash(false, Cell{}), orDash(false, Cell{})
		if n := x.Statistics.Nearest; n != nil {
			like, cosine = number(n.Expert), decimal(n.Cosine)
		}
		s.Table.Rows = append(s.Table.Rows, []Cell{number(x.Layer), number(x.Expert), bytesCell(x.Bytes), decimal(x.Statistics.Gate.RMS),
			decimal(x.Statistics.Up.RMS), decimal(x.Statistics.Down.RMS), decimal(x.Statistics.All.MaxOverRMS), number(x.Statistics.DeadNeurons), like, cosine})
	}
	s.Text = fmt.Sprintf("Root mean square of the weights, layer by expert, from %.4g (pale) to %.4g. Likeness to another expert of the layer is "+
		"the cosine of their weights, position by position, as estimated.", low, high)
	s.Picture = chart.Heatmap(values, low, high, func(l, x int) string {
		return fmt.Sprintf("layer %d, expert %d: RMS %.4g", l, x, values[l][x])
	}, "root mean square of experts' weights, layer by expert")
	return s
}

func tensorSection(f *report.File) Section {
	s := Section{Title: "Tensors", Table: &Table{Heads: []Head{{Name: "name"}, {Name: "shape"}, {Name: "type"}, {Name: "layout"},
		{Name: "bytes", Right: true}, {Name: "offset", Right: true}}}}
	for _, t := range f.Tensors {
		s.Table.Rows = append(s.Table.Rows, []Cell{{Text: t.Name}, {Text: strings.Trim(strings.ReplaceAll(fmt.Sprint(t.Shape), " ", "×"), "[]")},
			{Text: t.Type}, {Text: t.Layout}, bytesCell(t.Bytes), {Text: terminal.Comma(t.Offset), Sort: float64(t.Offset)}})
	}
	return s
}

// planSection shows the speed by memory.
func planSection(c *report.CachePlan) Section {
	what, kept := "experts", func(p *engine.CachePlan) int { return p.Experts }
	if c.Experts == 0 {
		what, kept = "layers", func(p *engine.CachePlan) int { return p.Layers }
	}
	about := "At most" // as long as nothing is simulated
	if c.Computing > 0 {
		about = "About"
	}
	s := Section{Title: "Speed by --memory", Text: fmt.Sprintf("%s so many tokens a second, by %s: what this disk (%.0f MB/s) and this memory (%.1f GB/s) allow.",
		about, planSource(c), c.DiskSpeed/1e6, c.MemorySpeed/1e9),
		Table: &Table{Heads: []Head{{Name: "--memory", Right: true}, {Name: what + " kept", Right: true}, {Name: "found in memory", Right: true},
			{Name: "read a token", Right: true}, {Name: "tokens/s", Right: true}}}}
	if len(c.Doubts) > 0 {
		s.Text += " Doubtful: " + strings.Join(c.Doubts, "; ") + "."
	}
	var points []chart.Point
	for _, p := range c.Plans {
		points = append(points, chart.Point{X: float64(p.Memory), Y: p.Speed(), Title: fmt.Sprintf("--memory %s: %d %s kept, %.1f %% found, %.1f tokens/s",
			terminal.MiB(p.Memory), kept(&p), what, 100*p.HitRate, p.Speed())})
		s.Table.Rows = append(s.Table.Rows, []Cell{{Text: terminal.MiB(p.Memory), Sort: float64(p.Memory)}, number(kept(&p)),
			{Text: terminal.Percent(p.HitRate), Sort: p.HitRate}, {Text: terminal.Size(int64(p.BytesPerToken)), Sort: p.BytesPerToken}, decimal(p.Speed())})
	}
	s.Picture = chart.Curve(points, func(v float64) string { return fmt.Sprintf("%.3g GB", v/1e9) }, figure,
		"tokens a second by memory")
	return s
}

// planSource says what a plan knows of the model.
func planSource(c *report.CachePlan) string {
	if c.Experts == 0 {
		return c.Source
	}
	return c.Source + " of " + terminal.Plural(int(c.Tokens), "token")
}

func number(n int) Cell { return Cell{Text: terminal.Comma(n), Sort: float64(n)} }

func decimal(v float64) Cell { return Cell{Text: figure(v), Sort: v} }

// figure writes a number with four digits or so.
func figure(v float64) string {
	if v >= 1000 {
		return terminal.Comma(int64(v + 0.5))
	}
	return fmt.Sprintf("%.4g", v)
}

func bytesCell(n int64) Cell { return Cell{Text: terminal.Size(n), Sort: float64(n)} }

// orDash is a cell, or a dash if there is nothing to say.
func orDash(ok bool, c Cell) Cell {
	if ok {
		return c
	}
	return Cell{Text: "–", Sort: -1}
}

func positionName(position string) string {
	return map[string]string{"rope": "RoPE", "nope": "NoPE"}[position]
}
