package convert_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"st/convert"
	"st/convert/gguf"
	"st/convert/modeltest"
	"st/format"
	"st/format/outfile"
	"st/quant"
	"st/testdata"
	"st/tokenizer"
)

// export writes a model as a GGUF file and opens that.
func export(t *testing.T, r *format.Reader, opts convert.ExportOptions) (*convert.ExportResult, string, *gguf.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.gguf")
	result, err := convert.Export(t.Context(), r.Path(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return result, path, f
}

// A model that was exported and converted again is the same, byte by byte, but for blocks that had to be turned.
func TestExportRoundTrip(t *testing.T) {
	for name, model := range ggufModels() {
		for _, typ := range quant.Types() {
			t.Run(name+" "+typ.String(), func(t *testing.T) {
				dir := t.TempDir()
				if err := model().Write(dir); err != nil {
					t.Fatal(err)
				}
				// With a table of another type, tied embeddings are two tensors.
				_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: typ}})
				var done, total int64
				result, path, f := export(t, r, convert.ExportOptions{Threads: 1, Progress: func(d, all int64) { done, total = d, all }})
				if err := convert.CheckGGUF(f); err != nil {
					t.Error(err)
				}
				if info, err := os.Stat(path); err != nil || result.OutputBytes != info.Size() || result.Tensors != len(f.Tensors) || done != total || done == 0 {
					t.Errorf("%+v, progress %d of %d", result, done, total)
				}
				recipe := convert.Recipe{Type: typ, Embed: &typ, Keep: true}
				if typ.Block() > 1 {
					recipe.Embed = nil
				} else if typ != quant.F32 {
					recipe.Keep = false
				}
				_, back := convertTo(t, path, convert.Options{Recipe: recipe})
				turned := typ.Block() > 1 && !dense(name)
				if got := strings.Contains(strings.Join(result.Notes, "\n"), "down matrices are"); got != turned {
					t.Errorf("notes: %q", result.Notes)
				}
				for i, rec := range r.Records() {
					other, ok := back.Records()[i], i < len(back.Records())
					if !ok || rec.Layer != other.Layer || rec.Expert != other.Expert || rec.Length != other.Length {
						t.Fatalf("record %d is %v, was %v", i, other, rec)
					}
					if same := rec.Checksum == other.Checksum; !same && !(turned && rec.IsExpert()) {
						t.Errorf("%v differs", &rec)
					}
				}
				a, b := r.Config, back.Config
				a.TiedEmbeddings, b.TiedEmbeddings, a.SlidingWindow, b.SlidingWindow = false, false, 0, 0
				if diff := cmp.Diff(a, b, cmpopts.EquateApprox(1e-6, 0)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// Linear scaling of rotary angles goes to GGUF files and comes back, whatever the architecture.
func TestExportLinearRoPE(t *testing.T) {
	for _, name := range []string{"qwen3", "qwen3moe", "phi3"} {
		m := ggufModels()[name]()
		m.Config["rope_parameters"] = map[string]any{"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}
		dir := t.TempDir()
		ok(t, m.Write(dir))
		_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
		_, path, f := export(t, r, convert.ExportOptions{})
		if got, _ := f.Metadata.Lookup(name + ".rope.scaling.type"); got != "linear" {
			t.Errorf("%s: the type is %v", name, got)
		}
		_, back := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
		if s := back.Config.RoPEScaling; s == nil || s.Type != format.Linear || s.Factor != 4 {
			t.Errorf("%s: the scaling is %+v", name, s)
		}
	}
}

// A Qwen3-MoE whose layers are all without experts is exported as what it is.
func TestExportWithoutExperts(t *testing.T) {
	m := modeltest.New(modeltest.Shape{
		Arch: "qwen3moe", Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 3, TopK: 2, FFN: 32, DenseFFN: 96, DenseLayers: []int{0, 1}, Vocab: 40, Context: 64,
	}, 1)
	dir := t.TempDir()
	ok(t, m.Write(dir))
	_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
	_, path, f := export(t, r, convert.ExportOptions{})
	if got, _ := f.Metadata.Lookup("general.architecture"); got != "qwen3" {
		t.Errorf("the architecture is %v", got)
	}
	_, back := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
	if want := sums(r); !slices.Equal(sums(back), want) || back.Config.FFN != 96 {
		t.Errorf("the model of the file is another: %+v", back.Config)
	}
}

// Down matrices that are turned may have a better type, and every one is turned right.
func TestExportDown(t *testing.T) {
	m := ggufModels()["smallthinker"]()
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}})
	f32 := quant.F32
	_, _, f := export(t, r, convert.ExportOptions{Down: &f32})
	for l := range 2 {
		for e := range 3 {
			name := fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.%d.down.weight", l, e)
			rec, x, _ := r.Lookup(name)
			data := make([]byte, rec.Length)
			if err := r.ReadRecord(rec, data); err != nil {
				t.Fatal(err)
			}
			down, _ := f.Lookup(gguf.Name{Role: format.RoleDown, Layer: l, Experts: true}.String())
			got, want := make([]float32, 64*96), make([]float32, 64)
			if err := down.Slice(e).ReadRows(t.Context(), got, 0, 64); err != nil {
				t.Fatal(err)
			}
			for n := range 96 {
				x.DecodeRow(want, data, n)
				for h, v := range want {
					if got[h*96+n] != v {
						t.Fatalf("%s: [%d, %d] is %v, want %v", name, h, n, got[h*96+n], v)
					}
				}
			}
		}
	}
}

// The tokenizer, the chat template and the defaults for generation go along.
func TestExportMetadata(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, testdata.Tiny); err != nil {
		t.Fatal(err)
	}
	_, r := convertTo(t, filepath.Join(dir, testdata.TinyDir), convert.Options{Recipe: convert.Recipe{Type: quant.BF16}})
	result, path, f := export(t, r, convert.ExportOptions{})
	for key, want := range map[string]any{
		"general.architecture": "smallthinker", "general.name": "x", "general.file_type": uint32(32), "smallthinker.block_count": uint32(6),
		"smallthinker.attention.sliding_window": uint32(64), "smallthinker.expert_gating_func": uint32(2), "smallthinker.rope.freq_base": float32(1.5e6),
		"smallthinker.feed_forward_length": uint32(64), "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.eos_token_id": uint32(4095),
		"tokenizer.ggml.eot_token_id": nil, "tokenizer.ggml.add_bos_token": false,
	} {
		if got, _ := f.Metadata.Lookup(key); got != want {
			t.Errorf("%s is %v (%T), want %v", key, got, got, want)
		}
	}
	if notes := strings.Join(result.Notes, "\n"); !strings.Contains(notes, "llama.cpp computes with a sliding window of 4096 tokens, the model has one of 64") {
		t.Errorf("notes: %s", notes)
	}
	_, back := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Type: quant.BF16}})
	if back.ChatTemplate != r.ChatTemplate || fmt.Sprint(back.Generation.EOS) != "[4093 4095]" || *back.Generation.BOS != *r.Generation.BOS {
		t.Errorf("generation defaults %+v", back.Generation)
	}
	a, err := tokenizer.Load(r.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tokenizer.Load(back.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	const text = "<|im_start|>To be, or not to be — 1 2 3<|im_end|>"
	if x, y := a.Encode(text, true), b.Encode(text, true); !slices.Equal(x, y) {
		t.Errorf("the text is %v, was %v", y, x)
	}
}

// Without a tokenizer the tokens that begin and end a text go along all the same, as many as a GGUF file has names for.
func TestExportTokens(t *testing.T) {
	for config, want := range map[string]struct {
		eos  string
		note bool
	}{
		`{"eos_token_id": 2, "bos_token_id": 0}`:               {"0 [2 1]", false}, // config.json adds 1
		`{"eos_token_id": [3, 2], "bos_token_id": 39}`:         {"39 [3 2 1]", false},
		`{"eos_token_id": [1, 2, 3, 4, 5], "bos_token_id": 7}`: {"7 [1 2 3]", true},
	} {
		dir := t.TempDir()
		if err := ggufModels()["smallthinker"]().Write(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "generation_config.json"), []byte(config), 0o666); err != nil {
			t.Fatal(err)
		}
		_, r := convertTo(t, dir, convert.Options{})
		result, path, _ := export(t, r, convert.ExportOptions{})
		if noted := strings.Contains(strings.Join(result.Notes, "\n"), "tokens that end a text"); noted != want.note {
			t.Errorf("%s: notes %q", config, result.Notes)
		}
		_, back := convertTo(t, path, convert.Options{})
		g := back.Generation
		if g.BOS == nil {
			t.Errorf("%s: %+v", config, g)
		} else if got := fmt.Sprint(*g.BOS, g.EOS); got != want.eos {
			t.Errorf("%s: %s, want %s", config, got, want.eos)
		}
	}
}

