package convert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"st/format"
	"st/tokenizer/hffile"
)

// qwen3 and qwen3MoE are the architectures of arXiv 2505.09388: queries and keys are normalised head by head, and the activation is
// SiLU. In qwen3MoE, layers may have experts, whose router runs after attention.
var (
	qwen3 = architecture{
		name: "qwen3", class: "Qwen3ForCausalLM", modelType: "qwen3",
		parse:   func(text []byte) (format.Config, error) { return parseQwen3(text, false) },
		tensors: qwen3Tensors,
	}
	qwen3MoE = architecture{
		name: "qwen3moe", class: "Qwen3MoeForCausalLM", modelType: "qwen3_moe",
		parse:   func(text []byte) (format.Config, error) { return parseQwen3(text, true) },
		tensors: qwen3Tensors,
		fused: []fusedName{ // as Transformers 5 holds them in memory
			{"model.layers.%d.mlp.experts.gate_up_proj", true, []format.Role{format.RoleGate, format.RoleUp}},
			{"model.layers.%d.mlp.experts.down_proj", true, []format.Role{format.RoleDown}},
		},
	}
)

var qwen3Tensors = []tensorName{
	{format.RoleEmbedding, "model.embed_tokens.weight"},
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
	{format.RoleFFNNorm, "model.layers.%d.post_attention_layernorm.weight"},
	{format.RoleRouter, "model.layers.%d.mlp.gate.weight"},
	{format.RoleGate, "model.layers.%d.mlp.gate_proj.weight"},
	{format.RoleUp, "model.layers.%d.mlp.up_proj.weight"},
	{format.RoleDown, "model.layers.%d.mlp.down_proj.weight"},
	{format.RoleFinalNorm, "model.norm.weight"},
	{format.RoleHead, "lm_head.weight"},
	{format.RoleGate, "model.layers.%d.mlp.experts.%d.gate_proj.weight"},
	{format.RoleUp, "model.layers.%d.mlp.experts.%d.up_proj.weight"},
	{format.RoleDown, "model.layers.%d.mlp.experts.%d.down_proj.weight"},
}

// qwen3Config is config.json, as Transformers 4 and 5 write it.
type qwen3Config struct {
	sizes
	FFN           *int     `json:"intermediate_size"`
	RMSNormEps    *float64 `json:"rms_norm_eps"`
	Activation    *string  `json:"hidden_act"`
	AttentionBias bool     `json:"attention_bias"`
	Tied          bool     `json:"tie_word_embeddings"`

	RoPETheta       *float64        `json:"rope_theta"`
	RoPEScaling     json.RawMessage `json:"rope_scaling"`    // Transformers 4
	RoPEParameters  json.RawMessage `json:"rope_parameters"` // Transformers 5
	OriginalContext *int            `json:"original_max_position_embeddings"`
	PartialRotary   *float64        `json:"partial_rotary_factor"`

	UseSliding    bool     `json:"use_sliding_window"`
	SlidingWindow nullable `json:"sliding_window"`
	FullLayers    *int     `json:"max_window_layers"`
	LayerTypes    []string `json:"layer_types"`

	Experts         *int                `json:"num_experts"`
	LocalExperts    *int                `json:"num_local_experts"` // Transformers 5
	ExpertsPerToken *int                `json:"num_experts_per_tok"`
	ExpertFFN       *int                `json:"moe_intermediate_size"`
	NormTopK        bool                `json:"norm_topk_prob"`
	SparseStep      *int                `json:"decoder_sparse_step"`
	DenseLayers     hffile.Numbers[int] `json:"mlp_only_layers"`
}

// qwen3HeadDim is the head_dim of a dense model that does not say it, as Transformers has it.
var qwen3HeadDim = 128

func parseQwen3(text []byte, moe bool) (format.Config, error) {
	var j qwen3Config
	if err := hffile.Unmarshal(text, &j); err != nil {
		return format.Config{}, err
	}
	if j.KVHeads == nil {
		j.KVHeads = j.Heads
	}
	if j.HeadDim == nil && !moe {
		j.HeadDim = &qwen3HeadDim
	}
	c := format.Config{RMSNormEps: 1e-6, QKNorm: true, AttentionBias: j.AttentionBias, TiedEmbeddings: j.Tied, Activation: format.SiLU}
	if j.RMSNormEps != nil {
		c.RMSNormEps = *j.RMSNormEps
	}
	if err := j.read(&c); err != nil {
		return c, err
	}
	switch act := j.Activation; {
	case act != nil && *act != "silu" && *act != "swish":
		return c, fmt.Errorf("field hidden_act is %q: only silu is supported", *act)
	case j.PartialRotary != nil && *j.PartialRotary != 1:
		return c, fmt.Errorf("field partial_rotary_factor is %v: only whole heads are rotated", *j.PartialRotary)
	}
	if moe {
		if err := j.moe(&c); err != nil {
			return c, err
		}
	}
	if len(c.MoELayers()) < c.Layers {
		if err := readSizes([]sizeField{{"intermediate_size", j.FFN, &c.FFN}}); err != nil {
			return c, err
		}
	}
	if err := j.sliding(&c, moe); err != nil {
		return c, err
	}
	return c, j.rope(&c)
}

