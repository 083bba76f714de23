package tables

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"st/cmd/internal/report"
	"st/cmd/internal/terminal"
	"st/format"
)

// Summary prints on one screen whether a model fits here, where its bytes are, and what a token reads.
func Summary(w io.Writer, s terminal.Screen, f *report.File) {
	fmt.Fprintln(w, s.Paint(terminal.Strong, terminal.Printable(f.File)))
	about := fmt.Sprintf("%s, format version %d: %s parameters at %.3g bits, %s active for a token", terminal.Size(f.FileBytes), f.FormatVersion,
		terminal.Count(f.Parameters.Total), f.BitsPerWeight, terminal.Count(f.Parameters.ActivePerToken))
	for _, line := range append(terminal.Wrap(about, s.Width), terminal.Wrap(fit(f.Memory, s), s.Width)...) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	s.Facts(w, architecture(&f.Architecture)...)
	fmt.Fprintln(w)
	sizes(w, s, f)
	fmt.Fprintln(w)
	memory(w, f.Memory, s)
	fmt.Fprintln(w)
	kvCache(w, s, f.KVCache)
	fmt.Fprintln(w)
	s.Facts(w, slices.Concat(tokenizerFacts(f, s), generationFacts(&f.Generation), provenanceFacts(&f.Provenance, s), usesFacts(f.ExpertUses),
		[]terminal.Fact{checkedFact})...)
}

// shortestBar is the length below which there are no bars: they would tell nothing, and make lines longer than the screen.
const shortestBar = 4

// sizes prints what takes the bytes, and which of them a token reads.
func sizes(w io.Writer, s terminal.Screen, f *report.File) {
	reads := map[report.Class]string{}
	for _, p := range f.Token.Parts {
		reads[p.Class] = terminal.Size(p.Bytes)
	}
	largest, parts, types := 0., len("part"), len("type")
	for _, x := range f.Sizes {
		largest, parts, types = max(largest, x.Share), max(parts, len(x.Class)), max(types, len(strings.Join(x.Types, ", ")))
	}
	length := s.Width - parts - types - len("    bits/weight  100 MiB  100.0 %    read a token  ")
	t := s.Table("part", "type", ">bits/weight", ">size", ">share", "", ">read a token")
	for _, x := range slices.SortedStableFunc(slices.Values(f.Sizes), func(a, b report.ClassSize) int { return cmp.Compare(b.Bytes, a.Bytes) }) {
		bits, bar := "", ""
		if x.BitsPerWeight > 0 {
			bits = fmt.Sprintf("%.3g", x.BitsPerWeight)
		}
		if length >= shortestBar {
			bar = s.Paint(terminal.BarFill, terminal.Bar(x.Share/largest, length))
		}
		t.Row(x.Class, strings.Join(x.Types, ", "), bits, terminal.Size(x.Bytes), terminal.Percent(x.Share), bar, reads[x.Class])
	}
	t.Row("all", "", fmt.Sprintf("%.3g", f.BitsPerWeight), terminal.Size(f.FileBytes), "", "", terminal.Size(f.Token.Bytes))
	t.Print(w)
	var kinds []string
	for _, x := range f.Types {
		kinds = append(kinds, fmt.Sprintf("%s %g bits, %s weights, %s", x.Type, x.BitsPerWeight, terminal.Count(x.Parameters), terminal.Size(x.Bytes)))
	}
	s.Facts(w, terminal.Fact{Name: "types", Value: strings.Join(kinds, "; ")})
}

func kvCache(w io.Writer, s terminal.Screen, all []report.KVCache) {
	headings := []string{"KV cache of"}
	f16, q8 := []any{"f16"}, []any{"q8_0"}
	for _, x := range all {
		headings = append(headings, ">"+terminal.Plural(x.Context, "token"))
		f16 = append(f16, terminal.Size(x.F16))
		if x.Q8 > 0 {
			q8 = append(q8, terminal.Size(x.Q8))
		}
	}
	t := s.Table(headings...)
	t.Row(f16...)
	if len(q8) > 1 {
		t.Row(q8...)
	}
	t.Print(w)
}

