package modeltest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/convert/checkpoint/ckpttest"
)

// Shape says what a model looks like. Layouts hold one 0 or 1 a layer; nil means 1 everywhere for RoPE, 0 for Sliding.
type Shape struct {
	// Arch is "smallthinker" (if empty), "qwen3", "qwen3moe" or "phi3".
	Arch                                    string
	Layers, Hidden, Heads, KVHeads, HeadDim int
	Experts, TopK, FFN, Vocab, Context      int   // FFN of an expert
	DenseFFN                                int   // of layers without experts
	DenseLayers                             []int // of qwen3moe: those that have none
	SparseStep                              int   // of qwen3moe: every how many layers there are experts; 0: 1
	RoPE, Sliding                           []int // RoPE of smallthinker only
	Window                                  int
	Softmax                                 bool // of smallthinker
	NormTopK                                bool // of qwen3moe
	AttentionBias                           bool // of all but phi3
	Untied                                  bool
	Theta                                   float64        // 0: 10000
	Scaling                                 map[string]any // rope_parameters with rope_type linear, dynamic, yarn or llama3; nil: none
	LongRoPE                                map[string]any // rope_parameters with rope_type longrope; nil: none
	PartialRotary                           float64        // of phi3: the part of a head that rotates; 0: 1
	DType                                   string         // of the weights: F32 (if empty), F16, BF16
}

// HasExperts reports whether layer l has experts.
func (s *Shape) HasExperts(l int) bool {
	switch s.Arch {
	case "qwen3", "phi3":
		return false
	case "qwen3moe":
		return (l+1)%max(1, s.SparseStep) == 0 && !slices.Contains(s.DenseLayers, l)
	}
	return true
}

func (s *Shape) qwen() bool { return s.Arch == "qwen3" || s.Arch == "qwen3moe" }

// Model is a checkpoint in memory.
type Model struct {
	Shape   Shape
	Config  map[string]any
	Tensors []ckpttest.Tensor
	gemma   *Gemma // nil: the model is none of Gemma 3 or 3n
}

// New makes a model of random weights, scaled so that activations stay near 1.
func New(s Shape, seed uint64) *Model {
	if s.DType == "" {
		s.DType = "F32"
	}
	if s.Theta == 0 {
		s.Theta = 1e4
	}
	fill := func(v []int, with int) []int {
		for len(v) < s.Layers {
			v = append(v, with)
		}
		return v
	}
	s.RoPE, s.Sliding = fill(s.RoPE, 1), fill(s.Sliding, 0)
	m := &Model{Shape: s}
	switch {
	case s.Arch == "phi3":
		m.Config = s.phi3Config()
	case s.qwen():
		m.Config = s.qwenConfig()
	default:
		m.Config = s.smallThinkerConfig()
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
		if s.Arch == "phi3" {
			add(p+"self_attn.qkv_proj.weight", in, (s.Heads+2*s.KVHeads)*s.HeadDim, s.Hidden)
		} else {
			add(p+"self_attn.q_proj.weight", in, s.Heads*s.HeadDim, s.Hidden)
			add(p+"self_attn.k_proj.weight", in, s.KVHeads*s.HeadDim, s.Hidden)
			add(p+"self_attn.v_proj.weight", in, s.KVHeads*s.HeadDim, s.Hidden)
		}
		add(p+"self_attn.o_proj.weight", 1/math.Sqrt(float64(s.Heads*s.HeadDim)), s.Hidden, s.Heads*s.HeadDim)
		if s.AttentionBias {
			add(p+"self_attn.q_proj.bias", 1, s.Heads*s.HeadDim)
			add(p+"self_attn.k_proj.bias", 1, s.KVHeads*s.HeadDim)
			add(p+"self_attn.v_proj.bias", 1, s.KVHeads*s.HeadDim)
			add(p+"self_attn.o_proj.bias", 1, s.Hidden)
		}
		if s.qwen() {
			add(p+"self_attn.q_norm.weight", 0.1, s.HeadDim)
			add(p+"self_attn.k_norm.weight", 0.1, s.HeadDim)
		}
		if s.Arch == "phi3" {
			add(p+"mlp.gate_up_proj.weight", in, 2*s.DenseFFN, s.Hidden)
			add(p+"mlp.down_proj.weight", 1/math.Sqrt(float64(s.DenseFFN)), s.Hidden, s.DenseFFN)
			continue
		}
		if !s.HasExperts(l) {
			add(p+"mlp.up_proj.weight", in, s.DenseFFN, s.Hidden)
			add(p+"mlp.gate_proj.weight", in, s.DenseFFN, s.Hidden)
			add(p+"mlp.down_proj.weight", 1/math.Sqrt(float64(s.DenseFFN)), s.Hidden, s.DenseFFN)
			continue
		}
		add(s.router(l), in, s.Experts, s.Hidden)
		for e := range s.Experts {
			add(s.expert(l, e, "up"), in, s.FFN, s.Hidden)
			add(s.expert(l, e, "gate"), in, s.FFN, s.Hidden)
			add(s.expert(l, e, "down"), 1/math.Sqrt(float64(s.FFN)), s.Hidden, s.FFN)
		}
	}
	add("model.norm.weight", 0.1, s.Hidden)
	if s.Untied {
		add("lm_head.weight", in, s.Vocab, s.Hidden)
	}
	return m
}

