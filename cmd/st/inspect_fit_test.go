package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"st/cmd/internal/report"
	"st/cmd/internal/terminal"
)

// What is recommended for --memory works, and holds as many experts as it says.
func TestRecommendedMemory(t *testing.T) {
	var f report.File
	if o := stAlone(t, "inspect", tiny(t), "--json"); json.Unmarshal([]byte(o.stdout), &f) != nil {
		t.Fatalf("%+v", o)
	}
	m := f.Memory
	if len(m.Budgets) != 3 || m.Budgets[0].Name != "smallest" || m.Budgets[0].Context != 512 || m.Budgets[2].Experts != 96 || m.Context != 1024 {
		t.Fatalf("%+v", m)
	}
	for i, b := range m.Budgets {
		if i > 0 && b.Memory < m.Budgets[i-1].Memory {
			t.Errorf("%s takes less than %s", b.Name, m.Budgets[i-1].Name)
		}
		if b.Memory > m.Needed { // without a bound it takes no less
			t.Errorf("%s takes %d bytes, and the model needs %d", b.Name, b.Memory, m.Needed)
		}
		o := stAlone(t, "generate", tiny(t), "-p", "To be", "-n", "2", "--memory", terminal.MiB(b.Memory), "--ctx", fmt.Sprint(b.Context), "-q")
		if o.code != exitOK {
			t.Errorf("%+v: %s", b, o.stderr)
		}
	}
}
