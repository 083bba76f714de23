package convert_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/convert/checkpoint/ckpttest"
	"st/convert/gguf"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
)

// ggufModels are shapes whose rows fit into blocks: as GGUF files hold them, all layers of qwen3moe have experts.
func ggufModels() map[string]func() *modeltest.Model {
	shape := modeltest.Shape{Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 3, TopK: 2, FFN: 96, Vocab: 261, Context: 64}
	with := func(edit func(s *modeltest.Shape)) func() *modeltest.Model {
		s := shape
		edit(&s)
		return func() *modeltest.Model { return modeltest.New(s, 1) }
	}
	return map[string]func() *modeltest.Model{
		"smallthinker": with(func(s *modeltest.Shape) {}),
		"layered": with(func(s *modeltest.Shape) {
			s.Layers, s.RoPE, s.Sliding, s.Window = 5, []int{0, 1, 1, 1, 0}, []int{0, 1, 1, 1, 0}, 8
			s.Softmax, s.Untied = true, true
		}),
		"qwen3moe": with(func(s *modeltest.Shape) { s.Arch, s.NormTopK, s.Untied = "qwen3moe", true, true }),
		"qwen3":    with(func(s *modeltest.Shape) { s.Arch, s.Experts, s.FFN, s.DenseFFN = "qwen3", 0, 0, 96 }),
		"phi3":     with(func(s *modeltest.Shape) { s.Arch, s.Experts, s.FFN, s.DenseFFN, s.Untied = "phi3", 0, 0, 96, true }),
		"phi3 longrope": with(func(s *modeltest.Shape) {
			s.Arch, s.Experts, s.FFN, s.DenseFFN, s.PartialRotary, s.Sliding, s.Window = "phi3", 0, 0, 96, 0.75, []int{1, 1}, 20
			s.LongRoPE = map[string]any{"short_factor": slices.Repeat([]float64{1.25}, 12), "long_factor": slices.Repeat([]float64{3.5}, 12), "original_max_position_embeddings": 16}
		}),
	}
}

// dense reports whether none of ggufModels' matrices are turned: they have no experts of ReLU.
func dense(name string) bool {
	return strings.HasPrefix(name, "qwen3") || strings.HasPrefix(name, "phi3")
}

// writeGGUF writes a model, rounds it to what is in the file, and returns the path.
func writeGGUF(t *testing.T, m *modeltest.Model, o modeltest.GGUF) string {
	t.Helper()
	path, err := m.WriteGGUF(filepath.Join(t.TempDir(), "model.gguf"), o)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// apart returns a model's tensors, those that are fused in parts.
func apart(m *modeltest.Model) (all []ckpttest.Tensor) {
	q, kv := m.Shape.Heads*m.Shape.HeadDim, m.Shape.KVHeads*m.Shape.HeadDim
	for _, t := range m.Tensors {
		var names []string
		var rows []int
		prefix, _, _ := strings.Cut(t.Name, "qkv_proj")
		switch {
		case strings.Contains(t.Name, "qkv_proj"):
			names, rows = []string{"q_proj", "k_proj", "v_proj"}, []int{q, kv, kv}
		case strings.Contains(t.Name, "mlp.gate_up_proj"):
			prefix, _, _ = strings.Cut(t.Name, "gate_up_proj")
			names, rows = []string{"gate_proj", "up_proj"}, []int{m.Shape.DenseFFN, m.Shape.DenseFFN}
		default:
			all = append(all, t)
		}
		at, cols := 0, t.Shape[len(t.Shape)-1]
		for i, name := range names {
			part := t
			part.Name, part.Shape, part.Data = prefix+name+".weight", []int{rows[i], cols}, t.Data[at*cols:][:rows[i]*cols]
			all, at = append(all, part), at+rows[i]
		}
	}
	return all
}

// checkWeights compares what a file holds with the model, to the bit, but for the tensors that skip names.
func checkWeights(t *testing.T, r *format.Reader, m *modeltest.Model, skip func(*format.Tensor) bool) {
	t.Helper()
	for _, src := range apart(m) {
		rec, tensor, ok := r.Lookup(src.Name)
		if !ok {
			t.Fatalf("tensor %s is missing", src.Name)
		}
		if skip != nil && skip(tensor) {
			continue
		}
		data := make([]byte, rec.Length)
		if err := r.ReadRecord(rec, data); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, tensor.Cols)
		for row := range tensor.Rows {
			tensor.DecodeRow(got, data, row)
			for c, v := range got {
				want := src.Data[row*tensor.Cols+c]
				if tensor.Transposed {
					want = src.Data[c*tensor.Rows+row]
				}
				if v != want {
					t.Fatalf("tensor %s (%s): [%d, %d] is %v, want %v", src.Name, tensor.Type, row, c, v, want)
				}
			}
		}
	}
}

