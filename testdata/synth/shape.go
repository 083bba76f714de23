package main

import (
	"errors"
	"flag"
	"fmt"
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
}

// presets are the published shapes and a small one for tests.
var presets = map[string]config{
	"4b": {Vocab: 151936, Hidden: 1536, Layers: 32, Heads: 12, KVHeads: 2, HeadDim: 128, Window: 4096,
		Experts: 32, TopK: 4, FFN: 768, Tied: true, Context: 32768, ropeBits: "1", wBits: "0"},
	"21b": {Vocab: 151936, Hidden: 2560, Layers: 52, Heads: 28, KVHeads: 4, HeadDim: 128, Window: 4096,
		Experts: 64, TopK: 6, FFN: 768, Softmax: true, Context: 16384, ropeBits: "0111", wBits: "0111"},
	"tiny": {Vocab: 4096, Hidden: 192, Layers: 6, Heads: 4, KVHeads: 2, HeadDim: 64, Window: 64,
		Experts: 16, TopK: 4, FFN: 64, Tied: true, Context: 1024, ropeBits: "0111", wBits: "0111"},
}

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
	fs.StringVar(&c.DType, "dtype", "bf16", "bf16, f16 or f32")
}

// complete takes what no flag set from the named preset, then checks the whole.
func (c *config) complete(preset string, set map[string]bool) error {
	p, ok := presets[preset]
	if !ok {
		return fmt.Errorf("unknown shape %q: want 4b, 21b or tiny", preset)
	}
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
	d, ok := dtypes[c.DType]
	switch {
	case !ok:
		return fmt.Errorf("unknown dtype %q: want bf16, f16 or f32", c.DType)
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%d heads are not a multiple of %d KV heads", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("head dimension %d is odd", c.HeadDim)
	case c.TopK >= c.Experts:
		return fmt.Errorf("top-k %d must be below the %d experts", c.TopK, c.Experts)
	case c.Context < 2:
		return errors.New("-ctx must be at least 2")
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
			tensor{p + "post_attention_layernorm.weight", 0, c.Hidden},
			tensor{p + "block_sparse_moe.primary_router.weight", c.Experts, c.Hidden})
		for e := range c.Experts {
			x := expertPrefix(l, e)
			ts = append(ts, tensor{x + "up.weight", c.FFN, c.Hidden}, tensor{x + "gate.weight", c.FFN, c.Hidden},
				tensor{x + "down.weight", c.Hidden, c.FFN})
		}
	}
	ts = append(ts, tensor{"model.norm.weight", 0, c.Hidden})
	if !c.Tied {
		ts = append(ts, tensor{"lm_head.weight", c.Vocab, c.Hidden})
	}
	return ts
}

func layerPrefix(l int) string { return fmt.Sprintf("model.layers.%d.", l) }

func expertPrefix(l, e int) string {
	return fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.%d.", l, e)
}
