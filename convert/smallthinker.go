package convert

import (
	"cmp"
	"encoding/json"
	"fmt"

	"st/format"
	"st/tokenizer/hffile"
)

// smallThinker is the architecture of arXiv 2507.20984.
var smallThinker = architecture{
	name: "smallthinker", class: "SmallThinkerForCausalLM", modelType: "smallthinker", parse: parseSmallThinker,
	tensors: []tensorName{
		{format.RoleEmbedding, "model.embed_tokens.weight"},
		{format.RoleAttnNorm, "model.layers.%d.input_layernorm.weight"},
		{format.RoleRouter, "model.layers.%d.block_sparse_moe.primary_router.weight"},
		{format.RoleQuery, "model.layers.%d.self_attn.q_proj.weight"},
		{format.RoleQueryBias, "model.layers.%d.self_attn.q_proj.bias"},
		{format.RoleKey, "model.layers.%d.self_attn.k_proj.weight"},
		{format.RoleKeyBias, "model.layers.%d.self_attn.k_proj.bias"},
		{format.RoleValue, "model.layers.%d.self_attn.v_proj.weight"},
		{format.RoleValueBias, "model.layers.%d.self_attn.v_proj.bias"},
		{format.RoleAttnOutput, "model.layers.%d.self_attn.o_proj.weight"},
		{format.RoleAttnOutputBias, "model.layers.%d.self_attn.o_proj.bias"},
		{format.RoleFFNNorm, "model.layers.%d.post_attention_layernorm.weight"},
		{format.RoleFinalNorm, "model.norm.weight"},
		{format.RoleHead, "lm_head.weight"},
		{format.RoleGate, "model.layers.%d.block_sparse_moe.experts.%d.gate.weight"},
		{format.RoleUp, "model.layers.%d.block_sparse_moe.experts.%d.up.weight"},
		{format.RoleDown, "model.layers.%d.block_sparse_moe.experts.%d.down.weight"},
	},
}

// smallThinkerConfig is config.json.
type smallThinkerConfig struct {
	sizes
	Experts         *int     `json:"moe_num_primary_experts"`
	ExpertsPerToken *int     `json:"moe_num_active_primary_experts"`
	ExpertFFN       *int     `json:"moe_ffn_hidden_size"`
	RMSNormEps      *float64 `json:"rms_norm_eps"`
	RoPETheta       *float64 `json:"rope_theta"`
	SlidingWindow   *int     `json:"sliding_window_size"`
	RouterSoftmax   bool     `json:"moe_primary_router_apply_softmax"`
	Tied            *bool    `json:"tie_word_embeddings"`
	AttentionBias   bool     `json:"attention_bias"`

	// Arrays of 0 and 1, one a layer.
	RoPELayout    json.RawMessage `json:"rope_layout"`
	SlidingLayout json.RawMessage `json:"sliding_window_layout"`

	RoPEScaling    json.RawMessage `json:"rope_scaling"`
	RoPEParameters json.RawMessage `json:"rope_parameters"` // where newer releases of Transformers write them
	PartialRotary  *float64        `json:"partial_rotary_factor"`

	OriginalContext *int `json:"original_max_position_embeddings"` // which may stand in rope_scaling, too

	// Parts that the architecture's code knows and that no published model uses.
	MoELayout        json.RawMessage `json:"moe_layer_layout"`
	QKNorm           bool            `json:"use_qk_norm"`
	EarlyRouter      *bool           `json:"moe_enable_early_router"`
	SecondaryExperts bool            `json:"moe_enable_secondary_experts"`
	SharedExperts    int             `json:"moe_shared_primary_experts"`
}

