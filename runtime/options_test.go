package runtime_test

import (
	"errors"
	"math"
	"testing"

	"st/runtime"
)

// Options and arguments that are out of range are refused; nothing is allocated for them.
func TestOptionsRefused(t *testing.T) {
	for _, opts := range []runtime.Options{{Memory: -1}, {Context: -1}, {Parallel: -1}, {Threads: runtime.AutoThreads - 1}, {Context: 1 << 50}, {Parallel: 1 << 40}, {Threads: 1 << 40}, {KVType: 77},
		{ExpertsPerToken: 99}, {ExpertsPerToken: -1}, {PreferCached: 2}, {PreferCached: math.NaN()}} {
		if m, err := runtime.Open(t.Context(), modelPath, opts); !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%#v: error is %v, want ErrOption", opts, err)
			if err == nil {
				m.Close()
			}
		}
	}
	if got := runtime.KVType(77).String(); got != "KVType(77)" { // as what is refused is shown
		t.Errorf("it is shown as %q", got)
	}
	m := open(t, runtime.Options{})
	tokens := []int32{1, 2, 3}
	each := func(int, []float32) error { return nil }
	for name, err := range map[string]error{
		"before the first token": m.LogitsFrom(t.Context(), tokens, -1, each),
		"after the last token":   m.LogitsFrom(t.Context(), tokens, 4, each),
		"an empty window":        m.Run(t.Context(), tokens, 0, nil),
	} {
		if !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%s: error is %v, want ErrOption", name, err)
		}
	}
	if err := m.Logits(t.Context(), []int32{1, 1 << 30}, each); !errors.Is(err, runtime.ErrToken) {
		t.Errorf("a token that is none: error is %v, want ErrToken", err)
	}
	if err := m.Run(t.Context(), tokens, 2, nil); err != nil {
		t.Errorf("without progress: %v", err)
	}
}
