package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"st/format/weightstats"
)

// narrow is the width below which tables leave columns out.
const narrow = 100

// weightHeadings are the columns that describe weights, besides their norms, on this screen.
func (s screen) weightHeadings() []string {
	if s.width < narrow {
		return []string{">max/rms"}
	}
	return []string{">max/rms", ">outliers", ">scales"}
}

func (s screen) weightColumns(x *weightReport) []any {
	scales := "–"
	if x.MaxScale > 0 {
		scales = fmt.Sprintf("%#.2g…%#.2g", x.MinScale, x.MaxScale)
	}
	all := []any{fmt.Sprintf("%.1f", x.MaxOverRMS), sharePercent(x.OutlierShare), scales}
	return all[:len(s.weightHeadings())]
}

// rms writes a norm; a matrix that is not there has none.
func rms(x weightReport) string {
	if x.Weights == 0 {
		return "–"
	}
	return fmt.Sprintf("%#.3g", x.RMS)
}

// sharePercent writes a share that may be tiny.
func sharePercent(share float64) string {
	if share == 0 {
		return "0"
	}
	return fmt.Sprintf("%.2g %%", 100*share)
}

// flagged writes a number that should be zero.
func (s screen) flagged(n int) string {
	if n == 0 {
		return "0"
	}
	return s.paint(colorWarning, humanize.Comma(int64(n)))
}

// printLayers prints the attention of every layer, and then the experts.
func (f *fileReport) printLayers(w io.Writer, s screen) {
	projections := []string{"q_proj", "k_proj", "v_proj", "o_proj"}
	headings := []string{">layer", "", ">window", "type"}
	for _, p := range projections {
		headings = append(headings, ">"+strings.TrimSuffix(p, "_proj")+" rms")
	}
	fmt.Fprintln(w, s.paint(colorStrong, "attention"))
	t := s.table(append(append(headings, s.weightHeadings()...), ">router")...)
	for _, x := range f.Layers {
		window, position := "all", "NoPE"
		if x.Window > 0 {
			window = fmt.Sprint(x.Window)
		}
		if x.Position == "rope" {
			position = "RoPE"
		}
		row := table.Row{x.Layer, position, window, strings.Join(x.AttentionTypes, ", ")}
		for _, p := range projections {
			row = append(row, rms(x.Statistics.Matrices[p]))
		}
		t.AppendRow(append(append(row, s.weightColumns(&x.Statistics.Attention)...), rms(x.Statistics.Router)))
	}
	printTable(w, t)
	fmt.Fprintln(w)
	f.printLayerExperts(w, s)
	f.printRemarks(w, s)
}

// printLayerExperts prints a line for the experts of every layer, with a strip of their norms as wide as there is room.
func (f *fileReport) printLayerExperts(w io.Writer, s screen) {
	least, most, number := 0., 0., 0
	for i, x := range f.Layers {
		for j, v := range x.Statistics.ExpertRMS {
			if i == 0 && j == 0 {
				least = v
			}
			least, most = min(least, v), max(most, v)
		}
		number = max(number, len(x.Statistics.ExpertRMS))
	}
	types := 0
	for _, x := range f.Layers {
		types = max(types, len(strings.Join(x.ExpertTypes, ", ")))
	}
	room := max(8, s.width-types-len("layer    gate rms  up rms  down rms  max/rms  dead  alike  "))
	if s.width >= narrow {
		room = max(8, room-len("outliers  0.0001…0.01  "))
	}
	each := max(1, (number+room-1)/room)
	strip := "rms by expert"
	if each > 1 {
		strip = fmt.Sprintf("by %d experts", each)
	}
	fmt.Fprintln(w, s.paint(colorStrong, "experts"))
	t := s.table(append(append([]string{">layer", "type", ">gate rms", ">up rms", ">down rms"}, s.weightHeadings()...), ">dead", ">alike", strip)...)
	for _, x := range f.Layers {
		st := x.Statistics
		row := append(table.Row{x.Layer, strings.Join(x.ExpertTypes, ", "), rms(st.Gate), rms(st.Up), rms(st.Down)}, s.weightColumns(&st.Experts)...)
		var means []float64
		for part := range slices.Chunk(st.ExpertRMS, each) {
			sum := 0.
			for _, v := range part {
				sum += v
			}
			means = append(means, sum/float64(len(part)))
		}
		t.AppendRow(append(row, s.flagged(st.DeadNeurons), s.flagged(len(st.Alike)), s.heat(means, least, most)))
	}
	printTable(w, t)
	if number > 0 {
		fmt.Fprintf(w, "rms of experts: ▁ %.3g … █ %.3g\n", least, most)
	}
}

