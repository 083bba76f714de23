package engine_test

import (
	"slices"
	"sync"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
	"st/runtime/kernel"
)

// The peaks that threads find are those of the logits that Forward returned, also of sessions that share a pass; there are none of other logits.
func TestPeaks(t *testing.T) {
	for _, typ := range anyType(quant.F32, quant.Q4_0) {
		for _, vocab := range []int{37, 1000, 4096} {
			shape := variant(func(s *modeltest.Shape) { s.Vocab = vocab })
			e := openReader(t, reader(t, write(t, shape, typ)), engine.Options{Threads: 3, Parallel: 3})
			var all sync.WaitGroup
			for i := range 3 {
				s := session(t, e)
				all.Go(func() {
					for _, id := range prompt(10, vocab)[i:] {
						logits, err := s.Forward(t.Context(), []int32{id})
						if err != nil {
							t.Error(err)
							return
						}
						want := make([]float32, (vocab+kernel.PeakRun-1)/kernel.PeakRun)
						kernel.Peaks(want, logits)
						if got := s.Peaks(logits); !slices.Equal(got, want) {
							t.Errorf("%s, %d logits: peaks are %v, want %v", typ, vocab, got, want)
						}
						if s.Peaks(slices.Clone(logits)) != nil || s.Peaks(nil) != nil {
							t.Error("there are peaks of other logits")
						}
					}
					if err := s.ForwardAll(t.Context(), prompt(3, vocab), func(_ int, l []float32) error {
						if s.Peaks(l) != nil {
							t.Error("there are peaks of ForwardAll's logits")
						}
						return nil
					}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
	}
}
