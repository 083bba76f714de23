package report

import (
	"slices"

	"st/format"
	"st/quant"
)

// KVCache is the size of a session's keys and values at a context, by their type; 0: heads cannot have the type.
type KVCache struct {
	Context int   `json:"context"`
	F32     int64 `json:"f32_bytes"`
	F16     int64 `json:"f16_bytes"`
	Q8      int64 `json:"q8_0_bytes,omitempty"`
}

// kvContexts are the contexts that are reported besides the model's own, which is the longest.
var kvContexts = []int{4 << 10, 16 << 10, 32 << 10}

func kvCaches(c *format.Config) []KVCache {
	var all []KVCache
	for _, context := range append(slices.Clone(kvContexts), c.Context) {
		if context > c.Context || len(all) > 0 && all[len(all)-1].Context == context {
			continue
		}
		positions := int64(0)
		for l := range c.Layers {
			switch w := c.Window(l); {
			case c.KVLayer(l) != l:
			case w > 0 && w < context:
				positions += int64(w)
			default:
				positions += int64(context)
			}
		}
		bytes := func(t quant.Type) int64 {
			if !t.Fits(c.HeadDim) {
				return 0
			}
			return 2 * positions * int64(c.KVHeads) * int64(t.RowBytes(c.HeadDim))
		}
		all = append(all, KVCache{context, bytes(quant.F32), bytes(quant.F16), bytes(quant.Q8_0)})
	}
	return all
}
