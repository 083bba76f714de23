package tables

import (
	"fmt"
	"io"
	"strings"

	"st/cmd/internal/terminal"
	"st/runtime/activity"
)

// shownPairs is the number of pairs in a layer's row.
const shownPairs = 3

// Activity prints a row for every layer.
func Activity(w io.Writer, s terminal.Screen, r *activity.Report) {
	facts := append(activitySource(r), terminal.Fact{Name: "hot set", Value: hotSet(&r.HotSet, r.Shape.Layers*r.Shape.Experts)})
	if d := r.Density; d != nil {
		facts = append(facts, terminal.Fact{Name: "neurons", Value: fmt.Sprintf("%s of those of chosen experts are active (quartiles %s, %s, %s)",
			terminal.Percent(d.Mean), terminal.Percent(d.Q25), terminal.Percent(d.Median), terminal.Percent(d.Q75))})
	}
	s.Facts(w, append(facts, terminal.Fact{Name: "frequency", Value: terminal.AroundLegend})...)
	fmt.Fprintln(w)
	activityUses(w, s, r)
	if r.Density != nil || r.Shape.TopK > 1 {
		fmt.Fprintln(w)
		activityNeurons(w, s, r)
	}
}

// activityUses prints how the uses of a layer spread over its experts.
func activityUses(w io.Writer, s terminal.Screen, r *activity.Report) {
	t := s.Table(">layer", fmt.Sprintf(">entropy of %.2f", r.Layers[0].MaxEntropy), ">50 %", ">80 %", ">95 %", ">kept", ">by chance",
		fmt.Sprintf("experts 0 to %d", r.Shape.Experts-1))
	for i := range r.Layers {
		l := &r.Layers[i]
		frequencies := make([]float64, len(l.Experts))
		for e := range l.Experts {
			frequencies[e] = l.Experts[e].Frequency
		}
		t.Row(l.Layer, fmt.Sprintf("%.2f", l.Entropy), l.HotSet.Uses50, l.HotSet.Uses80, l.HotSet.Uses95, locality(r, l),
			terminal.Percent(l.LocalityByChance), s.Strip(terminal.Around(even(r)), frequencies...))
	}
	t.Print(w)
}

// activityNeurons prints how many neurons are active, if the activation leaves some inactive, and which experts go together.
func activityNeurons(w io.Writer, s terminal.Screen, r *activity.Report) {
	headings := []string{">layer"}
	if r.Density != nil {
		headings = append(headings, ">neurons", ">min", ">25 %", ">median", ">75 %", ">95 %", ">max")
	}
	if r.Shape.TopK > 1 { // one expert alone goes with no other
		headings = append(headings, "pairs, and their lift")
	}
	t := s.Table(headings...)
	for i := range r.Layers {
		l := &r.Layers[i]
		row := []any{l.Layer}
		if d := l.Density; d != nil {
			for _, v := range []float64{d.Mean, d.Min, d.Q25, d.Median, d.Q75, d.Q95, d.Max} {
				row = append(row, terminal.Percent(v))
			}
		}
		var pairs []string
		for _, p := range l.Pairs[:min(shownPairs, len(l.Pairs))] {
			pairs = append(pairs, fmt.Sprintf("%d+%d %.1f", p.Experts[0], p.Experts[1], p.Lift))
		}
		if r.Shape.TopK > 1 {
			row = append(row, strings.Join(pairs, "  "))
		}
		t.Row(row...)
	}
	t.Print(w)
}

func hotSet(h *activity.HotSet, experts int) string {
	return fmt.Sprintf("%d of %s have 50 %% of the uses; %d have 80 %%; %d have 95 %%", h.Uses50, terminal.Plural(experts, "expert"), h.Uses80, h.Uses95)
}

// even is the frequency of an expert if all are used alike.
func even(r *activity.Report) float64 { return float64(r.Shape.TopK) / float64(r.Shape.Experts) }

// locality writes a layer's locality, which is known if some token has one before it.
func locality(r *activity.Report, l *activity.LayerReport) string {
	if r.Tokens == r.Windows {
		return "–"
	}
	return terminal.Percent(l.Locality)
}

func activitySource(r *activity.Report) []terminal.Fact {
	return []terminal.Fact{
		{Name: "model", Value: fmt.Sprintf("%s: %s", r.Model, r.Shape)},
		{Name: "text", Value: fmt.Sprintf("%s: %s in %s of up to %s", r.Text, terminal.Plural(r.Tokens, "token"), terminal.Plural(r.Windows, "window"),
			terminal.Comma(r.Context))},
	}
}

// ActivityLayer prints a row for every expert of a layer.
func ActivityLayer(w io.Writer, s terminal.Screen, r *activity.Report, l *activity.LayerReport) {
	facts := append(activitySource(r),
		terminal.Fact{Name: "layer", Value: fmt.Sprintf("%d, entropy %.2f of %.2f bits", l.Layer, l.Entropy, l.MaxEntropy)},
		terminal.Fact{Name: "hot set", Value: hotSet(&l.HotSet, len(l.Experts))},
		terminal.Fact{Name: "kept", Value: fmt.Sprintf("%s of a token's experts are those of the token before, by chance %s", locality(r, l),
			terminal.Percent(l.LocalityByChance))})
	if d := l.Density; d != nil {
		facts = append(facts, terminal.Fact{Name: "neurons", Value: fmt.Sprintf("%s active: min %s, quartiles %s, %s, %s, 95 %% up to %s, max %s",
			terminal.Percent(d.Mean), terminal.Percent(d.Min), terminal.Percent(d.Q25), terminal.Percent(d.Median), terminal.Percent(d.Q75),
			terminal.Percent(d.Q95), terminal.Percent(d.Max))})
	}
	s.Facts(w, append(facts, terminal.Fact{Name: "frequency", Value: terminal.AroundLegend})...)
	fmt.Fprintln(w)
	t := s.Table(">expert", ">uses", ">frequency", "", ">weight", ">neurons", ">goes with", ">lift")
	for _, e := range l.Experts {
		weight, neurons, partner, lift := "–", "–", "–", "–"
		if e.Uses > 0 {
			weight = fmt.Sprintf("%.3f", e.MeanWeight)
		}
		if e.Uses > 0 && e.Density != nil {
			neurons = terminal.Percent(*e.Density)
		}
		if e.Partner >= 0 {
			partner, lift = fmt.Sprint(e.Partner), fmt.Sprintf("%.2f", e.Lift)
		}
		t.Row(e.Expert, terminal.Comma(e.Uses), terminal.Percent(e.Frequency), s.Strip(terminal.Around(even(r)), e.Frequency), weight, neurons, partner, lift)
	}
	t.Print(w)
	if len(l.Pairs) == 0 {
		return
	}
	fmt.Fprintln(w)
	t = s.Table("pair", ">together", ">by chance", ">lift")
	for _, p := range l.Pairs {
		t.Row(fmt.Sprintf("%d+%d", p.Experts[0], p.Experts[1]), terminal.Comma(p.Together), fmt.Sprintf("%.1f", p.Expected), fmt.Sprintf("%.2f", p.Lift))
	}
	t.Print(w)
}
