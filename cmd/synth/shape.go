package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// config is the checkpoint's config.json.
type config struct {
	Architectures   []string `json:"architectures"`
	ModelType       string   `json:"model_type"`
	Vocab           int      `json:"vocab_size"`
	Hidden          int      `json:"hidden_size"`
	Layers          int      `json:"num_hidden_layers"`
	Heads           int      `json:"num_attention_heads"`
	KVHeads         int      `json:"num_key_value_heads"`
	HeadDim         int      `json:"head_dim"`
	NormEps         float64  `json:"rms_norm_eps"`
	RopeTheta       float64  `json:"rope_theta"`
	RopeLayout      []int    `json:"rope_layout"`
	WindowLayout    []int    `json:"sliding_window_layout"`
	Window          int      `json:"sliding_window_size"`
	Experts         int      `json:"moe_num_primary_experts"`
	TopK            int      `json:"moe_num_active_primary_experts"`
	FFN             int      `json:"moe_ffn_hidden_size"`
	Softmax         bool     `json:"moe_primary_router_apply_softmax"`
	Tied            bool     `json:"tie_word_embeddings"`
	Context         int      `json:"max_position_embeddings"`
	RopeScaling     *int     `json:"rope_scaling"`
	BOS             int      `json:"bos_token_id"`
	EOS             []int    `json:"eos_token_id"`
	DType           string   `json:"torch_dtype"`
	InitializerStd  float64  `json:"initializer_range"`
	UseCache        bool     `json:"use_cache"`
	TokenizerClass  string   `json:"tokenizer_class"`
	ropeBits, wBits string   // the layouts as flags: digits repeated over the layers

	arch      string // smallthinker, qwen3moe, qwen3, gemma3 or gemma3n
	writeHead bool   // lm_head.weight is written although tied

	headPredictor bool // model_lm_head.pt is written, a predictor of the head
	predictorRank int
}

// The architectures.
const (
	smallThinker = "smallthinker"
	qwen3MoE     = "qwen3moe"
	qwen3        = "qwen3"
	gemma3       = "gemma3"
	gemma3n      = "gemma3n"
)

func (c *config) qwen() bool { return c.arch == qwen3 || c.arch == qwen3MoE }

func (c *config) gemma() bool { return c.arch == gemma3 || c.arch == gemma3n }

// settings returns what config.json holds.
func (c *config) settings() any {
	switch {
	case c.gemma():
		return c.gemmaSettings()
	case !c.qwen():
		return c
	}
	class, modelType := "Qwen3ForCausalLM", "qwen3"
	if c.arch == qwen3MoE {
		class, modelType = "Qwen3MoeForCausalLM", "qwen3_moe"
	}
	m := map[string]any{
		"architectures": []string{class}, "model_type": modelType, "vocab_size": c.Vocab, "hidden_size": c.Hidden,
		"num_hidden_layers": c.Layers, "num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim,
		"intermediate_size": c.FFN, "hidden_act": "silu", "attention_bias": false, "rms_norm_eps": c.NormEps,
		"rope_theta": c.RopeTheta, "rope_scaling": nil, "use_sliding_window": false, "sliding_window": nil,
		"tie_word_embeddings": c.Tied, "max_position_embeddings": c.Context, "bos_token_id": c.BOS, "eos_token_id": c.EOS,
		"torch_dtype": c.DType, "initializer_range": c.InitializerStd, "use_cache": true,
	}
	if c.arch == qwen3MoE {
		maps.Copy(m, map[string]any{"num_experts": c.Experts, "num_experts_per_tok": c.TopK, "moe_intermediate_size": c.FFN,
			"norm_topk_prob": true, "decoder_sparse_step": 1, "mlp_only_layers": []int{}})
	}
	return m
}