// router and expert return the names of tensors.
func (s *Shape) router(l int) string {
	if s.qwen() {
		return fmt.Sprintf("model.layers.%d.mlp.gate.weight", l)
	}
	return fmt.Sprintf("model.layers.%d.block_sparse_moe.primary_router.weight", l)
}

func (s *Shape) expert(l, e int, matrix string) string {
	if s.qwen() {
		return fmt.Sprintf("model.layers.%d.mlp.experts.%d.%s_proj.weight", l, e, matrix)
	}
	return fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.%d.%s.weight", l, e, matrix)
}

func (s *Shape) smallThinkerConfig() map[string]any {
	c := map[string]any{
		"architectures": []string{"SmallThinkerForCausalLM"}, "model_type": "smallthinker",
		"vocab_size": s.Vocab, "hidden_size": s.Hidden, "num_hidden_layers": s.Layers, "num_attention_heads": s.Heads,
		"num_key_value_heads": s.KVHeads, "head_dim": s.HeadDim, "rms_norm_eps": 1e-6, "rope_theta": s.Theta,
		"rope_layout": s.RoPE, "sliding_window_layout": s.Sliding, "sliding_window_size": s.Window,
		"moe_num_primary_experts": s.Experts, "moe_num_active_primary_experts": s.TopK, "moe_ffn_hidden_size": s.FFN,
		"moe_primary_router_apply_softmax": s.Softmax, "tie_word_embeddings": !s.Untied,
		"max_position_embeddings": s.Context, "rope_scaling": s.Scaling, "attention_bias": s.AttentionBias, "eos_token_id": []int{1, 2}, "bos_token_id": 1,
	}
	if s.LongRoPE != nil {
		rope := maps.Clone(s.LongRoPE)
		rope["rope_type"], c["rope_scaling"] = "longrope", rope
		c["original_max_position_embeddings"] = rope["original_max_position_embeddings"]
		delete(rope, "original_max_position_embeddings")
	}
	return c
}

