package format

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
)

// Config is the architecture of the model in a file: the "config" section, as JSON. Layer layouts hold one entry a layer.
type Config struct {
	// Architecture names the forward pass: "smallthinker", "qwen3", "qwen3moe", "gemma3", "gemma3n" or "phi3".
	Architecture string `json:"architecture"`
	// Layers, Hidden, Heads, KVHeads, HeadDim, Vocab and Context (the longest sequence the model was trained for) are its sizes.
	Layers  int `json:"layers"`
	Hidden  int `json:"hidden_size"`
	Heads   int `json:"attention_heads"`
	KVHeads int `json:"key_value_heads"`
	HeadDim int `json:"head_dim"`
	Vocab   int `json:"vocab_size"`
	Context int `json:"context_length"`
	// RMSNormEps is added to the mean square in RMSNorm; RoPETheta is the base of the rotary angles.
	RMSNormEps float64 `json:"rms_norm_eps"`
	RoPETheta  float64 `json:"rope_theta"`
	// RoPELayout tells for each layer whether it rotates queries and keys (RoPE) or not (NoPE).
	RoPELayout []bool `json:"rope_layout"`
	// RotaryDim is how many dimensions of a head RoPE rotates: the first ones. 0: all of them.
	RotaryDim int `json:"rotary_dim,omitempty"`
	// RoPEScaling stretches the rotary angles to contexts longer than those of the training; nil: it does not.
	RoPEScaling *RoPEScaling `json:"rope_scaling,omitempty"`
	// LocalRoPE are the rotary angles of the layers that slide; nil: those of the others.
	LocalRoPE *LocalRoPE `json:"local_rope,omitempty"`
	// SlidingLayout tells for each layer whether it attends to the last SlidingWindow positions only.
	SlidingLayout []bool `json:"sliding_window_layout"`
	SlidingWindow int    `json:"sliding_window_size"`
	// AttentionBias: a vector each is added to queries, keys and values, and to the output of attention.
	AttentionBias bool `json:"attention_bias,omitempty"`
	// QKNorm: queries and keys are normalised head by head before they are rotated.
	QKNorm bool `json:"qk_norm,omitempty"`
	// AttentionScale is what products of queries and keys are multiplied with; 0: 1/√head_dim.
	AttentionScale float64 `json:"attention_scale,omitempty"`
	// EmbeddingScale is what token embeddings are multiplied with; 0: 1.
	EmbeddingScale float64 `json:"embedding_scale,omitempty"`
	// LogitSoftcap bounds logits: they are c·tanh(logit/c); 0: it does not.
	LogitSoftcap float64 `json:"logit_softcap,omitempty"`
	// TiedEmbeddings: the embedding matrix is the language-model head too.
	TiedEmbeddings bool `json:"tied_embeddings"`
	// Activation is applied to the gates of feed-forward networks, experts or not.
	Activation Activation `json:"activation,omitempty"`
	// FFN is the number of neurons of the layers without experts; 0 if there is no such layer.
	FFN int `json:"ffn_size,omitempty"`
	// FFNLayout has the number of neurons of each layer, where they differ; FFN is the largest then. nil: all have FFN.
	FFNLayout []int `json:"ffn_layout,omitempty"`
	// Sparsity is, for each layer without experts, the share of neurons that are left out, from 0 to less than 1: those whose gate is
	// not above the quantile of a normal distribution with the gates' mean and deviation. nil: none are.
	Sparsity []float64 `json:"activation_sparsity,omitempty"`
	// KVShared is the number of layers, the last ones, that attend to the keys and values of the last layer before them that slides as
	// they do, and have none of their own.
	KVShared int `json:"kv_shared_layers,omitempty"`
	// AltUp widens the residual stream; nil: there is one.
	AltUp *AltUp `json:"altup,omitempty"`
	// LaurelRank is the rank of the learned augmented residual beside attention; 0: there is none.
	LaurelRank int `json:"laurel_rank,omitempty"`
	// PerLayerInput describes the embeddings that every layer gets of its own; nil: there are none.
	PerLayerInput *PerLayerInput `json:"per_layer_input,omitempty"`
	// HeadPredictorRank is the rank of the factors that predict which rows of the language-model head matter; 0: the file has none.
	HeadPredictorRank int `json:"head_predictor_rank,omitempty"`
	// MoE describes the experts; nil: the model is dense, and no layer has any.
	MoE *MoE `json:"-"`
}

// MoE describes the layers whose feed-forward network is a mixture of experts. In JSON its fields stand among those of [Config].
type MoE struct {
	// Experts in a layer, ExpertsPerToken (top-k) of which a token uses, ExpertFFN neurons in one.
	Experts         int `json:"experts"`
	ExpertsPerToken int `json:"experts_per_token"`
	ExpertFFN       int `json:"expert_ffn_size"`
	// RouterSoftmax: expert weights are the softmax of the top-k router logits; otherwise their sigmoids over their sum.
	RouterSoftmax bool `json:"router_softmax"`
	// SoftmaxAll: expert weights are those of the softmax over all router logits, as they are: the weights of a token's experts do
	// not add up to 1. It goes with RouterSoftmax.
	SoftmaxAll bool `json:"router_softmax_all,omitempty"`
	// Layout tells for each layer whether it has experts; nil: all have.
	Layout []bool `json:"expert_layout,omitempty"`
}

