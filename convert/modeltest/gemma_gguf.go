package modeltest

import (
	"fmt"
	"math"
	"strings"

	"st/convert/checkpoint/ckpttest"
	"st/convert/gguf"
)

// gemmaGGUFNames are what GGUF files call the tensors of Gemma 3 and 3n, without layer and ".weight".
var gemmaGGUFNames = map[string]string{
	"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
	"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
	"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
	"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
	"mlp.down_proj": "ffn_down", "model.embed_tokens_per_layer": "per_layer_token_embd", "model.per_layer_model_projection": "per_layer_model_proj",
	"model.per_layer_projection_norm": "per_layer_proj_norm", "altup.correct_output_scale": "altup_correct_scale",
	"altup.correction_coefs": "altup_correct_coef", "altup.prediction_coefs": "altup_predict_coef", "altup.modality_router": "altup_router",
	"altup.router_norm": "altup_router_norm", "laurel.linear_left": "laurel_l", "laurel.linear_right": "laurel_r",
	"laurel.post_laurel_norm": "laurel_post_norm", "per_layer_input_gate": "inp_gate", "per_layer_projection": "proj",
	"post_per_layer_input_norm": "post_norm",
}

// writeGemmaGGUF writes a GGUF file as llama.cpp's converter does: weights of norms of Gemma 3 are 1 more than in checkpoints, and AltUp's projections
// are one tensor of three dimensions.
func (m *Model) writeGemmaGGUF(path string, o GGUF) error {
	var tensors []GGUFTensor
	stacks := map[string]*GGUFTensor{}
	for i := range m.Tensors {
		t := &m.Tensors[i]
		name, layer := strings.TrimSuffix(t.Name, ".weight"), -1
		if rest, ok := strings.CutPrefix(name, "model.layers."); ok {
			fmt.Sscanf(rest, "%d", &layer)
			_, name, _ = strings.Cut(rest, ".")
		}
		x := GGUFTensor{Info: gguf.Info{Shape: t.Shape, Type: gguf.TypeOf(o.Type)}}
		if len(t.Shape) == 1 || strings.HasPrefix(name, "altup.") || !o.Type.Fits(t.Shape[1]) {
			x.Type = gguf.F32
		}
		typ, _ := x.Type.Quant()
		if len(t.Shape) == 1 && !m.gemma.n() {
			plus := ckpttest.Tensor{Shape: t.Shape}
			for _, v := range t.Data {
				plus.Data = append(plus.Data, 1+v)
			}
			x.Data = encode(&plus, typ, false)
		} else {
			x.Data = encode(t, typ, false)
		}
		for part, stacked := range map[string]string{"altup_projections": "altup_proj", "altup_unembed_projections": "altup_unembd_proj"} {
			if !strings.Contains(name, "."+part+".") {
				continue
			}
			if s := stacks[stacked]; s != nil {
				s.Data, s.Shape[0] = append(s.Data, x.Data...), s.Shape[0]+1
			} else {
				x.Name, x.Shape = stacked+".weight", []int{1, t.Shape[0], t.Shape[1]}
				stacks[stacked] = &x
			}
			name = ""
		}
		if name == "" {
			continue
		}
		x.Name = gemmaGGUFNames[name] + ".weight"
		if layer >= 0 {
			x.Name = fmt.Sprintf("blk.%d.%s", layer, x.Name)
		}
		tensors = append(tensors, x)
	}
	for _, s := range stacks {
		tensors = append(tensors, *s)
	}
	metadata := append(m.gemmaGGUFMetadata(), o.Metadata...)
	if o.Edit != nil {
		o.Edit(&metadata, &tensors)
	}
	return writeGGUF(path, metadata, tensors)
}

func (m *Model) gemmaGGUFMetadata() gguf.Metadata {
	g := m.gemma
	arch := "gemma3"
	if g.n() {
		arch = "gemma3n"
	}
	metadata := gguf.Metadata{{Key: "general.architecture", Value: arch}}
	add := func(key string, value any) {
		metadata = append(metadata, gguf.Entry{Key: arch + "." + key, Value: value})
	}
	size := func(key string, n int) { add(key, uint32(n)) }
	size("block_count", g.Layers)
	size("context_length", g.Context)
	size("embedding_length", g.Hidden)
	if g.FFNs != nil {
		var all []int32
		for _, n := range g.FFNs {
			all = append(all, int32(n))
		}
		add("feed_forward_length", all)
	} else {
		size("feed_forward_length", g.FFN)
	}
	size("attention.head_count", g.Heads)
	size("attention.head_count_kv", g.KVHeads)
	size("attention.key_length", g.HeadDim)
	size("attention.value_length", g.HeadDim)
	add("attention.layer_norm_rms_epsilon", float32(1e-6))
	add("rope.freq_base", float32(g.Theta))
	if g.LocalTheta != 1e4 {
		add("rope.freq_base_swa", float32(g.LocalTheta))
	}
	if g.Linear != 1 {
		add("rope.scaling.type", "linear")
		add("rope.scaling.factor", float32(g.Linear))
	}
	size("attention.sliding_window", g.Window)
	layout := make([]bool, g.Layers)
	for l := range layout {
		layout[l] = g.Sliding[l] == 1
	}
	add("attention.sliding_window_pattern", layout)
	if g.Softcap != 0 && (!g.n() || g.Softcap != 30) {
		add("final_logit_softcapping", float32(g.Softcap))
	}
	if !g.n() {
		return metadata
	}
	size("altup.num_inputs", g.AltUp)
	size("altup.active_idx", g.Active)
	size("embedding_length_per_layer_input", g.PerLayer)
	size("attention.shared_kv_layers", g.Shared)
	var scale []float32
	for l := range g.Layers {
		p := 0.0
		if g.Sparsity != nil {
			p = g.Sparsity[l]
		}
		scale = append(scale, float32(math.Sqrt2*math.Erfinv(2*p-1)))
	}
	add("activation_sparsity_scale", scale)
	return metadata
}
