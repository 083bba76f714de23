package gguf

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"st/format"
)

// ErrArchitecture is what the error of [File.Model] wraps if the model is of another architecture than those that are known.
var ErrArchitecture = errors.New("the architecture is not supported: smallthinker, qwen3moe, qwen3, gemma3, gemma3n and phi3 are")

// otherKinds are the files that lie beside a model's, by their general.type.
var otherKinds = map[string]string{
	"adapter": "a LoRA adapter",
	"imatrix": "an importance matrix",
	"mmproj":  "the part of a model that sees or hears",
	"vocab":   "a tokenizer",
}

// Model is what a file tells of its model's shape.
type Model struct {
	Config         format.Config
	DownTransposed bool     // ffn_down_exps is [experts, ffn, hidden]: a row for each neuron, not for each output
	Notes          []string // what was taken for granted, for the user to read
}

// Model returns the model's shape, as metadata and tensors tell it. The error names the entry that is missing, wrong or not supported; it is
// [ErrArchitecture] if the model is of an unknown kind. Shapes of tensors are looked at only where the metadata does not tell enough: compare them
// all before you use them.
func (f *File) Model() (*Model, error) {
	m, err := f.model()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.shards[0].path, err)
	}
	return m, nil
}

func (f *File) model() (*Model, error) {
	m := &Model{}
	r := &modelReader{keys: keys{metadata: f.Metadata}, f: f, m: m, c: &m.Config}
	var ok bool
	value, _ := f.Metadata.Lookup("general.type")
	kind, _ := value.(string)
	if what := otherKinds[kind]; what != "" {
		r.fail("metadata entry general.type is %q: the file holds %s, and no model", kind, what)
	}
	if r.arch, ok = r.string("general.architecture"); !ok {
		r.fail("metadata entry general.architecture is missing: this is no file of a model")
	}
	if r.err != nil {
		return nil, r.err
	}
	switch r.c.Architecture = r.arch; r.arch {
	case "smallthinker":
		r.common()
		r.experts()
		r.slidingLayout()
	case "qwen3moe":
		r.common()
		r.experts()
		r.c.QKNorm, r.c.Activation = true, format.SiLU
	case "qwen3":
		r.common()
		r.c.FFN = r.need("feed_forward_length")
		r.c.QKNorm, r.c.Activation = true, format.SiLU
	case "gemma3":
		r.gemma3()
	case "gemma3n":
		r.gemma3n()
	case "phi3":
		r.common()
		r.c.FFN, r.c.Activation = r.need("feed_forward_length"), format.SiLU
		r.slidingEverywhere()
		r.longRoPE()
	default:
		return nil, fmt.Errorf("general.architecture is %.60q: %w", r.arch, ErrArchitecture)
	}
	if r.err == nil {
		r.err = r.c.Validate()
	}
	m.Notes = r.notes
	return m, r.err
}

// modelReader reads the keys of an architecture.
type modelReader struct {
	keys
	f    *File
	arch string
	m    *Model
	c    *format.Config
}

func (r *modelReader) key(name string) string { return r.arch + "." + name }

// need returns a size that must be there.
func (r *modelReader) need(name string) int {
	n, ok := r.size(r.key(name))
	if !ok {
		r.fail("metadata entry %s is missing", r.key(name))
	}
	return n
}

