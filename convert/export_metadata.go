package convert

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"st/convert/gguf"
	"st/format"
	"st/tokenizer"
)

// llamaWindow is the sliding window that llama.cpp computes SmallThinker with, whatever a file says.
const llamaWindow = 4096

// metadata returns what the file says of the model, under the keys that llama.cpp's own converter writes.
func (e *exporter) metadata(path string) (gguf.Metadata, error) {
	c := &e.model.Config
	if err := e.check(); err != nil {
		return nil, err
	}
	a := e.architecture() + "."
	m := e.general(path)
	add := func(key string, value any) { m = append(m, gguf.Entry{Key: a + key, Value: value}) }
	size := func(key string, n int) { add(key, uint32(n)) }
	size("block_count", c.Layers)
	size("context_length", c.Context)
	size("embedding_length", c.Hidden)
	if c.MoE != nil {
		size("feed_forward_length", c.MoE.ExpertFFN)
	} else {
		size("feed_forward_length", c.FFN)
	}
	size("attention.head_count", c.Heads)
	size("attention.head_count_kv", c.KVHeads)
	size("attention.key_length", c.HeadDim)
	size("attention.value_length", c.HeadDim)
	add("attention.layer_norm_rms_epsilon", float32(c.RMSNormEps))
	if c.RoPETheta > 0 {
		add("rope.freq_base", float32(c.RoPETheta))
	}
	if c.Architecture == "phi3" {
		size("rope.dimension_count", c.Rotated())
		size("attention.sliding_window", c.SlidingWindow)
	}
	if s := c.RoPEScaling; s != nil && s.Type == format.LongRoPE {
		size("rope.scaling.original_context_length", s.OriginalContext)
		add("rope.scaling.attn_factor", float32(s.AttentionFactor))
	} else if s != nil {
		add("rope.scaling.type", string(s.Type))
		add("rope.scaling.factor", float32(s.Factor))
		if s.Type == format.YaRN {
			size("rope.scaling.original_context_length", s.OriginalContext)
			add("rope.scaling.yarn_beta_fast", float32(s.BetaFast))
			add("rope.scaling.yarn_beta_slow", float32(s.BetaSlow))
		}
	}
	size("vocab_size", c.Vocab)
	if c.MoE != nil {
		size("expert_count", c.MoE.Experts)
		size("expert_used_count", c.MoE.ExpertsPerToken)
		size("expert_feed_forward_length", c.MoE.ExpertFFN)
		gating := uint32(2)
		if c.MoE.RouterSoftmax {
			gating = 1
		}
		add("expert_gating_func", gating)
	}
	if c.Architecture == "gemma3" {
		e.gemma3(add)
	} else if layered(c) && c.Architecture != "phi3" {
		window := c.SlidingWindow
		if window == 0 {
			window = c.Context
		}
		size("attention.sliding_window", window)
	}
	return e.vocabulary(m)
}

// architecture returns what llama.cpp calls it: a Qwen3-MoE without any experts is a Qwen3, and its file is of no use under the other name.
func (e *exporter) architecture() string {
	if c := &e.model.Config; c.Architecture != qwen3MoE.name || c.MoE != nil {
		return c.Architecture
	}
	return qwen3.name
}

// layered reports whether layers of SmallThinker differ.
func layered(c *format.Config) bool {
	return slices.Contains(c.SlidingLayout, true) || slices.Contains(c.RoPELayout, false)
}

