package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
)

// print prints the summary for a person.
func (f *fileReport) print(w io.Writer) {
	c := &f.Architecture
	router := "sigmoid"
	if c.RouterSoftmax {
		router = "softmax"
	}
	head := "its own head"
	if c.TiedEmbeddings {
		head = "tied to the head"
	}
	legend := f.layerLegend()
	facts(w, [][2]string{
		{"file", fmt.Sprintf("%s, %s, format version %d", f.File, size(f.FileBytes), f.FormatVersion)},
		{"architecture", fmt.Sprintf("%s, %s of width %d, context %s", c.Architecture, plural(c.Layers, "layer"), c.Hidden, humanize.Comma(int64(c.Context)))},
		{"attention", fmt.Sprintf("%s of %d over %s, RoPE theta %g", plural(c.Heads, "head"), c.HeadDim, plural(c.KVHeads, "KV head"), c.RoPETheta)},
		{"experts", fmt.Sprintf("%d a layer, %d active, %d neurons each, %s router", c.Experts, c.ExpertsPerToken, c.ExpertFFN, router)},
		{"embeddings", fmt.Sprintf("%s tokens, %s", humanize.Comma(int64(c.Vocab)), head)},
		{"layers", f.layerStrip()},
		{"", legend},
		{"parameters", fmt.Sprintf("%s in total", count(f.Parameters.Total))},
		{"", fmt.Sprintf("%s active for a token: attention, norms, routers, %d of %d experts, head", count(f.Parameters.ActivePerToken), c.ExpertsPerToken, c.Experts)},
		{"", fmt.Sprintf("%s of these without the head", count(f.Parameters.ActiveWithoutHead))},
	})
	fmt.Fprintln(w)
	f.printSizes(w)
	fmt.Fprintln(w)
	facts(w, slices.Concat(f.tokenizerFacts(), f.generationFacts(), f.provenanceFacts()))
}

// facts prints names and values in two columns.
func facts(w io.Writer, rows [][2]string) {
	t := newTable()
	t.ResetHeaders()
	for _, r := range rows {
		t.AppendRow(table.Row{r[0], printable(r[1])})
	}
	printTable(w, t)
}

// layerMark is the character of a layer in the strip.
func (f *fileReport) layerMark(l int) byte {
	c := &f.Architecture
	switch {
	case c.RoPELayout[l] && c.SlidingLayout[l]:
		return 's'
	case c.RoPELayout[l]:
		return 'r'
	case c.SlidingLayout[l]:
		return 'n'
	}
	return 'G'
}

// layerStrip shows every layer as one character, in groups of ten so that they can be counted.
func (f *fileReport) layerStrip() string {
	var b strings.Builder
	for l := range f.Architecture.Layers {
		if l > 0 && l%10 == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(f.layerMark(l))
	}
	return b.String()
}

// layerLegend explains the characters that occur in the strip.
func (f *fileReport) layerLegend() string {
	number := map[byte]int{}
	for l := range f.Architecture.Layers {
		number[f.layerMark(l)]++
	}
	means := map[byte]string{
		'G': "NoPE, attends to all positions",
		'r': "RoPE, attends to all positions",
		's': fmt.Sprintf("RoPE, sliding window of %d", f.Architecture.SlidingWindow),
		'n': fmt.Sprintf("NoPE, sliding window of %d", f.Architecture.SlidingWindow),
	}
	var parts []string
	for _, mark := range slices.Sorted(maps.Keys(number)) {
		parts = append(parts, fmt.Sprintf("%c: %d × %s", mark, number[mark], means[mark]))
	}
	return strings.Join(parts, "; ")
}

// printSizes prints what takes the bytes.
func (f *fileReport) printSizes(w io.Writer) {
	t := newTable("part", ">size", ">share")
	for _, s := range f.Sizes {
		t.AppendRow(table.Row{s.Class, size(s.Bytes), fmt.Sprintf("%.1f %%", 100*s.Share)})
	}
	printTable(w, t)
	fmt.Fprintln(w)
	t = newTable("type", ">bits/weight", ">tensors", ">parameters", ">size")
	for _, x := range f.Types {
		t.AppendRow(table.Row{x.Type, fmt.Sprintf("%g", x.BitsPerWeight), humanize.Comma(int64(x.Tensors)), count(x.Parameters), size(x.Bytes)})
	}
	printTable(w, t)
	fmt.Fprintln(w)
	t = newTable(">KV cache at", ">f16", ">q8_0", ">f32")
	for _, x := range f.KVCache {
		q8 := "–"
		if x.Q8 > 0 {
			q8 = size(x.Q8)
		}
		t.AppendRow(table.Row{plural(x.Context, "token"), size(x.F16), q8, size(x.F32)})
	}
	printTable(w, t)
}

func (f *fileReport) tokenizerFacts() [][2]string {
	template := "none"
	if f.ChatTemplate {
		template = "yes"
	}
	t := f.Tokenizer
	if t == nil {
		return [][2]string{{"tokenizer", "none: the model runs on token ids only"}, {"chat template", template}}
	}
	rows := [][2]string{{"tokenizer", fmt.Sprintf("%s, %s tokens", t.Kind, humanize.Comma(int64(t.VocabSize)))}}
	if t.AddBOS {
		rows[0][1] += ", begins a text with BOS"
	}
	// A few special tokens on a line: some models have dozens.
	label := "special tokens"
	for part := range slices.Chunk(t.Special, 4) {
		var names []string
		for _, s := range part {
			names = append(names, fmt.Sprintf("%s %d", s.Token, s.ID))
		}
		rows = append(rows, [2]string{label, strings.Join(names, "  ")})
		label = ""
	}
	return append(rows, [2]string{"chat template", template})
}

func (f *fileReport) generationFacts() [][2]string {
	g := &f.Generation
	var parts []string
	add := func(name string, value any) { parts = append(parts, fmt.Sprint(name, " ", value)) }
	if g.DoSample != nil && !*g.DoSample {
		parts = append(parts, "greedy")
	}
	if g.Temperature != nil {
		add("temperature", *g.Temperature)
	}
	if g.TopK != nil {
		add("top-k", *g.TopK)
	}
	if g.TopP != nil {
		add("top-p", *g.TopP)
	}
	if g.MinP != nil {
		add("min-p", *g.MinP)
	}
	if g.RepetitionPenalty != nil {
		add("repetition penalty", *g.RepetitionPenalty)
	}
	if len(g.EOS) > 0 {
		add("ends at", strings.Trim(fmt.Sprint(g.EOS), "[]"))
	}
	if parts == nil {
		parts = []string{"no defaults"}
	}
	return [][2]string{{"generation", strings.Join(parts, ", ")}}
}

// maxNotes bounds the notes that are printed: there is one for every tensor that could not have its type.
const maxNotes = 8

func (f *fileReport) provenanceFacts() [][2]string {
	p := &f.Provenance
	made := p.Tool
	for _, name := range slices.Sorted(maps.Keys(p.Options)) {
		made += fmt.Sprintf(", %s %s", name, p.Options[name])
	}
	rows := [][2]string{{"made by", made}}
	label := "from"
	for _, s := range p.Sources {
		rows = append(rows, [2]string{label, fmt.Sprintf("%s, %s, sha256 %s", s.Name, size(s.Bytes), s.SHA256)})
		label = ""
	}
	label = "notes"
	for i, n := range p.Notes {
		if i == maxNotes {
			n = fmt.Sprintf("… and %d more: --json lists them", len(p.Notes)-i)
		}
		rows = append(rows, [2]string{label, n})
		label = ""
		if i == maxNotes {
			break
		}
	}
	return rows
}