// qwenConfig is a config.json as Transformers 5 writes it.
func (s *Shape) qwenConfig() map[string]any {
	rope := map[string]any{"rope_type": "default", "rope_theta": s.Theta}
	maps.Copy(rope, s.Scaling)
	if s.LongRoPE != nil {
		maps.Copy(rope, s.LongRoPE)
		rope["rope_type"] = "longrope"
	}
	c := map[string]any{
		"architectures": []string{"Qwen3ForCausalLM"}, "model_type": "qwen3", "hidden_act": "silu", "attention_bias": s.AttentionBias,
		"vocab_size": s.Vocab, "hidden_size": s.Hidden, "num_hidden_layers": s.Layers, "num_attention_heads": s.Heads,
		"num_key_value_heads": s.KVHeads, "head_dim": s.HeadDim, "rms_norm_eps": 1e-6, "rope_parameters": rope,
		"tie_word_embeddings": !s.Untied, "max_position_embeddings": s.Context, "intermediate_size": s.DenseFFN,
		"use_sliding_window": false, "sliding_window": nil, "eos_token_id": 2, "bos_token_id": 0,
	}
	if s.Arch == "qwen3moe" {
		maps.Copy(c, map[string]any{
			"architectures": []string{"Qwen3MoeForCausalLM"}, "model_type": "qwen3_moe", "num_local_experts": s.Experts,
			"num_experts_per_tok": s.TopK, "moe_intermediate_size": s.FFN, "norm_topk_prob": s.NormTopK,
			"decoder_sparse_step": max(1, s.SparseStep), "mlp_only_layers": append([]int{}, s.DenseLayers...),
		})
		if slices.Contains(s.Sliding, 1) {
			c["use_sliding_window"], c["sliding_window"] = true, s.Window // in all layers
		}
		return c
	}
	types := make([]string, s.Layers)
	for l := range types {
		types[l] = "full_attention"
		if s.Sliding[l] == 1 {
			types[l] = "sliding_attention"
			c["use_sliding_window"], c["sliding_window"] = true, s.Window
		}
	}
	c["layer_types"] = types
	return c
}

// phi3Config is a config.json as Transformers 5 writes it.
func (s *Shape) phi3Config() map[string]any {
	rope := map[string]any{"rope_type": "default", "rope_theta": s.Theta, "partial_rotary_factor": s.partial()}
	c := map[string]any{
		"architectures": []string{"Phi3ForCausalLM"}, "model_type": "phi3", "hidden_act": "silu", "vocab_size": s.Vocab,
		"hidden_size": s.Hidden, "num_hidden_layers": s.Layers, "num_attention_heads": s.Heads, "num_key_value_heads": s.KVHeads,
		"rms_norm_eps": 1e-6, "rope_parameters": rope, "tie_word_embeddings": !s.Untied, "max_position_embeddings": s.Context,
		"original_max_position_embeddings": 4096, "intermediate_size": s.DenseFFN, "sliding_window": nil, "eos_token_id": 2, "bos_token_id": 0,
	}
	if s.HeadDim*s.Heads != s.Hidden {
		c["head_dim"] = s.HeadDim
	}
	if slices.Contains(s.Sliding, 1) {
		c["sliding_window"] = s.Window // in all layers
	}
	if s.Scaling != nil {
		maps.Copy(rope, s.Scaling)
		delete(c, "original_max_position_embeddings")
	}
	if s.LongRoPE != nil {
		maps.Copy(rope, s.LongRoPE)
		rope["rope_type"] = "longrope"
		if n := rope["original_max_position_embeddings"]; n != nil {
			c["original_max_position_embeddings"] = n
		}
	}
	return c
}

// partial returns the part of a head that rotates.
func (s *Shape) partial() float64 {
	if s.PartialRotary == 0 {
		return 1
	}
	return s.PartialRotary
}