// RoPEScaling stretches the rotary frequencies of a model to contexts longer than those of its training. Which fields count depends on
// the Type; the others are zero.
type RoPEScaling struct {
	Type RoPEScalingType `json:"type"`
	// Factor is what frequencies are divided by.
	Factor float64 `json:"factor,omitempty"`
	// OriginalContext is the longest sequence of the first training.
	OriginalContext int `json:"original_context_length,omitempty"`
	// BetaFast and BetaSlow are turns within OriginalContext.
	BetaFast float64 `json:"beta_fast,omitempty"`
	BetaSlow float64 `json:"beta_slow,omitempty"`
	// AttentionFactor is what rotated queries and keys are multiplied with; 0: nothing.
	AttentionFactor float64 `json:"attention_factor,omitempty"`
	// Truncate rounds the limits that follow from BetaFast and BetaSlow to whole dimensions.
	Truncate bool `json:"truncate,omitempty"`
	// ShortFactors and LongFactors divide the frequencies, one each.
	ShortFactors []float64 `json:"short_factors,omitempty"`
	LongFactors  []float64 `json:"long_factors,omitempty"`
}

// RoPEScalingType is how rotary frequencies are stretched.
type RoPEScalingType string

const (
	// Linear divides all frequencies by Factor (Chen et al., arXiv 2306.15595).
	Linear RoPEScalingType = "linear"
	// YaRN (Peng et al., arXiv 2309.00071) keeps frequencies that turn more than BetaFast times within OriginalContext positions, divides
	// those that turn less than BetaSlow times by Factor, and mixes those between, by their dimension.
	YaRN RoPEScalingType = "yarn"
	// Llama3 (of Llama 3.1, arXiv 2407.21783) does so too, but mixes by the number of turns.
	Llama3 RoPEScalingType = "llama3"
	// LongRoPE (Ding et al., arXiv 2402.13753) divides each frequency by a factor of its own: all positions of a sequence that is longer
	// than OriginalContext by LongFactors, those of a shorter one by ShortFactors.
	LongRoPE RoPEScalingType = "longrope"
)

// Activation is the function of a feed-forward network's gates: the network computes down · (activation(gate · x) ⊙ up · x).
type Activation string

// The activations. ReLU, the zero value, is 0 for half of the neurons, whose rows of up and down need not be read.
const (
	ReLU Activation = ""
	SiLU Activation = "silu"
	GELU Activation = "gelu_tanh" // with tanh in place of the error function (Hendrycks and Gimpel, arXiv 1606.08415, section 2)
)

// MarshalJSON puts the fields of MoE, if there are experts, among those of the config.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(flatConfig{plainConfig(c), c.MoE}) }

// UnmarshalJSON is the inverse of MarshalJSON.
func (c *Config) UnmarshalJSON(text []byte) error {
	var f flatConfig
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	*c = Config(f.plainConfig)
	c.MoE = f.MoE
	return nil
}

type plainConfig Config

type flatConfig struct {
	plainConfig
	*MoE
}

// HasExperts reports whether layer l is a mixture of experts.
func (c *Config) HasExperts(l int) bool {
	return c.MoE != nil && (c.MoE.Layout == nil || c.MoE.Layout[l])
}

// MoELayers returns the layers that have experts, in order.
func (c *Config) MoELayers() []int {
	var all []int
	for l := range c.Layers {
		if c.HasExperts(l) {
			all = append(all, l)
		}
	}
	return all
}

// ExpertCount returns the number of experts of all layers together: 0 in a dense model.
func (c *Config) ExpertCount() int {
	if c.MoE == nil {
		return 0
	}
	return len(c.MoELayers()) * c.MoE.Experts
}

// TopK returns how many experts a token uses in a layer that has experts: 0 in a dense model.
func (c *Config) TopK() int {
	if c.MoE == nil {
		return 0
	}
	return c.MoE.ExpertsPerToken
}

// Generous limits on sizes, so that products of a few of them cannot overflow and a hostile file cannot ask for more memory than there is.
const (
	MaxLayers = 4096

	maxWidth   = 1 << 20
	maxExperts = 1 << 16
	maxVocab   = 1 << 26
	maxContext = 1 << 30
)

