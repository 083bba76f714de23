package tables

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"st/cmd/internal/report"
	"st/cmd/internal/terminal"
	"st/format/weightstats"
)

// narrow is the width below which tables leave columns out.
const narrow = 100

// weightHeadings are the columns that describe weights, besides their norms, on this screen.
func weightHeadings(s terminal.Screen) []string {
	if s.Width < narrow {
		return []string{">max/rms"}
	}
	return []string{">max/rms", ">outliers", ">scales"}
}

func weightColumns(s terminal.Screen, x *report.TensorStatistics) []any {
	scales := "–"
	if x.MaxScale > 0 {
		scales = fmt.Sprintf("%#.2g…%#.2g", x.MinScale, x.MaxScale)
	}
	all := []any{fmt.Sprintf("%.1f", x.MaxOverRMS), sharePercent(x.OutlierShare), scales}
	return all[:len(weightHeadings(s))]
}

// rms writes a norm; a matrix that is not there has none.
func rms(x report.TensorStatistics) string {
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
func flagged(s terminal.Screen, n int) string {
	if n == 0 {
		return "0"
	}
	return s.Paint(terminal.Warning, terminal.Comma(n))
}

// layers prints the attention of every layer, and then the feed-forward networks.
func layers(w io.Writer, s terminal.Screen, f *report.File) {
	projections := []string{"q_proj", "k_proj", "v_proj", "o_proj"}
	headings := []string{">layer", "", ">window", "type"}
	for _, p := range projections {
		headings = append(headings, ">"+strings.TrimSuffix(p, "_proj")+" rms")
	}
	fmt.Fprintln(w, s.Paint(terminal.Strong, "attention"))
	t := s.Table(append(append(headings, weightHeadings(s)...), ">router")...)
	for _, x := range f.Layers {
		window, position := "all", "NoPE"
		if x.Window > 0 {
			window = fmt.Sprint(x.Window)
		}
		if x.Position == "rope" {
			position = "RoPE"
		}
		row := []any{x.Layer, position, window, strings.Join(x.AttentionTypes, ", ")}
		for _, p := range projections {
			row = append(row, rms(x.Statistics.Matrices[p]))
		}
		t.Row(append(append(row, weightColumns(s, &x.Statistics.Attention)...), rms(x.Statistics.Router))...)
	}
	t.Print(w)
	fmt.Fprintln(w)
	layerFFNs(w, s, f)
	remarks(w, s, f)
}

// layerFFNs prints a line for the feed-forward network of every layer: its experts, with a strip of their RMS as wide as there is room,
// or the dense one.
func layerFFNs(w io.Writer, s terminal.Screen, f *report.File) {
	least, most, number := rmsRange(f)
	types := 0
	for _, x := range f.Layers {
		types = max(types, len(strings.Join(ffnTypes(&x), ", ")))
	}
	room := max(8, s.Width-types-len("layer    gate rms  up rms  down rms  max/rms  dead  alike  "))
	if s.Width >= narrow {
		room = max(8, room-len("outliers  0.0001…0.01  "))
	}
	each := max(1, (number+room-1)/room)
	title, headings := "experts", append([]string{">layer", "type", ">gate rms", ">up rms", ">down rms"}, weightHeadings(s)...)
	switch {
	case number == 0:
		title = "feed-forward networks"
	case each > 1:
		headings = append(headings, ">dead", ">alike", fmt.Sprintf("by %d experts", each))
	default:
		headings = append(headings, ">dead", ">alike", "rms by expert")
	}
	fmt.Fprintln(w, s.Paint(terminal.Strong, title))
	t := s.Table(headings...)
	for _, x := range f.Layers {
		st := x.Statistics
		ffn := st.FFN()
		row := append([]any{x.Layer, strings.Join(ffnTypes(&x), ", "), rms(st.Gate), rms(st.Up), rms(st.Down)}, weightColumns(s, &ffn)...)
		switch {
		case len(st.ExpertRMS) > 0:
			row = append(row, flagged(s, st.DeadNeurons), flagged(s, len(st.Alike)), s.Strip(terminal.Between(least, most), means(st.ExpertRMS, each)...))
		case number > 0:
			row = append(row, "–", "–", "dense")
		}
		t.Row(row...)
	}
	t.Print(w)
	if number > 0 {
		fmt.Fprintf(w, "rms of experts: ▁ %.3g … █ %.3g\n", least, most)
	}
}

// rmsRange returns the least and the largest RMS of an expert, and the number of experts of a layer.
func rmsRange(f *report.File) (least, most float64, number int) {
	least = math.Inf(1)
	for _, x := range f.Layers {
		for _, v := range x.Statistics.ExpertRMS {
			least, most = min(least, v), max(most, v)
		}
		number = max(number, len(x.Statistics.ExpertRMS))
	}
	return least, most, number
}

// means returns the means of as many values each.
func means(values []float64, each int) []float64 {
	var all []float64
	for part := range slices.Chunk(values, each) {
		sum := 0.
		for _, v := range part {
			sum += v
		}
		all = append(all, sum/float64(len(part)))
	}
	return all
}

func ffnTypes(l *report.Layer) []string { return append(slices.Clone(l.ExpertTypes), l.FFNTypes...) }

// experts prints a line for every expert.
func experts(w io.Writer, s terminal.Screen, f *report.File) {
	if len(f.Experts) == 0 {
		fmt.Fprintln(w, "no experts: feed-forward networks are dense here")
		return
	}
	least, most, uncertain := 0., 0., 0.
	for i, x := range f.Experts {
		v := x.Statistics.All.RMS
		if i == 0 {
			least = v
		}
		least, most = min(least, v), max(most, v)
	}
	t := s.Table(append(append([]string{">layer", ">expert", ">gate rms", ">up rms", ">down rms", ""}, weightHeadings(s)...), ">dead", ">nearest", ">cosine")...)
	for _, x := range f.Experts {
		st := x.Statistics
		row := []any{x.Layer, x.Expert, rms(st.Gate), rms(st.Up), rms(st.Down), s.Strip(terminal.Between(least, most), st.All.RMS)}
		row = append(append(row, weightColumns(s, &st.All)...), flagged(s, st.DeadNeurons))
		if n := st.Nearest; n != nil {
			cosine := fmt.Sprintf("%.3f", n.Cosine)
			uncertain = max(uncertain, n.StandardError)
			if st.IsAlike() {
				cosine = s.Paint(terminal.Warning, cosine)
			}
			row = append(row, n.Expert, cosine)
		}
		t.Row(row...)
	}
	t.Print(w)
	if uncertain > 0 {
		fmt.Fprintf(w, "cosines are estimates; their standard error is at most %.2g\n", uncertain)
	}
	if f.Layers == nil {
		remarks(w, s, f)
	}
}

// maxRemarks bounds the remarks of a kind.
const maxRemarks = 10

// remarks prints what a reader of the tables should not miss.
func remarks(w io.Writer, s terminal.Screen, f *report.File) {
	var alike, nonFinite []string
	told := map[[3]int]bool{}
	for _, x := range f.Layers {
		for _, p := range x.Statistics.Alike {
			alike = append(alike, fmt.Sprintf("layer %d: experts %d and %d are alike, cosine %.3f ± %.3f", x.Layer, p.Experts[0], p.Experts[1], p.Cosine, p.StandardError))
		}
		ffn := x.Statistics.FFN()
		if n := x.Statistics.Attention.NonFinite + x.Statistics.Router.NonFinite + x.Statistics.Norms.NonFinite + ffn.NonFinite; n > 0 {
			nonFinite = append(nonFinite, fmt.Sprintf("layer %d: %s NaN or infinite", x.Layer, weightsAre(n)))
		}
	}
	for _, x := range f.Experts {
		if n := x.Statistics.All.NonFinite; n > 0 {
			nonFinite = append(nonFinite, fmt.Sprintf("layer %d expert %d: %s NaN or infinite", x.Layer, x.Expert, weightsAre(n)))
		}
		n := x.Statistics.Nearest
		if f.Layers == nil && x.Statistics.IsAlike() && !told[[3]int{x.Layer, n.Expert, x.Expert}] {
			told[[3]int{x.Layer, x.Expert, n.Expert}] = true
			alike = append(alike, fmt.Sprintf("layer %d: experts %d and %d are alike, cosine %.3f ± %.3f", x.Layer, x.Expert, n.Expert, n.Cosine, n.StandardError))
		}
	}
	if alike == nil && f.Architecture.MoE != nil {
		fmt.Fprintf(w, "no two experts of a layer have an estimated cosine above %g\n", weightstats.AlikeCosine)
	}
	for _, remarks := range [][]string{alike, nonFinite} {
		for i, r := range remarks {
			if i == maxRemarks {
				fmt.Fprintf(w, "… and %d more: --json lists them\n", len(remarks)-i)
				break
			}
			fmt.Fprintln(w, s.Paint(terminal.Warning, r))
		}
	}
}

func weightsAre(n int64) string {
	if n == 1 {
		return "1 weight is"
	}
	return terminal.Comma(n) + " weights are"
}