// The tokenizers of Phi-3, Phi-4 and Gemma go along, with what llama.cpp wants to know of each kind.
func TestExportTokenizers(t *testing.T) {
	phi3 := modeltest.Shape{Arch: "phi3", Layers: 1, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, DenseFFN: 64, Vocab: 1600, Context: 64}
	gemma := modeltest.Gemma{Layers: 1, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, FFN: 64, Vocab: 1600, Context: 64, Sliding: []int{1}, Window: 8, Scalar: 32}
	for _, tt := range []struct {
		family string
		model  *modeltest.Model
		keys   map[string]any
	}{
		{"llama2", modeltest.New(phi3, 1), map[string]any{"model": "llama", "pre": "default", "add_space_prefix": true, "unknown_token_id": uint32(0), "bos_token_id": uint32(1)}},
		{"phi4", modeltest.New(phi3, 1), map[string]any{"model": "gpt2", "pre": "dbrx", "add_space_prefix": nil, "unknown_token_id": nil, "bos_token_id": uint32(0)}},
		{"gemma", modeltest.NewGemma(gemma, 1), map[string]any{"model": "llama", "pre": "default", "add_space_prefix": false, "unknown_token_id": uint32(3), "bos_token_id": uint32(2)}},
	} {
		t.Run(tt.family, func(t *testing.T) {
			dir := t.TempDir()
			ok(t, tt.model.Write(dir))
			f, err := os.Open("../testdata/tokenizers/" + tt.family + "/tokenizer.json.gz")
			ok(t, err)
			defer f.Close()
			z, err := gzip.NewReader(f)
			ok(t, err)
			text, err := io.ReadAll(z)
			ok(t, err)
			ok(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), text, 0o666))
			_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.F16}})
			_, path, file := export(t, r, convert.ExportOptions{})
			for key, want := range tt.keys {
				if got, _ := file.Metadata.Lookup("tokenizer.ggml." + key); got != want {
					t.Errorf("%s is %v (%T), want %v", key, got, got, want)
				}
			}
			_, back := convertTo(t, path, convert.Options{Recipe: convert.Recipe{Type: quant.F16}})
			a, err := tokenizer.Load(r.Tokenizer)
			ok(t, err)
			b, err := tokenizer.Load(back.Tokenizer)
			ok(t, err)
			const line = "The  quick brown fox,\n\n 12345 été 🦙 <table>"
			o := tokenizer.EncodeOptions{AddSpecial: true}
			if x, y := a.EncodeOptions(line, o), b.EncodeOptions(line, o); !slices.Equal(x, y) {
				t.Errorf("the text is %v, was %v", y, x)
			}
		})
	}
}

