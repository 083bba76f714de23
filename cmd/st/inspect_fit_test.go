package main

import (
	"fmt"
	"strings"
	"testing"
)

// What is recommended for --memory works, and holds as many experts as it says.
func TestRecommendedMemory(t *testing.T) {
	m := mustJSON[fileReport](t, "inspect", tiny(t), "--json").Memory
	if len(m.Budgets) != 3 || m.Budgets[0].Name != "smallest" || m.Budgets[0].Context != 512 || m.Budgets[2].Experts != 96 || m.Context != 1024 {
		t.Fatalf("%+v", m)
	}
	for i, b := range m.Budgets {
		if i > 0 && b.Memory < m.Budgets[i-1].Memory {
			t.Errorf("%s takes less than %s", b.Name, m.Budgets[i-1].Name)
		}
		o := st("generate", tiny(t), "-p", "To be", "-n", "2", "--memory", mebibytes(b.Memory), "--ctx", fmt.Sprint(b.Context), "-q")
		if o.code != exitOK {
			t.Errorf("%+v: %s", b, o.stderr)
		}
	}
}

func TestFit(t *testing.T) {
	budgets := []budgetReport{{Name: "smallest", Memory: 300 << 20}}
	for want, m := range map[string]memoryReport{
		"fits: needs 2.0 GiB with a context of 4,096, and 3.0 GiB is":         {Available: 3 << 30, Needed: 2 << 30, Fits: true},
		"fits in part: needs 2.0 GiB with a context of 4,096, and 1.0 GiB is": {Available: 1 << 30, Needed: 2 << 30},
		"does not fit: the smallest --memory is 300MiB, and 200 MiB is":       {Available: 200 << 20, Needed: 2 << 30},
		"not known": {Needed: 2 << 30},
	} {
		m.Budgets, m.Context = budgets, 4096
		if got := m.fit(screen{width: 100}); !strings.Contains(got, want) {
			t.Errorf("%q does not tell %q", got, want)
		}
	}
}
