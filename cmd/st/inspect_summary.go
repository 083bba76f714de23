package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// print prints the summary for a person: one screen that tells whether the model fits, and where its bytes are.
func (f *fileReport) print(w io.Writer, s screen) {
	fmt.Fprintln(w, s.paint(colorStrong, printable(f.File)))
	about := fmt.Sprintf("%s, format version %d: %s parameters at %.3g bits, %s active for a token", size(f.FileBytes), f.FormatVersion,
		count(f.Parameters.Total), f.BitsPerWeight, count(f.Parameters.ActivePerToken))
	for _, line := range append(wrap(about, s.width), wrap(f.Memory.fit(s), s.width)...) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	facts(w, s, f.architectureFacts())
	fmt.Fprintln(w)
	f.printSizes(w, s)
	fmt.Fprintln(w)
	f.Memory.print(w, s)
	fmt.Fprintln(w)
	f.printKVCache(w, s)
	fmt.Fprintln(w)
	facts(w, s, slices.Concat(f.tokenizerFacts(s), f.generationFacts(), f.provenanceFacts(s), f.checkFacts()))
}

func (f *fileReport) architectureFacts() [][2]string {
	c := &f.Architecture
	router, head := "sigmoid", "a head of its own"
	if c.MoE.RouterSoftmax {
		router = "softmax"
	}
	if c.TiedEmbeddings {
		head = "tied to the head"
	}
	return [][2]string{
		{"architecture", fmt.Sprintf("%s, %s of width %d, context %s", c.Architecture, plural(c.Layers, "layer"), c.Hidden, humanize.Comma(int64(c.Context)))},
		{"layers", f.layerStrip()},
		{"", f.layerLegend()},
		{"attention", fmt.Sprintf("%s of %d over %s, RoPE theta %g", plural(c.Heads, "head"), c.HeadDim, plural(c.KVHeads, "KV head"), c.RoPETheta)},
		{"experts", fmt.Sprintf("%d a layer, %d active, %d neurons each, %s router", c.MoE.Experts, c.MoE.ExpertsPerToken, c.MoE.ExpertFFN, router)},
		{"embeddings", fmt.Sprintf("%s tokens, %s", humanize.Comma(int64(c.Vocab)), head)},
	}
}