// check refuses what llama.cpp would compute otherwise, and notes what it may.
func (e *exporter) check() error {
	c := &e.model.Config
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrExport}, args...)...)
	}
	if c.AttentionBias {
		return fail("biases of attention: llama.cpp has no place for that of the output in this architecture")
	}
	switch c.Architecture {
	case "gemma3":
		return e.checkGemma3()
	case "gemma3n":
		return fail("Gemma 3n is not exported")
	case "phi3":
		return e.checkPhi3()
	}
	if s := c.RoPEScaling; s != nil && (s.Type == format.Llama3 || s.Type == format.LongRoPE) {
		return fail("RoPE scaling of type %s", s.Type)
	} else if s != nil && s.Type != format.Linear &&
		(s.Type != format.YaRN || !s.Truncate || math.Abs(s.AttentionFactor-(0.1*math.Log(s.Factor)+1)) > 1e-6) {
		return fail("its RoPE scaling has an attention factor or limits of its own")
	}
	if c.Architecture != "smallthinker" {
		switch {
		case layered(c):
			return fail("layers that slide or that have no RoPE")
		case c.MoE != nil && c.MoE.Layout != nil:
			return fail("layers without experts among those with them")
		case c.MoE != nil && c.MoE.SoftmaxAll:
			return fail("a router whose weights do not add up to 1 (norm_topk_prob false)")
		}
		return nil
	}
	if !layered(c) {
		return nil
	}
	for l := range c.Layers {
		if local := l%4 != 0; c.RoPELayout[l] != local || c.SlidingLayout[l] != local {
			return fail("layer %d: in every group of four layers the first has to be global and without RoPE, the others slide and have RoPE", l)
		}
	}
	if c.SlidingWindow != 0 && c.SlidingWindow != llamaWindow && c.Context > min(c.SlidingWindow, llamaWindow) {
		e.note("llama.cpp computes with a sliding window of %d tokens, the model has one of %d: from there on its results differ", llamaWindow, c.SlidingWindow)
	}
	if c.Layers == 4 {
		e.note("llama.cpp takes a model of exactly four layers to have RoPE in all of them: its results differ")
	}
	return nil
}

// checkPhi3 is check for Phi-3.
func (e *exporter) checkPhi3() error {
	c := &e.model.Config
	if s := c.RoPEScaling; s != nil && s.Type != format.LongRoPE && s.Type != format.Linear {
		return fmt.Errorf("%w: RoPE scaling of type %s", ErrExport, s.Type)
	}
	if c.Heads*c.HeadDim != c.Hidden {
		return fmt.Errorf("%w: %d heads of %d are not as wide as the hidden size, %d", ErrExport, c.Heads, c.HeadDim, c.Hidden)
	}
	if w := c.SlidingWindow; w > 0 && w < c.Context {
		e.note("llama.cpp computes this architecture without a sliding window, and the model has one of %d tokens: from there on its results differ", w)
	}
	if s := c.RoPEScaling; s != nil && s.Type == format.LongRoPE {
		e.note("llama.cpp chooses LongRoPE's factors by the size of the context that it is started with, and not by the length of the text")
	}
	return nil
}

// general is what the file says of where it is from, and its defaults for generation.
func (e *exporter) general(path string) gguf.Metadata {
	m := gguf.Metadata{{Key: "general.architecture", Value: e.architecture()}, {Key: "general.type", Value: "model"}}
	g := e.model.Provenance.General
	name := g["name"]
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	m = append(m, gguf.Entry{Key: "general.name", Value: name})
	for _, key := range []string{"organization", "license", "url", "quantized_by"} {
		if g[key] != "" {
			m = append(m, gguf.Entry{Key: "general." + key, Value: g[key]})
		}
	}
	number := map[gguf.Type]int64{}
	for _, p := range e.parts {
		number[e.infos[p.info].Type] += p.source.t.Params()
	}
	most, quantized := gguf.F32, false
	for t, n := range number {
		if n > number[most] {
			most = t
		}
		quantized = quantized || t.Block() > 1
	}
	// The numbers of llama_ftype in llama.h.
	m = append(m, gguf.Entry{Key: "general.file_type", Value: map[gguf.Type]uint32{gguf.F32: 0, gguf.F16: 1, gguf.Q4_0: 2, gguf.Q8_0: 7, gguf.BF16: 32}[most]})
	if quantized {
		m = append(m, gguf.Entry{Key: "general.quantization_version", Value: uint32(2)})
	}
	gen := &e.model.Generation
	for _, f := range []struct {
		key   string
		value *float64
	}{{"temp", gen.Temperature}, {"top_p", gen.TopP}, {"min_p", gen.MinP}, {"penalty_repeat", gen.RepetitionPenalty}} {
		if f.value != nil {
			m = append(m, gguf.Entry{Key: "general.sampling." + f.key, Value: float32(*f.value)})
		}
	}
	if gen.TopK != nil {
		m = append(m, gguf.Entry{Key: "general.sampling.top_k", Value: int32(*gen.TopK)})
	}
	return m
}