// What llama.cpp would compute otherwise is refused.
func TestExportRefuses(t *testing.T) {
	ones := slices.Repeat([]float64{1}, 16)
	longRoPE := map[string]any{"short_factor": ones, "long_factor": ones}
	llama3 := map[string]any{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
	for name, tt := range map[string]struct {
		shape modeltest.Shape
		want  string
	}{
		"dense layers":          {modeltest.Shape{Arch: "qwen3moe", Layers: 2, DenseLayers: []int{0}, DenseFFN: 64, NormTopK: true}, "layers without experts"},
		"router":                {modeltest.Shape{Arch: "qwen3moe", Layers: 1}, "norm_topk_prob"},
		"layout":                {modeltest.Shape{Layers: 4, RoPE: []int{1, 1, 1, 0}, Sliding: []int{1, 1, 1, 0}, Window: 8}, "layer 0: in every group of four"},
		"biases":                {modeltest.Shape{Arch: "qwen3", Layers: 1, DenseFFN: 64, AttentionBias: true}, "biases of attention"},
		"LongRoPE":              {modeltest.Shape{Arch: "qwen3", Layers: 1, DenseFFN: 64, LongRoPE: longRoPE}, "RoPE scaling of type longrope"},
		"SmallThinker's biases": {modeltest.Shape{Layers: 4, AttentionBias: true}, "biases of attention"},
		"Llama 3":               {modeltest.Shape{Arch: "qwen3", Layers: 1, DenseFFN: 64, Scaling: llama3}, "RoPE scaling of type llama3"},
		"sliding":               {modeltest.Shape{Arch: "qwen3", Layers: 2, DenseFFN: 64, Sliding: []int{1, 1}, Window: 8}, "layers that slide"},
	} {
		s := tt.shape
		s.Hidden, s.Heads, s.KVHeads, s.HeadDim, s.Vocab, s.Context = 64, 2, 1, 32, 40, 64
		if s.Arch != "qwen3" {
			s.Experts, s.TopK, s.FFN = 2, 1, 32
		}
		dir := t.TempDir()
		if err := modeltest.New(s, 1).Write(dir); err != nil {
			t.Fatal(err)
		}
		_, r := convertTo(t, dir, convert.Options{})
		out := t.TempDir()
		_, err := convert.Export(t.Context(), r.Path(), filepath.Join(out, "x.gguf"), convert.ExportOptions{})
		if !errors.Is(err, convert.ErrExport) || !strings.HasPrefix(err.Error(), r.Path()+": ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if entries, _ := os.ReadDir(out); len(entries) > 0 {
			t.Errorf("%s: %v is left", name, entries)
		}
	}
}

// llama.cpp's files have no place for the biases of Gemma 3.
func TestExportRefusesGemmaBiases(t *testing.T) {
	g := modeltest.Gemma{
		Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, FFN: 64, Vocab: 40, Context: 64, Sliding: []int{1, 1}, Window: 8, AttentionBias: true}
	dir := t.TempDir()
	if err := modeltest.NewGemma(g, 1).Write(dir); err != nil {
		t.Fatal(err)
	}
	_, r := convertTo(t, dir, convert.Options{})
	_, err := convert.Export(t.Context(), r.Path(), filepath.Join(t.TempDir(), "x.gguf"), convert.ExportOptions{})
	if !errors.Is(err, convert.ErrExport) || !strings.Contains(err.Error(), "biases of attention") {
		t.Errorf("error is %v", err)
	}
}

// An export that fails leaves nothing, and replaces nothing unless it may.
func TestExportFails(t *testing.T) {
	dir := t.TempDir()
	if err := ggufModels()["smallthinker"]().Write(dir); err != nil {
		t.Fatal(err)
	}
	_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}})
	out := t.TempDir()
	path := filepath.Join(out, "x.gguf")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := convert.Export(cancelled, r.Path(), path, convert.ExportOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// A byte of an expert that has changed since is found.
	data, err := os.ReadFile(r.Path())
	if err != nil {
		t.Fatal(err)
	}
	rec, _ := r.Expert(1, 2)
	data[rec.Offset+100] ^= 1
	damaged := filepath.Join(t.TempDir(), "damaged.stm")
	if err := os.WriteFile(damaged, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Export(t.Context(), damaged, path, convert.ExportOptions{}); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("damaged: %v", err)
	}
	if entries, _ := os.ReadDir(out); len(entries) > 0 {
		t.Errorf("%v is left", entries)
	}
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Export(t.Context(), r.Path(), path, convert.ExportOptions{}); !errors.Is(err, outfile.ErrExists) {
		t.Errorf("over a file: %v", err)
	}
	if _, err := convert.Export(t.Context(), r.Path(), path, convert.ExportOptions{Force: true}); err != nil {
		t.Error(err)
	}
	if _, err := convert.Export(t.Context(), r.Path(), r.Path(), convert.ExportOptions{Force: true}); !errors.Is(err, outfile.ErrInput) {
		t.Errorf("over the input: %v", err)
	}
}
