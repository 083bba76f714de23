package tables

import (
	"strings"
	"testing"

	"st/cmd/internal/report"
	"st/cmd/internal/terminal"
	"st/runtime/engine"
)

func TestFit(t *testing.T) {
	budgets := []report.Budget{{Name: "smallest", Memory: 300 << 20}, {Name: "all", Experts: 8}}
	for want, m := range map[string]report.Memory{
		"fits: needs 2.0 GiB with a context of 4,096, and 3.0 GiB is":         {Available: 3 << 30, Needed: 2 << 30, Fits: true},
		"fits in part: needs 2.0 GiB with a context of 4,096, and 1.0 GiB is": {Available: 1 << 30, Needed: 2 << 30},
		"does not fit: the smallest --memory is 300MiB, and 200 MiB is":       {Available: 200 << 20, Needed: 2 << 30},
		"not known": {Needed: 2 << 30},
	} {
		m.Budgets, m.Context = budgets, 4096
		if got := fit(&m, terminal.Screen{Width: 100}); !strings.Contains(got, want) {
			t.Errorf("%q does not tell %q", got, want)
		}
	}
}

// A plan that rests on doubtful figures says so in one line, and names the budgets in which its context does not fit.
func TestCachePlanRemarks(t *testing.T) {
	for _, layers := range []bool{false, true} {
		p := &report.CachePlan{Context: 4096, Experts: 8, Doubts: []string{"others were busy", "the disk varies"},
			Plans: []engine.CachePlan{{Memory: 300 << 20, Context: 512}, {Memory: 900 << 20, Context: 4096}}}
		if layers {
			p.Experts = 0
		}
		for _, want := range []bool{true, false} {
			if !want {
				p.Doubts = nil
			}
			var out strings.Builder
			CachePlan(&out, terminal.Screen{Width: 100}, p)
			if got := strings.Contains(out.String(), "\ndoubtful: others were busy; the disk varies: plan again when the machine is idle\n"); got != want {
				t.Errorf("layers %v, doubtful %v:\n%s", layers, want, out.String())
			}
			if !strings.Contains(out.String(), "cut to what fits: 512 in 300MiB.\n") {
				t.Errorf("layers %v:\n%s", layers, out.String())
			}
		}
	}
}
