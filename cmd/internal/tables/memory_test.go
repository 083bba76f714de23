package tables

import (
	"strings"
	"testing"

	"st/cmd/internal/report"
	"st/cmd/internal/terminal"
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