// Load reads a checkpoint that Transformers 5 has saved in one safetensors file, for its logits.
func Load(dir string) (*Model, error) {
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	var j struct {
		ModelType   string         `json:"model_type"`
		Layers      int            `json:"num_hidden_layers"`
		Hidden      int            `json:"hidden_size"`
		Heads       int            `json:"num_attention_heads"`
		KVHeads     int            `json:"num_key_value_heads"`
		HeadDim     int            `json:"head_dim"`
		Experts     int            `json:"num_local_experts"`
		TopK        int            `json:"num_experts_per_tok"`
		FFN         int            `json:"moe_intermediate_size"`
		DenseFFN    any            `json:"intermediate_size"` // of Gemma 3n an array
		DenseLayers []int          `json:"mlp_only_layers"`
		SparseStep  int            `json:"decoder_sparse_step"`
		NormTopK    bool           `json:"norm_topk_prob"`
		Tied        bool           `json:"tie_word_embeddings"`
		Vocab       int            `json:"vocab_size"`
		Context     int            `json:"max_position_embeddings"`
		Sliding     int            `json:"sliding_window"`
		RoPE        map[string]any `json:"rope_parameters"`
	}
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, err
	}
	m := &Model{Config: map[string]any{}}
	if err := json.Unmarshal(text, &m.Config); err != nil {
		return nil, err
	}
	if strings.HasPrefix(j.ModelType, "gemma3") {
		if m.gemma, err = loadGemma(text); err != nil {
			return nil, err
		}
		m.Shape = Shape{Vocab: j.Vocab, Untied: !j.Tied}
		return m, m.loadTensors(dir)
	}
	m.Shape = Shape{
		Arch: strings.ReplaceAll(j.ModelType, "_", ""), Layers: j.Layers, Hidden: j.Hidden, Heads: j.Heads, KVHeads: j.KVHeads,
		HeadDim: j.HeadDim, Experts: j.Experts, TopK: j.TopK, FFN: j.FFN, DenseLayers: j.DenseLayers,
		SparseStep: j.SparseStep, NormTopK: j.NormTopK, Untied: !j.Tied, Vocab: j.Vocab, Context: j.Context,
		Sliding: make([]int, j.Layers), RoPE: slices.Repeat([]int{1}, j.Layers),
	}
	ffn, _ := j.DenseFFN.(float64)
	m.Shape.DenseFFN = int(ffn)
	m.Shape.Theta, _ = j.RoPE["rope_theta"].(float64)
	if j.RoPE["rope_type"] == "yarn" {
		m.Shape.Scaling = j.RoPE
	}
	if j.RoPE["rope_type"] == "longrope" {
		m.Shape.LongRoPE = j.RoPE
	}
	m.Shape.PartialRotary, _ = j.RoPE["partial_rotary_factor"].(float64)
	if m.Shape.HeadDim == 0 {
		m.Shape.HeadDim = j.Hidden / j.Heads
	}
	if j.Sliding > 0 && m.Shape.Arch == "phi3" {
		m.Shape.Sliding, m.Shape.Window = slices.Repeat([]int{1}, j.Layers), j.Sliding
	}
	return m, m.loadTensors(dir)
}

// loadTensors reads all tensors of a checkpoint.
func (m *Model) loadTensors(dir string) error {
	c, err := checkpoint.Open(dir)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, t := range c.Tensors() {
		data := make([]float32, t.Rows()*t.Cols())
		if err := t.ReadRows(data, 0, t.Rows()); err != nil {
			return err
		}
		m.Shape.DType = t.DType.String()
		m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: t.Name, DType: t.DType.String(), Shape: t.Shape, Data: data})
	}
	return nil
}

// Fuse puts the experts of each layer into two tensors, as Transformers 5 holds them in memory: mlp.experts.gate_up_proj and
// mlp.experts.down_proj, each [experts, out, in], or, if transposed, [experts, in, out].
func (m *Model) Fuse(transposed bool) {
	s := &m.Shape
	for l := range s.Layers {
		if !s.HasExperts(l) {
			continue
		}
		take := func(e int, matrix string) []float32 {
			name := s.expert(l, e, matrix)
			data := m.Tensor(name).Data
			m.Remove(name)
			return data
		}
		gateUp := ckpttest.Tensor{Name: fmt.Sprintf("model.layers.%d.mlp.experts.gate_up_proj", l), DType: s.DType, Shape: []int{s.Experts, 2 * s.FFN, s.Hidden}}
		down := ckpttest.Tensor{Name: fmt.Sprintf("model.layers.%d.mlp.experts.down_proj", l), DType: s.DType, Shape: []int{s.Experts, s.Hidden, s.FFN}}
		for e := range s.Experts {
			g := append(slices.Clone(take(e, "gate")), take(e, "up")...)
			d := take(e, "down")
			if transposed {
				g, d = transpose(g, s.Hidden), transpose(d, s.FFN)
			}
			gateUp.Data, down.Data = append(gateUp.Data, g...), append(down.Data, d...)
		}
		if transposed {
			for _, t := range []*ckpttest.Tensor{&gateUp, &down} {
				t.Shape[1], t.Shape[2] = t.Shape[2], t.Shape[1]
			}
		}
		m.Tensors = append(m.Tensors, gateUp, down)
	}
}

func transpose(x []float32, cols int) []float32 {
	rows := len(x) / cols
	y := make([]float32, len(x))
	for r := range rows {
		for c := range cols {
			y[c*rows+r] = x[r*cols+c]
		}
	}
	return y
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
