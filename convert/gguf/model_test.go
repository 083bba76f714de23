package gguf

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/format"
)

// smallThinker4B is the metadata of SmallThinker-4BA0.6B, as llama.cpp's converter writes it.
func smallThinker4B() Metadata {
	return Metadata{
		{"general.architecture", "smallthinker"}, {"general.name", "SmallThinker 4BA0.6B Instruct"},
		{"smallthinker.block_count", uint32(32)}, {"smallthinker.context_length", uint32(32768)}, {"smallthinker.embedding_length", uint32(1536)},
		{"smallthinker.feed_forward_length", uint32(768)}, {"smallthinker.attention.head_count", uint32(12)},
		{"smallthinker.attention.head_count_kv", uint32(2)}, {"smallthinker.rope.freq_base", float32(1.5e6)},
		{"smallthinker.attention.layer_norm_rms_epsilon", float32(1e-6)}, {"smallthinker.attention.key_length", uint32(128)},
		{"smallthinker.attention.value_length", uint32(128)}, {"smallthinker.expert_count", uint32(32)}, {"smallthinker.expert_used_count", uint32(4)},
		{"smallthinker.expert_feed_forward_length", uint32(768)}, {"smallthinker.expert_gating_func", uint32(2)},
	}
}

// with returns metadata with keys changed, or removed if the value is nil.
func with(m Metadata, changes ...Entry) Metadata {
	m = slices.Clone(m)
	for _, change := range changes {
		m = slices.DeleteFunc(m, func(e Entry) bool { return e.Key == change.Key })
		if change.Value != nil {
			m = append(m, change)
		}
	}
	return m
}

// headerOf returns a file of these tensors without any data in it.
func headerOf(m Metadata, path string, tensors ...Info) *File {
	f := &File{Metadata: m, shards: []*shard{{path: path}}, byName: map[string]*Tensor{}}
	for _, i := range tensors {
		t := &Tensor{Name: i.Name, Shape: i.Shape, Type: i.Type, rows: 1, cols: i.Shape[len(i.Shape)-1]}
		for _, n := range i.Shape[:len(i.Shape)-1] {
			t.rows *= n
		}
		f.byName[i.Name] = t
	}
	return f
}

var embedding4B = Info{"token_embd.weight", []int{151936, 1536}, Q6_K}

