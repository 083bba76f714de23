package gguf

import (
	"math"
	"slices"

	"st/format"
)

// gemma reads what Gemma 3 and Gemma 3n have in common. period is how many layers there are to each that attends to all positions, if the file
// does not say it. The defaults are those of llama.cpp.
func (r *modelReader) gemma(period int) {
	r.common()
	if r.err != nil {
		return
	}
	c := r.c
	c.QKNorm, c.Activation, c.EmbeddingScale = true, format.GELU, math.Sqrt(float64(c.Hidden))
	c.LocalRoPE = &format.LocalRoPE{Theta: 1e4}
	// Ollama's converter has, or had, other names for both bases.
	local := &c.LocalRoPE.Theta
	for _, base := range []struct {
		name string
		to   *float64
	}{{"rope.freq_base_swa", local}, {"rope.local.freq_base", local}, {"rope.freq_base_local", local}, {"rope.global.freq_base", &c.RoPETheta}} {
		if theta, ok := r.float(r.key(base.name)); ok {
			*base.to = theta
		}
	}
	window, ok := find(&r.keys, r.key("attention.sliding_window"), "a number of tokens", func(value any) (int, bool) {
		n, ok := asInt(value)
		return int(n), ok && n >= 0 && n <= maxSize
	})
	if !ok || window == 0 {
		return
	}
	c.SlidingWindow = window
	key := r.key("attention.sliding_window_pattern")
	value, ok := r.metadata.Lookup(key)
	layout, isLayout := value.([]bool)
	if n, isInt := asInt(value); ok && isInt && n >= 0 && n <= maxSize {
		period = int(n)
	} else if ok && (!isLayout || len(layout) < c.Layers) {
		r.fail("metadata entry %s is %s: it must be a number, or true or false for each layer", key, describe(Entry{"", value}))
		return
	}
	for l := range c.Layers {
		if c.SlidingLayout[l] = period == 0 || l%period < period-1; isLayout {
			c.SlidingLayout[l] = layout[l]
		}
	}
}

// seeingGemma3 is what files of Gemma 3 leave out that Ollama's converter made of models that see: its program knows it of them.
var seeingGemma3 = Metadata{{"gemma3.attention.layer_norm_rms_epsilon", 1e-6}, {"gemma3.rope.freq_base", 1e6}, {"gemma3.rope.scaling.factor", 8.0}}

// gemma3 reads Gemma 3. Files do not tell how products of queries and keys are scaled: by the head's length, but in the largest model by hidden_size
// over the number of heads.
func (r *modelReader) gemma3() {
	if _, sees := r.metadata.Lookup("gemma3.vision.block_count"); sees {
		for _, e := range seeingGemma3 {
			if _, ok := r.metadata.Lookup(e.Key); !ok {
				r.metadata = append(slices.Clip(r.metadata), e)
			}
		}
	}
	r.gemma(6)
	if r.err != nil {
		return
	}
	c := r.c
	c.FFN = r.need("feed_forward_length")
	scalar := c.HeadDim
	if c.Layers == 62 {
		scalar = max(1, c.Hidden/c.Heads)
	}
	c.AttentionScale = 1 / math.Sqrt(float64(scalar))
	c.LogitSoftcap, _ = r.float(r.key("final_logit_softcapping"))
}

// gemma3n reads Gemma 3n. What the metadata does not say follows from the shapes of tensors.
func (r *modelReader) gemma3n() {
	r.gemma(5)
	if r.err != nil {
		return
	}
	c := r.c
	ffn, ok := r.numbers("feed_forward_length")
	if !ok {
		r.fail("metadata entry %s is missing", r.key("feed_forward_length"))
		return
	}
	for _, n := range ffn {
		if n < 1 || n > maxSize {
			r.fail("metadata entry %s has %v: it must be a whole number from 1 to %d", r.key("feed_forward_length"), n, maxSize)
			return
		}
		c.FFN = max(c.FFN, int(n))
	}
	if slices.Min(ffn) != slices.Max(ffn) {
		for _, n := range ffn {
			c.FFNLayout = append(c.FFNLayout, int(n))
		}
	}
	c.AttentionScale, c.LogitSoftcap = 1, 30
	if softcap, ok := r.float(r.key("final_logit_softcapping")); ok {
		c.LogitSoftcap = softcap
	}
	c.AltUp = &format.AltUp{Inputs: 4, CorrectScale: true}
	if n, ok := r.size(r.key("altup.num_inputs")); ok {
		c.AltUp.Inputs = n
	}
	if n, ok := find(&r.keys, r.key("altup.active_idx"), "a number", asInt); ok {
		c.AltUp.Active = int(n)
	}
	if n, ok := find(&r.keys, r.key("attention.shared_kv_layers"), "a number of layers", asInt); ok {
		c.KVShared = int(n)
	} else if c.Layers > 20 { // the layers of llama.cpp that have keys and values
		c.KVShared = c.Layers - 20
	}
	c.PerLayerInput = &format.PerLayerInput{Size: r.need("embedding_length_per_layer_input")}
	table, ok := r.f.Lookup(Name{format.RolePerLayerEmbedding, -1, false}.String())
	left, ok2 := r.f.Lookup(Name{format.RoleLaurelLeft, 0, false}.String())
	if !ok || !ok2 {
		r.fail("tensor %q or %q is missing", Name{format.RolePerLayerEmbedding, -1, false}, Name{format.RoleLaurelLeft, 0, false})
		return
	}
	c.PerLayerInput.Vocab, c.LaurelRank = table.Rows(), left.Rows()
	r.sparsity()
}

// sparsity reads how many neurons layers leave out: files have the quantile of the normal distribution. Where they do not say it, the first ten of
// more layers leave out 95 %.
func (r *modelReader) sparsity() {
	c := r.c
	all := make([]float64, c.Layers)
	quantiles, ok := r.numbers("activation_sparsity_scale")
	for l := range all {
		switch {
		case ok:
			all[l] = math.Round(1e6*(1+math.Erf(quantiles[l]/math.Sqrt2))/2) / 1e6 // of -∞: 0
		case l < 10 && c.Layers > 10:
			all[l] = 0.95
		}
	}
	if slices.ContainsFunc(all, func(v float64) bool { return v != 0 }) {
		c.Sparsity = all
	}
}

// numbers reads an entry that has a number, or one for each layer.
func (r *modelReader) numbers(name string) ([]float64, bool) {
	return find(&r.keys, r.key(name), "a number, or one for each layer", func(value any) (all []float64, ok bool) {
		switch v := value.(type) {
		case []float32:
			for _, f := range v {
				all = append(all, float64(f))
			}
		case []float64:
			all = v
		case float32:
			return slices.Repeat([]float64{float64(v)}, r.c.Layers), true
		default:
			if ints, isArray := asInts(value); isArray {
				for _, n := range ints {
					all = append(all, float64(n))
				}
			} else if n, isInt := asInt(value); isInt {
				return slices.Repeat([]float64{float64(n)}, r.c.Layers), true
			}
		}
		return all, len(all) == r.c.Layers
	})
}
