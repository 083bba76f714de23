package activity

import (
	goruntime "runtime"
	"testing"

	"st/format"
)

// What CollectorBytes says is what a collector takes, a few small objects of each layer aside.
func TestCollectorBytes(t *testing.T) {
	c := &format.Config{Layers: 20, MoE: &format.MoE{Experts: 128, ExpertsPerToken: 8, ExpertFFN: 768}}
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	k, err := NewCollector(c)
	if err != nil {
		t.Fatal(err)
	}
	goruntime.ReadMemStats(&after)
	got, want := float64(after.TotalAlloc-before.TotalAlloc), float64(CollectorBytes(c))
	if got > 1.05*want || got < 0.9*want {
		t.Errorf("it takes %.0f bytes, CollectorBytes says %.0f", got, want)
	}
	goruntime.KeepAlive(k)
	if n := CollectorBytes(&format.Config{Layers: 20}); n != 0 {
		t.Errorf("for a dense model it says %d", n)
	}
}
