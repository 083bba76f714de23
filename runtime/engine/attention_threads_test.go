package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// A single token has the same bits whether every KV head's part of the context is one thread's, or several threads take some of its query heads each; in
// all types of cache, within windows, and in contexts of several parts.
func TestAttentionThreads(t *testing.T) {
	for name, shape := range map[string]modeltest.Shape{
		"three query heads of 128": variant(func(s *modeltest.Shape) { s.Heads, s.KVHeads, s.HeadDim, s.Sliding = 6, 2, 128, nil }),
		"six query heads of 64":    variant(func(s *modeltest.Shape) { s.Heads, s.KVHeads, s.HeadDim, s.Sliding = 6, 1, 64, nil }),
		"windows": variant(func(s *modeltest.Shape) {
			s.Heads, s.KVHeads, s.HeadDim, s.Sliding, s.Window = 8, 2, 96, []int{1, 0, 1}, 100
		}),
		"heads of no whole block": variant(func(s *modeltest.Shape) { s.Heads, s.KVHeads, s.HeadDim, s.Sliding = 4, 1, 18, nil }),
	} {
		shape.Context = 700
		r := reader(t, write(t, shape, quant.F16))
		for _, kv := range []engine.KVType{engine.KVF16, engine.KVF32, engine.KVQ8} {
			if kv == engine.KVQ8 && shape.HeadDim%quant.BlockSize != 0 || kv != engine.KVF16 && testing.Short() {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s", name, kv), func(t *testing.T) {
				lengths := []int{62, 1, 1, 1, 180, 1, 1, 267, 1, 1, 1} // up to 515 positions, in two parts
				want := steps(t, session(t, openReader(t, r, engine.Options{Threads: 1, KVType: kv})), lengths...)
				for _, threads := range []int{2, 3, 16} {
					got := steps(t, session(t, openReader(t, r, engine.Options{Threads: threads, KVType: kv})), lengths...)
					for i := range want {
						if !slices.Equal(got[i], want[i]) {
							d, _ := difference(want[i], got[i])
							t.Errorf("%d threads: step %d differs by up to %g", threads, i, d)
						}
					}
				}
			})
		}
	}
}