// Validate reports the first field that no model could have.
func (c *Config) Validate() error {
	type size struct {
		name       string
		value, max int
	}
	sizes := []size{
		{"layers", c.Layers, MaxLayers},
		{"hidden_size", c.Hidden, maxWidth},
		{"attention_heads", c.Heads, maxWidth},
		{"key_value_heads", c.KVHeads, maxWidth},
		{"head_dim", c.HeadDim, maxWidth},
	}
	if m := c.MoE; m != nil {
		sizes = append(sizes, size{"experts", m.Experts, maxExperts}, size{"experts_per_token", m.ExpertsPerToken, maxExperts},
			size{"expert_ffn_size", m.ExpertFFN, maxWidth})
	}
	sizes = append(sizes, size{"vocab_size", c.Vocab, maxVocab}, size{"context_length", c.Context, maxContext})
	for _, f := range sizes {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("%s is %d: it must be 1 to %d", f.name, f.value, f.max)
		}
	}
	if err := c.validateLayers(); err != nil {
		return err
	}
	if c.HeadPredictorRank < 0 || c.HeadPredictorRank > maxWidth {
		return fmt.Errorf("head_predictor_rank is %d: it must be at most %d", c.HeadPredictorRank, maxWidth)
	}
	if err := c.validateRoPE(); err != nil {
		return err
	}
	return c.validateGemma()
}

// validateLayers checks what layers are like, and that layouts have an entry for each.
func (c *Config) validateLayers() error {
	switch {
	case c.MoE != nil && c.MoE.ExpertsPerToken > c.MoE.Experts:
		return fmt.Errorf("experts_per_token is %d, but there are only %d experts", c.MoE.ExpertsPerToken, c.MoE.Experts)
	case c.MoE != nil && c.MoE.Layout != nil && len(c.MoE.Layout) != c.Layers:
		return fmt.Errorf("expert_layout has %d entries for %d layers", len(c.MoE.Layout), c.Layers)
	case c.Activation != ReLU && c.Activation != SiLU && c.Activation != GELU:
		return fmt.Errorf("activation %q is unknown to this program", c.Activation)
	case c.FFN < 0 || c.FFN > maxWidth || c.FFN == 0 && len(c.MoELayers()) < c.Layers:
		return fmt.Errorf("ffn_size is %d: it must be 1 to %d where a layer has no experts", c.FFN, maxWidth)
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
	for l, sliding := range c.SlidingLayout {
		if sliding && c.SlidingWindow < 1 {
			return fmt.Errorf("sliding_window_size is %d, but layer %d slides: it must be 1 or more", c.SlidingWindow, l)
		}
	}
	return nil
}

// validateRoPE checks rotary angles, but for those of layers that slide.
func (c *Config) validateRoPE() error {
	if c.RotaryDim < 0 || c.RotaryDim > c.HeadDim {
		return fmt.Errorf("rotary_dim is %d: it must be 0 to head_dim, %d", c.RotaryDim, c.HeadDim)
	}
	if err := c.RoPEScaling.validate("rope_scaling", c.Rotated()); err != nil {
		return err
	}
	for l, rope := range c.RoPELayout {
		if rope && c.Rotated()%2 != 0 {
			return fmt.Errorf("RoPE rotates %d dimensions of a head in layer %d: it rotates pairs, so the number must be even", c.Rotated(), l)
		}
		if rope && !positive(c.RoPETheta) {
			return fmt.Errorf("rope_theta is %v: it must be above 0, and at most %.2g", c.RoPETheta, math.MaxFloat32)
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

func positive(v float64) bool { return v > 0 && v <= math.MaxFloat32 }

// Rotated returns how many dimensions of a head RoPE rotates.
func (c *Config) Rotated() int {
	if c.RotaryDim > 0 {
		return c.RotaryDim
	}
	return c.HeadDim
}

// validate checks what scales the frequencies of dim dimensions.
func (s *RoPEScaling) validate(name string, dim int) error {
	if s == nil {
		return nil
	}
	factors := func(field string, all []float64) error {
		if len(all) != dim/2 {
			return fmt.Errorf("%s.%s has %d entries, but %d dimensions rotate: there must be one for each pair", name, field, len(all), dim)
		}
		for i, f := range all {
			if !positive(f) {
				return fmt.Errorf("%s.%s: entry %d is %v: it must be positive", name, field, i, f)
			}
		}
		return nil
	}
	switch s.Type {
	case Linear, YaRN, Llama3, LongRoPE:
	default:
		return fmt.Errorf("%s has type %q, which is unknown to this program", name, s.Type)
	}
	switch {
	case s.Type != Linear && !positive(s.AttentionFactor):
		return fmt.Errorf("%s.attention_factor is %v: it must be positive", name, s.AttentionFactor)
	case s.Type != LongRoPE && !(positive(s.Factor) && s.Factor >= 1):
		return fmt.Errorf("%s.factor is %v: it must be 1 or more", name, s.Factor)
	case s.Type != Linear && (s.OriginalContext < 1 || s.OriginalContext > maxContext):
		return fmt.Errorf("%s.original_context_length is %d: it must be 1 to %d", name, s.OriginalContext, maxContext)
	case (s.Type == YaRN || s.Type == Llama3) && (!positive(s.BetaFast) || !positive(s.BetaSlow) || s.BetaSlow > s.BetaFast):
		return fmt.Errorf("%s has beta_slow %v and beta_fast %v: they must be positive, the slow one not above the fast one", name, s.BetaSlow, s.BetaFast)
	case s.Type == LongRoPE:
		return cmp.Or(factors("short_factors", s.ShortFactors), factors("long_factors", s.LongFactors))
	}
	return nil
}