// common reads what all architectures have. The defaults are those of llama.cpp.
func (r *modelReader) common() {
	c := r.c
	c.Hidden, c.Layers, c.Context = r.need("embedding_length"), r.need("block_count"), r.need("context_length")
	c.Heads = r.need("attention.head_count")
	if c.Layers > format.MaxLayers {
		r.fail("metadata entry %s is %d: at most %d are supported", r.key("block_count"), c.Layers, format.MaxLayers)
	}
	if r.err != nil {
		return
	}
	var ok bool
	if c.KVHeads, ok = r.size(r.key("attention.head_count_kv")); !ok {
		c.KVHeads = c.Heads
	}
	if r.err == nil && c.Heads%c.KVHeads != 0 {
		r.fail("metadata entry %s is %d: it must divide %s, %d", r.key("attention.head_count_kv"), c.KVHeads, r.key("attention.head_count"), c.Heads)
	}
	if c.HeadDim, ok = r.size(r.key("attention.key_length")); !ok {
		c.HeadDim, ok = r.size(r.key("head_dim")) // of Gemma 3n, in files of Ollama's converter
	}
	if !ok {
		if c.HeadDim = c.Hidden / c.Heads; c.HeadDim*c.Heads != c.Hidden {
			r.fail("metadata entry %s is missing, and embedding_length, %d, is no multiple of head_count, %d", r.key("attention.key_length"), c.Hidden, c.Heads)
		}
	}
	for _, name := range []string{"attention.value_length", "rope.dimension_count"} {
		n, ok := r.size(r.key(name))
		if partial := r.arch == "phi3" && name == "rope.dimension_count"; ok && partial && n < c.HeadDim {
			c.RotaryDim = n
		} else if ok && n != c.HeadDim {
			r.fail("metadata entry %s is %d: only the length of a head's keys, %d, is supported", r.key(name), n, c.HeadDim)
		}
	}
	if c.RMSNormEps, ok = r.float(r.key("attention.layer_norm_rms_epsilon")); !ok {
		r.fail("metadata entry %s is missing", r.key("attention.layer_norm_rms_epsilon"))
	}
	if c.RoPETheta, ok = r.float(r.key("rope.freq_base")); !ok {
		c.RoPETheta = 10000
	}
	r.ropeScaling()
	c.RoPELayout, c.SlidingLayout = slices.Repeat([]bool{true}, c.Layers), make([]bool, c.Layers)
	name := Name{format.RoleEmbedding, -1, false}
	embedding, ok := r.f.Lookup(name.String())
	if !ok || embedding.Cols() != c.Hidden {
		r.fail("tensor %q is missing, or not of %s, %d, columns", name, r.key("embedding_length"), c.Hidden)
		return
	}
	c.Vocab = embedding.Rows()
	_, untied := r.f.Lookup(Name{format.RoleHead, -1, false}.String())
	c.TiedEmbeddings = !untied
}

// ropeScaling reads rope.scaling.*. A factor of 1, or 0, which is what converters write for none, scales nothing.
func (r *modelReader) ropeScaling() {
	typ, ok := r.string(r.key("rope.scaling.type"))
	if !ok {
		typ = "linear"
	}
	factor, ok := r.float(r.key("rope.scaling.factor"))
	if !ok {
		factor, _ = r.float(r.key("rope.scale_linear")) // the name that old files have
	}
	switch {
	case typ == "longrope" && r.arch == "phi3":
		return // see longRoPE
	case typ == "none" || (typ == "linear" || typ == "yarn") && (factor == 0 || factor == 1):
		return
	case typ != "yarn" && typ != "linear":
		r.fail("metadata entry %s is %.60q: only none, linear and yarn are supported", r.key("rope.scaling.type"), typ)
	case factor < 1:
		r.fail("metadata entry %s is %g: it must be 1 or more", r.key("rope.scaling.factor"), factor)
	case typ == "linear":
		r.c.RoPEScaling = &format.RoPEScaling{Type: format.Linear, Factor: factor, AttentionFactor: 1}
		return
	}
	s := &format.RoPEScaling{Type: format.YaRN, Factor: factor, OriginalContext: r.c.Context, BetaFast: 32, BetaSlow: 1, AttentionFactor: 0.1*math.Log(factor) + 1, Truncate: true}
	if n, ok := r.size(r.key("rope.scaling.original_context_length")); ok {
		s.OriginalContext = n
	}
	for name, to := range map[string]*float64{"attn_factor": &s.AttentionFactor, "beta_fast": &s.BetaFast, "beta_slow": &s.BetaSlow} {
		// Files that llama.cpp itself saved have an attn_factor of 1 that it does not use.
		if v, ok := r.float(r.key("rope.scaling.yarn_" + name)); ok && (v != 1 || name != "attn_factor") {
			*to = v
		}
	}
	if v, ok := r.float(r.key("rope.scaling.attn_factor")); ok && v != 1 {
		r.fail("metadata entry %s is %g: only 1 is supported", r.key("rope.scaling.attn_factor"), v)
	}
	r.c.RoPEScaling = s
}

