package main

import "fmt"

// The dimensions of Gemma 3n that all published models share.
const (
	altUpInputs   = 4
	laurelRank    = 64
	perLayerSize  = 256
	perLayerVocab = 262144
	sparseLayers  = 10 // of more layers
	gemma3Period  = 6  // every so many layers, one attends to all positions
	gemma3nPeriod = 5
	kvLayers      = 20 // layers of Gemma 3n that have keys and values of their own
)

// kvShared returns how many layers of Gemma 3n have no keys and values: those after the first 20, or, of fewer layers, those after a period of each kind.
func (c *config) kvShared() int {
	return max(0, c.Layers-min(kvLayers, max(gemma3nPeriod, c.Layers/2)))
}

// gemmaSettings is the config.json of Gemma 3 and Gemma 3n.
func (c *config) gemmaSettings() map[string]any {
	m := map[string]any{
		"architectures": []string{"Gemma3ForCausalLM"}, "model_type": "gemma3_text", "vocab_size": c.Vocab, "hidden_size": c.Hidden,
		"num_hidden_layers": c.Layers, "num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim,
		"intermediate_size": c.FFN, "hidden_activation": "gelu_pytorch_tanh", "attention_bias": false, "rms_norm_eps": c.NormEps,
		"rope_theta": c.RopeTheta, "rope_local_base_freq": 1e4, "rope_scaling": nil, "sliding_window": c.Window, "tie_word_embeddings": c.Tied,
		"max_position_embeddings": c.Context, "bos_token_id": c.BOS, "eos_token_id": c.EOS, "torch_dtype": c.DType, "use_cache": true,
	}
	if c.arch == gemma3 {
		m["sliding_window_pattern"], m["query_pre_attn_scalar"] = gemma3Period, c.HeadDim
		return m
	}
	var sparsity []float64
	for l := range c.Layers {
		p := 0.0
		if l < sparseLayers && c.Layers > sparseLayers {
			p = 0.95
		}
		sparsity = append(sparsity, p)
	}
	m["architectures"], m["model_type"] = []string{"Gemma3nForCausalLM"}, "gemma3n_text"
	m["activation_sparsity_pattern"], m["num_kv_shared_layers"] = sparsity, c.kvShared()
	m["altup_num_inputs"], m["altup_active_idx"], m["altup_coef_clip"], m["altup_correct_scale"] = altUpInputs, 0, 120.0, true
	m["laurel_rank"], m["hidden_size_per_layer_input"], m["vocab_size_per_layer_input"] = laurelRank, perLayerSize, min(perLayerVocab, c.Vocab)
	m["final_logit_softcapping"] = 30.0
	return m
}

// gemmaTensors lists the checkpoint of Gemma 3 or Gemma 3n.
func (c *config) gemmaTensors() []tensor {
	q, kv, n := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim, c.arch == gemma3n
	ts := []tensor{{"model.embed_tokens.weight", c.Vocab, c.Hidden}}
	if n {
		ts = append(ts, tensor{"model.embed_tokens_per_layer.weight", min(perLayerVocab, c.Vocab), c.Layers * perLayerSize},
			tensor{"model.per_layer_model_projection.weight", c.Layers * perLayerSize, c.Hidden},
			tensor{"model.per_layer_projection_norm.weight", 0, perLayerSize})
		for i := range altUpInputs - 1 {
			ts = append(ts, tensor{fmt.Sprintf("model.altup_projections.%d.weight", i), c.Hidden, c.Hidden},
				tensor{fmt.Sprintf("model.altup_unembed_projections.%d.weight", i), c.Hidden, c.Hidden})
		}
	}
	for l := range c.Layers {
		p := layerPrefix(l)
		add := func(name string, rows, cols int) { ts = append(ts, tensor{p + name, rows, cols}) }
		for _, name := range []string{"input", "post_attention", "pre_feedforward", "post_feedforward"} {
			add(name+"_layernorm.weight", 0, c.Hidden)
		}
		add("self_attn.q_proj.weight", q, c.Hidden)
		add("self_attn.q_norm.weight", 0, c.HeadDim)
		if !n || l < c.Layers-c.kvShared() {
			add("self_attn.k_proj.weight", kv, c.Hidden)
			add("self_attn.v_proj.weight", kv, c.Hidden)
			add("self_attn.k_norm.weight", 0, c.HeadDim)
		}
		add("self_attn.o_proj.weight", c.Hidden, q)
		add("mlp.gate_proj.weight", c.FFN, c.Hidden)
		add("mlp.up_proj.weight", c.FFN, c.Hidden)
		add("mlp.down_proj.weight", c.Hidden, c.FFN)
		if !n {
			continue
		}
		add("altup.correct_output_scale", 0, c.Hidden)
		add("altup.correction_coefs.weight", altUpInputs, altUpInputs)
		add("altup.prediction_coefs.weight", altUpInputs*altUpInputs, altUpInputs)
		add("altup.modality_router.weight", altUpInputs, c.Hidden)
		add("altup.router_norm.weight", 0, c.Hidden)
		add("laurel.linear_left.weight", laurelRank, c.Hidden)
		add("laurel.linear_right.weight", c.Hidden, laurelRank)
		add("laurel.post_laurel_norm.weight", 0, c.Hidden)
		add("per_layer_input_gate.weight", perLayerSize, c.Hidden)
		add("per_layer_projection.weight", c.Hidden, perLayerSize)
		add("post_per_layer_input_norm.weight", 0, c.Hidden)
	}
	ts = append(ts, tensor{"model.norm.weight", 0, c.Hidden})
	if !c.Tied {
		ts = append(ts, tensor{"lm_head.weight", c.Vocab, c.Hidden})
	}
	return ts
}

// table writes a large matrix of plain random weights, some rows at a time.
func (b *builder) table(name string, rows, cols int) error {
	return parallel((rows+rowsPerWrite-1)/rowsPerWrite, func(i int) error {
		from, to := i*rowsPerWrite, min((i+1)*rowsPerWrite, rows)
		w := make([]float32, (to-from)*cols)
		for v := from; v < to; v++ {
			r := stream(b.seed, name, v)
			r.normal(w[(v-from)*cols:(v-from+1)*cols], perLayerStd)
		}
		b.round(w)
		return b.out.write(name, from, w)
	})
}
