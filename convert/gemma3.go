package convert

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"st/format"
	"st/tokenizer/hffile"
)

// gemma3 is the text part of Gemma 3 (arXiv 2503.19786).
var gemma3 = architecture{
	name: "gemma3", class: "Gemma3ForCausalLM", modelType: "gemma3_text", around: [2]string{"Gemma3ForConditionalGeneration", "gemma3"},
	parse: parseGemma3, unitNorms: true,
	tensors: slices.Concat([]tensorName{
		{format.RoleEmbedding, "model.embed_tokens.weight"},
	}, gemmaLayer, []tensorName{
		{format.RoleFinalNorm, "model.norm.weight"},
		{format.RoleHead, "lm_head.weight"},
	}),
}

// gemma3Config is config.json. attn_logit_softcapping is not among its fields: neither Transformers nor llama.cpp has Gemma 3 cap the scores of
// attention, which Gemma 2 does.
type gemma3Config struct {
	gemmaConfig
	FFN           *int            `json:"intermediate_size"`
	Scalar        *float64        `json:"query_pre_attn_scalar"`
	Softcap       *float64        `json:"final_logit_softcapping"`
	Period        *int            `json:"sliding_window_pattern"` // every so many layers, one attends to all positions
	OldPeriod     *int            `json:"_sliding_window_pattern"`
	Bidirectional json.RawMessage `json:"use_bidirectional_attention"`
}

func parseGemma3(text []byte) (format.Config, error) {
	var j gemma3Config
	if err := hffile.Unmarshal(text, &j); err != nil {
		return format.Config{}, err
	}
	d := gemmaDefaults{vocab: 262208, hidden: 2304, layers: 26, heads: 8, kvHeads: 4, headDim: 256, context: 131072, window: 4096, period: 6}
	for _, f := range []sizeField{{"_sliding_window_pattern", j.OldPeriod, &d.period}, {"sliding_window_pattern", j.Period, &d.period}} {
		if f.from == nil {
			continue
		}
		if err := readSizes([]sizeField{f}); err != nil {
			return format.Config{}, err
		}
	}
	if b := string(j.Bidirectional); b != "" && b != "null" && b != "false" {
		return format.Config{}, fmt.Errorf("field use_bidirectional_attention is %s: only models that attend to earlier positions are supported", b)
	}
	c, err := j.config(d)
	if err != nil {
		return c, err
	}
	ffn, scalar := 9216, 256.0
	if j.FFN == nil {
		j.FFN = &ffn
	}
	if j.Scalar != nil {
		scalar = *j.Scalar
	}
	if !(scalar > 0 && scalar < math.MaxFloat32) {
		return c, fmt.Errorf("field query_pre_attn_scalar is %v: it must be positive", scalar)
	}
	c.AttentionScale = 1 / math.Sqrt(scalar)
	if j.Softcap != nil {
		if c.LogitSoftcap = *j.Softcap; c.LogitSoftcap < 0 {
			return c, fmt.Errorf("field final_logit_softcapping is %v: it must be positive, or null", c.LogitSoftcap)
		}
	}
	return c, readSizes([]sizeField{{"intermediate_size", j.FFN, &c.FFN}})
}