// tokenID adds an entry that names a token by its id. An id below zero is none.
func tokenID(m gguf.Metadata, name string, id int32) gguf.Metadata {
	if id < 0 {
		return m
	}
	return append(m, gguf.Entry{Key: "tokenizer.ggml." + name + "_token_id", Value: uint32(id)})
}

// withoutVocabulary adds what there is to say of a model whose tokenizer is not written, and why it is not.
func (e *exporter) withoutVocabulary(m gguf.Metadata, why error) gguf.Metadata {
	gen := &e.model.Generation
	e.note("%v: the GGUF file has none, and llama.cpp runs on token ids only", why)
	m = append(m, gguf.Entry{Key: "tokenizer.ggml.model", Value: "none"})
	if gen.BOS != nil {
		m = tokenID(m, "bos", *gen.BOS)
	}
	n := min(len(gguf.EndTokens), len(gen.EOS))
	for i, name := range gguf.EndTokens[:n] {
		m = tokenID(m, name, gen.EOS[i])
	}
	if len(gen.EOS) > n {
		e.note("the model has %d tokens that end a text, and a GGUF file without a tokenizer names %d", len(gen.EOS), n)
	}
	return m
}

// vocabulary adds the tokenizer.
func (e *exporter) vocabulary(m gguf.Metadata) (gguf.Metadata, error) {
	if len(e.model.Tokenizer) == 0 {
		return e.withoutVocabulary(m, errNoTokenizer), nil
	}
	t, err := tokenizer.Load(e.model.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("the tokenizer: %w", err)
	}
	v, notes, err := t.GGUF(e.model.Config.Vocab)
	e.result.Notes = append(e.result.Notes, notes...)
	if err != nil {
		return e.withoutVocabulary(m, err), nil
	}
	const prefix = "tokenizer.ggml."
	add := func(key string, value any) { m = append(m, gguf.Entry{Key: key, Value: value}) }
	id := func(name string, id int32) { m = tokenID(m, name, id) }
	gen := &e.model.Generation
	if v.BOS < 0 && gen.BOS != nil {
		v.BOS = *gen.BOS
	}
	if v.EOS < 0 && len(gen.EOS) > 0 {
		v.EOS = gen.EOS[0]
	}
	add(prefix+"model", v.Model)
	add(prefix+"pre", v.Pre)
	add(prefix+"tokens", v.Tokens)
	add(prefix+"token_type", v.Types)
	if v.Model == "llama" {
		add(prefix+"scores", v.Scores)
		add(prefix+"add_space_prefix", v.AddSpacePrefix)
	}
	if v.Model != "llama" || len(v.Merges) > 0 {
		add(prefix+"merges", v.Merges)
	}
	if i := slices.Index(v.Types, tokenizer.GGUFUnknown); i >= 0 {
		id("unknown", int32(i))
	}
	id("bos", v.BOS)
	id("eos", v.EOS)
	id("padding", v.Pad)
	// The end of a turn, if it is another token. Readers know the end of a text by its name.
	if i := slices.IndexFunc(gen.EOS, func(end int32) bool {
		return end != v.EOS && end >= 0 && int(end) < len(v.Tokens) && v.Tokens[end] != "<|endoftext|>"
	}); i >= 0 {
		id("eot", gen.EOS[i])
	}
	add(prefix+"add_bos_token", v.AddBOS)
	if e.model.ChatTemplate != "" {
		add("tokenizer.chat_template", e.model.ChatTemplate)
	}
	return m, nil
}
