package modeltest

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"st/convert/checkpoint/ckpttest"
)

// Shape says what a model looks like. Layouts hold one 0 or 1 a layer; nil means 1 everywhere for RoPE, 0 for Sliding.
type Shape struct {
	Layers, Hidden, Heads, KVHeads, HeadDim int
	Experts, TopK, FFN, Vocab, Context      int
	RoPE, Sliding                           []int
	Window                                  int
	Softmax, Untied                         bool
	DType                                   string // of the weights: F32 (if empty), F16, BF16
}

// Model is a checkpoint in memory.
type Model struct {
	Shape   Shape
	Config  map[string]any
	Tensors []ckpttest.Tensor
}

// New makes a model of random weights, scaled so that activations stay near 1.
func New(s Shape, seed uint64) *Model {
	if s.DType == "" {
		s.DType = "F32"
	}
	fill := func(v []int, with int) []int {
		for len(v) < s.Layers {
			v = append(v, with)
		}
		return v
	}
	s.RoPE, s.Sliding = fill(s.RoPE, 1), fill(s.Sliding, 0)
	m := &Model{Shape: s}
	m.Config = map[string]any{
		"architectures": []string{"SmallThinkerForCausalLM"}, "model_type": "smallthinker",
		"vocab_size": s.Vocab, "hidden_size": s.Hidden, "num_hidden_layers": s.Layers, "num_attention_heads": s.Heads,
		"num_key_value_heads": s.KVHeads, "head_dim": s.HeadDim, "rms_norm_eps": 1e-6, "rope_theta": 1e4,
		"rope_layout": s.RoPE, "sliding_window_layout": s.Sliding, "sliding_window_size": s.Window,
		"moe_num_primary_experts": s.Experts, "moe_num_active_primary_experts": s.TopK, "moe_ffn_hidden_size": s.FFN,
		"moe_primary_router_apply_softmax": s.Softmax, "tie_word_embeddings": !s.Untied,
		"max_position_embeddings": s.Context, "rope_scaling": nil, "eos_token_id": []int{1, 2}, "bos_token_id": 1,
	}
	rng := rand.New(rand.NewPCG(seed, 7))
	add := func(name string, scale float64, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		t := ckpttest.Tensor{Name: name, DType: s.DType, Shape: shape, Data: make([]float32, n)}
		for i := range t.Data {
			v := rng.NormFloat64() * scale
			if len(shape) == 1 {
				v += 1
			}
			t.Data[i] = round(s.DType, v)
		}
		m.Tensors = append(m.Tensors, t)
	}
	in := 1 / math.Sqrt(float64(s.Hidden))
	add("model.embed_tokens.weight", 0.3, s.Vocab, s.Hidden)
	for l := range s.Layers {
		p := fmt.Sprintf("model.layers.%d.", l)
		add(p+"input_layernorm.weight", 0.1, s.Hidden)
		add(p+"post_attention_layernorm.weight", 0.1, s.Hidden)
		add(p+"self_attn.q_proj.weight", in, s.Heads*s.HeadDim, s.Hidden)
		add(p+"self_attn.k_proj.weight", in, s.KVHeads*s.HeadDim, s.Hidden)
		add(p+"self_attn.v_proj.weight", in, s.KVHeads*s.HeadDim, s.Hidden)
		add(p+"self_attn.o_proj.weight", 1/math.Sqrt(float64(s.Heads*s.HeadDim)), s.Hidden, s.Heads*s.HeadDim)
		add(p+"block_sparse_moe.primary_router.weight", in, s.Experts, s.Hidden)
		for e := range s.Experts {
			x := fmt.Sprintf("%sblock_sparse_moe.experts.%d.", p, e)
			add(x+"up.weight", in, s.FFN, s.Hidden)
			add(x+"gate.weight", in, s.FFN, s.Hidden)
			add(x+"down.weight", 1/math.Sqrt(float64(s.FFN)), s.Hidden, s.FFN)
		}
	}
	add("model.norm.weight", 0.1, s.Hidden)
	if s.Untied {
		add("lm_head.weight", in, s.Vocab, s.Hidden)
	}
	return m
}

// round makes a number exact in the type that it is stored in, so that the reference computes with what is in the file.
func round(dtype string, v float64) float32 {
	f := float32(v)
	switch dtype {
	case "BF16":
		return math.Float32frombits(math.Float32bits(f) &^ 0xffff)
	case "F16": // ten bits of mantissa; the weights here are far from float16's limits
		return math.Float32frombits(math.Float32bits(f) &^ 0x1fff)
	}
	return f
}

// Tensor returns the tensor of that name, to be changed by a test.
func (m *Model) Tensor(name string) *ckpttest.Tensor {
	for i := range m.Tensors {
		if m.Tensors[i].Name == name {
			return &m.Tensors[i]
		}
	}
	panic("modeltest: there is no tensor " + name)
}

// Remove takes a tensor out.
func (m *Model) Remove(name string) {
	for i := range m.Tensors {
		if m.Tensors[i].Name == name {
			m.Tensors = append(m.Tensors[:i], m.Tensors[i+1:]...)
			return
		}
	}
	panic("modeltest: there is no tensor " + name)
}

// WriteConfig writes config.json.
func (m *Model) WriteConfig(dir string) error {
	text, err := json.Marshal(m.Config)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644)
}

// Write writes the checkpoint as config.json and model.safetensors.
func (m *Model) Write(dir string) error {
	if err := m.WriteConfig(dir); err != nil {
		return err
	}
	return ckpttest.WriteSafetensors(filepath.Join(dir, "model.safetensors"), m.Tensors)
}

// WriteShards writes the checkpoint as config.json and safetensors shards with their index.
func (m *Model) WriteShards(dir string, shards int) error {
	if err := m.WriteConfig(dir); err != nil {
		return err
	}
	split := make([][]ckpttest.Tensor, shards)
	for i, t := range m.Tensors {
		split[i*shards/len(m.Tensors)] = append(split[i*shards/len(m.Tensors)], t)
	}
	return ckpttest.WriteShards(dir, split)
}

// WriteTorch writes the checkpoint as config.json and pytorch_model.bin. Every third matrix is stored as the view of a
// transposed one, and tied embeddings are repeated as lm_head.weight on the same storage, as torch saves them.
func (m *Model) WriteTorch(dir string) error {
	if err := m.WriteConfig(dir); err != nil {
		return err
	}
	var tensors []ckpttest.Tensor
	for i, t := range m.Tensors {
		if len(t.Shape) == 2 && i%3 == 2 {
			t.Strides = []int{1, t.Shape[0]}
		}
		if t.Name == "model.embed_tokens.weight" && !m.Shape.Untied {
			t.Storage = "tied"
			head := t
			head.Name = "lm_head.weight"
			tensors = append(tensors, head)
		}
		tensors = append(tensors, t)
	}
	return ckpttest.WriteTorch(filepath.Join(dir, "pytorch_model.bin"), tensors, nil)
}