// What comes in a type that .stm files have stays as it is, whatever the type: only ReGLU's down matrices, whose blocks lie along the other
// dimension in plain files, are quantized again.
func TestGGUFKeepsTypes(t *testing.T) {
	for name, model := range ggufModels() {
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0} {
			for _, transposed := range []bool{false, true} {
				if transposed && dense(name) {
					continue // only SmallThinker's converters transpose
				}
				t.Run(fmt.Sprintf("%s %s transposed %v", name, typ, transposed), func(t *testing.T) {
					m := model()
					path := writeGGUF(t, m, modeltest.GGUF{Type: typ, DownTransposed: transposed})
					recipe := convert.Recipe{Type: typ, Embed: &typ, Keep: typ.Block() > 1}
					if recipe.Keep {
						recipe.Type, recipe.Embed = quant.F32, nil // which is not asked for
					}
					result, r := convertTo(t, path, convert.Options{Recipe: recipe, Encoder: convert.Search})
					if errs := r.Verify(t.Context(), 2, nil); len(errs) > 0 {
						t.Fatal(errs)
					}
					turned := typ.Block() > 1 && !transposed && !dense(name)
					checkWeights(t, r, m, func(x *format.Tensor) bool {
						if want := typ; x.Role.PerExpert() && x.Type != want {
							t.Errorf("tensor %s is %s", x.Name, x.Type)
						}
						return turned && x.Role == format.RoleDown
					})
					notes := strings.Join(result.Notes, "\n")
					if strings.Contains(notes, "in blocks along the neurons") != turned {
						t.Errorf("notes:\n%s", notes)
					}
					if result.Type != typ {
						t.Errorf("most weights are said to be %s", result.Type)
					}
				})
			}
		}
	}
}

// F32 is exact for every file, and down may have a better type than it comes in: turning it loses less then.
func TestGGUFTypes(t *testing.T) {
	f32, q8 := quant.F32, quant.Q8_0
	m := ggufModels()["smallthinker"]()
	path := writeGGUF(t, m, modeltest.GGUF{Type: quant.Q4_0})
	_, r := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Type: f32}})
	checkWeights(t, r, m, nil)
	isDown := func(x *format.Tensor) bool { return x.Role == format.RoleDown }
	for _, down := range []quant.Type{quant.Q8_0, quant.F16} {
		_, r = convertTo(t, path, convert.Options{Recipe: convert.Recipe{Keep: true, Down: &down}})
		checkWeights(t, r, m, isDown)
		if _, x, _ := r.Lookup("model.layers.0.block_sparse_moe.experts.0.down.weight"); x.Type != down {
			t.Errorf("down is %s, want %s", x.Type, down)
		}
		if got := r.Provenance.Options["down"]; got != down.String() {
			t.Errorf("provenance says that down is %q", got)
		}
	}
	// What is named goes before what is kept, and a better type than the file's is refused.
	if _, r = convertTo(t, path, convert.Options{Recipe: convert.Recipe{Keep: true, Embed: &f32}}); true {
		if _, x, _ := r.Lookup("model.embed_tokens.weight"); x.Type != f32 {
			t.Errorf("the table is %s", x.Type)
		}
	}
	for name, recipe := range map[string]convert.Recipe{"type": {Type: q8}, "class": {Keep: true, Attention: &q8}} {
		_, err := convert.Run(t.Context(), path, filepath.Join(t.TempDir(), "x.stm"), convert.Options{Recipe: recipe})
		if !errors.Is(err, convert.ErrPrecision) || !strings.Contains(err.Error(), path+": tensor ") || !strings.Contains(err.Error(), " is q4_0, and as q8_0 it") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nothing to keep.
	path = writeGGUF(t, ggufModels()["smallthinker"](), modeltest.GGUF{Type: quant.F16})
	result, r := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0, Keep: true}})
	if _, x, _ := r.Lookup("model.layers.0.self_attn.q_proj.weight"); x.Type != quant.Q4_0 || !strings.Contains(strings.Join(result.Notes, "\n"), "nothing in the source is quantized") {
		t.Errorf("of f16 came %s, notes %q", x.Type, result.Notes)
	}
}

