package experts_test

import (
	"math"
	"os"
	"testing"
	"time"

	"st/runtime/experts"
)

// nothing keeps no expert, everything all of them.
type nothing struct{}

func (nothing) Advance(int)            {}
func (nothing) Access(int32, int) bool { return false }
func (nothing) Has(int32) bool         { return false }

type everything struct{}

func (everything) Advance(int)            {}
func (everything) Access(int32, int) bool { return true }
func (everything) Has(int32) bool         { return true }

// generated is a trace of n tokens of a model with 2 layers of 4 experts, 2 active.
func generated(n int) *experts.Trace {
	t := &experts.Trace{Shape: experts.Shape{Layers: 2, Experts: 4, TopK: 2}}
	for i := range n {
		t.Tokens = append(t.Tokens, experts.Token{Batch: i, Experts: []int32{0, 1, 2, 3}})
	}
	return t
}

// replay replays a trace with a clock, and returns what the batches after the first warm tokens come to.
func replay(t *experts.Trace, p experts.Policy, warm int, timing experts.Timing) (sum experts.Speed) {
	seen := 0
	for _, s := range experts.ReplayTime(t, p, timing) {
		if seen >= warm {
			sum.Add(s)
		}
		seen += s.Tokens
	}
	return sum
}

// What a token takes follows from the disk where it does nothing else, and from computing where nothing is read.
func TestReplayTime(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name   string
		policy experts.Policy
		timing experts.Timing
		want   experts.Speed // of 10 tokens
	}{
		{"computing alone", everything{}, experts.Timing{Computing: experts.Computing{Router: ms, Attention: 3 * ms, Expert: ms, Head: 2 * ms}},
			experts.Speed{Time: 10 * (2*4 + 4 + 2) * ms}},
		{"the disk alone, one read at a time", nothing{}, experts.Timing{},
			experts.Speed{Time: 40 * 3 * ms, Wait: 40 * 3 * ms, Busy: 40 * 3 * ms, Reads: 40}},
		{"in two pieces", nothing{}, experts.Timing{PieceBytes: 6e5},
			experts.Speed{Time: 80 * 2500 * time.Microsecond, Wait: 80 * 2500 * time.Microsecond, Busy: 80 * 2500 * time.Microsecond, Reads: 40}},
		{"two at a time wait together", nothing{}, experts.Timing{Disk: experts.Disk{Queue: 2}},
			experts.Speed{Time: 20 * (2 + 2) * ms, Wait: 20 * (2 + 2) * ms, Busy: 20 * (2 + 2) * ms, Reads: 40}},
		{"reads behind attention", nothing{}, experts.Timing{Computing: experts.Computing{Attention: 7 * ms}},
			experts.Speed{Time: 20 * 7 * ms, Busy: 40 * 3 * ms, Reads: 40}},
		{"the second expert comes while the first is computed", nothing{}, experts.Timing{Computing: experts.Computing{Expert: 5 * ms}},
			experts.Speed{Time: 20 * (3 + 10) * ms, Wait: 20 * 3 * ms, Busy: 40 * 3 * ms, Reads: 40}},
		{"the second layer's are foreseen", nothing{}, experts.Timing{Computing: experts.Computing{Expert: 6 * ms}, Foreseen: 1},
			experts.Speed{Time: 10 * (3 + 4*6) * ms, Wait: 10 * 3 * ms, Busy: 40 * 3 * ms, Reads: 40}},
		// Beside each expert that is foreseen one is read in vain, until the layer's router has chosen.
		{"half of the second layer's are foreseen", nothing{}, experts.Timing{Computing: experts.Computing{Expert: 6 * ms}, Foreseen: 0.5},
			experts.Speed{Time: 10 * (3 + 4*6) * ms, Wait: 10 * 3 * ms, Busy: 50 * 3 * ms, Reads: 50, Vain: 10}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.timing.ExpertBytes = 1e6
			tt.timing.Disk.Bandwidth, tt.timing.Disk.Latency, tt.timing.Disk.Queue = 1e9, 2*ms, max(1, tt.timing.Disk.Queue) // 1 ms a read
			got := replay(generated(14), tt.policy, 4, tt.timing)
			near := func(a, b time.Duration) bool { return (a - b).Abs() < time.Microsecond }
			if !near(got.Time, tt.want.Time) || !near(got.Wait, tt.want.Wait) || !near(got.Busy, tt.want.Busy) || got.Tokens != 10 ||
				got.Reads != tt.want.Reads || got.Vain != tt.want.Vain || got.Bytes != int64(got.Reads)*1e6 {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if want := 10 / tt.want.Time.Seconds(); math.Abs(got.TokensPerSecond()-want) > 1e-3*want {
				t.Errorf("%g tokens/s, want %g", got.TokensPerSecond(), want)
			}
		})
	}
}

