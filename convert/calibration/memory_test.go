package calibration

import (
	goruntime "runtime"
	"testing"

	"st/format"
)

// What CollectorBytes says is what a collector and its statistics take, a few small objects of each layer aside.
func TestCollectorBytes(t *testing.T) {
	c := &format.Config{Layers: 3, Hidden: 512, Heads: 4, HeadDim: 96, MoE: &format.MoE{Experts: 64, ExpertsPerToken: 4, ExpertFFN: 8}}
	for _, add := range []AddScaled{nil, func([]float32, *[4]float32, *[4][]float32) {}} {
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		k := NewCollector(c, add)
		s := k.Statistics()
		goruntime.ReadMemStats(&after)
		got, want := float64(after.TotalAlloc-before.TotalAlloc), float64(CollectorBytes(c, add != nil))
		if got > 1.05*want || got < 0.7*want {
			t.Errorf("covariance %v: it takes %.0f bytes, CollectorBytes says %.0f", add != nil, got, want)
		}
		goruntime.KeepAlive(k)
		goruntime.KeepAlive(s)
	}
}
