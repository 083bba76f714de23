package activity

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompare(t *testing.T) {
	a := report(t, collect())
	a.Model, a.Text = "m.stm", "a.txt"
	other := collector(a.Shape)
	other.ExpertsUsed(0, []int32{3, 2, 2, 3}, []float32{1, 0, 1, 0}, []int32{1, 1, 1, 1})
	b := report(t, other)
	got, err := Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	// Distributions ½ ¼ ¼ 0 and 0 0 ½ ½, whose middle is ¼ ⅛ ⅜ ¼; hot sets {0}, {0, 1, 2} twice and {2}, {2, 3} twice.
	changes := []ExpertChange{{0, 0, 1, 0, -1}, {0, 1, 0.5, 0, -0.5}, {0, 2, 0.5, 1, 0.5}, {0, 3, 0, 1, 1}}
	chance := chanceVariation([]float64{4. / 6, 2. / 6, 4. / 6, 2. / 6}, 2, 4, 2)
	divergence := entropy([]float64{0.25, 0.125, 0.375, 0.25}) - (1.5+1)/2
	layer := LayerComparison{Variation: 0.75, ByChance: chance, Divergence: divergence, Overlap: Overlap{0, 0.25, 0.25},
		DensityShift: number(0.1 - 0.375), Experts: changes}
	want := &Comparison{Kind: ComparisonKind, Version: Version, A: Source{"m.stm", "a.txt", 4, a.Density}, B: Source{Tokens: 2, Density: b.Density},
		Shape: a.Shape, Variation: 0.75, ByChance: chance, Divergence: divergence, Overlap: layer.Overlap, DensityShift: layer.DensityShift,
		Changed: []ExpertChange{changes[0], changes[3], changes[1], changes[2]}, Layers: []LayerComparison{layer}}
	if diff := cmp.Diff(want, got, about); diff != "" {
		t.Error(diff)
	}
	same, err := Compare(a, a)
	if err != nil || same.Variation != 0 || same.Divergence != 0 || *same.DensityShift != 0 || same.Overlap != (Overlap{1, 1, 1}) {
		t.Errorf("compared with itself: %+v, %v", same, err)
	}
	b.Shape.Neurons++
	if _, err := Compare(a, b); err == nil || !strings.Contains(err.Error(), "of 10 neurons each, and 1 layers of 4 experts, 2 chosen by a token, of 11") {
		t.Errorf("other shapes: %v", err)
	}
}

func TestReadReport(t *testing.T) {
	text, err := json.Marshal(report(t, collect()))
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	r, err := ReadReport(strings.NewReader(good + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report(t, collect()), r, about); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct{ old, new, want string }{
		{good, "", "no activity report"},
		{good, "To be, or not to be", "no activity report"},
		{good, `{"file": "m.stm"}`, `"report" is "", not "activity"`},
		{good, good + good, "something follows"},
		{good, good[:len(good)/2], "no activity report"},
		{`"report":"activity"`, `"report":"activity comparison"`, `"report" is "activity comparison"`},
		{`"version":1`, `"version":2`, "has version 2: this program reads version 1"},
		{`"top_k":2`, `"top_k":5`, "its shape is 1 layers of 4 experts, 5 chosen"},
		{`"top_k":2`, `"top_k":1`, "layer 0 was used 8 times, not 4"},
		{`"layers":1`, `"layers":2`, "it has 1 layers, not 2"},
		{`"tokens":4`, `"tokens":0`, "it tells of 0 tokens"},
		{`"layers":[{"layer":0`, `"layers":[{"layer":-1`, "the number of a layer, -1, is not between -1 and"},
		{`"layers":[{"layer":0`, `"layers":[{"layer":5000`, "the number of a layer, 5000, is not between -1 and"},
		{`"density":0.3,`, "", "expert 1 should be"},
		{`"expert":3`, `"expert":2`, "where expert 3 should be is expert 2"},
		{`"uses":4`, `"uses":5`, "which 5 of 4 tokens use"},
		{`"uses":4`, `"uses":-4`, "which -4 of 4 tokens use"},
		{`"mean":0.375`, `"mean":3.75`, "a density is 3.75"},
	} {
		bad := strings.ReplaceAll(good, tt.old, tt.new)
		if _, err := ReadReport(strings.NewReader(bad)); bad == good || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40s for %.40s: error is %v, want %q", tt.new, tt.old, err, tt.want)
		}
	}
}
