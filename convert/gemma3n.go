package convert

import (
	"encoding/json"
	"fmt"
	"slices"

	"st/format"
	"st/tokenizer/hffile"
)

// gemma3n is the text part of Gemma 3n (Google DeepMind, 2025). Its norms have their weights as they are multiplied.
var gemma3n = architecture{
	name: "gemma3n", class: "Gemma3nForCausalLM", modelType: "gemma3n_text", around: [2]string{"Gemma3nForConditionalGeneration", "gemma3n"},
	parse: parseGemma3n, fineAttention: true,
	stacked: map[format.Role]string{
		format.RoleAltUpProjection:  "model.altup_projections.%d.weight",
		format.RoleAltUpUnembedding: "model.altup_unembed_projections.%d.weight",
	},
	tensors: slices.Concat([]tensorName{
		{format.RolePerLayerEmbedding, "model.embed_tokens_per_layer.weight"},
		{format.RoleEmbedding, "model.embed_tokens.weight"},
		{format.RolePerLayerModel, "model.per_layer_model_projection.weight"},
		{format.RolePerLayerModelNorm, "model.per_layer_projection_norm.weight"},
		{format.RoleAltUpProjection, "model.altup_projections.weight"},
		{format.RoleAltUpUnembedding, "model.altup_unembed_projections.weight"},
	}, gemmaLayer, []tensorName{
		{format.RoleAltUpRouter, "model.layers.%d.altup.modality_router.weight"},
		{format.RoleAltUpRouterNorm, "model.layers.%d.altup.router_norm.weight"},
		{format.RoleAltUpPredict, "model.layers.%d.altup.prediction_coefs.weight"},
		{format.RoleAltUpCorrect, "model.layers.%d.altup.correction_coefs.weight"},
		{format.RoleAltUpCorrectScale, "model.layers.%d.altup.correct_output_scale"},
		{format.RoleLaurelLeft, "model.layers.%d.laurel.linear_left.weight"},
		{format.RoleLaurelRight, "model.layers.%d.laurel.linear_right.weight"},
		{format.RoleLaurelNorm, "model.layers.%d.laurel.post_laurel_norm.weight"},
		{format.RolePerLayerGate, "model.layers.%d.per_layer_input_gate.weight"},
		{format.RolePerLayerProjection, "model.layers.%d.per_layer_projection.weight"},
		{format.RolePerLayerNorm, "model.layers.%d.post_per_layer_input_norm.weight"},
		{format.RoleFinalNorm, "model.norm.weight"},
		{format.RoleHead, "lm_head.weight"},
	}),
}

// gemma3nConfig is config.json.
type gemma3nConfig struct {
	gemmaConfig
	FFN           json.RawMessage `json:"intermediate_size"` // a number, or one for each layer
	Softcap       json.RawMessage `json:"final_logit_softcapping"`
	Sparsity      json.RawMessage `json:"activation_sparsity_pattern"` // likewise
	KVShared      *int            `json:"num_kv_shared_layers"`
	AltUp         *int            `json:"altup_num_inputs"`
	Active        int             `json:"altup_active_idx"`
	CoefClip      json.RawMessage `json:"altup_coef_clip"`
	CorrectScale  *bool           `json:"altup_correct_scale"`
	LaurelRank    *int            `json:"laurel_rank"`
	PerLayer      *int            `json:"hidden_size_per_layer_input"`
	PerLayerVocab *int            `json:"vocab_size_per_layer_input"`
}

