package experts_test

import (
	"bytes"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/runtime/experts"
)

// lru gives up what was not used for longest.
type lru struct {
	size  int
	order []int32 // the oldest first
}

func (p *lru) Advance(int) {}

func (p *lru) Has(id int32) bool { return slices.Contains(p.order, id) }

func (p *lru) Access(id int32, _ int) bool {
	i := slices.Index(p.order, id)
	switch {
	case i >= 0:
		p.order = slices.Delete(p.order, i, i+1)
	case len(p.order) == p.size:
		p.order = p.order[1:]
	}
	p.order = append(p.order, id)
	return i >= 0
}

// The policy that is used is better than LRU, and Belady's, which knows the future, better still. docs/experiments/policies has
// others.
func TestPolicy(t *testing.T) {
	f, err := os.Open("testdata/tiny.trace")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	trace, err := experts.ReadTrace(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{trace.Len() / 8, trace.Len() / 4, trace.Len() / 2, trace.Len() * 3 / 4} {
		rate := func(p experts.Policy) float64 { return experts.Simulate(trace, p, len(trace.Tokens)/4).HitRate() }
		ours := rate(experts.NewScored(trace.Shape, n, experts.OfUses...))
		if simple, bound := rate(&lru{size: n}), rate(experts.NewBelady(trace, n)); ours <= simple || ours > bound {
			t.Errorf("%d slots: hit rate %.3f, of LRU %.3f, of Belady's %.3f", n, ours, simple, bound)
		}
	}
}

// A trace is read as it was written; others are refused.
func TestTrace(t *testing.T) {
	var b bytes.Buffer
	w, err := experts.NewTraceWriter(&b, experts.Shape{Layers: 2, Experts: 4, TopK: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Batch(experts.Batch{N: 2, Experts: []int32{0, 1, 2, 3}}); err != nil { // layer 0: experts 0 and 1; layer 1: 2 and 3
		t.Fatal(err)
	}
	if err := w.Batch(experts.Batch{N: 1, Experts: []int32{3, 0}}); err != nil {
		t.Fatal(err)
	}
	got, err := experts.ReadTrace(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	want := &experts.Trace{Shape: experts.Shape{Layers: 2, Experts: 4, TopK: 1},
		Tokens: []experts.Token{{Experts: []int32{0, 2}}, {Experts: []int32{1, 3}}, {Batch: 1, Experts: []int32{3, 0}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	const shape = `{"layers":2,"experts":4,"top_k":1}` + "\n"
	for _, tt := range []struct{ text, want string }{
		{"", "no trace"},
		{"hello", "no trace"},
		{`{"layers":2,"experts":4,"top_k":5}`, "5 active"},
		{`{"layers":4294967296,"experts":4294967296,"top_k":1}`, "no trace"},
		{shape, "no tokens"},
		{shape + `{"experts":[1]}`, "line 2: the token has 1 experts, not 2"},
		{shape + `{"experts":[1,4]}`, "expert 4 of 4"},
		{shape + `{"experts":[1,2]}` + "\n" + `{"batch":-1,"experts":[1,2]}`, "line 3: batch -1"},
		{shape + `{"batch":1,"experts":[1,2]}` + "\n" + `{"batch":0,"experts":[1,2]}`, "line 3: batch 0 is out of order"},
		{shape + `{"experts":[1,2]}{"experts":[1,2]}`, "line 2: this is no token"},
		{shape + "\n" + `{"experts":[1,2]}`, "line 2: this is no token"},
		{shape + `{"experts":[` + strings.Repeat(" ", 17<<20) + `1,2]}`, "a line is too long"},
		{`{"layers":1,"experts":4,"top_k":2}` + "\n" + `{"experts":[3,3]}`, "line 2: the token chooses expert 3 twice"},
		{shape + `{"experts":[1,2],"chances":"AAAA"}`, "the chances of 3 experts, not 8"},
		{shape + `{"experts":[1,2],"near":[1]}`, "1 experts are foreseen, not 2"},
		{shape + `{"experts":[1,2],"near":[1,-1],"far":[1,4]}`, "line 2: expert 4 of 4 is foreseen"},
		{b.String()[:b.Len()-5], "line 4: this is no token: unexpected end"},
	} {
		if _, err := experts.ReadTrace(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.200q: error is %v, want one that says %q", tt.text, err, tt.want)
		}
	}
}

// A use counts half after a half-life, in either average; scores do not change their order when nothing happens for long.
func TestScores(t *testing.T) {
	s := experts.NewScores(2, 3, experts.Average{HalfLife: 16, Weight: 1}, experts.Average{HalfLife: 512, Weight: 1})
	share := func(halfLife float64) float64 { return 1 - math.Exp2(-1/halfLife) } // of one use, now
	check := func(what string, id int, want float64) {
		t.Helper()
		if got := s.Value(id); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	s.Use(0, 1)
	s.Use(3, 1)
	s.Advance(0, 16)
	check("after 16 tokens", 0, share(16)/2+share(512)*math.Exp2(-16./512))
	check("in a layer where no time passed", 3, share(16)+share(512))
	check("never used", 2, 0)
	// A batch of which all tokens use an expert is as good as as many batches of one token.
	for range 100 {
		s.Advance(0, 1)
		s.Use(1, 1)
	}
	s.Advance(1, 100)
	s.Use(4, 100)
	check("a batch of 100 tokens", 4, s.Value(1))
	s.Seed(5, 0.25, 1e6)
	check("used by a quarter of very many tokens", 5, 2*0.25)
	s.Seed(5, 0.25, 16)
	check("used by a quarter of 16 tokens", 5, 0.25*(0.5+1-math.Exp2(-16./512)))
	s.Use(2, 0.5)
	check("nearly used", 2, 0.5*(share(16)+share(512)))
	s.Advance(0, 20000) // far past what 2^x holds
	s.Advance(0, 1)
	s.Use(1, 1)
	check("a use long after", 1, share(16)+share(512))
}

// An expert that was nearly chosen counts for a quarter; how far the logits are spread does not matter.
func TestChances(t *testing.T) {
	near := []float32{3, 1, 2.1, 2, -5, 0}
	wide := make([]float32, len(near))
	for i, v := range near {
		wide[i] = 100*v - 7
	}
	dst, scratch := make([]float32, len(near)), make([]float32, len(near))
	got := slices.Clone(experts.Chances(dst, scratch, near, 2))
	for i, want := range []float32{0.88, 0.11, 0.76, 0.24, 0.03, 0.07} { // the border is 2.05
		if d := got[i] - want; d < -0.02 || d > 0.02 {
			t.Errorf("logit %v has the chance %.3f, want about %v", near[i], got[i], want)
		}
	}
	for i, v := range experts.Chances(dst, scratch, wide, 2) {
		if d := v - got[i]; d < -1e-4 || d > 1e-4 {
			t.Errorf("the same logits, a hundred times as far apart: %v, not %v", v, got[i])
		}
	}
	if all := experts.Chances(dst, scratch, near, len(near)); slices.Min(all) != 0.75 {
		t.Errorf("all are chosen: %v, want at least 3/4", all)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, logits := range [][]float32{{1, 1, 1}, {1, nan, 2}, {inf, 1, 2}, {1, 2, -inf}, {nan, nan, nan}} {
		if got := experts.Chances(dst, scratch, logits, 1); got != nil {
			t.Errorf("%v have the chances %v, want none", logits, got)
		}
	}
}
