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

type everything struct{}

func (everything) Advance(int)            {}
func (everything) Access(int32, int) bool { return true }

// generated is a trace of n tokens of a model with 2 layers of 4 experts, 2 active.
func generated(n int) *experts.Trace {
	t := &experts.Trace{Shape: experts.Shape{Layers: 2, Experts: 4, TopK: 2}}
	for i := range n {
		t.Tokens = append(t.Tokens, experts.Token{Batch: i, Experts: []int32{0, 1, 2, 3}})
	}
	return t
}

// What a token takes follows from the disk where it does nothing else, and from computing where nothing is read.
func TestSimulateTime(t *testing.T) {
	const ms = time.Millisecond
	disk := experts.Disk{Bandwidth: 1e9, Latency: 2 * ms, Queue: 1} // 1 ms a read of 1 MB
	for _, tt := range []struct {
		name   string
		policy experts.Policy
		timing experts.Timing
		want   experts.Speed // of 10 tokens
	}{
		{"computing alone", everything{}, experts.Timing{Disk: disk, ExpertBytes: 1e6, Attention: 3 * ms, Expert: ms, Head: 2 * ms},
			experts.Speed{Tokens: 10, Time: 10 * (2*3 + 4 + 2) * ms}},
		{"the disk alone, one read at a time", nothing{}, experts.Timing{Disk: disk, ExpertBytes: 1e6},
			experts.Speed{Tokens: 10, Time: 40 * 3 * ms, Wait: 40 * 3 * ms, Busy: 40 * ms, Reads: 40}},
		{"two at a time wait together", nothing{}, experts.Timing{Disk: experts.Disk{Bandwidth: 1e9, Latency: 2 * ms, Queue: 2}, ExpertBytes: 1e6},
			experts.Speed{Tokens: 10, Time: 20 * (2 + 2) * ms, Wait: 20 * (2 + 2) * ms, Busy: 40 * ms, Reads: 40}},
		{"reads behind attention", nothing{}, experts.Timing{Disk: disk, ExpertBytes: 1e6, Attention: 7 * ms},
			experts.Speed{Tokens: 10, Time: 20 * 7 * ms, Busy: 40 * ms, Reads: 40}},
		{"the second expert comes while the first is computed", nothing{}, experts.Timing{Disk: disk, ExpertBytes: 1e6, Expert: 5 * ms},
			experts.Speed{Tokens: 10, Time: 20 * (3 + 10) * ms, Wait: 20 * 3 * ms, Busy: 40 * ms, Reads: 40}},
		{"the second layer's are foreseen", nothing{}, experts.Timing{Disk: disk, ExpertBytes: 1e6, Expert: 6 * ms, Foreseen: 1},
			experts.Speed{Tokens: 10, Time: 10 * (3 + 4*6) * ms, Wait: 10 * 3 * ms, Busy: 40 * ms, Reads: 40}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := experts.SimulateTime(generated(14), tt.policy, 4, tt.timing)
			near := func(a, b time.Duration) bool { return (a - b).Abs() < time.Microsecond }
			if !near(got.Time, tt.want.Time) || !near(got.Wait, tt.want.Wait) || !near(got.Busy, tt.want.Busy) || got.Tokens != 10 ||
				got.Reads != tt.want.Reads || got.Vain != 0 {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if want := 10 / tt.want.Time.Seconds(); math.Abs(got.TokensPerSecond()-want) > 1e-3*want {
				t.Errorf("%g tokens/s, want %g", got.TokensPerSecond(), want)
			}
		})
	}
	half := experts.SimulateTime(generated(14), nothing{}, 4, experts.Timing{Disk: disk, ExpertBytes: 1e6, Foreseen: 0.5})
	if half.Vain != 10 || half.Reads != 50 {
		t.Errorf("half of the second layer's experts are foreseen: %+v", half)
	}
	// Prompts are not counted where there is generation.
	mixed := generated(14)
	for i := range 6 {
		mixed.Tokens[i].Batch = 0
	}
	if got := experts.SimulateTime(mixed, nothing{}, 4, experts.Timing{Disk: disk, ExpertBytes: 1e6}); got.Tokens != 8 || got.Reads != 32 {
		t.Errorf("after a prompt of 6 tokens: %+v", got)
	}
}

// Fewer misses and a faster disk are faster, in a real trace.
func TestSimulateTimeOrder(t *testing.T) {
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
		return experts.SimulateTime(trace, p, len(trace.Tokens)/4, experts.Timing{
			Disk: experts.Disk{Bandwidth: bandwidth, Latency: 100 * time.Microsecond, Queue: queue}, ExpertBytes: 2e6, Foreseen: 0.85,
			Attention: 200 * time.Microsecond, Expert: 100 * time.Microsecond, Head: 2 * time.Millisecond,
		}).TokensPerSecond()
	}
	ours := func() experts.Policy {
		return experts.NewScored(trace.Shape, size, experts.OfUses...)
	}
	slow, fast, alone := speed(ours(), 5e8, 4), speed(ours(), 2e9, 4), speed(ours(), 2e9, 1)
	simple, bound := speed(&lru{size: size}, 5e8, 4), speed(experts.NewBelady(trace, size), 5e8, 4)
	if !(simple < slow && slow < bound && slow < fast && alone < fast) {
		t.Errorf("LRU %.2f tokens/s, ours %.2f, Belady %.2f; on a faster disk %.2f, with one read at a time %.2f", simple, slow, bound, fast, alone)
	}
}
