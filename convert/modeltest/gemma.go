package modeltest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"st/convert/checkpoint/ckpttest"
)

// Gemma says what a model of Gemma 3 looks like, or one of Gemma 3n if AltUp is not 0.
type Gemma struct {
	Layers, Hidden, Heads, KVHeads, HeadDim, Vocab, Context int
	FFN                                                     int
	FFNs                                                    []int // by layer; nil: FFN
	Sliding                                                 []int // 0 or 1, one a layer
	Window                                                  int
	Scalar                                                  float64 // query_pre_attn_scalar of Gemma 3; 0: HeadDim
	Softcap                                                 float64 // of the logits; 0: none
	Theta, LocalTheta                                       float64 // 0: 1e6 and 1e4
	Linear                                                  float64 // factor that stretches the angles of layers that do not slide; 0: 1
	Untied                                                  bool
	AttentionBias                                           bool
	DType                                                   string // of the weights: F32 (if empty), F16, BF16

	AltUp, Active  int // vectors of the residual stream, and the one that layers compute with
	NoCorrectScale bool
	Clip           float64   // of the coefficients of AltUp; 0: none
	Laurel         int       // rank
	PerLayer       int       // size of a layer's own embedding
	PerLayerVocab  int       // rows of their table; 0: Vocab
	Sparsity       []float64 // by layer; nil: 0
	Shared         int       // layers without keys and values
	KeepShared     bool      // their matrices are in the checkpoint all the same
	OldConfig      bool      // config.json as Transformers 4 writes it
}

func (g *Gemma) n() bool { return g.AltUp > 0 }

func (g *Gemma) ffn(l int) int {
	if g.FFNs != nil {
		return g.FFNs[l]
	}
	return g.FFN
}

func (g *Gemma) setDefaults() {
	set := func(v *float64, or float64) {
		if *v == 0 {
			*v = or
		}
	}
	set(&g.Scalar, float64(g.HeadDim))
	set(&g.Theta, 1e6)
	set(&g.LocalTheta, 1e4)
	set(&g.Linear, 1)
	if g.DType == "" {
		g.DType = "F32"
	}
	if g.PerLayerVocab == 0 {
		g.PerLayerVocab = g.Vocab
	}
	for len(g.Sliding) < g.Layers {
		g.Sliding = append(g.Sliding, 0)
	}
}

// kvLayer returns the layer whose keys and values layer l attends to.
func (g *Gemma) kvLayer(l int) int {
	k := l
	if first := g.Layers - g.Shared; l >= first {
		for k = first - 1; g.Sliding[k] != g.Sliding[l]; k-- {
		}
	}
	return k
}