// moe reads which layers have experts: every decoder_sparse_step-th one that mlp_only_layers does not name.
func (j *qwen3Config) moe(c *format.Config) error {
	experts, field := j.Experts, "num_experts"
	if experts == nil && j.LocalExperts != nil {
		experts, field = j.LocalExperts, "num_local_experts"
	} else if experts != nil && j.LocalExperts != nil && *j.LocalExperts != *experts {
		return fmt.Errorf("field num_experts is %d, and num_local_experts is %d: they must be the same", *experts, *j.LocalExperts)
	}
	step := 1
	if j.SparseStep != nil {
		step = *j.SparseStep
	}
	if step < 1 {
		return fmt.Errorf("field decoder_sparse_step is %d: it must be 1 or more", step)
	}
	if experts != nil && *experts == 0 {
		return nil // a dense model
	}
	m := &format.MoE{RouterSoftmax: true, SoftmaxAll: !j.NormTopK, Layout: make([]bool, c.Layers)}
	for l := range m.Layout {
		m.Layout[l] = (l+1)%step == 0
	}
	for _, l := range j.DenseLayers {
		if l >= 0 && l < c.Layers {
			m.Layout[l] = false
		}
	}
	if !slices.Contains(m.Layout, true) {
		return nil
	}
	if !slices.Contains(m.Layout, false) {
		m.Layout = nil
	}
	c.MoE = m
	err := readSizes([]sizeField{
		{field, experts, &m.Experts},
		{"num_experts_per_tok", j.ExpertsPerToken, &m.ExpertsPerToken},
		{"moe_intermediate_size", j.ExpertFFN, &m.ExpertFFN},
	})
	if err == nil && m.ExpertsPerToken > m.Experts {
		err = fmt.Errorf("field num_experts_per_tok is %d, but %s is %d", m.ExpertsPerToken, field, m.Experts)
	}
	return err
}

// sliding reads which layers slide. Where use_sliding_window is true those are, of a dense model, the layers that layer_types names or,
// if it is absent, from max_window_layers on; of one with experts all of them.
func (j *qwen3Config) sliding(c *format.Config, moe bool) error {
	c.SlidingLayout = make([]bool, c.Layers)
	window := 4096
	if j.SlidingWindow.given {
		window = j.SlidingWindow.value
	}
	from := 28
	if j.FullLayers != nil {
		from = *j.FullLayers
	}
	switch {
	case j.LayerTypes != nil && !moe:
		if len(j.LayerTypes) != c.Layers {
			return fmt.Errorf("field layer_types has %d entries, but num_hidden_layers is %d", len(j.LayerTypes), c.Layers)
		}
		for l, name := range j.LayerTypes {
			if name != "full_attention" && name != "sliding_attention" {
				return fmt.Errorf("field layer_types: entry %d is %q: only full_attention and sliding_attention are supported", l, name)
			}
			c.SlidingLayout[l] = name == "sliding_attention"
			if c.SlidingLayout[l] && !j.UseSliding {
				return fmt.Errorf("field layer_types makes layer %d slide, but use_sliding_window is false", l)
			}
		}
	case j.UseSliding && !j.SlidingWindow.null:
		for l := range c.SlidingLayout {
			c.SlidingLayout[l] = moe || l >= from
		}
	}
	if !slices.Contains(c.SlidingLayout, true) {
		return nil
	}
	if window < 1 {
		return fmt.Errorf("field sliding_window is %v: it must be 1 or more, since layers slide", j.SlidingWindow)
	}
	c.SlidingWindow = window
	return nil
}

// nullable is a number that may be null, which is not the same as not being given: Transformers has a default for the latter only.
type nullable struct {
	given, null bool
	value       int
}

// UnmarshalJSON reads a number or null.
func (n *nullable) UnmarshalJSON(text []byte) error {
	n.given, n.null = true, string(text) == "null"
	return json.Unmarshal(text, &n.value)
}

// String shows it as config.json has it.
func (n nullable) String() string {
	if n.null {
		return "null"
	}
	return strconv.Itoa(n.value)
}

// rope reads the rotary angles, with the defaults of Transformers' modeling_rope_utils.
func (j *qwen3Config) rope(c *format.Config) error {
	c.RoPELayout = filled(c.Layers, true)
	p, field, err := parseRoPE(j.RoPEScaling, j.RoPEParameters)
	if err != nil {
		return err
	}
	c.RoPETheta = 10000
	if theta := cmp.Or(p.Theta, j.RoPETheta); theta != nil {
		c.RoPETheta = *theta
	}
	if c.RoPEScaling, err = p.wholeModel(c, j.OriginalContext); err != nil {
		return fmt.Errorf("field %s%w", field, err)
	}
	return nil
}
