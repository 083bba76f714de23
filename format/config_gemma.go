package format

import "fmt"

// LocalRoPE are rotary angles with a base, and perhaps a scaling, of their own.
type LocalRoPE struct {
	Theta   float64      `json:"theta"`
	Scaling *RoPEScaling `json:"scaling,omitempty"`
}

// AltUp is Alternating Updates (Baykal et al., arXiv 2301.13310): the residual stream is Inputs vectors wide, each layer computes with
// the one of index Active, and the others follow by learned mixing.
type AltUp struct {
	Inputs int `json:"inputs"`
	Active int `json:"active"`
	// CorrectScale: the layers' embeddings are gated by the active vector times learned weights.
	CorrectScale bool `json:"correct_scale"`
	// CoefClip bounds the weights of the coefficients that correct; 0: it does not.
	CoefClip float64 `json:"coef_clip,omitempty"`
}

// PerLayerInput are embeddings of a token for each layer, from a table [Vocab, layers·Size] of which a token reads one row. Tokens
// from Vocab on have those of token 0.
type PerLayerInput struct {
	Size  int `json:"size"`
	Vocab int `json:"vocab_size"`
}

// FFNOf returns the number of neurons of layer l, which has no experts.
func (c *Config) FFNOf(l int) int {
	if c.FFNLayout != nil {
		return c.FFNLayout[l]
	}
	return c.FFN
}

// SparseFFN reports whether layer l has no experts and leaves out neurons: its matrices are stored by neuron.
func (c *Config) SparseFFN(l int) bool {
	return c.Sparsity != nil && c.Sparsity[l] > 0 && !c.HasExperts(l)
}

// KVLayer returns the layer whose keys and values layer l attends to: itself, unless they are shared.
func (c *Config) KVLayer(l int) int {
	first := c.Layers - c.KVShared
	if l < first {
		return l
	}
	for k := first - 1; k >= 0; k-- {
		if c.SlidingLayout[k] == c.SlidingLayout[l] {
			return k
		}
	}
	return l
}

// MaxAltUp is the most that AltUp.Inputs may be.
const MaxAltUp = 16

// validateGemma reports the first field that is wrong among those that Gemma's architectures have.
func (c *Config) validateGemma() error {
	for _, f := range []struct {
		name  string
		value float64
	}{{"attention_scale", c.AttentionScale}, {"embedding_scale", c.EmbeddingScale}, {"logit_softcap", c.LogitSoftcap}} {
		if f.value != 0 && !positive(f.value) {
			return fmt.Errorf("%s is %v: it must be positive", f.name, f.value)
		}
	}
	if r := c.LocalRoPE; r != nil {
		if !positive(r.Theta) {
			return fmt.Errorf("local_rope.theta is %v: it must be positive", r.Theta)
		}
		if err := r.Scaling.validate("local_rope.scaling", c.Rotated()); err != nil {
			return err
		}
	}
	if n := len(c.FFNLayout); c.FFNLayout != nil && n != c.Layers {
		return fmt.Errorf("ffn_layout has %d entries for %d layers", n, c.Layers)
	}
	for l, n := range c.FFNLayout {
		if n < 1 || n > c.FFN {
			return fmt.Errorf("ffn_layout: layer %d has %d neurons: they must be 1 to ffn_size, %d", l, n, c.FFN)
		}
	}
	if n := len(c.Sparsity); c.Sparsity != nil && n != c.Layers {
		return fmt.Errorf("activation_sparsity has %d entries for %d layers", n, c.Layers)
	}
	for l, v := range c.Sparsity {
		if !(v >= 0 && v < 1) {
			return fmt.Errorf("activation_sparsity of layer %d is %v: it must be 0 or more and less than 1", l, v)
		}
	}
	if c.KVShared < 0 || c.KVShared >= c.Layers {
		return fmt.Errorf("kv_shared_layers is %d: it must be less than the number of layers, %d", c.KVShared, c.Layers)
	}
	for l := c.Layers - c.KVShared; l < c.Layers; l++ {
		if c.KVLayer(l) == l {
			return fmt.Errorf("kv_shared_layers is %d, but no layer before them attends to as many positions as layer %d", c.KVShared, l)
		}
	}
	if c.LaurelRank < 0 || c.LaurelRank > maxWidth {
		return fmt.Errorf("laurel_rank is %d: it must be at most %d", c.LaurelRank, maxWidth)
	}
	if a := c.AltUp; a != nil && (a.Inputs < 2 || a.Inputs > MaxAltUp || a.Active < 0 || a.Active >= a.Inputs) {
		return fmt.Errorf("altup has %d inputs, of which number %d is active: there must be 2 to %d, counted from 0", a.Inputs, a.Active, MaxAltUp)
	}
	if a := c.AltUp; a != nil && a.CoefClip != 0 && !positive(a.CoefClip) {
		return fmt.Errorf("altup.coef_clip is %v: it must be positive", a.CoefClip)
	}
	if p := c.PerLayerInput; p != nil && (p.Size < 1 || p.Size > maxWidth/c.Layers || p.Vocab < 1 || p.Vocab > maxVocab) {
		return fmt.Errorf("per_layer_input has a size of %d and a vocabulary of %d: for %d layers at most %d and %d are supported", p.Size, p.Vocab,
			c.Layers, maxWidth/c.Layers, maxVocab)
	}
	return nil
}