// Types that .stm files do not have become the nearest: all that can be decoded have one.
func TestGGUFNearestTypes(t *testing.T) {
	for typ := range gguf.Type(64) {
		if !typ.Decodable() {
			continue
		}
		if _, known := typ.Quant(); known {
			continue
		}
		m := modeltest.New(modeltest.Shape{Layers: 1, Hidden: 256, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 1, TopK: 1, FFN: 256, Vocab: 40, Context: 64}, 1)
		path := writeGGUF(t, m, modeltest.GGUF{Type: quant.Q4_0, Edit: func(_ *gguf.Metadata, tensors *[]modeltest.GGUFTensor) {
			for i := range *tensors {
				if x := &(*tensors)[i]; x.Name == "blk.0.attn_k.weight" {
					x.Type = typ
					x.Data = make([]byte, 32*typ.RowBytes(256)) // all zero
				}
			}
		}})
		want := quant.Q4_0
		if typ == gguf.Q5_0 || typ == gguf.Q5_1 || typ == gguf.Q5_K || typ == gguf.Q6_K {
			want = quant.Q8_0
		}
		result, r := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Keep: true}})
		if _, x, _ := r.Lookup("model.layers.0.self_attn.k_proj.weight"); x.Type != want {
			t.Errorf("%s becomes %s, want %s", typ, x.Type, want)
		}
		if note := "1 tensor was " + strings.ToLower(typ.String()) + ", which .stm files do not have"; !strings.Contains(strings.Join(result.Notes, "\n"), note) {
			t.Errorf("notes %q, want %q", result.Notes, note)
		}
	}
}

