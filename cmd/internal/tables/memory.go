package tables

import (
	"fmt"
	"io"
	"strings"

	"st/cmd/internal/report"
	"st/cmd/internal/terminal"
	"st/runtime/engine"
)

// fit answers in a sentence whether a model fits here.
func fit(m *report.Memory, s terminal.Screen) string {
	smallest, all := m.Budgets[0], m.Budgets[len(m.Budgets)-1]
	need := fmt.Sprintf("needs %s with a context of %s", terminal.Size(m.Needed), terminal.Comma(m.Context))
	available := fmt.Sprintf("%s is available here", terminal.Size(m.Available))
	switch {
	case m.Available == 0:
		return need + "; how much is available here is not known"
	case m.Fits:
		return fmt.Sprintf("%s: %s, and %s", s.Paint(terminal.Good, "fits"), need, available)
	case m.Available >= smallest.Memory && all.Experts == 0:
		return fmt.Sprintf("%s: %s, and %s: layers are read for every token", s.Paint(terminal.Warning, "fits in part"), need, available)
	case m.Available >= smallest.Memory:
		return fmt.Sprintf("%s: %s, and %s: experts are read when needed", s.Paint(terminal.Warning, "fits in part"), need, available)
	}
	return fmt.Sprintf("%s: the smallest --memory is %s, and %s", s.Paint(terminal.Bad, "does not fit"), terminal.MiB(smallest.Memory), available)
}

// memory prints what values of --memory mean.
func memory(w io.Writer, m *report.Memory, s terminal.Screen) {
	all := m.Budgets[len(m.Budgets)-1].Experts
	if all == 0 {
		memoryOfLayers(w, m, s)
		return
	}
	t := s.Table("memory", ">--memory", ">context", ">experts kept", "")
	means := map[string]string{
		"smallest": "the others are read for every token",
		"half":     "those used most; --cache-plan estimates the speed",
	}
	for _, b := range m.Budgets {
		mean := means[b.Name]
		if b.Experts == all {
			mean = "nothing is read twice"
		}
		t.Row(b.Name, terminal.MiB(b.Memory), terminal.Comma(b.Context), fmt.Sprintf("%s of %s", terminal.Comma(b.Experts), terminal.Comma(all)), meaning(s, mean))
	}
	t.Print(w)
}

// meaning is the last cell of a row, as far as there is room.
func meaning(s terminal.Screen, t string) string {
	return s.Paint(terminal.Faint, s.Fit(t, max(8, s.Width-48)))
}

// memoryOfLayers is memory of a dense model.
func memoryOfLayers(w io.Writer, m *report.Memory, s terminal.Screen) {
	t := s.Table("memory", ">--memory", ">context", ">layers kept", "")
	means := map[string]string{
		"smallest": "feed-forward networks are read for every token, as fast as the disk is",
		"half":     "the others are read for every token; --cache-plan estimates the speed",
	}
	all := m.Budgets[len(m.Budgets)-1].Layers
	for _, b := range m.Budgets {
		mean := means[b.Name]
		if b.Layers == all {
			mean = "nothing is read twice"
		}
		t.Row(b.Name, terminal.MiB(b.Memory), terminal.Comma(b.Context), fmt.Sprintf("%s of %s", terminal.Comma(b.Layers), terminal.Comma(all)), meaning(s, mean))
	}
	t.Print(w)
}

