package convert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"st/format"
	"st/tokenizer/hffile"
)

// isNorm reports whether tensors of a role are the weights of an RMSNorm.
func isNorm(r format.Role) bool {
	switch r {
	case format.RoleFinalNorm, format.RoleAttnNorm, format.RoleFFNNorm, format.RoleQueryNorm, format.RoleKeyNorm, format.RolePostAttnNorm,
		format.RolePostFFNNorm:
		return true
	}
	return false
}

// gemmaLayer are the tensors that a layer of Gemma 3 and one of Gemma 3n have.
var gemmaLayer = []tensorName{
	{format.RoleAttnNorm, "model.layers.%d.input_layernorm.weight"},
	{format.RoleQuery, "model.layers.%d.self_attn.q_proj.weight"},
	{format.RoleQueryBias, "model.layers.%d.self_attn.q_proj.bias"},
	{format.RoleKey, "model.layers.%d.self_attn.k_proj.weight"},
	{format.RoleKeyBias, "model.layers.%d.self_attn.k_proj.bias"},
	{format.RoleValue, "model.layers.%d.self_attn.v_proj.weight"},
	{format.RoleValueBias, "model.layers.%d.self_attn.v_proj.bias"},
	{format.RoleQueryNorm, "model.layers.%d.self_attn.q_norm.weight"},
	{format.RoleKeyNorm, "model.layers.%d.self_attn.k_norm.weight"},
	{format.RoleAttnOutput, "model.layers.%d.self_attn.o_proj.weight"},
	{format.RoleAttnOutputBias, "model.layers.%d.self_attn.o_proj.bias"},
	{format.RolePostAttnNorm, "model.layers.%d.post_attention_layernorm.weight"},
	{format.RoleFFNNorm, "model.layers.%d.pre_feedforward_layernorm.weight"},
	{format.RoleGate, "model.layers.%d.mlp.gate_proj.weight"},
	{format.RoleUp, "model.layers.%d.mlp.up_proj.weight"},
	{format.RoleDown, "model.layers.%d.mlp.down_proj.weight"},
	{format.RolePostFFNNorm, "model.layers.%d.post_feedforward_layernorm.weight"},
}

// gemmaConfig is what config.json of Gemma 3 and Gemma 3n have in common, as Transformers 4 and 5 write it: fields that have the value of
// gemmaDefaults may be left out.
type gemmaConfig struct {
	sizes
	RMSNormEps    *float64 `json:"rms_norm_eps"`
	Activation    *string  `json:"hidden_activation"`
	AttentionBias bool     `json:"attention_bias"`
	Tied          *bool    `json:"tie_word_embeddings"`

	SlidingWindow nullable `json:"sliding_window"`
	LayerTypes    []string `json:"layer_types"`

	RoPETheta      *float64        `json:"rope_theta"`           // Transformers 4
	LocalTheta     *float64        `json:"rope_local_base_freq"` // Transformers 4
	RoPEScaling    json.RawMessage `json:"rope_scaling"`         // Transformers 4
	RoPEParameters json.RawMessage `json:"rope_parameters"`      // Transformers 5: by the type of layer
}

// gemmaDefaults are the values that Transformers takes for what is absent.
type gemmaDefaults struct {
	vocab, hidden, layers, heads, kvHeads, headDim, context, window int
	period                                                          int // every so many layers, one attends to all positions
}

// config reads what both have.
func (j *gemmaConfig) config(d gemmaDefaults) (format.Config, error) {
	c := format.Config{RMSNormEps: 1e-6, QKNorm: true, AttentionBias: j.AttentionBias, TiedEmbeddings: j.Tied == nil || *j.Tied, Activation: format.GELU}
	if j.RMSNormEps != nil {
		c.RMSNormEps = *j.RMSNormEps
	}
	s := sizes{
		Vocab: cmp.Or(j.Vocab, &d.vocab), Hidden: cmp.Or(j.Hidden, &d.hidden), Layers: cmp.Or(j.Layers, &d.layers), Heads: cmp.Or(j.Heads, &d.heads),
		KVHeads: cmp.Or(j.KVHeads, &d.kvHeads), HeadDim: cmp.Or(j.HeadDim, &d.headDim), Context: cmp.Or(j.Context, &d.context),
	}
	if err := s.read(&c); err != nil {
		return c, err
	}
	if act := j.Activation; act != nil && *act != "gelu_pytorch_tanh" {
		return c, fmt.Errorf("field hidden_activation is %q: only gelu_pytorch_tanh is supported", *act)
	}
	c.EmbeddingScale = math.Sqrt(float64(c.Hidden))
	if err := j.sliding(&c, d); err != nil {
		return c, err
	}
	return c, j.rope(&c)
}