// A split set makes the same file, whichever of its files is named, and provenance names all of them.
func TestGGUFSplit(t *testing.T) {
	sums := func(r *format.Reader) (all []uint64) {
		for _, rec := range r.Records() {
			all = append(all, rec.Checksum)
		}
		return all
	}
	opts := convert.Options{Recipe: convert.Recipe{Keep: true}}
	model := ggufModels()["layered"]
	_, whole := convertTo(t, writeGGUF(t, model(), modeltest.GGUF{Type: quant.Q4_0}), opts)
	last := writeGGUF(t, model(), modeltest.GGUF{Type: quant.Q4_0, Shards: 3})
	for i := range 3 {
		path := strings.Replace(last, "00003-of", fmt.Sprintf("%05d-of", i+1), 1)
		_, r := convertTo(t, path, opts)
		if !slices.Equal(sums(r), sums(whole)) {
			t.Errorf("%s: the records differ from those of one file", path)
		}
		var names []string
		for _, s := range r.Provenance.Sources {
			names = append(names, s.Name)
			if len(s.SHA256) != 64 || s.Bytes == 0 {
				t.Errorf("%+v", s)
			}
		}
		if fmt.Sprint(names) != "[model-00001-of-00003.gguf model-00002-of-00003.gguf model-00003-of-00003.gguf]" {
			t.Errorf("sources are %v", names)
		}
	}
	if err := os.Remove(strings.Replace(last, "00003-of", "00002-of", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Run(t.Context(), last, filepath.Join(t.TempDir(), "x.stm"), opts); err == nil || !strings.Contains(err.Error(), "model-00002-of-00003.gguf is missing") {
		t.Errorf("a set with one file missing: %v", err)
	}
}

// vocabulary is a small one: the 256 bytes, a merge, and added tokens.
func vocabulary() gguf.Metadata {
	var tokens []string
	var types []int32
	moved := rune(0x100)
	for b := range rune(256) {
		if c := b; c >= '!' && c <= '~' || c >= 0xa1 && c != 0xad {
			tokens = append(tokens, string(c))
		} else {
			tokens = append(tokens, string(moved))
			moved++
		}
		types = append(types, 1)
	}
	tokens, types = append(tokens, "AB", "<|endoftext|>", "<|im_end|>", "<think>", "[PAD260]"), append(types, 1, 3, 3, 4, 5)
	return gguf.Metadata{
		{Key: "tokenizer.ggml.model", Value: "gpt2"}, {Key: "tokenizer.ggml.pre", Value: "qwen2"}, {Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.token_type", Value: types}, {Key: "tokenizer.ggml.merges", Value: []string{"A B"}},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(258)}, {Key: "tokenizer.ggml.bos_token_id", Value: uint32(257)},
		{Key: "tokenizer.chat_template", Value: "{{ messages[0].content }}"},
		{Key: "general.name", Value: "Tiny"}, {Key: "general.license", Value: "mit"}, {Key: "general.sampling.temp", Value: float32(0.6)},
		{Key: "general.sampling.top_k", Value: int32(20)},
	}
}

// set returns metadata with an entry changed, or without it if the value is nil.
func set(m gguf.Metadata, key string, value any) gguf.Metadata {
	m = slices.DeleteFunc(slices.Clone(m), func(e gguf.Entry) bool { return e.Key == key })
	if value == nil {
		return m
	}
	return append(m, gguf.Entry{Key: key, Value: value})
}

func TestGGUFMeta(t *testing.T) {
	_, r := convertTo(t, writeGGUF(t, ggufModels()["smallthinker"](), modeltest.GGUF{Type: quant.Q8_0, Metadata: vocabulary()}), convert.Options{Recipe: convert.Recipe{Keep: true}})
	g := r.Generation
	if fmt.Sprint(g.EOS) != "[257 258]" || g.BOS == nil || *g.BOS != 257 || g.Temperature == nil || *g.Temperature != 0.6 || g.TopK == nil || *g.TopK != 20 {
		t.Errorf("generation defaults: %+v", g)
	}
	if len(r.Tokenizer) == 0 || r.ChatTemplate != "{{ messages[0].content }}" || fmt.Sprint(r.Provenance.General) != "map[license:mit name:Tiny]" ||
		r.Provenance.Options["type"] != "as in the source" {
		t.Errorf("tokenizer %d bytes, template %q, provenance %+v", len(r.Tokenizer), r.ChatTemplate, r.Provenance)
	}
	// Another file made of this one is of the same model.
	path := filepath.Join(t.TempDir(), "again.stm")
	if _, err := convert.Quantize(t.Context(), r.Path(), path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
		t.Fatal(err)
	}
	again, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Provenance.General["name"] != "Tiny" {
		t.Errorf("provenance of a quantized file: %+v", again.Provenance)
	}
}

// A file of LongRoPE that does not tell for which context the model was made first has that of context_length, as in llama.cpp.
func TestGGUFWithoutOriginalContext(t *testing.T) {
	path := writeGGUF(t, ggufModels()["phi3 longrope"](), modeltest.GGUF{Type: quant.F32, Edit: func(m *gguf.Metadata, _ *[]modeltest.GGUFTensor) {
		*m = set(*m, "phi3.rope.scaling.original_context_length", nil)
	}})
	_, r := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Keep: true}})
	if s := r.Config.RoPEScaling; s == nil || s.OriginalContext != r.Config.Context || len(s.LongFactors) != 12 {
		t.Errorf("RoPE scaling %+v, context %d", s, r.Config.Context)
	}
}

