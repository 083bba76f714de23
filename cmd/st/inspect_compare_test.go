package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/runtime/activity"
)

func TestInspectCompare(t *testing.T) {
	_, prose := activityOf(t, tiny(t), 6000)
	_, rest := activityOf(t, tiny(t), 12000)
	source, err := os.ReadFile("inspect_run_test.go")
	if err != nil {
		t.Fatal(err)
	}
	code := filepath.Join(t.TempDir(), "code.json")
	o := stIn(string(source), "inspect", tiny(t), "--run", "--text", "-", "--json", "-q")
	if err := os.WriteFile(code, []byte(o.stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	compare := func(a, b string) activity.Comparison {
		return mustJSON[activity.Comparison](t, "inspect", "--compare", a, b, "--json")
	}
	same, near, far := compare(prose, prose), compare(prose, rest), compare(prose, code)
	if same.Variation != 0 || same.Overlap != (activity.Overlap{Uses50: 1, Uses80: 1, Uses95: 1}) || !cmp.Equal(same.A, same.B) {
		t.Errorf("with itself: %+v", same)
	}
	// Half of the prose is the same; a program has little to do with it.
	if near.Variation <= 0 || near.Variation > far.Variation/2 || near.Divergence > far.Divergence/2 || far.Variation < 5*far.ByChance {
		t.Errorf("prose differs by %v and %v, from code by %v and %v, by chance %v", near.Variation, near.Divergence, far.Variation, far.Divergence, far.ByChance)
	}
	back := compare(code, prose)
	if back.Variation != far.Variation || back.Changed[0].Difference != -far.Changed[0].Difference || len(back.Changed) != 10 || len(back.Layers) != 6 {
		t.Errorf("the other way round: %+v", back)
	}
	text := must(t, "inspect", "--compare", prose, code)
	for _, want := range []string{"A  " + tiny(t), "on standard input: ", "\n  all  ", "frequency in A", "changed most"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if text := must(t, "inspect", "--compare", prose, code, "--layer", "4"); strings.Count(text, "\n    4  ") != 16 {
		t.Errorf("a row for every expert of layer 4 is missing:\n%s", text)
	}
	for _, tt := range []struct{ change, to, want string }{
		{`"neurons":64`, `"neurons":768`, "cannot be compared: the models have different shapes: 6 layers of 16 experts, 4 chosen by a token, of 64 neurons each, and"},
		{`"version":1`, `"version":7`, "has version 7"},
		{"{", "[", "this is no activity report"},
	} {
		good, err := os.ReadFile(code)
		if err != nil {
			t.Fatal(err)
		}
		bad := filepath.Join(t.TempDir(), "bad.json")
		if err := os.WriteFile(bad, []byte(strings.Replace(string(good), tt.change, tt.to, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if o := st("inspect", "--compare", prose, bad); o.code != exitFailure || o.stdout != "" || !strings.Contains(o.stderr, bad) || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("%+v, want %q", o, tt.want)
		}
	}
	for _, tt := range []struct{ b, layer, want string }{
		{"nowhere.json", "0", "open nowhere.json: no such file"},
		{tiny(t), "0", "this is no activity report"},
		{t.TempDir(), "0", "this is no activity report"},
		{code, "6", "has layers 0 to 5"},
	} {
		if o := st("inspect", "--compare", prose, tt.b, "--layer", tt.layer); o.code != exitFailure || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("%+v, want %q", o, tt.want)
		}
	}
}