// NewGemma makes a model of random weights.
func NewGemma(g Gemma, seed uint64) *Model {
	g.setDefaults()
	m := &Model{Shape: Shape{Vocab: g.Vocab, Untied: g.Untied, DType: g.DType}, gemma: &g, Config: g.config()}
	rng := rand.New(rand.NewPCG(seed, 11))
	center := 0.0 // of the weights of norms
	if g.n() {
		center = 1
	}
	add := func(name string, scale float64, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		t := ckpttest.Tensor{Name: name, DType: g.DType, Shape: shape, Data: make([]float32, n)}
		for i := range t.Data {
			v := rng.NormFloat64() * scale
			if len(shape) == 1 {
				v += center
			}
			t.Data[i] = round(g.DType, v)
		}
		m.Tensors = append(m.Tensors, t)
	}
	matrix := func(name string, out, in int) { add(name+".weight", 1/math.Sqrt(float64(in)), out, in) }
	bias := func(name string, n int) {
		if g.AttentionBias {
			add(name+".bias", 0.5, n)
		}
	}
	norm := func(name string, n int) { add(name+".weight", 0.2, n) }
	add("model.embed_tokens.weight", 0.1, g.Vocab, g.Hidden)
	if g.n() {
		add("model.embed_tokens_per_layer.weight", 0.2, g.PerLayerVocab, g.Layers*g.PerLayer)
		matrix("model.per_layer_model_projection", g.Layers*g.PerLayer, g.Hidden)
		norm("model.per_layer_projection_norm", g.PerLayer)
		for i := range g.AltUp - 1 {
			matrix(fmt.Sprintf("model.altup_projections.%d", i), g.Hidden, g.Hidden)
			matrix(fmt.Sprintf("model.altup_unembed_projections.%d", i), g.Hidden, g.Hidden)
		}
	}
	for l := range g.Layers {
		p := fmt.Sprintf("model.layers.%d.", l)
		for _, name := range []string{"input", "post_attention", "pre_feedforward", "post_feedforward"} {
			norm(p+name+"_layernorm", g.Hidden)
		}
		matrix(p+"self_attn.q_proj", g.Heads*g.HeadDim, g.Hidden)
		bias(p+"self_attn.q_proj", g.Heads*g.HeadDim)
		bias(p+"self_attn.o_proj", g.Hidden)
		norm(p+"self_attn.q_norm", g.HeadDim)
		if g.n() { // products of queries and keys are not scaled otherwise
			q := m.Tensor(p + "self_attn.q_norm.weight").Data
			for i := range q {
				q[i] = round(g.DType, float64(q[i])/math.Sqrt(float64(g.HeadDim)))
			}
		}
		if g.kvLayer(l) == l || g.KeepShared {
			matrix(p+"self_attn.k_proj", g.KVHeads*g.HeadDim, g.Hidden)
			matrix(p+"self_attn.v_proj", g.KVHeads*g.HeadDim, g.Hidden)
			bias(p+"self_attn.k_proj", g.KVHeads*g.HeadDim)
			bias(p+"self_attn.v_proj", g.KVHeads*g.HeadDim)
			norm(p+"self_attn.k_norm", g.HeadDim)
		}
		matrix(p+"self_attn.o_proj", g.Hidden, g.Heads*g.HeadDim)
		matrix(p+"mlp.gate_proj", g.ffn(l), g.Hidden)
		matrix(p+"mlp.up_proj", g.ffn(l), g.Hidden)
		matrix(p+"mlp.down_proj", g.Hidden, g.ffn(l))
		if !g.n() {
			continue
		}
		add(p+"altup.correct_output_scale", 0.5, g.Hidden)
		add(p+"altup.correction_coefs.weight", 0.3, g.AltUp, g.AltUp)
		add(p+"altup.prediction_coefs.weight", 0.3, g.AltUp*g.AltUp, g.AltUp)
		add(p+"altup.modality_router.weight", math.Sqrt(float64(g.Hidden)), g.AltUp, g.Hidden)
		norm(p+"altup.router_norm", g.Hidden)
		matrix(p+"laurel.linear_left", g.Laurel, g.Hidden)
		matrix(p+"laurel.linear_right", g.Hidden, g.Laurel)
		norm(p+"laurel.post_laurel_norm", g.Hidden)
		matrix(p+"per_layer_input_gate", g.PerLayer, g.Hidden)
		matrix(p+"per_layer_projection", g.Hidden, g.PerLayer)
		norm(p+"post_per_layer_input_norm", g.Hidden)
	}
	norm("model.norm", g.Hidden)
	if g.Untied {
		matrix("lm_head", g.Vocab, g.Hidden)
	}
	return m
}

// config is config.json of the text part.
func (g *Gemma) config() map[string]any {
	types := make([]string, g.Layers)
	for l := range types {
		types[l] = "full_attention"
		if g.Sliding[l] == 1 {
			types[l] = "sliding_attention"
		}
	}
	c := map[string]any{
		"architectures": []string{"Gemma3ForCausalLM"}, "model_type": "gemma3_text", "hidden_activation": "gelu_pytorch_tanh",
		"attention_bias": g.AttentionBias, "vocab_size": g.Vocab, "hidden_size": g.Hidden, "num_hidden_layers": g.Layers,
		"num_attention_heads": g.Heads, "num_key_value_heads": g.KVHeads, "head_dim": g.HeadDim, "intermediate_size": g.FFN,
		"max_position_embeddings": g.Context, "rms_norm_eps": 1e-6, "tie_word_embeddings": !g.Untied, "sliding_window": g.Window,
		"layer_types": types, "attn_logit_softcapping": nil, "final_logit_softcapping": nil, "bos_token_id": 2, "eos_token_id": 1,
	}
	if g.Softcap != 0 {
		c["final_logit_softcapping"] = g.Softcap
	}
	full := map[string]any{"rope_type": "default", "rope_theta": g.Theta}
	if g.Linear != 1 {
		full = map[string]any{"rope_type": "linear", "factor": g.Linear, "rope_theta": g.Theta}
	}
	if g.OldConfig {
		c["rope_theta"], c["rope_local_base_freq"], c["rope_scaling"] = g.Theta, g.LocalTheta, nil
		if g.Linear != 1 {
			c["rope_scaling"] = map[string]any{"rope_type": "linear", "factor": g.Linear}
		}
	} else {
		c["rope_parameters"] = map[string]any{
			"full_attention": full, "sliding_attention": map[string]any{"rope_type": "default", "rope_theta": g.LocalTheta},
		}
	}
	if !g.n() {
		c["query_pre_attn_scalar"], c["use_bidirectional_attention"] = g.Scalar, false
		return c
	}
	c["architectures"], c["model_type"] = []string{"Gemma3nForCausalLM"}, "gemma3n_text"
	c["altup_num_inputs"], c["altup_active_idx"], c["altup_correct_scale"] = g.AltUp, g.Active, !g.NoCorrectScale
	c["altup_coef_clip"] = nil
	if g.Clip != 0 {
		c["altup_coef_clip"] = g.Clip
	}
	c["laurel_rank"], c["hidden_size_per_layer_input"], c["vocab_size_per_layer_input"] = g.Laurel, g.PerLayer, g.PerLayerVocab
	c["num_kv_shared_layers"] = g.Shared
	sparsity := slices.Clone(g.Sparsity)
	for len(sparsity) < g.Layers {
		sparsity = append(sparsity, 0)
	}
	c["activation_sparsity_pattern"] = sparsity
	if g.FFNs != nil {
		c["intermediate_size"] = g.FFNs
	}
	return c
}