// ggml's own writer, and with it llama-quantize, leaves out outermost dimensions of 1: a model of one expert is the same without them.
func TestGGUFOneExpert(t *testing.T) {
	for _, arch := range []string{"smallthinker", "qwen3moe"} {
		shape := ggufModels()[arch]().Shape
		shape.Experts, shape.TopK = 1, 1
		m := modeltest.New(shape, 1)
		path := writeGGUF(t, m, modeltest.GGUF{Type: quant.F32, Edit: func(_ *gguf.Metadata, tensors *[]modeltest.GGUFTensor) {
			for i, x := range *tensors {
				for len(x.Shape) > 1 && x.Shape[0] == 1 {
					x.Shape = x.Shape[1:]
				}
				(*tensors)[i].Shape = x.Shape
			}
		}})
		_, r := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
		checkWeights(t, r, m, nil)
	}
}

// Defaults for generation that no sampler can use are left out, as those of generation_config.json are, and a top-k of −1 is off.
func TestGGUFSampling(t *testing.T) {
	m := set(set(set(vocabulary(), "general.sampling.top_k", int32(-1)), "general.sampling.temp", float32(-2)), "general.sampling.penalty_repeat", float32(0))
	m = set(m, "general.sampling.top_p", float32(0.5))
	path := writeGGUF(t, ggufModels()["smallthinker"](), modeltest.GGUF{Type: quant.Q8_0, Metadata: m})
	result, r := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Keep: true}})
	g := r.Generation
	if g.TopK == nil || *g.TopK != 0 || g.Temperature != nil || g.RepetitionPenalty != nil || g.TopP == nil || *g.TopP != 0.5 {
		t.Errorf("generation defaults: %+v", g)
	}
	notes := strings.Join(result.Notes, "\n")
	for _, want := range []string{"metadata entry general.sampling.temp is -2, which is out of range: left out",
		"metadata entry general.sampling.penalty_repeat is 0, which is out of range: left out"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes:\n%s\nwant %q", notes, want)
		}
	}
}

// What a file leaves out or has in another way is no failure where the model can do without.
func TestGGUFNotes(t *testing.T) {
	for name, tt := range map[string]struct {
		metadata gguf.Metadata
		edit     func(metadata *gguf.Metadata, tensors *[]modeltest.GGUFTensor)
		note     string
		text     bool // there is a tokenizer
	}{
		"no vocabulary": {nil, nil, "metadata entry tokenizer.ggml.model is missing: the file has no tokenizer: the model runs on token ids only", false},
		"another pre":   {set(vocabulary(), "tokenizer.ggml.pre", "tekken"), nil, `runs on token ids only: pre: "tekken" is not supported`, false},
		"another model": {set(vocabulary(), "tokenizer.ggml.model", "t5"), nil, `runs on token ids only: model: "t5" is not supported`, false},
		"no gating function": {vocabulary(), func(m *gguf.Metadata, _ *[]modeltest.GGUFTensor) {
			*m = set(*m, "smallthinker.expert_gating_func", nil)
		}, "smallthinker.expert_gating_func is missing", true},
		"a template's syntax": {set(vocabulary(), "tokenizer.chat_template", "{% if %}"), nil, "the chat template cannot be used", true},
		"a head that repeats the embeddings": {vocabulary(), func(_ *gguf.Metadata, tensors *[]modeltest.GGUFTensor) {
			for _, x := range *tensors {
				if x.Name == "token_embd.weight" {
					x.Name = "output.weight"
					*tensors = append(*tensors, x)
				}
			}
		}, "output.weight repeats token_embd.weight: stored once", true},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeGGUF(t, ggufModels()["smallthinker"](), modeltest.GGUF{Type: quant.Q8_0, Metadata: tt.metadata, Edit: tt.edit})
			result, r := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Keep: true}})
			if notes := strings.Join(result.Notes, "\n"); !strings.Contains(notes, tt.note) || strings.Contains(notes, path) {
				t.Errorf("notes:\n%s\nwant %q", notes, tt.note)
			}
			if (len(r.Tokenizer) > 0) != tt.text || !r.Config.TiedEmbeddings {
				t.Errorf("a tokenizer of %d bytes, tied embeddings %v", len(r.Tokenizer), r.Config.TiedEmbeddings)
			}
		})
	}
}