// printExperts prints a line for every expert.
func (f *fileReport) printExperts(w io.Writer, s screen) {
	least, most, uncertain := 0., 0., 0.
	for i, x := range f.Experts {
		v := x.Statistics.All.RMS
		if i == 0 {
			least = v
		}
		least, most = min(least, v), max(most, v)
	}
	t := s.table(append(append([]string{">layer", ">expert", ">gate rms", ">up rms", ">down rms", ""}, s.weightHeadings()...), ">dead", ">nearest", ">cosine")...)
	for _, x := range f.Experts {
		st := x.Statistics
		row := table.Row{x.Layer, x.Expert, rms(st.Gate), rms(st.Up), rms(st.Down), s.heat([]float64{st.All.RMS}, least, most)}
		row = append(append(row, s.weightColumns(&st.All)...), s.flagged(st.DeadNeurons))
		if n := st.Nearest; n != nil {
			cosine := fmt.Sprintf("%.3f", n.Cosine)
			uncertain = max(uncertain, n.StandardError)
			if st.isAlike() {
				cosine = s.paint(colorWarning, cosine)
			}
			row = append(row, n.Expert, cosine)
		}
		t.AppendRow(row)
	}
	printTable(w, t)
	if uncertain > 0 {
		fmt.Fprintf(w, "cosines are estimates; their standard error is at most %.2g\n", uncertain)
	}
	if f.Layers == nil {
		f.printRemarks(w, s)
	}
}

// maxRemarks bounds the remarks of a kind.
const maxRemarks = 10

// printRemarks prints what a reader of the tables should not miss.
func (f *fileReport) printRemarks(w io.Writer, s screen) {
	var alike, nonFinite []string
	told := map[[3]int]bool{}
	for _, x := range f.Layers {
		for _, p := range x.Statistics.Alike {
			alike = append(alike, fmt.Sprintf("layer %d: experts %d and %d are alike, cosine %.3f ± %.3f", x.Layer, p.Experts[0], p.Experts[1], p.Cosine, p.StandardError))
		}
		if n := x.Statistics.Attention.NonFinite + x.Statistics.Router.NonFinite + x.Statistics.Norms.NonFinite + x.Statistics.Experts.NonFinite; n > 0 {
			nonFinite = append(nonFinite, fmt.Sprintf("layer %d: %s NaN or infinite", x.Layer, weightsAre(n)))
		}
	}
	for _, x := range f.Experts {
		if n := x.Statistics.All.NonFinite; n > 0 {
			nonFinite = append(nonFinite, fmt.Sprintf("layer %d expert %d: %s NaN or infinite", x.Layer, x.Expert, weightsAre(n)))
		}
		n := x.Statistics.Nearest
		if f.Layers == nil && x.Statistics.isAlike() && !told[[3]int{x.Layer, n.Expert, x.Expert}] {
			told[[3]int{x.Layer, x.Expert, n.Expert}] = true
			alike = append(alike, fmt.Sprintf("layer %d: experts %d and %d are alike, cosine %.3f ± %.3f", x.Layer, x.Expert, n.Expert, n.Cosine, n.StandardError))
		}
	}
	if alike == nil {
		fmt.Fprintf(w, "no two experts of a layer have an estimated cosine above %g\n", weightstats.AlikeCosine)
	}
	for _, remarks := range [][]string{alike, nonFinite} {
		for i, r := range remarks {
			if i == maxRemarks {
				fmt.Fprintf(w, "… and %d more: --json lists them\n", len(remarks)-i)
				break
			}
			fmt.Fprintln(w, s.paint(colorWarning, r))
		}
	}
}

func weightsAre(n int64) string {
	if n == 1 {
		return "1 weight is"
	}
	return humanize.Comma(n) + " weights are"
}
