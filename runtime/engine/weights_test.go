package engine_test

import (
	"errors"
	"testing"

	"st/convert/modeltest"
	"st/format"
	"st/quant"
	"st/runtime/engine"
)

// A file whose config and tensors do not belong together, or that no architecture has, is refused and does no harm.
func TestConfigRefused(t *testing.T) {
	smallThinker := write(t, base(), quant.Q8_0)
	dense := write(t, qwen3(func(s *modeltest.Shape) { s.Arch = "qwen3" }), quant.Q8_0)
	mixed := write(t, qwen3(func(s *modeltest.Shape) { s.DenseLayers = []int{1} }), quant.Q8_0)
	for _, tt := range []struct {
		name, path string
		edit       func(c *format.Config)
	}{
		{"SmallThinker without experts", dense, func(c *format.Config) { c.Architecture = "smallthinker" }},
		{"SmallThinker with a dense layer", mixed, func(c *format.Config) { c.Architecture = "smallthinker" }},
		{"SmallThinker with a dense activation", smallThinker, func(c *format.Config) { c.Activation = format.SiLU }},
		{"a norm that is not there", smallThinker, func(c *format.Config) { c.QKNorm = true }},
		{"a dense model with ReLU", dense, func(c *format.Config) { c.Activation = format.ReLU }},
		{"experts without neurons", mixed, func(c *format.Config) { c.Activation = format.ReLU }},
		{"experts that are not there", mixed, func(c *format.Config) { c.MoE.Layout = nil }},
		{"no experts", mixed, func(c *format.Config) { c.MoE = nil }},
		{"other sizes", mixed, func(c *format.Config) { c.FFN = 5 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := reader(t, tt.path)
			tt.edit(&r.Config)
			if err := r.Config.Validate(); err != nil {
				t.Fatal(err)
			}
			if _, err := engine.Open(t.Context(), r, engine.Options{Threads: 1}); !errors.Is(err, format.ErrCorrupt) {
				t.Errorf("error is %v, want ErrCorrupt", err)
			}
			engine.NeededMemory(r, engine.Options{})
			engine.SmallestMemory(r, engine.Options{})
		})
	}
}