// Clone returns a copy whose config and names may be changed; the weights are shared.
func (m *Model) Clone() *Model {
	c := *m
	c.Config, c.Tensors = maps.Clone(m.Config), slices.Clone(m.Tensors)
	return &c
}

// Surround makes the model the text part of one that sees and hears: config.json gets a text_config, names get prefixes, as in the
// published checkpoints or as Transformers 5 has them in memory, and there are tensors of other modules.
func (m *Model) Surround(newNames bool) {
	class, modelType := "Gemma3ForConditionalGeneration", "gemma3"
	if m.gemma.n() {
		class, modelType = "Gemma3nForConditionalGeneration", "gemma3n"
	}
	m.Config = map[string]any{
		"architectures": []string{class}, "model_type": modelType, "text_config": m.Config, "tie_word_embeddings": !m.gemma.Untied,
		"vision_config": map[string]any{"hidden_size": 8}, "eos_token_id": []int{1, 106}, "bos_token_id": 2,
	}
	prefix, other := "language_model.model.", ""
	if newNames {
		prefix, other = "model.language_model.", "model."
	}
	for i := range m.Tensors {
		name := &m.Tensors[i].Name
		if rest, ok := strings.CutPrefix(*name, "model."); ok {
			*name = prefix + rest
		} else if !newNames {
			*name = "language_model." + *name
		}
	}
	for _, name := range []string{
		"vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight", "multi_modal_projector.mm_input_projection_weight",
		"audio_tower.conformer.0.norm.weight", "embed_vision.embedding.weight",
	} {
		m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: other + name, DType: m.gemma.DType, Shape: []int{2, 3}, Data: make([]float32, 6)})
	}
}

// loadGemma reads config.json, as Transformers 5 writes it.
func loadGemma(text []byte) (*Gemma, error) {
	var j struct {
		Type     string          `json:"model_type"`
		Layers   int             `json:"num_hidden_layers"`
		Hidden   int             `json:"hidden_size"`
		Heads    int             `json:"num_attention_heads"`
		KVHeads  int             `json:"num_key_value_heads"`
		HeadDim  int             `json:"head_dim"`
		Vocab    int             `json:"vocab_size"`
		FFN      json.RawMessage `json:"intermediate_size"`
		Types    []string        `json:"layer_types"`
		Window   int             `json:"sliding_window"`
		Scalar   float64         `json:"query_pre_attn_scalar"`
		Softcap  float64         `json:"final_logit_softcapping"`
		Tied     bool            `json:"tie_word_embeddings"`
		AltUp    int             `json:"altup_num_inputs"`
		Active   int             `json:"altup_active_idx"`
		Correct  bool            `json:"altup_correct_scale"`
		Clip     float64         `json:"altup_coef_clip"`
		Laurel   int             `json:"laurel_rank"`
		Per      int             `json:"hidden_size_per_layer_input"`
		PerVocab int             `json:"vocab_size_per_layer_input"`
		Sparsity []float64       `json:"activation_sparsity_pattern"`
		KVShared int             `json:"num_kv_shared_layers"`
		RoPE     map[string]struct {
			Theta float64 `json:"rope_theta"`
		} `json:"rope_parameters"`
	}
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, err
	}
	g := &Gemma{
		Layers: j.Layers, Hidden: j.Hidden, Heads: j.Heads, KVHeads: j.KVHeads, HeadDim: j.HeadDim, Vocab: j.Vocab, Window: j.Window, Scalar: j.Scalar,
		Softcap: j.Softcap, Theta: j.RoPE["full_attention"].Theta, LocalTheta: j.RoPE["sliding_attention"].Theta, Untied: !j.Tied, AltUp: j.AltUp,
		Active: j.Active, NoCorrectScale: !j.Correct, Clip: j.Clip, Laurel: j.Laurel, PerLayer: j.Per, PerLayerVocab: j.PerVocab, Sparsity: j.Sparsity,
		Shared: j.KVShared,
	}
	if json.Unmarshal(j.FFN, &g.FFN) != nil {
		if err := json.Unmarshal(j.FFN, &g.FFNs); err != nil {
			return nil, err
		}
	}
	for _, t := range j.Types {
		slide := 0
		if t == "sliding_attention" {
			slide = 1
		}
		g.Sliding = append(g.Sliding, slide)
	}
	g.setDefaults()
	return g, nil
}