// presets are the published shapes and small ones for tests. FFN of qwen3 is that of its layers.
var presets = map[string]config{
	"4b": {arch: smallThinker, Vocab: 151936, Hidden: 1536, Layers: 32, Heads: 12, KVHeads: 2, HeadDim: 128, Window: 4096,
		Experts: 32, TopK: 4, FFN: 768, Tied: true, Context: 32768, ropeBits: "1", wBits: "0"},
	"21b": {arch: smallThinker, Vocab: 151936, Hidden: 2560, Layers: 52, Heads: 28, KVHeads: 4, HeadDim: 128, Window: 4096,
		Experts: 64, TopK: 6, FFN: 768, Softmax: true, Context: 16384, ropeBits: "0111", wBits: "0111"},
	"tiny": {arch: smallThinker, Vocab: 4096, Hidden: 192, Layers: 6, Heads: 4, KVHeads: 2, HeadDim: 64, Window: 64,
		Experts: 16, TopK: 4, FFN: 64, Tied: true, Context: 1024, ropeBits: "0111", wBits: "0111"},
	"qwen3-30b-a3b": {arch: qwen3MoE, Vocab: 151936, Hidden: 2048, Layers: 48, Heads: 32, KVHeads: 4, HeadDim: 128,
		Experts: 128, TopK: 8, FFN: 768, Context: 40960},
	"qwen3-4b": {arch: qwen3, Vocab: 151936, Hidden: 2560, Layers: 36, Heads: 32, KVHeads: 8, HeadDim: 128,
		FFN: 9728, Tied: true, Context: 40960},
	"gemma3-4b": {arch: gemma3, Vocab: 262208, Hidden: 2560, Layers: 34, Heads: 8, KVHeads: 4, HeadDim: 256,
		FFN: 10240, Window: 1024, Tied: true, Context: 131072},
	"gemma3-12b": {arch: gemma3, Vocab: 262208, Hidden: 3840, Layers: 48, Heads: 16, KVHeads: 8, HeadDim: 256,
		FFN: 15360, Window: 1024, Tied: true, Context: 131072},
	"gemma3n-e2b": {arch: gemma3n, Vocab: 262400, Hidden: 2048, Layers: 30, Heads: 8, KVHeads: 2, HeadDim: 256,
		FFN: 8192, Window: 512, Tied: true, Context: 32768},
	"gemma3n-e4b": {arch: gemma3n, Vocab: 262400, Hidden: 2048, Layers: 35, Heads: 8, KVHeads: 2, HeadDim: 256,
		FFN: 16384, Window: 512, Tied: true, Context: 32768},
}

// shapes lists the presets.
func shapes() []string { return slices.Sorted(maps.Keys(presets)) }

// shapeOf is the preset of an architecture that is given without a shape.
var shapeOf = map[string]string{"": "4b", smallThinker: "4b", qwen3MoE: "qwen3-30b-a3b", qwen3: "qwen3-4b", gemma3: "gemma3-4b",
	gemma3n: "gemma3n-e2b"}

// register makes every dimension a flag; a flag left out keeps the preset's value.
func (c *config) register(fs *flag.FlagSet) {
	fs.IntVar(&c.Layers, "layers", 0, "number of layers")
	fs.IntVar(&c.Hidden, "hidden", 0, "hidden size")
	fs.IntVar(&c.Heads, "heads", 0, "attention heads")
	fs.IntVar(&c.KVHeads, "kv-heads", 0, "key/value heads")
	fs.IntVar(&c.HeadDim, "head-dim", 0, "dimension of a head")
	fs.IntVar(&c.Experts, "experts", 0, "experts per layer")
	fs.IntVar(&c.TopK, "top-k", 0, "experts per token")
	fs.IntVar(&c.FFN, "ffn", 0, "neurons per expert")
	fs.IntVar(&c.Vocab, "vocab", 0, "vocabulary size; rows past the tokenizer's are padding")
	fs.IntVar(&c.Window, "window", 0, "sliding window size")
	fs.IntVar(&c.Context, "ctx", 0, "maximum context")
	fs.StringVar(&c.ropeBits, "rope-layout", "", "digits repeated over the layers: 1 = RoPE, 0 = no position")
	fs.StringVar(&c.wBits, "window-layout", "", "digits repeated over the layers: 1 = sliding window, 0 = global")
	fs.Float64Var(&c.RopeTheta, "rope-theta", 1.5e6, "RoPE base")
	fs.BoolVar(&c.Softmax, "softmax", false, "router weights by softmax instead of sigmoid")
	fs.BoolVar(&c.Tied, "tied", false, "no lm_head: the embedding is used")
	fs.BoolVar(&c.writeHead, "write-head", false, "write lm_head.weight, a copy of the embedding, although tied: some published files have it")
	fs.BoolVar(&c.headPredictor, "head-predictor", false, "write "+predictorFile+", a predictor of the head, fitted by least squares")
	fs.IntVar(&c.predictorRank, "predictor-rank", 128, "rank of the predictor of the head")
	fs.StringVar(&c.DType, "dtype", "bf16", "bf16, f16 or f32")
}