func parseGemma3n(text []byte) (format.Config, error) {
	var j gemma3nConfig
	if err := hffile.Unmarshal(text, &j); err != nil {
		return format.Config{}, err
	}
	c, err := j.config(gemmaDefaults{vocab: 262400, hidden: 2048, layers: 35, heads: 8, kvHeads: 2, headDim: 256, context: 32768, window: 512, period: 5})
	if err != nil {
		return c, err
	}
	altUp, rank, size, vocab := 4, 64, 256, 262144
	for _, f := range []struct {
		from *int
		to   *int
	}{{j.AltUp, &altUp}, {j.LaurelRank, &rank}, {j.PerLayer, &size}, {j.PerLayerVocab, &vocab}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	switch {
	case altUp < 2 || altUp > format.MaxAltUp:
		return c, fmt.Errorf("field altup_num_inputs is %d: it must be 2 to %d", altUp, format.MaxAltUp)
	case j.Active < 0 || j.Active >= altUp:
		return c, fmt.Errorf("field altup_active_idx is %d: it must be 0 or more, and less than altup_num_inputs, %d", j.Active, altUp)
	}
	c.AttentionScale = 1
	c.AltUp = &format.AltUp{Inputs: altUp, Active: j.Active, CorrectScale: j.CorrectScale == nil || *j.CorrectScale}
	c.PerLayerInput = &format.PerLayerInput{}
	err = readSizes([]sizeField{{"laurel_rank", &rank, &c.LaurelRank}, {"hidden_size_per_layer_input", &size, &c.PerLayerInput.Size},
		{"vocab_size_per_layer_input", &vocab, &c.PerLayerInput.Vocab}})
	if err != nil {
		return c, err
	}
	if c.KVShared = 15; j.KVShared != nil {
		c.KVShared = *j.KVShared
	}
	if c.KVShared < 0 || c.KVShared >= c.Layers {
		return c, fmt.Errorf("field num_kv_shared_layers is %d: it must be less than num_hidden_layers, %d", c.KVShared, c.Layers)
	}
	for l := c.Layers - c.KVShared; l < c.Layers; l++ {
		if c.KVLayer(l) == l {
			return c, fmt.Errorf("field num_kv_shared_layers is %d, but no layer before those is of the type that layer_types gives layer %d", c.KVShared, l)
		}
	}
	if c.LogitSoftcap, err = numberOrNull("final_logit_softcapping", j.Softcap, 30); err != nil {
		return c, err
	}
	if c.AltUp.CoefClip, err = numberOrNull("altup_coef_clip", j.CoefClip, 120); err != nil {
		return c, err
	}
	if err := j.sparsity(&c); err != nil {
		return c, err
	}
	return c, j.neurons(&c)
}

// numberOrNull reads a field that has a default where it is absent, and is 0 where it is null.
func numberOrNull(name string, text json.RawMessage, absent float64) (v float64, err error) {
	switch string(text) {
	case "":
		return absent, nil
	case "null":
		return 0, nil
	}
	if json.Unmarshal(text, &v) != nil || v <= 0 {
		return 0, fmt.Errorf("field %s is %s: it must be a positive number or null", name, text)
	}
	return v, nil
}

// perLayerNumbers reads a field that has a number, or one for each of n layers; nil if it is absent or null.
func perLayerNumbers[T int | float64](name string, text json.RawMessage, n int) (all []T, err error) {
	var one T
	var each hffile.Numbers[T]
	switch {
	case len(text) == 0 || string(text) == "null":
		return nil, nil
	case json.Unmarshal(text, &one) == nil:
		for range n {
			all = append(all, one)
		}
		return all, nil
	case json.Unmarshal(text, &each) != nil:
		return nil, fmt.Errorf("field %s must be a number, or an array of them", name)
	case len(each) != n:
		return nil, fmt.Errorf("field %s has %d entries, but num_hidden_layers is %d", name, len(each), n)
	}
	return each, nil
}

// sparsity reads how many neurons each layer leaves out. Where the field is absent, the first ten of more than ten layers leave out 95 %.
func (j *gemma3nConfig) sparsity(c *format.Config) error {
	all, err := perLayerNumbers[float64]("activation_sparsity_pattern", j.Sparsity, c.Layers)
	if err != nil {
		return err
	}
	if all == nil {
		all = make([]float64, c.Layers)
		for l := range 10 {
			if c.Layers > 10 {
				all[l] = 0.95
			}
		}
	}
	some := false
	for l, v := range all {
		if !(v >= 0 && v < 1) {
			return fmt.Errorf("field activation_sparsity_pattern: entry %d is %v: it must be 0 or more and less than 1", l, v)
		}
		some = some || v > 0
	}
	if some {
		c.Sparsity = all
	}
	return nil
}

// neurons reads the sizes of the feed-forward networks.
func (j *gemma3nConfig) neurons(c *format.Config) error {
	all, err := perLayerNumbers[int]("intermediate_size", j.FFN, c.Layers)
	if err != nil {
		return err
	}
	if all == nil {
		c.FFN = 16384
		return nil
	}
	alike := true
	for l, n := range all {
		if n < 1 {
			return fmt.Errorf("field intermediate_size is %d in layer %d: it must be 1 or more", n, l)
		}
		c.FFN = max(c.FFN, n)
		alike = alike && n == all[0]
	}
	if !alike {
		c.FFNLayout = all
	}
	return nil
}