func TestModelSmallThinker(t *testing.T) {
	f := headerOf(smallThinker4B(), "m.gguf", embedding4B, Info{"blk.0.ffn_down_exps.weight", []int{32, 1536, 768}, Q4_0})
	got, err := f.Model()
	if err != nil {
		t.Fatal(err)
	}
	want := &Model{Config: format.Config{
		Architecture: "smallthinker", Vocab: 151936, Hidden: 1536, Layers: 32, Heads: 12, KVHeads: 2, HeadDim: 128, Context: 32768,
		RMSNormEps: 1e-6, RoPETheta: 1.5e6, RoPELayout: slices.Repeat([]bool{true}, 32), SlidingLayout: make([]bool, 32), TiedEmbeddings: true,
		MoE: &format.MoE{Experts: 32, ExpertsPerToken: 4, ExpertFFN: 768},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A sliding window means one global layer without RoPE and three sliding ones with it, again and again.
func TestModelLayout(t *testing.T) {
	m := with(smallThinker4B(), Entry{"smallthinker.block_count", uint32(5)}, Entry{"smallthinker.attention.sliding_window", uint32(4096)},
		Entry{"smallthinker.expert_gating_func", uint32(1)})
	f := headerOf(m, "m.gguf", embedding4B, Info{"output.weight", []int{151936, 1536}, Q6_K})
	got, err := f.Model()
	if err != nil {
		t.Fatal(err)
	}
	c := got.Config
	layout := []bool{false, true, true, true, false}
	if !slices.Equal(c.RoPELayout, layout) || !slices.Equal(c.SlidingLayout, layout) || c.SlidingWindow != 4096 || !c.MoE.RouterSoftmax || c.TiedEmbeddings {
		t.Errorf("%+v", c)
	}
	f.Metadata = with(m, Entry{"smallthinker.attention.sliding_window", uint32(0)})
	if got, err = f.Model(); err != nil || !got.Config.RoPELayout[0] || got.Config.SlidingLayout[1] {
		t.Errorf("a window of 0: %v, %+v", err, got)
	}
}

// What a file leaves out: PowerInfer's converter writes no gating function for the 4B, and others may leave out what can be told otherwise.
func TestModelDefaults(t *testing.T) {
	m := with(smallThinker4B(), Entry{"smallthinker.expert_gating_func", nil}, Entry{"smallthinker.attention.key_length", nil},
		Entry{"smallthinker.attention.value_length", nil}, Entry{"smallthinker.expert_feed_forward_length", nil},
		Entry{"smallthinker.attention.head_count_kv", nil}, Entry{"smallthinker.rope.freq_base", nil})
	f := headerOf(m, "m.gguf", embedding4B, Info{"blk.0.ffn_gate_exps.weight", []int{32, 768, 1536}, Q4_0})
	got, err := f.Model()
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Config; c.MoE.RouterSoftmax || c.HeadDim != 128 || c.MoE.ExpertFFN != 768 || c.KVHeads != 12 || c.RoPETheta != 10000 {
		t.Errorf("%+v, %+v", c, c.MoE)
	}
	if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "smallthinker.expert_gating_func is missing") {
		t.Errorf("notes: %q", got.Notes)
	}
}

// The shape of down tells whether it is transposed. Where it does not, what tells of PowerInfer's converter does.
func TestModelTransposed(t *testing.T) {
	square := with(smallThinker4B(), Entry{"smallthinker.expert_feed_forward_length", uint32(1536)})
	down := func(shape ...int) Info { return Info{"blk.0.ffn_down_exps.weight", shape, Q4_0} }
	for name, tt := range map[string]struct {
		m       Metadata
		path    string
		tensors []Info
		want    bool
		notes   int
	}{
		"plain":                      {smallThinker4B(), "x.powerinfer.gguf", []Info{down(32, 1536, 768)}, false, 0},
		"transposed":                 {smallThinker4B(), "x.gguf", []Info{down(32, 768, 1536)}, true, 0},
		"square":                     {square, "x.gguf", []Info{down(32, 1536, 1536)}, false, 1},
		"square, name of the file":   {square, "dir/X.Q4_0.PowerInfer.gguf", []Info{down(32, 1536, 1536)}, true, 1},
		"square, name of the folder": {square, "powerinfer/x.gguf", []Info{down(32, 1536, 1536)}, false, 1},
		"square, transposed":         {square, "q4_0-transposed.gguf", []Info{down(32, 1536, 1536)}, true, 1},
		"square, name of the model":  {with(square, Entry{"general.name", "4B powerinfer"}), "x.gguf", []Info{down(32, 1536, 1536)}, true, 1},
		"square, with a predictor":   {square, "x.gguf", []Info{down(32, 1536, 1536), {"lm_head_profiler.weight", []int{4}, F32}}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := headerOf(tt.m, tt.path, append(tt.tensors, embedding4B)...).Model()
			if err != nil {
				t.Fatal(err)
			}
			if got.DownTransposed != tt.want || len(got.Notes) != tt.notes {
				t.Errorf("transposed: %v, notes %q", got.DownTransposed, got.Notes)
			}
		})
	}
}

func TestModelQwen3(t *testing.T) {
	m := Metadata{
		{"general.architecture", "qwen3"}, {"qwen3.block_count", uint32(2)}, {"qwen3.context_length", uint32(40960)},
		{"qwen3.embedding_length", uint32(1024)}, {"qwen3.feed_forward_length", uint32(3072)}, {"qwen3.attention.head_count", uint32(16)},
		{"qwen3.attention.head_count_kv", uint32(8)}, {"qwen3.attention.key_length", uint32(128)}, {"qwen3.attention.layer_norm_rms_epsilon", float32(1e-6)},
		{"qwen3.rope.freq_base", float32(1e6)}, {"qwen3.rope.scaling.type", "yarn"}, {"qwen3.rope.scaling.factor", float32(4)},
		{"qwen3.rope.scaling.original_context_length", uint32(32768)}, {"qwen3.rope.scaling.yarn_beta_fast", float32(16)},
	}
	embedding := Info{"token_embd.weight", []int{151936, 1024}, Q8_0}
	got, err := headerOf(m, "m.gguf", embedding).Model()
	if err != nil {
		t.Fatal(err)
	}
	want := &Model{Config: format.Config{
		Architecture: "qwen3", Vocab: 151936, Hidden: 1024, Layers: 2, Heads: 16, KVHeads: 8, HeadDim: 128, Context: 40960, FFN: 3072,
		RMSNormEps: 1e-6, RoPETheta: 1e6, RoPELayout: []bool{true, true}, SlidingLayout: []bool{false, false}, QKNorm: true, TiedEmbeddings: true,
		Activation:  format.SiLU,
		RoPEScaling: &format.RoPEScaling{Type: "yarn", Factor: 4, OriginalContext: 32768, BetaFast: 16, BetaSlow: 1, AttentionFactor: 0.1*math.Log(4) + 1, Truncate: true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	moe := Metadata{{"general.architecture", "qwen3moe"}, {"qwen3moe.expert_count", uint32(128)}, {"qwen3moe.expert_used_count", uint32(8)},
		{"qwen3moe.expert_feed_forward_length", uint32(768)}}
	for _, e := range m[1:10] {
		moe = append(moe, Entry{strings.Replace(e.Key, "qwen3", "qwen3moe", 1), e.Value})
	}
	for _, e := range []Entry{{"expert_weights_norm", nil}, {"expert_weights_norm", true}, {"expert_weights_norm", false}, {"norm_top_k_prob", false}} {
		got, err := headerOf(with(moe, Entry{"qwen3moe." + e.Key, e.Value}), "m.gguf", embedding).Model()
		if err != nil {
			t.Fatal(err)
		}
		experts := &format.MoE{Experts: 128, ExpertsPerToken: 8, ExpertFFN: 768, RouterSoftmax: true, SoftmaxAll: e.Value == false}
		if diff := cmp.Diff(experts, got.Config.MoE); diff != "" || !got.Config.QKNorm || got.Config.FFN != 0 || got.Config.RoPEScaling != nil {
			t.Errorf("%+v\n%s", got, diff)
		}
	}
}

// The metadata of the published files of Gemma 3n E2B: a number of layers is a float32 there.
func TestModelGemma3n(t *testing.T) {
	var quantiles []float32
	var sliding []bool
	for l := range 30 {
		sliding = append(sliding, l%5 != 4)
		if quantiles = append(quantiles, float32(math.Inf(-1))); l < 10 {
			quantiles[l] = 1.6448534
		}
	}
	m := Metadata{
		{"general.architecture", "gemma3n"}, {"gemma3n.block_count", uint32(30)}, {"gemma3n.context_length", uint32(32768)},
		{"gemma3n.embedding_length", uint32(2048)}, {"gemma3n.feed_forward_length", uint32(8192)}, {"gemma3n.attention.head_count", uint32(8)},
		{"gemma3n.attention.head_count_kv", uint32(2)}, {"gemma3n.attention.key_length", uint32(256)}, {"gemma3n.attention.value_length", uint32(256)},
		{"gemma3n.attention.layer_norm_rms_epsilon", float32(1e-6)}, {"gemma3n.rope.freq_base", float32(1e6)}, {"gemma3n.attention.sliding_window", uint32(512)},
		{"gemma3n.attention.sliding_window_pattern", sliding}, {"gemma3n.altup.active_idx", uint32(0)}, {"gemma3n.altup.num_inputs", uint32(4)},
		{"gemma3n.embedding_length_per_layer_input", uint32(256)}, {"gemma3n.attention.shared_kv_layers", float32(10)},
		{"gemma3n.activation_sparsity_scale", quantiles},
	}
	got, err := headerOf(m, "m.gguf", Info{"token_embd.weight", []int{262144, 2048}, Q8_0}, Info{"per_layer_token_embd.weight", []int{262144, 7680}, Q8_0},
		Info{"blk.0.laurel_l.weight", []int{64, 2048}, F16}).Model()
	if err != nil {
		t.Fatal(err)
	}
	c := &got.Config
	if c.KVShared != 10 || c.KVLayer(20) != 18 || c.KVLayer(24) != 19 || c.Sparsity[9] != 0.95 || c.Sparsity[10] != 0 || c.LaurelRank != 64 {
		t.Errorf("%+v", c)
	}
	// Ollama's converter has other names for two of them.
	ollama := with(m, Entry{"gemma3n.attention.key_length", nil}, Entry{"gemma3n.attention.value_length", nil}, Entry{"gemma3n.head_dim", uint32(128)},
		Entry{"gemma3n.rope.freq_base_local", float32(700)})
	got, err = headerOf(ollama, "m.gguf", Info{"token_embd.weight", []int{262144, 2048}, Q8_0}, Info{"per_layer_token_embd.weight", []int{262144, 7680}, Q8_0},
		Info{"blk.0.laurel_l.weight", []int{64, 2048}, F16}).Model()
	if err != nil || got.Config.HeadDim != 128 || got.Config.LocalRoPE.Theta != 700 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = headerOf(with(m, Entry{"gemma3n.attention.shared_kv_layers", float32(10.5)}), "m.gguf", Info{"token_embd.weight", []int{262144, 2048}, Q8_0}).Model()
	if err == nil || !strings.Contains(err.Error(), "gemma3n.attention.shared_kv_layers is 10.5 (float32): it must be a number of layers") {
		t.Errorf("half a layer: %v", err)
	}
}

// Files that llama.cpp itself saved have entries for all that it knows of a model, with defaults where the architecture does not use them.
func TestModelSavedByLlama(t *testing.T) {
	moe := with(smallThinker4B(), Entry{"smallthinker.expert_weights_norm", false}, Entry{"smallthinker.expert_weights_scale", float32(0)},
		Entry{"smallthinker.expert_shared_count", uint32(0)}, Entry{"smallthinker.expert_group_count", uint32(0)})
	want := &format.MoE{Experts: 32, ExpertsPerToken: 4, ExpertFFN: 768}
	for _, arch := range []string{"smallthinker", "qwen3moe"} {
		for i := range moe {
			moe[i].Key = strings.Replace(moe[i].Key, "smallthinker", arch, 1)
		}
		if arch == "qwen3moe" {
			moe = with(moe, Entry{"general.architecture", arch}, Entry{"qwen3moe.expert_gating_func", uint32(0)})
			want.RouterSoftmax = true
		}
		got, err := headerOf(moe, "m.gguf", embedding4B).Model()
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		if diff := cmp.Diff(want, got.Config.MoE); diff != "" {
			t.Errorf("%s: %s", arch, diff)
		}
	}
	yarn := with(smallThinker4B(), Entry{"smallthinker.rope.scaling.type", "yarn"}, Entry{"smallthinker.rope.scaling.factor", float32(4)},
		Entry{"smallthinker.rope.scaling.yarn_attn_factor", float32(1)})
	got, err := headerOf(yarn, "m.gguf", embedding4B).Model()
	if err != nil || got.Config.RoPEScaling.AttentionFactor != 0.1*math.Log(4)+1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestModelRefuses(t *testing.T) {
	const arch = "smallthinker."
	for name, tt := range map[string]struct {
		change Entry
		want   string
	}{
		"a LoRA adapter":       {Entry{"general.type", "adapter"}, `general.type is "adapter": the file holds a LoRA adapter, and no model`},
		"no architecture":      {Entry{"general.architecture", nil}, "general.architecture is missing"},
		"another":              {Entry{"general.architecture", "llama"}, `general.architecture is "llama"`},
		"a number":             {Entry{"general.architecture", uint32(3)}, "general.architecture is 3 (uint32): it must be a text"},
		"no hidden size":       {Entry{arch + "embedding_length", nil}, "smallthinker.embedding_length is missing"},
		"of text":              {Entry{arch + "embedding_length", "1536"}, `smallthinker.embedding_length is "1536": it must be a whole number`},
		"zero":                 {Entry{arch + "block_count", uint32(0)}, "smallthinker.block_count is 0"},
		"negative":             {Entry{arch + "block_count", int32(-1)}, "smallthinker.block_count is -1"},
		"huge":                 {Entry{arch + "block_count", uint64(1 << 63)}, "smallthinker.block_count is 9223372036854775808"},
		"many layers":          {Entry{arch + "block_count", uint32(4097)}, "at most 4096"},
		"per layer":            {Entry{arch + "attention.head_count", []uint32{12, 8}}, "the same for all layers"},
		"an empty array":       {Entry{arch + "attention.head_count", []uint32{}}, "the same for all layers"},
		"KV heads":             {Entry{arch + "attention.head_count_kv", uint32(5)}, "must divide smallthinker.attention.head_count, 12"},
		"values":               {Entry{arch + "attention.value_length", uint32(64)}, "value_length is 64"},
		"part of a head":       {Entry{arch + "rope.dimension_count", uint32(64)}, "rope.dimension_count is 64"},
		"no epsilon":           {Entry{arch + "attention.layer_norm_rms_epsilon", nil}, "layer_norm_rms_epsilon is missing"},
		"epsilon of text":      {Entry{arch + "attention.layer_norm_rms_epsilon", "small"}, "it must be a number"},
		"scaling":              {Entry{arch + "rope.scaling.type", "longrope"}, "only none, linear and yarn"},
		"unnormalised":         {Entry{arch + "expert_weights_norm", false}, "sigmoids are only supported over their sum"},
		"no experts":           {Entry{arch + "expert_count", nil}, "expert_count is missing"},
		"more than there are":  {Entry{arch + "expert_used_count", uint32(33)}, "but there are 32 experts"},
		"gating":               {Entry{arch + "expert_gating_func", uint32(7)}, "expert_gating_func is 7"},
		"scaled":               {Entry{arch + "expert_weights_scale", float32(2.5)}, "expert_weights_scale is 2.5"},
		"shared experts":       {Entry{arch + "expert_shared_count", uint32(1)}, "expert_shared_count is 1"},
		"leading dense layers": {Entry{arch + "leading_dense_block_count", uint32(1)}, "leading_dense_block_count is 1"},
		"groups":               {Entry{arch + "expert_group_count", uint32(8)}, "expert_group_count is 8"},
		"no size of experts":   {Entry{arch + "expert_feed_forward_length", nil}, `tensor "blk.0.ffn_gate_exps.weight", which would tell`},
		"shape":                {Entry{arch + "expert_feed_forward_length", uint32(512)}, "has the shape [32 1536 768]"},
		"window":               {Entry{arch + "attention.sliding_window", "wide"}, "sliding_window"},
		"vocabulary":           {Entry{arch + "embedding_length", uint32(1024)}, `tensor "token_embd.weight" is missing, or not of smallthinker.embedding_length, 1024`},
	} {
		t.Run(name, func(t *testing.T) {
			f := headerOf(with(smallThinker4B(), tt.change), "m.gguf", embedding4B, Info{"blk.0.ffn_down_exps.weight", []int{32, 1536, 768}, Q4_0})
			_, err := f.Model()
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "m.gguf: ") {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
			if errors.Is(err, ErrArchitecture) != (name == "another") {
				t.Errorf("ErrArchitecture in %v", err)
			}
		})
	}
	f := headerOf(with(smallThinker4B(), Entry{arch + "attention.key_length", nil}, Entry{arch + "attention.head_count", uint32(10)}), "m.gguf", embedding4B)
	if _, err := f.Model(); err == nil || !strings.Contains(err.Error(), "key_length is missing, and embedding_length, 1536, is no multiple of head_count, 10") {
		t.Errorf("no head dimension: %v", err)
	}
	f = headerOf(with(smallThinker4B(), Entry{arch + "attention.sliding_window", uint32(64)}, Entry{arch + "attention.sliding_window_pattern", uint32(2)}),
		"m.gguf", embedding4B)
	if _, err := f.Model(); err == nil || !strings.Contains(err.Error(), "one global layer in four") {
		t.Errorf("another pattern: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, role := range format.Roles() {
		for _, experts := range []bool{false, true} {
			if experts && !role.PerExpert() {
				continue
			}
			want := Name{role, -1, experts}
			if role.PerLayer() {
				want.Layer = 51
			}
			if got, ok := ParseName(want.String()); !ok || got != want {
				t.Errorf("%s: %+v, %v", want, got, ok)
			}
		}
	}
	for want, n := range map[string]Name{
		"blk.3.ffn_down_exps.weight": {format.RoleDown, 3, true}, "blk.0.ffn_gate.weight": {format.RoleGate, 0, false},
		"blk.0.ffn_gate_inp.weight": {format.RoleRouter, 0, false}, "token_embd.weight": {format.RoleEmbedding, -1, false},
		"output.weight": {format.RoleHead, -1, false}, "blk.7.attn_q_norm.weight": {format.RoleQueryNorm, 7, false},
	} {
		if got := n.String(); got != want {
			t.Errorf("%+v is called %s, want %s", n, got, want)
		}
	}
	for _, name := range []string{"", "weight", "output", "output.bias", "blk.0.attn_q.bias", "blk.attn_q.weight", "blk.-1.attn_q.weight", "blk.007.attn_q.weight",
		"blk.0.output.weight", "attn_q.weight", "blk.0.attn_qkv.weight", "rope_freqs.weight", "blk.99999999999999999999.attn_q.weight", "none.weight",
		"blk.0.attn_q_exps.weight", "output_exps.weight", HeadPredictor} {
		if n, ok := ParseName(name); ok {
			t.Errorf("%q is %+v", name, n)
		}
	}
}