// complete takes what no flag set from the named preset, then checks the whole.
func (c *config) complete(preset string, set map[string]bool) error {
	if _, ok := shapeOf[c.arch]; !ok {
		return fmt.Errorf("unknown architecture %q: want %s, %s, %s, %s or %s", c.arch, smallThinker, qwen3MoE, qwen3, gemma3, gemma3n)
	}
	if preset == "" {
		preset = shapeOf[c.arch]
	}
	p, ok := presets[preset]
	if !ok {
		return fmt.Errorf("unknown shape %q: want one of %s", preset, strings.Join(shapes(), ", "))
	}
	if c.arch == "" {
		c.arch = p.arch
	}
	if c.qwen() {
		p.Window = 1
	}
	if c.qwen() || c.gemma() {
		p.Softmax, p.ropeBits, p.wBits = false, "1", "0"
		if !set["rope-theta"] {
			c.RopeTheta = 1e6
		}
	}
	if c.arch == qwen3 || c.gemma() {
		p.Experts, p.TopK = 1, 1 // which are not looked at
	}
	if err := c.fill(&p, set); err != nil {
		return err
	}
	return c.check()
}

// fill takes from a preset what no flag set.
func (c *config) fill(p *config, set map[string]bool) error {
	for _, f := range []struct {
		flag string
		dst  *int
		from int
	}{
		{"layers", &c.Layers, p.Layers}, {"hidden", &c.Hidden, p.Hidden}, {"heads", &c.Heads, p.Heads},
		{"kv-heads", &c.KVHeads, p.KVHeads}, {"head-dim", &c.HeadDim, p.HeadDim}, {"experts", &c.Experts, p.Experts},
		{"top-k", &c.TopK, p.TopK}, {"ffn", &c.FFN, p.FFN}, {"vocab", &c.Vocab, p.Vocab},
		{"window", &c.Window, p.Window}, {"ctx", &c.Context, p.Context},
	} {
		if !set[f.flag] {
			*f.dst = f.from
		}
		if *f.dst <= 0 {
			return fmt.Errorf("-%s must be positive, not %d", f.flag, *f.dst)
		}
	}
	if !set["softmax"] {
		c.Softmax = p.Softmax
	}
	if !set["tied"] {
		c.Tied = p.Tied
	}
	if !set["rope-layout"] {
		c.ropeBits = p.ropeBits
	}
	if !set["window-layout"] {
		c.wBits = p.wBits
	}
	return nil
}