// sliding reads which layers slide: those that layer_types names or, if it is absent, all but every period-th.
func (j *gemmaConfig) sliding(c *format.Config, d gemmaDefaults) error {
	c.SlidingLayout = make([]bool, c.Layers)
	if j.LayerTypes != nil && len(j.LayerTypes) != c.Layers {
		return fmt.Errorf("field layer_types has %d entries, but num_hidden_layers is %d", len(j.LayerTypes), c.Layers)
	}
	for l := range c.SlidingLayout {
		c.SlidingLayout[l] = (l+1)%d.period != 0
		if j.LayerTypes != nil {
			name := j.LayerTypes[l]
			if name != "full_attention" && name != "sliding_attention" {
				return fmt.Errorf("field layer_types: entry %d is %q: only full_attention and sliding_attention are supported", l, name)
			}
			c.SlidingLayout[l] = name == "sliding_attention"
		}
	}
	if !slices.Contains(c.SlidingLayout, true) {
		return nil
	}
	if c.SlidingWindow = d.window; j.SlidingWindow.given {
		c.SlidingWindow = j.SlidingWindow.value
	}
	if c.SlidingWindow < 1 {
		return fmt.Errorf("field sliding_window is %v: it must be 1 or more, since layers slide", j.SlidingWindow)
	}
	return nil
}

// rope reads the rotary angles of both kinds of layers. rope_scaling is of those that attend to all positions.
func (j *gemmaConfig) rope(c *format.Config) error {
	c.RoPELayout = filled(c.Layers, true)
	full, local := 1e6, 1e4
	both := struct {
		Full    *ropeParameters `json:"full_attention"`
		Sliding *ropeParameters `json:"sliding_attention"`
	}{}
	if len(j.RoPEParameters) > 0 {
		if err := hffile.Unmarshal(j.RoPEParameters, &both); err != nil {
			return fmt.Errorf("field rope_parameters: %w", err)
		}
		if both.Full == nil && both.Sliding == nil && !slices.Contains([]string{"null", "{}"}, string(j.RoPEParameters)) {
			return fmt.Errorf("field rope_parameters has neither full_attention nor sliding_attention")
		}
	}
	if len(j.RoPEScaling) > 0 && string(j.RoPEScaling) != "null" {
		if both.Full == nil {
			both.Full = &ropeParameters{}
		}
		if err := hffile.Unmarshal(j.RoPEScaling, both.Full); err != nil {
			return fmt.Errorf("field rope_scaling: %w", err)
		}
	}
	var err error
	if c.RoPETheta, c.RoPEScaling, err = both.Full.read(c, cmp.Or(j.RoPETheta, &full)); err != nil {
		return fmt.Errorf("the rotary angles of full_attention: %w", err)
	}
	c.LocalRoPE = &format.LocalRoPE{}
	if c.LocalRoPE.Theta, c.LocalRoPE.Scaling, err = both.Sliding.read(c, cmp.Or(j.LocalTheta, &local)); err != nil {
		return fmt.Errorf("the rotary angles of sliding_attention: %w", err)
	}
	return nil
}

// read returns the base and the scaling of a kind of layers; p may be nil.
func (p *ropeParameters) read(c *format.Config, theta *float64) (float64, *format.RoPEScaling, error) {
	if p == nil {
		return *theta, nil, nil
	}
	if p.Theta != nil {
		theta = p.Theta
	}
	s, err := p.scaling(c.Context, nil)
	if err != nil {
		err = fmt.Errorf("rope_parameters%w", err)
	}
	return *theta, s, err
}
