package gguf

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// ErrArchitecture is what the error of [File.Config] wraps if the model is of another architecture than those that are known.
var ErrArchitecture = errors.New("the architecture is not supported: smallthinker, qwen3moe and qwen3 are")

// Config is a model's hyperparameters, as its metadata and the shapes of its tensors tell them.
type Config struct {
	Architecture string // "smallthinker", "qwen3moe" or "qwen3"

	Vocab   int // rows of the embedding
	Hidden  int
	Layers  int
	Heads   int
	KVHeads int
	HeadDim int
	Context int // tokens that the model was trained for
	FFN     int // of a dense layer; 0 if there are experts

	RMSNormEps    float64
	RoPETheta     float64
	RoPEScaling   *RoPEScaling // nil: none
	RoPELayout    []bool       // by layer: whether it has RoPE
	SlidingLayout []bool       // by layer: whether it attends to the last SlidingWindow tokens only
	SlidingWindow int          // 0: no layer has one

	QKNorm bool
	Tied   bool // there is no output tensor: the head is the embedding
	MoE    *MoE // nil: dense

	Notes []string // what was taken for granted, for the user to read
}

// MoE is the mixture of experts that stands in for each feed-forward network.
type MoE struct {
	Experts         int
	ExpertsPerToken int
	FFN             int  // of an expert
	Sigmoid         bool // the router's weights are sigmoids, not a softmax
	NormTopK        bool // the weights of the chosen experts are divided by their sum
	DownTransposed  bool // ffn_down_exps is [experts, ffn, hidden]: a row for each neuron, not for each output
}

// RoPEScaling stretches RoPE beyond the context that a model was trained for first.
type RoPEScaling struct {
	Type            string // "yarn", "linear" or "longrope"
	Factor          float64
	OriginalContext int
	AttentionFactor *float64 // "attention_factor" of config.json; nil where the file leaves it to the method, here and below
	BetaFast        *float64
	BetaSlow        *float64
	ExtFactor       *float64
}

// configReader reads the keys of an architecture.
type configReader struct {
	keys
	f    *File
	arch string
	c    *Config
}

func (r *configReader) key(name string) string { return r.arch + "." + name }

// need returns a size that must be there.
func (r *configReader) need(name string) int {
	n, ok := r.size(r.key(name))
	if !ok {
		r.fail("metadata entry %s is missing", r.key(name))
	}
	return n
}

// Config returns the hyperparameters. The error names the entry that is missing, wrong or not supported; it is [ErrArchitecture] if the model is of
// an unknown kind. Shapes of tensors are looked at only where the metadata does not tell enough: compare them all before you use them.
func (f *File) Config() (*Config, error) {
	c, err := f.config()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.shards[0].path, err)
	}
	return c, nil
}

func (f *File) config() (*Config, error) {
	r := &configReader{keys: keys{metadata: f.Metadata}, f: f, c: &Config{}}
	arch, ok := r.string("general.architecture")
	if !ok {
		r.fail("metadata entry general.architecture is missing: this is no file of a model, or not the first of a split one")
	}
	if r.err != nil {
		return nil, r.err
	}
	r.arch, r.c.Architecture = arch, arch
	switch arch {
	case "smallthinker":
		r.common()
		r.experts()
		r.smallThinker()
	case "qwen3moe":
		r.common()
		r.experts()
		r.c.QKNorm = true
	case "qwen3":
		r.common()
		r.c.FFN = r.need("feed_forward_length")
		r.c.QKNorm = true
	default:
		return nil, fmt.Errorf("general.architecture is %.60q: %w", arch, ErrArchitecture)
	}
	return r.c, r.err
}