// experts reads what mixtures of experts have.
func (r *modelReader) experts() {
	if r.err != nil {
		return
	}
	m := &format.MoE{Experts: r.need("expert_count"), ExpertsPerToken: r.need("expert_used_count"), RouterSoftmax: true}
	if r.err != nil {
		return
	}
	if m.ExpertsPerToken > m.Experts {
		r.fail("metadata entry %s is %d, but there are %d experts", r.key("expert_used_count"), m.ExpertsPerToken, m.Experts)
	}
	var ok bool
	if m.ExpertFFN, ok = r.size(r.key("expert_feed_forward_length")); !ok {
		name := Name{format.RoleGate, 0, true}
		gate, ok := r.f.Lookup(name.String())
		if !ok || len(gate.Shape) != 3 {
			r.fail("metadata entry %s is missing, and so is tensor %q, which would tell", r.key("expert_feed_forward_length"), name)
			return
		}
		m.ExpertFFN = gate.Shape[1]
	}
	switch gating, ok := find(&r.keys, r.key("expert_gating_func"), "a number", asInt); {
	case ok && gating == 1, ok && gating == 0 && r.arch != "smallthinker": // 0, which is none, is what llama.cpp saves where it takes 1 for granted
	case ok && gating == 2:
		m.RouterSoftmax = false
	case ok:
		r.fail("metadata entry %s is %d: only 1 (softmax) and 2 (sigmoid) are supported", r.key("expert_gating_func"), gating)
	case r.arch == "smallthinker":
		m.RouterSoftmax = false
		r.note("%s is missing: the router's weights are taken to be sigmoids, because converters leave the entry out only where config.json does not ask for a softmax",
			r.key("expert_gating_func"))
	}
	scale, scaled := r.float(r.key("expert_weights_scale"))
	for _, name := range []string{"expert_weights_norm", "norm_top_k_prob"} { // the second is of Ollama's converter
		norm, ok := r.bool(r.key(name))
		if !ok || norm || scaled && scale == 0 { // llama.cpp saves false beside a scale of 0, and uses neither
			continue
		}
		if !m.RouterSoftmax {
			r.fail("metadata entry %s is false: sigmoids are only supported over their sum", r.key(name))
		}
		m.SoftmaxAll = true
	}
	if scale != 0 && scale != 1 {
		r.fail("metadata entry %s is %g: only 1 is supported", r.key("expert_weights_scale"), scale)
	}
	for _, name := range []string{"expert_shared_count", "leading_dense_block_count", "expert_group_count"} {
		if n, ok := find(&r.keys, r.key(name), "a number", asInt); ok && n != 0 && (n != 1 || name != "expert_group_count") {
			r.fail("metadata entry %s is %d: only models of experts alone are supported", r.key(name), n)
		}
	}
	r.c.MoE = m
	r.downTransposed()
}

// downTransposed finds out how the down matrices lie: their shape tells unless both dimensions are alike. Then whatever tells of PowerInfer does,
// whose converter is the one that transposes: its head predictor, or its name in that of the file or the model.
func (r *modelReader) downTransposed() {
	m, hidden := r.c.MoE, r.c.Hidden
	name := Name{format.RoleDown, 0, true}
	down, ok := r.f.Lookup(name.String())
	if !ok || r.err != nil {
		return // the tensor will be missed
	}
	plain, transposed := []int{m.Experts, hidden, m.ExpertFFN}, []int{m.Experts, m.ExpertFFN, hidden}
	switch {
	case !slices.Equal(down.Shape, plain) && !slices.Equal(down.Shape, transposed):
		r.fail("tensor %q has the shape %v: %v or, transposed, %v was expected", name, down.Shape, plain, transposed)
	case m.ExpertFFN != hidden:
		r.m.DownTransposed = slices.Equal(down.Shape, transposed)
	default:
		evidence := r.transposedBy()
		r.m.DownTransposed = evidence != ""
		if r.m.DownTransposed {
			r.note("experts have as many neurons as the hidden size, %d, so the shape of ffn_down_exps does not tell how it lies: transposed, because %s",
				hidden, evidence)
		} else {
			r.note("experts have as many neurons as the hidden size, %d, so the shape of ffn_down_exps does not tell how it lies: not transposed, because nothing "+
				"else, such as .powerinfer in the file's name, says so", hidden)
		}
	}
}