// check finds what does not go together, and completes what follows from the rest.
func (c *config) check() error {
	d, ok := dtypes[c.DType]
	switch {
	case !ok:
		return fmt.Errorf("unknown dtype %q: want bf16, f16 or f32", c.DType)
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%d heads are not a multiple of %d KV heads", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("head dimension %d is odd", c.HeadDim)
	case c.arch != qwen3 && !c.gemma() && c.TopK >= c.Experts:
		return fmt.Errorf("top-k %d must be below the %d experts", c.TopK, c.Experts)
	case c.Context < 2:
		return errors.New("-ctx must be at least 2")
	case c.writeHead && !c.Tied:
		return errors.New("-write-head is for tied embeddings: others have a head of their own")
	case c.RopeTheta <= 1:
		return fmt.Errorf("-rope-theta must be above 1, not %g", c.RopeTheta)
	}
	var err error
	if c.RopeLayout, err = layout(c.ropeBits, c.Layers); err != nil {
		return fmt.Errorf("-rope-layout: %w", err)
	}
	if c.WindowLayout, err = layout(c.wBits, c.Layers); err != nil {
		return fmt.Errorf("-window-layout: %w", err)
	}
	c.Architectures, c.ModelType, c.TokenizerClass = []string{"SmallThinkerForCausalLM"}, "smallthinker", "Qwen2Tokenizer"
	c.NormEps, c.InitializerStd, c.UseCache, c.DType = 1e-6, embedStd, true, d.torch
	return nil
}

// layout repeats a pattern of 0 and 1 over n layers.
func layout(bits string, n int) ([]int, error) {
	if bits == "" || strings.Trim(bits, "01") != "" {
		return nil, fmt.Errorf("%q is not a row of 0 and 1", bits)
	}
	l := make([]int, n)
	for i := range l {
		l[i] = int(bits[i%len(bits)] - '0')
	}
	return l, nil
}

// tensor is one entry of the checkpoint.
type tensor struct {
	name       string
	rows, cols int // rows is 0 for a vector
}

func (t tensor) size() int { return max(t.rows, 1) * t.cols }

// tensors lists the checkpoint in file order.
func (c *config) tensors() []tensor {
	if c.gemma() {
		return c.gemmaTensors()
	}
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	ts := []tensor{{"model.embed_tokens.weight", c.Vocab, c.Hidden}}
	for l := range c.Layers {
		p := layerPrefix(l)
		ts = append(ts,
			tensor{p + "input_layernorm.weight", 0, c.Hidden},
			tensor{p + "self_attn.q_proj.weight", q, c.Hidden},
			tensor{p + "self_attn.k_proj.weight", kv, c.Hidden},
			tensor{p + "self_attn.v_proj.weight", kv, c.Hidden},
			tensor{p + "self_attn.o_proj.weight", c.Hidden, q},
			tensor{p + "post_attention_layernorm.weight", 0, c.Hidden})
		if c.qwen() {
			ts = append(ts, tensor{p + "self_attn.q_norm.weight", 0, c.HeadDim}, tensor{p + "self_attn.k_norm.weight", 0, c.HeadDim})
		}
		network := func(e int) {
			ts = append(ts, tensor{c.network(l, e, "up"), c.FFN, c.Hidden}, tensor{c.network(l, e, "gate"), c.FFN, c.Hidden},
				tensor{c.network(l, e, "down"), c.Hidden, c.FFN})
		}
		if c.arch == qwen3 {
			network(-1)
			continue
		}
		ts = append(ts, tensor{c.router(l), c.Experts, c.Hidden})
		for e := range c.Experts {
			network(e)
		}
	}
	ts = append(ts, tensor{"model.norm.weight", 0, c.Hidden})
	if !c.Tied || c.writeHead {
		ts = append(ts, tensor{"lm_head.weight", c.Vocab, c.Hidden})
	}
	return ts
}

func layerPrefix(l int) string { return fmt.Sprintf("model.layers.%d.", l) }

// router returns the name of a layer's router.
func (c *config) router(l int) string {
	if c.qwen() {
		return layerPrefix(l) + "mlp.gate.weight"
	}
	return layerPrefix(l) + "block_sparse_moe.primary_router.weight"
}

// network returns the name of a matrix of an expert, or of a layer without experts if e is −1.
func (c *config) network(l, e int, matrix string) string {
	switch {
	case e < 0:
		return fmt.Sprintf("%smlp.%s_proj.weight", layerPrefix(l), matrix)
	case c.qwen():
		return fmt.Sprintf("%smlp.experts.%d.%s_proj.weight", layerPrefix(l), e, matrix)
	}
	return fmt.Sprintf("%sblock_sparse_moe.experts.%d.%s.weight", layerPrefix(l), e, matrix)
}
