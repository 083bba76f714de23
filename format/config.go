package format

import (
	"fmt"
	"math"
)

// Config is the architecture of the model in a file: the "config" section, as JSON. Layer layouts hold one entry a layer.
type Config struct {
	// Architecture names the forward pass: "smallthinker" is the only one so far.
	Architecture string `json:"architecture"`
	// Layers, Hidden, Heads, KVHeads, HeadDim, Experts, ExpertsPerToken (top-k), ExpertFFN (neurons in one expert), Vocab
	// and Context (the longest sequence the model was trained for) are its sizes.
	Layers          int `json:"layers"`
	Hidden          int `json:"hidden_size"`
	Heads           int `json:"attention_heads"`
	KVHeads         int `json:"key_value_heads"`
	HeadDim         int `json:"head_dim"`
	Experts         int `json:"experts"`
	ExpertsPerToken int `json:"experts_per_token"`
	ExpertFFN       int `json:"expert_ffn_size"`
	Vocab           int `json:"vocab_size"`
	Context         int `json:"context_length"`
	// RMSNormEps is added to the mean square in RMSNorm; RoPETheta is the base of the rotary angles.
	RMSNormEps float64 `json:"rms_norm_eps"`
	RoPETheta  float64 `json:"rope_theta"`
	// RoPELayout tells for each layer whether it rotates queries and keys (RoPE) or not (NoPE).
	RoPELayout []bool `json:"rope_layout"`
	// SlidingLayout tells for each layer whether it attends to the last SlidingWindow positions only.
	SlidingLayout []bool `json:"sliding_window_layout"`
	SlidingWindow int    `json:"sliding_window_size"`
	// RouterSoftmax: expert weights are the softmax of the top-k router logits; otherwise their sigmoids over their sum.
	RouterSoftmax bool `json:"router_softmax"`
	// TiedEmbeddings: the embedding matrix is the language-model head too.
	TiedEmbeddings bool `json:"tied_embeddings"`
}

// Generous limits on sizes, so that products of a few of them cannot overflow and a hostile file cannot ask for the moon.
const (
	MaxLayers = 4096

	maxWidth   = 1 << 20
	maxExperts = 1 << 16
	maxVocab   = 1 << 26
	maxContext = 1 << 30
)

// Validate reports the first field that no model could have.
func (c *Config) Validate() error {
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"layers", c.Layers, MaxLayers},
		{"hidden_size", c.Hidden, maxWidth},
		{"attention_heads", c.Heads, maxWidth},
		{"key_value_heads", c.KVHeads, maxWidth},
		{"head_dim", c.HeadDim, maxWidth},
		{"experts", c.Experts, maxExperts},
		{"experts_per_token", c.ExpertsPerToken, maxExperts},
		{"expert_ffn_size", c.ExpertFFN, maxWidth},
		{"vocab_size", c.Vocab, maxVocab},
		{"context_length", c.Context, maxContext},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("%s is %d: it must be 1 to %d", f.name, f.value, f.max)
		}
	}
	switch {
	case c.ExpertsPerToken > c.Experts:
		return fmt.Errorf("experts_per_token is %d, but there are only %d experts", c.ExpertsPerToken, c.Experts)
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("attention_heads is %d: it must be a multiple of key_value_heads, %d", c.Heads, c.KVHeads)
	case c.Heads > maxWidth/c.HeadDim:
		return fmt.Errorf("attention_heads · head_dim is %d · %d: at most %d is supported", c.Heads, c.HeadDim, maxWidth)
	case len(c.RoPELayout) != c.Layers:
		return fmt.Errorf("rope_layout has %d entries for %d layers", len(c.RoPELayout), c.Layers)
	case len(c.SlidingLayout) != c.Layers:
		return fmt.Errorf("sliding_window_layout has %d entries for %d layers", len(c.SlidingLayout), c.Layers)
	case !(c.RMSNormEps >= 0 && c.RMSNormEps < 1):
		return fmt.Errorf("rms_norm_eps is %v: it must be 0 or more and less than 1", c.RMSNormEps)
	}
	for l, rope := range c.RoPELayout {
		if rope && c.HeadDim%2 != 0 {
			return fmt.Errorf("head_dim is %d, but layer %d uses RoPE, which rotates pairs: it must be even", c.HeadDim, l)
		}
		if rope && !(c.RoPETheta > 0 && c.RoPETheta <= math.MaxFloat32) {
			return fmt.Errorf("rope_theta is %v: it must be positive", c.RoPETheta)
		}
	}
	for l, sliding := range c.SlidingLayout {
		if sliding && c.SlidingWindow < 1 {
			return fmt.Errorf("sliding_window_size is %d, but layer %d slides: it must be 1 or more", c.SlidingWindow, l)
		}
	}
	return nil
}

// Window returns how many positions, the current one included, layer l attends to; 0 means all of them.
func (c *Config) Window(l int) int {
	if c.SlidingLayout[l] {
		return c.SlidingWindow
	}
	return 0
}
