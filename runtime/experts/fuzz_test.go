package experts_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"st/runtime/experts"
)

// FuzzReadTrace: what is accepted has the shape that it says, is the same after it was written again, and can be replayed: no policy has
// more misses than uses, and none beats Belady's.
func FuzzReadTrace(f *testing.F) {
	const shape = `{"layers":2,"experts":4,"top_k":1}` + "\n"
	for _, text := range []string{
		shape + `{"batch":0,"experts":[0,2]}` + "\n" + `{"batch":0,"experts":[1,3]}` + "\n" + `{"batch":1,"experts":[3,0]}` + "\n",
		shape + `{"batch":7,"experts":[0,0]}` + "\n" + `{"batch":9,"experts":[0,0]}`,
		shape + `{"batch":1,"experts":[0,2],"chances":"////gICAgA==","near":[-1,3],"far":[-1,-1]}`,
		shape + `{"batch":1,"experts":[0,2],"chances":"AA=="}`, shape + `{"experts":[0,2],"near":[-2,4]}`,
		shape + `{"batch":1}`, shape + `{"batch":-1,"experts":[1,2]}`, shape + `{"experts":[1,4]}`, shape + "\n", shape, "",
		`{"layers":1,"experts":4,"top_k":2}` + "\n" + `{"experts":[3,3]}`,
		`{"layers":16777216,"experts":1,"top_k":1}`, `{"layers":1,"experts":16777216,"top_k":16777216}` + "\n" + `{"experts":[]}`,
		`{"layers":4294967296,"experts":4294967296,"top_k":1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		trace, err := experts.ReadTrace(bytes.NewReader(data))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 1000 {
				t.Errorf("error %q", err)
			}
			return
		}
		again, err := experts.ReadTrace(bytes.NewReader(write(t, trace)))
		if err != nil {
			t.Fatalf("written again it is refused: %v", err)
		}
		if len(again.Tokens) != len(trace.Tokens) {
			t.Fatalf("%d tokens, written again %d", len(trace.Tokens), len(again.Tokens))
		}
		for i := range trace.Tokens {
			if diff := cmp.Diff(trace.Tokens[i].Experts, again.Tokens[i].Experts); diff != "" {
				t.Errorf("token %d, written again (-first +again):\n%s", i, diff)
			}
		}
		if trace.Rated() != again.Rated() {
			t.Errorf("chances are recorded: %t, written again: %t", trace.Rated(), again.Rated())
		}
		if trace.Len() > 1<<12 {
			return // a policy has a state for every expert
		}
		for _, size := range []int{1, 1 + trace.Len()/2} {
			bound := experts.Simulate(trace, experts.NewBelady(trace, size), 0)
			ours := experts.Simulate(trace, experts.NewScored(trace.Shape, size, experts.OfUses...), 0)
			timing := experts.Timing{Disk: experts.Disk{Bandwidth: 1e9, Latency: time.Millisecond, Queue: size}, ExpertBytes: 1e6, PieceBytes: 4e5, Foreseen: 0.5}
			speed := replay(trace, trace.Policy(size), 0, timing)
			if speed.Tokens < 1 || speed.Vain > speed.Reads || speed.Wait > speed.Time || speed.Busy > speed.Time {
				t.Errorf("with %d slots %+v", size, speed)
			}
			if ours.Uses != bound.Uses || ours.Misses > ours.Uses || bound.Misses > ours.Misses || ours.Tokens != len(trace.Tokens) {
				t.Errorf("with %d slots %+v, Belady's %+v", size, ours, bound)
			}
		}
	})
}

// write writes a trace, batch by batch.
func write(t *testing.T, trace *experts.Trace) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := experts.NewTraceWriter(&b, trace.Shape)
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < len(trace.Tokens); {
		to := from
		for to < len(trace.Tokens) && trace.Tokens[to].Batch == trace.Tokens[from].Batch {
			to++
		}
		b := experts.Batch{N: to - from, Near: trace.Tokens[from].Near, Far: trace.Tokens[from].Far}
		for l := range trace.Layers {
			for _, token := range trace.Tokens[from:to] {
				b.Experts = append(b.Experts, token.Experts[l*trace.TopK:][:trace.TopK]...)
				if trace.Rated() {
					b.Chances = append(b.Chances, token.Chances[l*trace.Experts:][:trace.Experts]...)
				}
			}
		}
		if err := w.Batch(b); err != nil {
			t.Fatal(err)
		}
		from = to
	}
	return b.Bytes()
}