func parseSmallThinker(text []byte) (format.Config, error) {
	var j smallThinkerConfig
	if err := hffile.Unmarshal(text, &j); err != nil {
		return format.Config{}, err
	}
	if err := j.unsupported(); err != nil {
		return format.Config{}, err
	}
	c := format.Config{
		RMSNormEps:     1e-6,
		MoE:            &format.MoE{RouterSoftmax: j.RouterSoftmax},
		TiedEmbeddings: j.Tied == nil || *j.Tied,
		AttentionBias:  j.AttentionBias,
	}
	err := j.read(&c,
		sizeField{"moe_num_primary_experts", j.Experts, &c.MoE.Experts},
		sizeField{"moe_num_active_primary_experts", j.ExpertsPerToken, &c.MoE.ExpertsPerToken},
		sizeField{"moe_ffn_hidden_size", j.ExpertFFN, &c.MoE.ExpertFFN})
	if err != nil {
		return c, err
	}
	if c.MoE.ExpertsPerToken > c.MoE.Experts {
		return c, fmt.Errorf("field moe_num_active_primary_experts is %d, but moe_num_primary_experts is %d", c.MoE.ExpertsPerToken, c.MoE.Experts)
	}
	if j.RMSNormEps != nil {
		c.RMSNormEps = *j.RMSNormEps
	}
	return c, j.layouts(&c)
}

// layouts fills in what differs from layer to layer. An absent layout means RoPE everywhere, and no window.
func (j *smallThinkerConfig) layouts(c *format.Config) error {
	var err error
	if c.RoPELayout, err = parseLayout("rope_layout", j.RoPELayout); err != nil {
		return err
	}
	if c.SlidingLayout, err = parseLayout("sliding_window_layout", j.SlidingLayout); err != nil {
		return err
	}
	if c.RoPELayout == nil {
		c.RoPELayout = filled(c.Layers, true)
	}
	if c.SlidingLayout == nil {
		c.SlidingLayout = make([]bool, c.Layers)
	}
	for _, f := range []struct {
		name string
		n    int
	}{{"rope_layout", len(c.RoPELayout)}, {"sliding_window_layout", len(c.SlidingLayout)}} {
		if f.n != c.Layers {
			return fmt.Errorf("field %s has %d entries, but num_hidden_layers is %d", f.name, f.n, c.Layers)
		}
	}
	p, field, err := parseRoPE(j.RoPEScaling, j.RoPEParameters)
	if err != nil {
		return err
	}
	if c.RoPEScaling, err = p.wholeModel(c, j.OriginalContext); err != nil {
		return fmt.Errorf("field %s%w", field, err)
	}
	theta := cmp.Or(j.RoPETheta, p.Theta)
	for _, rope := range c.RoPELayout {
		if rope && theta == nil {
			return fmt.Errorf("field rope_theta is missing")
		}
	}
	if theta != nil {
		c.RoPETheta = *theta
	}
	for l, sliding := range c.SlidingLayout {
		if sliding && (j.SlidingWindow == nil || *j.SlidingWindow < 1) {
			return fmt.Errorf("field sliding_window_size must be 1 or more: sliding_window_layout makes layer %d slide", l)
		}
	}
	if j.SlidingWindow != nil {
		c.SlidingWindow = *j.SlidingWindow
	}
	return nil
}

// unsupported refuses what would otherwise be computed wrongly.
func (j *smallThinkerConfig) unsupported() error {
	layout, err := parseLayout("moe_layer_layout", j.MoELayout)
	if err != nil {
		return err
	}
	for l, moe := range layout {
		if !moe {
			return fmt.Errorf("field moe_layer_layout makes layer %d dense: only layers of experts are supported", l)
		}
	}
	switch {
	case j.PartialRotary != nil && *j.PartialRotary != 1:
		return fmt.Errorf("field partial_rotary_factor is %v: only whole heads are rotated", *j.PartialRotary)
	case j.QKNorm:
		return fmt.Errorf("field use_qk_norm is true: not supported")
	case j.EarlyRouter != nil && !*j.EarlyRouter:
		return fmt.Errorf("field moe_enable_early_router is false: only routers that run before attention are supported")
	case j.SecondaryExperts:
		return fmt.Errorf("field moe_enable_secondary_experts is true: not supported")
	case j.SharedExperts > 0:
		return fmt.Errorf("field moe_shared_primary_experts is %d: shared experts are not supported", j.SharedExperts)
	}
	return nil
}