// What a run foresaw is read ahead: at the first guess when the disk would idle, and not to its end when the second one disagrees. What was read in vain
// stays with a policy that takes it.
func TestReplayForesight(t *testing.T) {
	const ms = time.Millisecond
	trace := &experts.Trace{Shape: experts.Shape{Layers: 3, Experts: 4, TopK: 1}}
	for i := range 4 {
		trace.Tokens = append(trace.Tokens, experts.Token{Batch: i, Experts: []int32{0, 1, 2}, Near: []int32{-1, 1, 2}, Far: []int32{-1, -1, 3}})
	}
	timing := experts.Timing{Disk: experts.Disk{Bandwidth: 1e9, Queue: 1}, ExpertBytes: 4e6, PieceBytes: 1e6, Computing: experts.Computing{Attention: 5 * ms, Expert: 9 * ms}}
	// The first layer waits for nothing: its 4 ms are behind attention. Layer 2's first guess is wrong: one of its four pieces, or two, are read before the near
	// guess for layer 1 has its turn, and the others before the near guess for layer 2 ends that.
	got := replay(trace, nothing{}, 0, timing)
	if got.Reads != 4*4 || got.Vain != 4 || got.Missed != 4 || got.Wait != 0 {
		t.Errorf("nothing is kept: %+v", got)
	}
	// All fit: each is read once, the wrong one too.
	got = replay(trace, experts.NewScored(trace.Shape, 12, experts.OfUses...), 0, timing)
	if got.Reads != 4 || got.Vain != 1 || got.Bytes != 16e6 {
		t.Errorf("all are kept: %+v", got)
	}
	// A slower disk has read a piece only when the near guess disagrees.
	timing.Disk.Bandwidth = 1e8
	got = replay(trace, experts.NewScored(trace.Shape, 12, experts.OfUses...), 0, timing)
	if got.Bytes >= 16e6+4e6 || got.Wait == 0 || got.Busy > got.Time {
		t.Errorf("a slow disk: %+v", got)
	}
}

// An expert that is foreseen is not given up before its layer, though its score is the lowest.
func TestScoredKeepsWhatIsForeseen(t *testing.T) {
	p := experts.NewScored(experts.Shape{Layers: 2, Experts: 4, TopK: 1}, 2, experts.OfUses...)
	for range 3 {
		p.Advance(1)
		p.Access(0, 1)
		p.Access(4, 1)
	}
	b := p.(experts.Bringer)
	p.Advance(1)
	b.Bring(5)
	b.Bring(1)
	if !p.Has(5) || !p.Has(1) || p.Has(0) || p.Has(4) {
		t.Error("what is foreseen is not kept")
	}
	b.Forget(5)
	p.Advance(1)
	if p.Access(0, 1); p.Has(5) || !p.Has(1) {
		t.Error("what is foreseen no more is kept")
	}
}

// A policy that knows chances keeps the expert that was nearly chosen.
func TestRated(t *testing.T) {
	trace := &experts.Trace{Shape: experts.Shape{Layers: 1, Experts: 4, TopK: 1}}
	for i, e := range []int32{0, 1, 2, 1} {
		trace.Tokens = append(trace.Tokens, experts.Token{Batch: i, Experts: []int32{e}, Chances: []byte{10, 120, 10, 10}})
	}
	if !trace.Rated() {
		t.Fatal("the trace has no chances")
	}
	if got := experts.Simulate(trace, trace.Policy(2), 0); got.Misses != 3 {
		t.Errorf("%d misses, want those of each expert's first use", got.Misses)
	}
	trace.Tokens[3].Chances = nil
	if trace.Rated() {
		t.Error("a token has no chances")
	}
}

// Fewer misses and a faster disk are faster, in a real trace.
func TestReplayTimeOrder(t *testing.T) {
	f, err := os.Open("testdata/tiny.trace")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	trace, err := experts.ReadTrace(f)
	if err != nil {
		t.Fatal(err)
	}
	size := trace.Len() * 36 / 100
	speed := func(p experts.Policy, bandwidth float64, queue int) float64 {
		return replay(trace, p, len(trace.Tokens)/4, experts.Timing{
			Disk: experts.Disk{Bandwidth: bandwidth, Latency: 100 * time.Microsecond, Queue: queue}, ExpertBytes: 2e6, Foreseen: 0.77,
			Computing: experts.Computing{Attention: 200 * time.Microsecond, Expert: 100 * time.Microsecond, Head: 2 * time.Millisecond},
		}).TokensPerSecond()
	}
	ours := func() experts.Policy {
		return experts.NewScored(trace.Shape, size, experts.OfUses...)
	}
	slow, fast, alone := speed(ours(), 5e8, 4), speed(ours(), 2e9, 4), speed(ours(), 2e9, 1)
	simple, bound := speed(&lru{size: size}, 5e8, 4), speed(experts.NewBelady(trace, size), 5e8, 4)
	t.Logf("LRU %.2f tokens/s, ours %.2f, Belady %.2f; on a faster disk %.2f, with one read at a time %.2f", simple, slow, bound, fast, alone)
	if !(simple < slow && slow < bound && slow < fast && alone < fast) {
		t.Errorf("LRU %.2f tokens/s, ours %.2f, Belady %.2f; on a faster disk %.2f, with one read at a time %.2f", simple, slow, bound, fast, alone)
	}
}