// common reads what all architectures have. The defaults are those of llama.cpp.
func (r *configReader) common() {
	c := r.c
	c.Hidden, c.Layers, c.Context = r.need("embedding_length"), r.need("block_count"), r.need("context_length")
	c.Heads = r.need("attention.head_count")
	if c.Layers > maxLayers {
		r.fail("metadata entry %s is %d: at most %d are supported", r.key("block_count"), c.Layers, maxLayers)
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
		if c.HeadDim = c.Hidden / c.Heads; c.HeadDim*c.Heads != c.Hidden {
			r.fail("metadata entry %s is missing, and embedding_length, %d, is no multiple of head_count, %d", r.key("attention.key_length"), c.Hidden, c.Heads)
		}
	}
	for _, name := range []string{"attention.value_length", "rope.dimension_count"} {
		if n, ok := r.size(r.key(name)); ok && n != c.HeadDim {
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
	embedding, ok := r.f.Lookup(TensorName(TokenEmbedding, -1))
	if !ok || embedding.Cols() != c.Hidden {
		r.fail("tensor %q is missing, or not of %s, %d, columns", TensorName(TokenEmbedding, -1), r.key("embedding_length"), c.Hidden)
		return
	}
	c.Vocab = embedding.Rows()
	_, untied := r.f.Lookup(TensorName(Output, -1))
	c.Tied = !untied
}

// maxLayers is that of llama.cpp.
const maxLayers = 512

// ropeScaling reads rope.scaling.*. A factor of 1, or 0, which is what converters write for none, scales nothing.
func (r *configReader) ropeScaling() {
	typ, ok := r.string(r.key("rope.scaling.type"))
	if !ok {
		typ = "linear"
	}
	s := &RoPEScaling{Type: typ}
	if s.Factor, ok = r.float(r.key("rope.scaling.factor")); !ok {
		s.Factor, _ = r.float(r.key("rope.scale_linear")) // the name that old files have
	}
	if s.OriginalContext, ok = r.size(r.key("rope.scaling.original_context_length")); !ok {
		s.OriginalContext = r.c.Context
	}
	for name, to := range map[string]**float64{
		"yarn_attn_factor": &s.AttentionFactor, "yarn_ext_factor": &s.ExtFactor, "yarn_beta_fast": &s.BetaFast, "yarn_beta_slow": &s.BetaSlow,
	} {
		if v, ok := r.float(r.key("rope.scaling." + name)); ok {
			*to = &v
		}
	}
	if v, ok := r.float(r.key("rope.scaling.attn_factor")); ok && v != 1 {
		r.fail("metadata entry %s is %g: only 1 is supported", r.key("rope.scaling.attn_factor"), v)
	}
	switch typ {
	case "none":
	case "linear", "yarn":
		if s.Factor != 0 && s.Factor != 1 {
			r.c.RoPEScaling = s
		}
	case "longrope":
		r.c.RoPEScaling = s
	default:
		r.fail("metadata entry %s is %.60q: none, linear, yarn and longrope are known", r.key("rope.scaling.type"), typ)
	}
}

// experts reads what mixtures of experts have.
func (r *configReader) experts() {
	if r.err != nil {
		return
	}
	m := &MoE{Experts: r.need("expert_count"), ExpertsPerToken: r.need("expert_used_count"), NormTopK: true}
	if r.err != nil {
		return
	}
	if m.ExpertsPerToken > m.Experts {
		r.fail("metadata entry %s is %d, but there are %d experts", r.key("expert_used_count"), m.ExpertsPerToken, m.Experts)
	}
	var ok bool
	if m.FFN, ok = r.size(r.key("expert_feed_forward_length")); !ok {
		gate, ok := r.f.Lookup(TensorName(GateExperts, 0))
		if !ok || len(gate.Shape) != 3 {
			r.fail("metadata entry %s is missing, and so is tensor %q, which would tell", r.key("expert_feed_forward_length"), TensorName(GateExperts, 0))
			return
		}
		m.FFN = gate.Shape[1]
	}
	switch gating, ok := find(&r.keys, r.key("expert_gating_func"), "a number", asInt); {
	case ok && gating == 1:
	case ok && gating == 2:
		m.Sigmoid = true
	case ok:
		r.fail("metadata entry %s is %d: only 1 (softmax) and 2 (sigmoid) are supported", r.key("expert_gating_func"), gating)
	case r.arch == "smallthinker":
		m.Sigmoid = true
		r.note("%s is missing: the router's weights are taken to be sigmoids, because converters leave the entry out only where config.json does not ask for a softmax",
			r.key("expert_gating_func"))
	}
	if norm, ok := r.bool(r.key("expert_weights_norm")); ok {
		m.NormTopK = norm
	}
	if scale, ok := r.float(r.key("expert_weights_scale")); ok && scale != 0 && scale != 1 {
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

func (r *configReader) note(format string, args ...any) {
	r.c.Notes = append(r.c.Notes, fmt.Sprintf(format, args...))
}

// downTransposed finds out how the down matrices lie: their shape tells unless both dimensions are alike. Then whatever tells of PowerInfer does,
// whose converter is the one that transposes: its head predictor, or its name in that of the file or the model.
func (r *configReader) downTransposed() {
	m, hidden := r.c.MoE, r.c.Hidden
	name := TensorName(DownExperts, 0)
	down, ok := r.f.Lookup(name)
	if !ok || r.err != nil {
		return // the tensor will be missed
	}
	plain, transposed := []int{m.Experts, hidden, m.FFN}, []int{m.Experts, m.FFN, hidden}
	switch {
	case !slices.Equal(down.Shape, plain) && !slices.Equal(down.Shape, transposed):
		r.fail("tensor %q has the shape %v: %v or, transposed, %v was expected", name, down.Shape, plain, transposed)
	case m.FFN != hidden:
		m.DownTransposed = slices.Equal(down.Shape, transposed)
	default:
		evidence := r.transposedBy()
		m.DownTransposed = evidence != ""
		if m.DownTransposed {
			r.note("experts have as many neurons as the hidden size, %d, so the shape of ffn_down_exps does not tell how it lies: transposed, because %s",
				hidden, evidence)
		} else {
			r.note("experts have as many neurons as the hidden size, %d, so the shape of ffn_down_exps does not tell how it lies: not transposed, because nothing "+
				"else, such as .powerinfer in the file's name, says so", hidden)
		}
	}
}

// transposedBy says what tells that the down matrices are transposed, if anything does.
func (r *configReader) transposedBy() string {
	if _, ok := r.f.Lookup(TensorName(HeadPredictor, -1)); ok {
		return fmt.Sprintf("there is a tensor %s, which PowerInfer's files have", TensorName(HeadPredictor, -1))
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

// smallThinker reads the layout: with a sliding window, every fourth layer, from the first on, is global and without RoPE; without one, all have
// RoPE and none slides. The files do not tell more.
func (r *configReader) smallThinker() {
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