// transposedBy says what tells that the down matrices are transposed, if anything does.
func (r *modelReader) transposedBy() string {
	if _, ok := r.f.Lookup(HeadPredictor); ok {
		return fmt.Sprintf("there is a tensor %s, which PowerInfer's files have", HeadPredictor)
	}
	texts := []struct{ what, text string }{{"the file's name", filepath.Base(r.f.shards[0].path)}}
	for _, key := range []string{"general.name", "general.basename", "general.finetune"} {
		if text, ok := r.string(key); ok {
			texts = append(texts, struct{ what, text string }{key, text})
		}
	}
	for _, t := range texts {
		for _, word := range []string{"powerinfer", "transposed"} {
			if strings.Contains(strings.ToLower(t.text), word) {
				return fmt.Sprintf("%s has %q in it", t.what, word)
			}
		}
	}
	return ""
}

// slidingLayout reads the layout of SmallThinker: with a sliding window, every fourth layer, from the first on, is global and without RoPE; without one, all have
// RoPE and none slides. The files do not tell more.
func (r *modelReader) slidingLayout() {
	if r.err != nil {
		return
	}
	c := r.c
	window, ok := find(&r.keys, r.key("attention.sliding_window"), "a number of tokens", func(value any) (int, bool) {
		n, ok := asInt(value)
		return int(n), ok && n >= 0 && n <= maxSize
	})
	if !ok || window == 0 {
		return
	}
	c.SlidingWindow = window
	for l := range c.Layers {
		c.RoPELayout[l], c.SlidingLayout[l] = l%4 != 0, l%4 != 0
	}
	pattern := r.key("attention.sliding_window_pattern")
	value, ok := r.metadata.Lookup(pattern)
	if !ok {
		return
	}
	period, _ := asInt(value)
	layout, _ := value.([]bool)
	if period != 4 && !slices.Equal(layout, c.SlidingLayout) {
		r.fail("metadata entry %s is %s: only one global layer in four, the first of them, is supported", pattern, describe(Entry{"", value}))
	}
}

// slidingEverywhere reads the window of Phi-3, which all layers have; 0 is none.
func (r *modelReader) slidingEverywhere() {
	if r.err != nil {
		return
	}
	c := r.c
	n, ok := find(&r.keys, r.key("attention.sliding_window"), "a number of tokens", func(value any) (int, bool) {
		n, ok := asInt(value)
		return int(n), ok && n >= 0 && n <= maxSize
	})
	if ok && n > 0 {
		c.SlidingWindow, c.SlidingLayout = n, slices.Repeat([]bool{true}, c.Layers)
		if n < c.Context {
			r.note("layers attend to the last %d positions, as %s says; llama.cpp computes this architecture without a window", n, r.key("attention.sliding_window"))
		}
	}
}

// longRoPE reads the factors of LongRoPE, which are vectors among the tensors, if there are any.
func (r *modelReader) longRoPE() {
	if r.err != nil {
		return
	}
	c := r.c
	s := &format.RoPEScaling{Type: format.LongRoPE, AttentionFactor: 1}
	for _, f := range []struct {
		name string
		to   *[]float64
	}{{ShortFactors, &s.ShortFactors}, {LongFactors, &s.LongFactors}} {
		t, ok := r.f.Lookup(f.name)
		if !ok {
			continue
		}
		if len(t.Shape) != 1 || t.cols != c.Rotated()/2 {
			r.fail("tensor %q has the shape %v: [%d] was expected, a number for each pair of dimensions that rotates", f.name, t.Shape, c.Rotated()/2)
			return
		}
		factors := make([]float32, t.cols)
		if err := t.ReadRows(context.Background(), factors, 0, 1); err != nil {
			r.err = err
			return
		}
		for _, v := range factors {
			*f.to = append(*f.to, float64(v))
		}
	}
	switch {
	case s.ShortFactors == nil && s.LongFactors == nil:
		return
	case s.ShortFactors == nil || s.LongFactors == nil:
		r.fail("tensors %q and %q belong together, and one of them is missing", ShortFactors, LongFactors)
		return
	case c.RoPEScaling != nil && c.RoPEScaling.Type == format.Linear:
		r.fail("metadata entry %s is linear, and there are tensors %q and %q: only one of them is supported", r.key("rope.scaling.type"), ShortFactors, LongFactors)
		return
	}
	s.OriginalContext = c.Context
	if n, ok := r.size(r.key("rope.scaling.original_context_length")); ok {
		s.OriginalContext = n
	}
	if v, ok := r.float(r.key("rope.scaling.attn_factor")); ok {
		s.AttentionFactor = v
	}
	c.RoPEScaling = s
}