func tokenizerFacts(f *report.File, s terminal.Screen) []terminal.Fact {
	template := "no chat template"
	if f.ChatTemplate {
		template = "with a chat template"
	}
	t := f.Tokenizer
	if t == nil {
		return []terminal.Fact{{Name: "tokenizer", Value: "none: the model runs on token ids only; " + template}}
	}
	about := fmt.Sprintf("%s, %s tokens, %s", t.Kind, terminal.Comma(t.VocabSize), template)
	if t.AddBOS {
		about += ", begins a text with BOS"
	}
	rows := []terminal.Fact{{Name: "tokenizer", Value: about}}
	// Some models have dozens of special tokens: those that fit on a line.
	line, names := s.Width-len("generation  , and 100 more"), ""
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
		rows = append(rows, terminal.Fact{Name: "special", Value: names})
	}
	return rows
}

func generationFacts(g *format.Generation) []terminal.Fact {
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
	return []terminal.Fact{{Name: "generation", Value: strings.Join(parts, ", ")}}
}

// maxNotes bounds the notes that are printed: there is one for every tensor that could not have its type.
const maxNotes = 2

func provenanceFacts(p *format.Provenance, s terminal.Screen) []terminal.Fact {
	made := p.Tool
	for _, name := range slices.Sorted(maps.Keys(p.Options)) {
		made += fmt.Sprintf(", %s %s", name, p.Options[name])
	}
	rows := []terminal.Fact{{Name: "made by", Value: made}}
	if len(p.Sources) > 0 {
		var bytes int64
		first, last := p.Sources[0].Name, p.Sources[len(p.Sources)-1].Name
		for _, x := range p.Sources {
			bytes += x.Bytes
		}
		from := fmt.Sprintf("%s of %s, %s … %s; sha256: --json", terminal.Plural(len(p.Sources), "file"), terminal.Size(bytes), first, last)
		if len(p.Sources) == 1 {
			from = fmt.Sprintf("%s, %s; sha256: --json", first, terminal.Size(bytes))
		}
		rows = append(rows, terminal.Fact{Name: "from", Value: from})
	}
	label := "notes"
	for i, n := range p.Notes {
		if i == maxNotes && len(p.Notes) > maxNotes+1 {
			n = fmt.Sprintf("… and %d more: --json lists them", len(p.Notes)-i)
		}
		if i > maxNotes {
			break
		}
		rows = append(rows, terminal.Fact{Name: label, Value: s.Fit(n, 2*s.Width)})
		label = ""
	}
	return rows
}

// usesFacts tells what is known of the use of experts, and how to forget it.
func usesFacts(u *report.ExpertUses) (rows []terminal.Fact) {
	if u == nil {
		return nil
	}
	add := func(name, format string, args ...any) {
		rows = append(rows, terminal.Fact{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	if u.Damaged != "" {
		add("recorded", "%s", terminal.Printable(u.Damaged))
	}
	if x := u.Recorded; x != nil {
		add("recorded", "which experts %s used; --memory keeps these first", counted(x.Tokens))
	}
	if x := u.Remembered; x != nil {
		what := "--memory keeps these first"
		if u.Recorded != nil {
			what = "what is recorded comes first"
		}
		add("remembered", "which experts %s of %s used, the last on %s; %s; to forget, remove %s", counted(x.Tokens), terminal.Plural(int(x.Runs), "run"), x.Last,
			what, terminal.Printable(x.File))
	}
	if u.RememberedDamaged != "" {
		add("remembered", "nothing: %s is damaged, and the next run replaces it", terminal.Printable(u.RememberedDamaged))
	}
	return rows
}

func counted(tokens int64) string { return terminal.Plural(int(tokens), "token") }

// checkedFact tells what was checked, and how to check the rest.
var checkedFact = terminal.Fact{Name: "checked", Value: "header, metadata and directory match their checksums; --verify checks the weights"}
