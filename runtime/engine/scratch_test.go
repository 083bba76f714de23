package engine_test

import (
	"slices"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// What passes need in a layer does not last: others write there after the last layer.
func TestScratchDoesNotLast(t *testing.T) {
	lengths := []int{40, 1, 1, 10, 1, 60, 1, 1}
	moe := func(shape modeltest.Shape) func(engine.Options) *engine.Engine {
		m := modeltest.New(shape, 1)
		return func(o engine.Options) *engine.Engine { return open(t, m, (*modeltest.Model).Write, quant.Q4_0, o) }
	}
	openers := map[string]func(engine.Options) *engine.Engine{
		"smallthinker": moe(base()), "many experts": moe(manyExperts()), "qwen3moe": moe(qwen3(func(*modeltest.Shape) {})),
	}
	for name, shape := range gemma3nVariants {
		if testing.Short() && name != "all parts" {
			continue
		}
		m := modeltest.NewGemma(shape, 1)
		openers["gemma3n "+name] = func(o engine.Options) *engine.Engine { return open(t, m, gemmaSources["safetensors"], quant.Q4_0, o) }
	}
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			want := steps(t, session(t, open(engine.Options{Threads: 2})), lengths...)
			for _, parallel := range []int{1, 3} {
				e := open(engine.Options{Threads: 2, Parallel: parallel})
				s, tokens := session(t, e), prompt(1000, 50)
				for i, n := range lengths {
					e.ScribbleScratch()
					if got := forward(t, s, tokens[s.Len():s.Len()+n]...); !slices.Equal(got, want[i]) {
						t.Errorf("%d sequences: step %d differs", parallel, i)
					}
				}
			}
		})
	}
}
