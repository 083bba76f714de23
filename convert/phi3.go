package convert

import (
	"cmp"
	"encoding/json"
	"fmt"

	"st/format"
	"st/tokenizer/hffile"
)

// phi3 is the architecture of Phi-3 (arXiv 2404.14219), Phi-3.5 and Phi-4 (arXiv 2412.08905): dense layers of SwiGLU networks. Checkpoints hold
// queries, keys and values in one tensor, and gates and ups in another. Part of a head may rotate, with LongRoPE's frequencies.
var phi3 = architecture{
	name: "phi3", class: "Phi3ForCausalLM", modelType: "phi3", parse: parsePhi3, fineAttention: true,
	tensors: []tensorName{
		{format.RoleEmbedding, "model.embed_tokens.weight"},
		{format.RoleAttnNorm, "model.layers.%d.input_layernorm.weight"},
		{format.RoleQuery, "model.layers.%d.self_attn.q_proj.weight"},
		{format.RoleKey, "model.layers.%d.self_attn.k_proj.weight"},
		{format.RoleValue, "model.layers.%d.self_attn.v_proj.weight"},
		{format.RoleAttnOutput, "model.layers.%d.self_attn.o_proj.weight"},
		{format.RoleFFNNorm, "model.layers.%d.post_attention_layernorm.weight"},
		{format.RoleGate, "model.layers.%d.mlp.gate_proj.weight"},
		{format.RoleUp, "model.layers.%d.mlp.up_proj.weight"},
		{format.RoleDown, "model.layers.%d.mlp.down_proj.weight"},
		{format.RoleFinalNorm, "model.norm.weight"},
		{format.RoleHead, "lm_head.weight"},
	},
	fused: []fusedName{
		{"model.layers.%d.self_attn.qkv_proj.weight", false, []format.Role{format.RoleQuery, format.RoleKey, format.RoleValue}},
		{"model.layers.%d.mlp.gate_up_proj.weight", false, []format.Role{format.RoleGate, format.RoleUp}},
	},
}

// phi3Original is the original_max_position_embeddings of LongRoPE if nobody says it, as Transformers has it.
const phi3Original = 4096

// phi3Config is config.json, as Transformers 4 and 5 and the model's authors write it.
type phi3Config struct {
	sizes
	FFN           *int     `json:"intermediate_size"`
	RMSNormEps    *float64 `json:"rms_norm_eps"`
	Activation    *string  `json:"hidden_act"`
	AttentionBias bool     `json:"attention_bias"`
	MLPBias       bool     `json:"mlp_bias"`
	HeadBias      bool     `json:"lm_head_bias"`
	Tied          bool     `json:"tie_word_embeddings"`
	SlidingWindow *int     `json:"sliding_window"`

	RoPETheta       *float64        `json:"rope_theta"`
	RoPEScaling     json.RawMessage `json:"rope_scaling"`    // Transformers 4
	RoPEParameters  json.RawMessage `json:"rope_parameters"` // Transformers 5
	OriginalContext *int            `json:"original_max_position_embeddings"`
	PartialRotary   *float64        `json:"partial_rotary_factor"`
}

func parsePhi3(text []byte) (format.Config, error) {
	var j phi3Config
	if err := hffile.Unmarshal(text, &j); err != nil {
		return format.Config{}, err
	}
	if j.KVHeads == nil {
		j.KVHeads = j.Heads
	}
	c := format.Config{RMSNormEps: 1e-5, TiedEmbeddings: j.Tied, Activation: format.SiLU}
	if j.RMSNormEps != nil {
		c.RMSNormEps = *j.RMSNormEps
	}
	if err := j.read(&c, sizeField{"intermediate_size", j.FFN, &c.FFN}); err != nil {
		return c, err
	}
	switch act := j.Activation; {
	case act != nil && *act != "silu" && *act != "swish":
		return c, fmt.Errorf("field hidden_act is %q: only silu is supported", *act)
	case j.AttentionBias:
		return c, fmt.Errorf("field attention_bias is true: biases are not supported")
	case j.MLPBias:
		return c, fmt.Errorf("field mlp_bias is true: biases are not supported")
	case j.HeadBias:
		return c, fmt.Errorf("field lm_head_bias is true: biases are not supported")
	}
	c.SlidingLayout = filled(c.Layers, j.SlidingWindow != nil)
	if w := j.SlidingWindow; w != nil {
		if c.SlidingWindow = *w; *w < 1 {
			return c, fmt.Errorf("field sliding_window is %d: it must be 1 or more, or null", *w)
		}
	}
	return c, j.rope(&c)
}

// rope reads the rotary angles, with the defaults of Transformers' configuration_phi3.
func (j *phi3Config) rope(c *format.Config) error {
	c.RoPELayout = filled(c.Layers, true)
	p, field, err := parseRoPE(j.RoPEScaling, j.RoPEParameters)
	if err != nil {
		return err
	}
	c.RoPETheta = 10000
	if theta := cmp.Or(p.Theta, j.RoPETheta); theta != nil {
		c.RoPETheta = *theta
	}
	partial := cmp.Or(p.PartialRotary, j.PartialRotary)
	if partial != nil && j.PartialRotary != nil && *partial != *j.PartialRotary {
		return fmt.Errorf("field partial_rotary_factor is %v, and %s.partial_rotary_factor is %v: they must be the same", *j.PartialRotary, field, *partial)
	}
	if partial != nil && *partial != 1 {
		if !(*partial > 0 && *partial < 1) {
			return fmt.Errorf("field partial_rotary_factor is %v: it must be above 0, and at most 1", *partial)
		}
		c.RotaryDim = int(float64(c.HeadDim) * *partial)
		if c.RotaryDim < 2 || c.RotaryDim%2 != 0 {
			return fmt.Errorf("field partial_rotary_factor is %v: %d of the %d dimensions of a head would rotate, which must be an even number", *partial, c.RotaryDim, c.HeadDim)
		}
	}
	switch kind := p.kind(); {
	case kind == "longrope", kind == "yarn" && p.ShortFactors != nil: // the first models called it so
		c.RoPEScaling, err = p.longRoPE(c, cmp.Or(j.OriginalContext, p.OriginalContext, new(phi3Original)))
	default:
		p.PartialRotary = nil // which is read
		c.RoPEScaling, err = p.scaling(c.Context, j.OriginalContext)
	}
	if err != nil {
		err = fmt.Errorf("field %s%w", field, err)
	}
	return err
}