// knownAdvice are the kinds of errors about GGUF files that Run has advice for.
var knownAdvice = map[error]bool{convert.ErrMissing: true, convert.ErrShape: true, convert.ErrUnknownTensor: true, gguf.ErrType: true}

// Files that cannot be converted are told by CheckGGUF, before anything is read but headers, and by Run, in the same words.
func TestCheckGGUF(t *testing.T) {
	type tensors = *[]modeltest.GGUFTensor
	find := func(all tensors, name string) *modeltest.GGUFTensor {
		i := slices.IndexFunc(*all, func(x modeltest.GGUFTensor) bool { return x.Name == name })
		return &(*all)[i]
	}
	for name, tt := range map[string]struct {
		edit func(m *gguf.Metadata, all tensors)
		is   error
		want string
	}{
		"nothing wrong": {func(*gguf.Metadata, tensors) {}, nil, ""},
		"architecture":  {func(m *gguf.Metadata, _ tensors) { *m = set(*m, "general.architecture", "llama") }, gguf.ErrArchitecture, `general.architecture is "llama"`},
		"a missing tensor": {func(_ *gguf.Metadata, all tensors) {
			*all = slices.DeleteFunc(*all, func(x modeltest.GGUFTensor) bool { return x.Name == "blk.1.ffn_norm.weight" })
		}, convert.ErrMissing, "tensor blk.1.ffn_norm.weight is missing"},
		"another shape": {func(_ *gguf.Metadata, all tensors) {
			x := find(all, "blk.1.attn_q.weight")
			x.Shape = []int{32, 128}
		}, convert.ErrShape, "tensor blk.1.attn_q.weight has shape [32 128], not that of its place: the metadata of"},
		"an unknown tensor": {func(_ *gguf.Metadata, all tensors) {
			*all = append(*all, modeltest.GGUFTensor{Info: gguf.Info{Name: "blk.0.attn_q.bias", Shape: []int{4}, Type: gguf.F32}, Data: make([]byte, 16)})
		}, convert.ErrUnknownTensor, `tensor "blk.0.attn_q.bias" [4] is unknown`},
		"a type that is not decoded": {func(_ *gguf.Metadata, all tensors) {
			x := find(all, "blk.0.attn_k.weight")
			x.Type, x.Data = 24, x.Data[:32*64] // I8
		}, gguf.ErrType, "tensor blk.0.attn_k.weight is I8: the type is not supported"},
		// Nothing may be made for each of the layers and experts that only the header tells of.
		"too many layers":  {func(m *gguf.Metadata, _ tensors) { *m = set(*m, "smallthinker.block_count", uint32(4096)) }, convert.ErrMissing, "tensor blk.2.attn_norm.weight is missing"},
		"too many experts": {func(m *gguf.Metadata, _ tensors) { *m = set(*m, "smallthinker.expert_count", uint32(1<<16)) }, nil, "has the shape [3 64 96]: [65536 64 96] or"},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeGGUF(t, ggufModels()["smallthinker"](), modeltest.GGUF{Type: quant.F32, Edit: tt.edit})
			f, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			err = convert.CheckGGUF(f)
			_, runErr := convert.Run(t.Context(), path, filepath.Join(t.TempDir(), "x.stm"), convert.Options{})
			if err == nil && runErr != nil || err != nil && !strings.HasPrefix(fmt.Sprint(runErr), err.Error()) {
				t.Errorf("CheckGGUF says %v, and Run %v", err, runErr)
			}
			var advised *convert.Diagnosis
			if _, isKnown := knownAdvice[tt.is]; errors.As(runErr, &advised) != isKnown {
				t.Errorf("no advice, or one too many: %v", runErr)
			}
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// Weights that are not finite are found, in blocks that are copied too.
func TestGGUFNonfinite(t *testing.T) {
	for _, typ := range []quant.Type{quant.F32, quant.F16, quant.Q8_0, quant.Q4_0} {
		path := writeGGUF(t, ggufModels()["qwen3moe"](), modeltest.GGUF{Type: typ, Edit: func(_ *gguf.Metadata, tensors *[]modeltest.GGUFTensor) {
			for _, x := range *tensors {
				if x.Name == "blk.1.ffn_up_exps.weight" {
					row := x.Data[(96+2)*x.Type.RowBytes(64):] // row 2 of expert 1
					switch typ {
					case quant.F32:
						copy(row, []byte{0, 0, 0xc0, 0x7f})
					case quant.F16:
						copy(row, []byte{1, 0x7e})
					default:
						copy(row[x.Type.RowBytes(64)/2:], []byte{0, 0x7c}) // the scale of its second block
					}
				}
			}
		}})
		opts := convert.Options{Recipe: convert.Recipe{Type: typ, Embed: &typ, Keep: true}}
		_, err := convert.Run(t.Context(), path, filepath.Join(t.TempDir(), "x.stm"), opts)
		if want := path + ": tensor blk.1.ffn_up_exps.weight has "; !errors.Is(err, convert.ErrNonFinite) || !strings.HasPrefix(err.Error(), want) ||
			!strings.Contains(err.Error(), "[2, ") {
			t.Errorf("%s: %v", typ, err)
		}
		opts.AllowNonfinite = true
		result, err := convert.Run(t.Context(), path, filepath.Join(t.TempDir(), "x.stm"), opts)
		weights := 1
		if typ.Block() > 1 {
			weights = 32
		}
		if err != nil || !slices.Contains(result.Notes, fmt.Sprintf("%d weights are NaN or infinite", weights)) {
			t.Errorf("%s, allowed: %v, %+v", typ, err, result)
		}
	}
}

// What is no GGUF file is told so, and a GGUF file needs no name that ends in .gguf.
func TestGGUFByContent(t *testing.T) {
	path := writeGGUF(t, ggufModels()["qwen3"](), modeltest.GGUF{Type: quant.Q8_0})
	other := filepath.Join(t.TempDir(), "sha256-0123") // as ollama calls them
	if err := os.Rename(path, other); err != nil {
		t.Fatal(err)
	}
	convertTo(t, other, convert.Options{Recipe: convert.Recipe{Keep: true}})
	for _, text := range []string{"", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "GGUF", "GGUF\x03\x00\x00\x00" + strings.Repeat("\xff", 16)} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := convert.Run(t.Context(), path, filepath.Join(t.TempDir(), "x.stm"), convert.Options{})
		if err == nil || !strings.HasPrefix(err.Error(), path) || strings.Contains(err.Error(), "config.json") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Whatever a file holds, it is converted or refused: nothing panics, and a file that is refused leaves nothing.
func FuzzGGUF(f *testing.F) {
	for _, arch := range []string{"", "qwen3moe", "qwen3"} {
		shape := modeltest.Shape{Arch: arch, Layers: 1, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 32, NormTopK: true, Vocab: 8, Context: 8}
		if arch != "qwen3" {
			shape.Experts, shape.TopK, shape.FFN = 2, 1, 32
		} else {
			shape.DenseFFN = 32
		}
		path := filepath.Join(f.TempDir(), "x.gguf")
		if _, err := modeltest.New(shape, 1).WriteGGUF(path, modeltest.GGUF{Type: quant.Q4_0}); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		src, dst := filepath.Join(dir, "x.gguf"), filepath.Join(dir, "x.stm")
		if err := os.WriteFile(src, data, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := convert.Run(t.Context(), src, dst, convert.Options{Recipe: convert.Recipe{Keep: true}, Threads: 1})
		if _, statErr := os.Stat(dst); (err == nil) != (statErr == nil) {
			t.Fatalf("the error is %v, and that of the output %v", err, statErr)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), src) || strings.Contains(err.Error(), "internal") {
				t.Error(err)
			}
			return
		}
		r, err := format.Open(dst)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if errs := r.Verify(t.Context(), 1, nil); len(errs) > 0 {
			t.Error(errs)
		}
	})
}