// facts prints names and values in two columns; long values go on in the next line.
func facts(w io.Writer, s screen, rows [][2]string) {
	names := 0
	for _, r := range rows {
		names = max(names, len(r[0]))
	}
	for _, r := range rows {
		name := r[0]
		for _, line := range wrap(printable(r[1]), s.width-names-2) {
			fmt.Fprintln(w, s.paint(colorFaint, name)+strings.Repeat(" ", names+2-len(name))+line)
			name = ""
		}
	}
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

// printSizes prints what takes the bytes, and which of them a token reads.
func (f *fileReport) printSizes(w io.Writer, s screen) {
	reads := map[string]string{}
	for _, p := range f.Token.Parts {
		reads[p.Class] = size(p.Bytes)
	}
	largest, types := 0., len("type")
	for _, x := range f.Sizes {
		largest, types = max(largest, x.Share), max(types, len(strings.Join(x.Types, ", ")))
	}
	length := s.width - types - len("embedding    bits/weight  100 MiB  100.0 %    read a token  ")
	t := s.table("part", "type", ">bits/weight", ">size", ">share", "", ">read a token")
	for _, x := range slices.SortedStableFunc(slices.Values(f.Sizes), func(a, b sizeReport) int { return cmp.Compare(b.Bytes, a.Bytes) }) {
		bits := ""
		if x.BitsPerWeight > 0 {
			bits = fmt.Sprintf("%.3g", x.BitsPerWeight)
		}
		t.AppendRow(table.Row{x.Class, strings.Join(x.Types, ", "), bits, size(x.Bytes), fmt.Sprintf("%.1f %%", 100*x.Share),
			s.paint(colorBar, bar(x.Share/largest, max(4, length))), reads[x.Class]})
	}
	t.AppendRow(table.Row{"all", "", fmt.Sprintf("%.3g", f.BitsPerWeight), size(f.FileBytes), "", "", size(f.Token.Bytes)})
	printTable(w, t)
	var kinds []string
	for _, x := range f.Types {
		kinds = append(kinds, fmt.Sprintf("%s %g bits, %s weights, %s", x.Type, x.BitsPerWeight, count(x.Parameters), size(x.Bytes)))
	}
	facts(w, s, [][2]string{{"types", strings.Join(kinds, "; ")}})
}

func (f *fileReport) printKVCache(w io.Writer, s screen) {
	headings := []string{"KV cache of"}
	f16, q8 := table.Row{"f16"}, table.Row{"q8_0"}
	for _, x := range f.KVCache {
		headings = append(headings, ">"+plural(x.Context, "token"))
		f16 = append(f16, size(x.F16))
		if x.Q8 > 0 {
			q8 = append(q8, size(x.Q8))
		}
	}
	t := s.table(headings...)
	t.AppendRow(f16)
	if len(q8) > 1 {
		t.AppendRow(q8)
	}
	printTable(w, t)
}

func (f *fileReport) tokenizerFacts(s screen) [][2]string {
	template := "no chat template"
	if f.ChatTemplate {
		template = "with a chat template"
	}
	t := f.Tokenizer
	if t == nil {
		return [][2]string{{"tokenizer", "none: the model runs on token ids only; " + template}}
	}
	about := fmt.Sprintf("%s, %s tokens, %s", t.Kind, humanize.Comma(int64(t.VocabSize)), template)
	if t.AddBOS {
		about += ", begins a text with BOS"
	}
	rows := [][2]string{{"tokenizer", about}}
	// Some models have dozens of special tokens: those that fit on a line.
	line, names := s.width-len("generation  , and 100 more"), ""
	for i, x := range t.Special {
		name := fmt.Sprintf("%s %d", x.Token, x.ID)
		if i > 0 {
			if len(names)+len(name)+2 > line {
				names += fmt.Sprintf(", and %d more", len(t.Special)-i)
				break
			}
			names += ", "
		}
		names += name
	}
	if names != "" {
		rows = append(rows, [2]string{"special", names})
	}
	return rows
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
const maxNotes = 2

func (f *fileReport) provenanceFacts(s screen) [][2]string {
	p := &f.Provenance
	made := p.Tool
	for _, name := range slices.Sorted(maps.Keys(p.Options)) {
		made += fmt.Sprintf(", %s %s", name, p.Options[name])
	}
	rows := [][2]string{{"made by", made}}
	if len(p.Sources) > 0 {
		var bytes int64
		first, last := p.Sources[0].Name, p.Sources[len(p.Sources)-1].Name
		for _, x := range p.Sources {
			bytes += x.Bytes
		}
		from := fmt.Sprintf("%s of %s, %s … %s; sha256: --json", plural(len(p.Sources), "file"), size(bytes), first, last)
		if len(p.Sources) == 1 {
			from = fmt.Sprintf("%s, %s; sha256: --json", first, size(bytes))
		}
		rows = append(rows, [2]string{"from", from})
	}
	label := "notes"
	for i, n := range p.Notes {
		if i == maxNotes && len(p.Notes) > maxNotes+1 {
			n = fmt.Sprintf("… and %d more: --json lists them", len(p.Notes)-i)
		}
		if i > maxNotes {
			break
		}
		rows = append(rows, [2]string{label, text.Trim(n, 2*s.width)})
		label = ""
	}
	return rows
}

// checkFacts tells what was checked, and how to check the rest.
func (f *fileReport) checkFacts() [][2]string {
	return [][2]string{{"checked", "header, metadata and directory match their checksums; --verify checks the weights"}}
}