// CachePlan prints how a model runs within budgets.
func CachePlan(w io.Writer, s terminal.Screen, p *report.CachePlan) {
	if p.Experts == 0 {
		planOfLayers(w, s, p)
		return
	}
	counted := ""
	if p.Generated > 0 {
		counted = fmt.Sprintf(", %d of them generated", p.Generated)
	}
	fmt.Fprintf(w, "by %s of %s%s; context %d, experts kept while it is empty; disk %.0f MB/s, %.0f µs, %s in flight; memory %.1f GB/s (in %s)",
		terminal.Printable(p.Source), terminal.Plural(p.Tokens, "token"), counted, p.Context, p.DiskSpeed/1e6, 1e6*p.DiskLatency,
		terminal.Plural(p.DiskQueue, "read"), p.MemorySpeed/1e9, terminal.Size(p.MemoryRead))
	simulated := p.Computing > 0
	heads := []string{">--memory", ">experts kept", ">of all", ">found", ">at best", ">read a token"}
	if simulated {
		fmt.Fprintf(w, "; computing %.1f ms a token", 1e3*p.Computing)
		heads = append(heads, ">waiting", ">disk busy")
	}
	fmt.Fprintln(w)
	doubts(w, s, p)
	fmt.Fprintln(w)
	speed := ">tokens/s, at most"
	if simulated {
		speed = ">tokens/s, about"
	}
	heads = append(heads, speed)
	later := simulated && p.Plans[0].Later != nil
	if later {
		heads = append(heads, fmt.Sprintf(">first %d", engine.PlanStart), ">later")
	}
	t := s.Table(heads...)
	for _, x := range p.Plans {
		bound := "–"
		if x.Bound > 0 {
			bound = terminal.Percent(x.Bound)
		}
		row := []any{terminal.MiB(x.Memory), x.Experts, fmt.Sprintf("%.0f %%", 100*float64(x.Experts)/float64(p.Experts)),
			terminal.Percent(x.HitRate), bound, terminal.Size(int64(x.BytesPerToken))}
		if simulated {
			row = append(row, fmt.Sprintf("%.1f ms", 1e3*x.Simulated.Wait), terminal.Percent(x.Simulated.DiskBusy))
		}
		row = append(row, fmt.Sprintf("%.1f", x.Speed()))
		if later {
			row = append(row, fmt.Sprintf("%.1f", x.Start.TokensPerSecond), fmt.Sprintf("%.1f", x.Later.TokensPerSecond))
		}
		t.Row(row...)
	}
	t.Print(w)
	contexts(w, p)
	switch {
	case later:
		first := p.Plans[0].Start.Tokens
		fmt.Fprintf(w, "\nFirst %d: %d tokens that soon after a prompt, when more experts are missing; later: the other %d, as in a long text.\n", engine.PlanStart,
			first, p.Generated-first)
	case simulated:
		fmt.Fprintf(w, "\nThe trace is too short for a long text: hardly a token comes later than %d after a prompt, when fewer experts are missing.\n",
			engine.PlanStart)
	}
}

// planOfLayers is CachePlan of a dense model.
func planOfLayers(w io.Writer, s terminal.Screen, p *report.CachePlan) {
	fmt.Fprintf(w, "context %d; layers are read at %.0f MB/s here, memory at %.1f GB/s (in %s)\n", p.Context, p.DiskSpeed/1e6, p.MemorySpeed/1e9,
		terminal.Size(p.MemoryRead))
	doubts(w, s, p)
	fmt.Fprintln(w)
	t := s.Table(">--memory", ">layers kept", ">of all", ">read a token", ">tokens/s, at most")
	for _, x := range p.Plans {
		t.Row(terminal.MiB(x.Memory), x.Layers, fmt.Sprintf("%.0f %%", 100*x.HitRate), terminal.Size(int64(x.BytesPerToken)), fmt.Sprintf("%.1f", x.TokensPerSecond))
	}
	t.Print(w)
	contexts(w, p)
}

// doubts tells what is doubtful of a plan: in a line that it rests on few tokens, and in another why what was measured may be too slow.
func doubts(w io.Writer, s terminal.Screen, p *report.CachePlan) {
	measured := p.Doubts
	if p.FewUses != "" {
		fmt.Fprintln(w, s.Paint(terminal.Warning, "doubtful: "+p.FewUses+", or a --trace"))
		measured = measured[1:]
	}
	if len(measured) > 0 {
		fmt.Fprintln(w, s.Paint(terminal.Warning, "doubtful: "+strings.Join(measured, "; ")+": plan again when the machine is idle"))
	}
}

// contexts tells in which budgets there is no room for the context that the plan is for.
func contexts(w io.Writer, p *report.CachePlan) {
	var short []string
	for _, x := range p.Plans {
		if x.Context < p.Context {
			short = append(short, fmt.Sprintf("%s in %s", terminal.Comma(x.Context), terminal.MiB(x.Memory)))
		}
	}
	if short != nil {
		fmt.Fprintf(w, "\nThe context is cut to what fits: %s.\n", strings.Join(short, ", "))
	}
}
