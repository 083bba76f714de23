package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// census writes down what the experts did.
type census struct {
	experts, active [][]int32 // by layer
	weights         [][]float32
}

func (c *census) ExpertsUsed(l int, experts []int32, weights []float32, active []int32) {
	c.experts[l] = append(c.experts[l], experts...)
	c.weights[l] = append(c.weights[l], weights...)
	c.active[l] = append(c.active[l], active...)
}

// The active neurons are those whose gate, computed from the experts' input, is positive: for a batch, which shares experts
// among its tokens, and for tokens one at a time.
func TestObserveExperts(t *testing.T) {
	m := modeltest.New(base(), 1)
	tokens := prompt(70, 50) // more than an expert takes at a time
	for _, batch := range []int{70, 1} {
		e := open(t, m, (*modeltest.Model).Write, quant.F32, engine.Options{Threads: 2, KVType: engine.KVF32})
		c := e.Config()
		run := func() (logits [][]float32) {
			s := session(t, e)
			for part := range slices.Chunk(tokens, batch) {
				logits = append(logits, forward(t, s, part...))
			}
			return logits
		}
		quiet := run()
		w := newWitness(c.Layers)
		seen := &census{make([][]int32, c.Layers), make([][]int32, c.Layers), make([][]float32, c.Layers)}
		e.Observe(w)
		e.ObserveExperts(seen)
		if !slices.EqualFunc(run(), quiet, slices.Equal) {
			t.Errorf("batches of %d: being watched changes the logits", batch)
		}
		total := 0
		for l := range c.Layers {
			if !slices.Equal(seen.experts[l], w.experts[l]) || !slices.Equal(seen.weights[l], w.weights[l]) {
				t.Errorf("batches of %d: the observers see other choices", batch)
			}
			for i, expert := range seen.experts[l] {
				x := w.ffn[l][i/c.MoE.ExpertsPerToken*c.Hidden:][:c.Hidden]
				gates := m.Tensor(fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.%d.gate.weight", l, expert)).Data
				least, most := 0, 0 // a gate within rounding of zero may be either
				for row := range slices.Chunk(gates, c.Hidden) {
					var g float64
					for j, v := range row {
						g += float64(v) * float64(x[j])
					}
					if g > 1e-5 {
						least++
					}
					if g > -1e-5 {
						most++
					}
				}
				got := int(seen.active[l][i])
				if got < least || got > most {
					t.Fatalf("batches of %d, layer %d, choice %d: %d neurons are active, want %d to %d", batch, l, i, got, least, most)
				}
				total += got
			}
		}
		// The engine counts the same, here in two equal runs.
		if got, want := e.Stats().NeuronDensity, float64(total)/float64(c.Layers*len(tokens)*c.MoE.ExpertsPerToken*c.MoE.ExpertFFN); got != want {
			t.Errorf("batches of %d: the engine's density is %v, the observer's %v", batch, got, want)
		}
		e.ObserveExperts(nil)
		before := len(seen.active[0])
		run()
		if len(seen.active[0]) != before {
			t.Error("it goes on after ObserveExperts(nil)")
		}
	}
}
