package convert_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"st/convert"
	"st/convert/checkpoint/ckpttest"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
)

func small() *modeltest.Model {
	return modeltest.New(modeltest.Shape{
		Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 3, TopK: 2, FFN: 32, Vocab: 40, Context: 64,
		Sliding: []int{0, 1}, Window: 8,
	}, 1)
}

// convertTo converts a directory and opens the result.
func convertTo(t *testing.T, dir string, opts convert.Options) (*convert.Result, *format.Reader) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.stm")
	result, err := convert.Run(t.Context(), dir, path, opts)
	if err != nil {
		t.Fatal(err)
	}
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return result, r
}

// What is stored is the source, rounded to the type; down matrices of ReGLU experts are stored transposed.
func TestWeights(t *testing.T) {
	for name, m := range map[string]*modeltest.Model{"smallthinker": small(), "qwen3": smallQwen3(), "qwen3moe": smallQwen3MoE()} {
		t.Run(name, func(t *testing.T) { testWeights(t, m) })
	}
}

func testWeights(t *testing.T, m *modeltest.Model) {
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, typ := range quant.Types() {
		_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: typ}, Threads: 3})
		if errs := r.Verify(t.Context(), 2, nil); len(errs) > 0 {
			t.Fatal(errs)
		}
		for i := range m.Tensors {
			src := &m.Tensors[i]
			rec, tensor, ok := r.Lookup(src.Name)
			if !ok {
				t.Fatalf("%s: tensor %s is missing", typ, src.Name)
			}
			if want := tensor.Role == format.RoleDown && m.Shape.Arch == ""; tensor.Transposed != want {
				t.Errorf("%s: tensor %s is transposed: %t", typ, src.Name, tensor.Transposed)
			}
			if typ.Block() > 1 && rec.IsExpert() && m.Shape.Arch != "" && tensor.Type == typ && tensor.Layout != format.Groups16 {
				t.Errorf("%s: tensor %s has layout %s", typ, src.Name, tensor.Layout)
			}
			if !slices.Equal(tensor.Shape(), src.Shape) {
				t.Errorf("%s: tensor %s has shape %v, want %v", typ, src.Name, tensor.Shape(), src.Shape)
			}
			data := make([]byte, rec.Length)
			if err := r.ReadRecord(rec, data); err != nil {
				t.Fatal(err)
			}
			want, got := make([]float32, tensor.Cols), make([]float32, tensor.Cols)
			quants, scales := make([]byte, tensor.Type.QuantBytes(tensor.Cols)), make([]byte, tensor.Type.ScaleBytes(tensor.Cols))
			for row := range tensor.Rows {
				for c := range want {
					if tensor.Transposed {
						want[c] = src.Data[c*tensor.Rows+row]
					} else {
						want[c] = src.Data[row*tensor.Cols+c]
					}
				}
				tensor.Type.Encode(quants, scales, want)
				tensor.Type.Decode(want, quants, scales)
				tensor.DecodeRow(got, data, row)
				if !slices.Equal(got, want) {
					t.Fatalf("%s: tensor %s (%s) row %d is %v, want %v", typ, src.Name, tensor.Type, row, got[:4], want[:4])
				}
			}
		}
	}
}

func TestTypes(t *testing.T) {
	m := small()
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ asked, matrix, table quant.Type }{
		{quant.F32, quant.F32, quant.F32}, {quant.F16, quant.F16, quant.F16}, {quant.BF16, quant.BF16, quant.BF16},
		{quant.Q8_0, quant.Q8_0, quant.F16}, {quant.Q4_0, quant.Q4_0, quant.Q8_0},
	} {
		_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: tt.asked}})
		for name, want := range map[string]quant.Type{
			"model.embed_tokens.weight":                             tt.table,
			"model.norm.weight":                                     quant.F32,
			"model.layers.1.block_sparse_moe.primary_router.weight": quant.F32,
			"model.layers.1.self_attn.o_proj.weight":                tt.matrix,
			"model.layers.1.block_sparse_moe.experts.2.down.weight": tt.matrix,
		} {
			if _, tensor, _ := r.Lookup(name); tensor == nil || tensor.Type != want {
				t.Errorf("%s: tensor %s has type %v, want %s", tt.asked, name, tensor, want)
			}
		}
	}
}

// The same weights make the same file, whatever they were stored in and however many threads there are.
func TestSourcesAgree(t *testing.T) {
	m := small()
	double := *m
	double.Tensors = slices.Clone(m.Tensors)
	for i := range double.Tensors {
		double.Tensors[i].DType = "F64"
	}
	var want []uint64
	for name, write := range map[string]func(dir string) error{
		"safetensors": m.Write,
		"shards":      func(dir string) error { return m.WriteShards(dir, 4) },
		"torch":       m.WriteTorch,
		"F64":         double.Write,
		"F64 torch":   double.WriteTorch,
	} {
		dir := t.TempDir()
		if err := write(dir); err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 4} {
			_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}, Threads: threads})
			var sums []uint64
			for _, rec := range r.Records() {
				sums = append(sums, rec.Checksum)
			}
			if want == nil {
				want = sums
			}
			if !slices.Equal(sums, want) {
				t.Errorf("%s, %d threads: the records differ from those of another source", name, threads)
			}
		}
	}
}

func TestFallback(t *testing.T) {
	m := modeltest.New(modeltest.Shape{
		Layers: 1, Hidden: 40, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 2, TopK: 1, FFN: 32, Vocab: 40, Context: 64}, 1)
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	result, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
	// Everything but o_proj (rows of 64) has rows of 40: the embeddings, q, k, v, and two experts' three matrices.
	if len(result.Fallbacks) != 1+3+6 {
		t.Errorf("%d tensors fall back, want 10: %v", len(result.Fallbacks), result.Fallbacks)
	}
	if _, o, _ := r.Lookup("model.layers.0.self_attn.o_proj.weight"); o.Type != quant.Q4_0 {
		t.Errorf("o_proj has type %s, want q4_0", o.Type)
	}
	const note = "10 tensors have rows of 40 weights, which q4_0 cannot hold: stored as f16"
	if !slices.Contains(r.Provenance.Notes, note) {
		t.Errorf("the provenance's notes are %q, want %q among them", r.Provenance.Notes, note)
	}
}

// An explicit head wins over tied embeddings, unless it repeats them.
func TestHead(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(m *modeltest.Model)
		tied bool
	}{
		{"absent", func(*modeltest.Model) {}, true},
		{"the same", func(m *modeltest.Model) {
			head := *m.Tensor("model.embed_tokens.weight")
			head.Name = "lm_head.weight"
			m.Tensors = append(m.Tensors, head)
		}, true},
		{"another", func(m *modeltest.Model) {
			head := *m.Tensor("model.embed_tokens.weight")
			head.Name, head.Data = "lm_head.weight", slices.Clone(head.Data)
			head.Data[77] = 5
			m.Tensors = append(m.Tensors, head)
		}, false},
	} {
		m := small()
		tt.edit(m)
		dir := t.TempDir()
		if err := m.Write(dir); err != nil {
			t.Fatal(err)
		}
		_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
		_, _, has := r.Lookup("lm_head.weight")
		if r.Config.TiedEmbeddings != tt.tied || has == tt.tied {
			t.Errorf("head is %s: tied %t, stored %t", tt.name, r.Config.TiedEmbeddings, has)
		}
	}
}

func TestBadInput(t *testing.T) {
	set := func(field string, v any) func(*modeltest.Model) {
		return func(m *modeltest.Model) { m.Config[field] = v }
	}
	poison := func(v float32) func(*modeltest.Model) {
		return func(m *modeltest.Model) { m.Tensor("model.layers.1.self_attn.k_proj.weight").Data[65] = v }
	}
	for _, tt := range []struct {
		name string
		edit func(m *modeltest.Model)
		typ  quant.Type
		want []string
	}{
		{"unknown architecture", set("architectures", []string{"LlamaForCausalLM"}), 0, []string{"config.json", "LlamaForCausalLM", "SmallThinkerForCausalLM"}},
		{"field missing", func(m *modeltest.Model) { delete(m.Config, "hidden_size") }, 0, []string{"config.json", "hidden_size is missing"}},
		{"field of another kind", set("vocab_size", "many"), 0, []string{"config.json", "vocab_size"}},
		{"field out of range", set("num_hidden_layers", 0), 0, []string{"num_hidden_layers is 0"}},
		{"top-k above experts", set("moe_num_active_primary_experts", 4), 0, []string{"moe_num_active_primary_experts is 4", "3"}},
		{"rope_layout too short", set("rope_layout", []int{1}), 0, []string{"rope_layout has 1 entries", "2"}},
		{"sliding_window_layout too long", set("sliding_window_layout", []int{1, 0, 1}), 0, []string{"sliding_window_layout has 3 entries"}},
		{"layout of other numbers", set("rope_layout", []int{1, 2}), 0, []string{"2", "0 or 1"}},
		{"layout of texts", set("rope_layout", []string{"0", "1"}), 0, []string{`rope_layout: entry 0 is "0": it must be 0 or 1`}},
		{"window missing", func(m *modeltest.Model) { delete(m.Config, "sliding_window_size") }, 0, []string{"sliding_window_size"}},
		{"window of zero", set("sliding_window_size", 0), 0, []string{"sliding_window_size"}},
		{"rope_theta missing", func(m *modeltest.Model) { delete(m.Config, "rope_theta") }, 0, []string{"rope_theta"}},
		{"RoPE of an unknown kind", set("rope_scaling", map[string]any{"type": "ntk"}), 0, []string{`rope_scaling asks for "ntk"`}},
		{"scaled RoPE without a factor", set("rope_scaling", map[string]any{"type": "linear"}), 0, []string{"rope_scaling.factor is missing"}},
		{"RoPE of parts of heads", set("rope_parameters", map[string]any{"rope_theta": 1e4, "partial_rotary_factor": 0.5}), 0,
			[]string{"rope_parameters.partial_rotary_factor is 0.5"}},
		{"RoPE of parts of heads, of Transformers 4", set("partial_rotary_factor", 0.5), 0, []string{"field partial_rotary_factor is 0.5"}},
		{"dense layers", set("moe_layer_layout", []int{1, 0}), 0, []string{"moe_layer_layout", "layer 1"}},
		{"tensor missing", func(m *modeltest.Model) { m.Remove("model.layers.1.block_sparse_moe.experts.2.up.weight") }, 0,
			[]string{"model.layers.1.block_sparse_moe.experts.2.up.weight is missing"}},
		{"tensor unknown", func(m *modeltest.Model) {
			m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: "model.extra.bias", DType: "F32", Shape: []int{2}, Data: []float32{1, 2}})
		}, 0, []string{"model.safetensors", "model.extra.bias", "unknown"}},
		{"tensor of another shape", func(m *modeltest.Model) {
			m.Tensor("model.layers.0.self_attn.q_proj.weight").Shape = []int{32, 128}
		}, 0, []string{"model.layers.0.self_attn.q_proj.weight has shape [32 128]", "[64 64]"}},
		{"config of another size", set("vocab_size", 41), 0, []string{"model.embed_tokens.weight has shape [40 64]", "[41 64]"}},
		{"head missing", set("tie_word_embeddings", false), 0, []string{"lm_head.weight is missing"}},
		{"NaN", poison(float32(math.NaN())), 0, []string{"k_proj", "NaN", "[1, 1]", "the source is damaged"}},
		{"infinite", poison(float32(math.Inf(-1))), quant.Q4_0, []string{"k_proj", "-Inf", "[1, 1]"}},
		{"too large for float16", poison(1e6), quant.F16, []string{"k_proj", "1e+06", "f16", "bf16"}},
		{"too large for q4_0", poison(1e7), quant.Q4_0, []string{"k_proj", "1e+07", "q4_0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := small()
			tt.edit(m)
			dir, out := t.TempDir(), t.TempDir()
			if err := m.Write(dir); err != nil {
				t.Fatal(err)
			}
			_, err := convert.Run(t.Context(), dir, filepath.Join(out, "m.stm"), convert.Options{Recipe: convert.Recipe{Type: tt.typ}})
			for _, want := range tt.want {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("error is %v, want one that says %q", err, want)
				}
			}
			mustBeEmpty(t, out)
		})
	}
}

func mustBeEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		t.Errorf("%s is left behind", f.Name())
	}
}

func TestAllowNonfinite(t *testing.T) {
	m := small()
	m.Tensor("model.layers.1.self_attn.k_proj.weight").Data[65] = float32(math.NaN())
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	result, _ := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}, AllowNonfinite: true})
	if !strings.Contains(strings.Join(result.Notes, "\n"), "1 weights are NaN or infinite") {
		t.Errorf("notes are %q", result.Notes)
	}
}

func TestTargets(t *testing.T) {
	m := small()
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(dir, "model.safetensors")
	before, _ := os.ReadFile(weights)
	link := filepath.Join(dir, "link.stm")
	if err := os.Symlink("model.safetensors", link); err != nil {
		t.Fatal(err)
	}
	existing := filepath.Join(t.TempDir(), "m.stm")
	if err := os.WriteFile(existing, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		src, dst, want string
		force          bool
	}{
		{dir, weights, "is an input too", true},
		{weights, weights, "is an input too", true},
		{dir, link, "is an input too", true},
		{dir, existing, "m.stm exists", false},
		{dir, dir, "is a directory", true},
		{filepath.Join(dir, "nothing"), existing, "no such file", true},
		{t.TempDir(), existing, "no config.json", true},
	} {
		_, err := convert.Run(t.Context(), tt.src, tt.dst, convert.Options{Force: tt.force})
		if !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("convert %s to %s: error is %v, want one that says %q", tt.src, tt.dst, err, tt.want)
		}
	}
	if after, _ := os.ReadFile(weights); !bytes.Equal(before, after) {
		t.Error("the source has changed")
	}
	if after, _ := os.ReadFile(existing); string(after) != "precious" {
		t.Error("the existing file has changed")
	}
	if _, err := convert.Run(t.Context(), weights, existing, convert.Options{Force: true}); err != nil {
		t.Errorf("a weights file beside its config.json: %v", err)
	}
}

// Cancelled at any moment, a conversion returns the context's error and leaves nothing.
func TestCancel(t *testing.T) {
	dir := t.TempDir()
	if err := small().Write(dir); err != nil {
		t.Fatal(err)
	}
	for at := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		out := t.TempDir()
		calls := 0
		if at == 0 {
			cancel()
		}
		_, err := convert.Run(ctx, dir, filepath.Join(out, "m.stm"), convert.Options{Threads: 1, Progress: func(_, _ int64) {
			if calls++; calls == at {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at step %d: error is %v", at, err)
		}
		mustBeEmpty(t, out)
		cancel()
	}
}

// fullDisk fails writes beyond a number of bytes.
type fullDisk struct {
	*os.File
	room int64
}

func (f *fullDisk) WriteAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.room {
		return 0, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return f.File.WriteAt(p, at)
}

func TestDiskFull(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	if err := small().Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int64{0, 10 << 10, 50 << 10} {
		_, err := convert.Run(t.Context(), dir, filepath.Join(out, "m.stm"), convert.Options{Create: func(name string) (format.OutFile, error) {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			return &fullDisk{f, room}, err
		}})
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("room for %d bytes: error is %v, want ENOSPC", room, err)
		}
		mustBeEmpty(t, out)
	}
}

func TestProvenance(t *testing.T) {
	_, r := convertTo(t, "../testdata/tiny-smallthinker", convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}, Tool: "st test"})
	want := map[string]string{ // sha256sum testdata/tiny-smallthinker/*
		"config.json":                      "327444f6c7c62f43a3fab7902ef882330361f857790a961fecf34151c8967ad0",
		"model-00001-of-00002.safetensors": "d6886044e622757079cdee477ed9f61196c93aeb9198ffd87ecc3a7f99bcc388",
		"model-00002-of-00002.safetensors": "85ca8dddffa90127a87b37f2fa5dd5cb9427666c5c6210a19852514868121556",
		"generation_config.json":           "",
		"tokenizer.json":                   "",
		"tokenizer_config.json":            "",
	}
	for _, s := range r.Provenance.Sources {
		if hash, ok := want[s.Name]; !ok || len(s.SHA256) != 64 || hash != "" && hash != s.SHA256 || s.Bytes == 0 {
			t.Errorf("source %+v", s)
		}
		delete(want, s.Name)
	}
	if len(want) > 0 || r.Provenance.Tool != "st test" || r.Provenance.Options["type"] != "q4_0" {
		t.Errorf("provenance is %+v, without %v", r.Provenance, want)
	}
	if g := r.Generation; *g.TopK != 20 || *g.Temperature != 0.7 || !slices.Equal(g.EOS, []int32{4093, 4095}) || *g.BOS != 4093 {
		t.Errorf("generation defaults are %+v", g)
	}
	if len(r.Tokenizer) == 0 || !strings.Contains(r.ChatTemplate, "<|im_start|>") {
		t.Error("the tokenizer or the chat template is missing")
	}
}

func FuzzConfig(f *testing.F) {
	for _, dir := range []string{"tiny-smallthinker", "architectures/qwen3_moe_mixed_shard"} {
		text, err := os.ReadFile(filepath.Join("../testdata", dir, "config.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"model_type": "qwen3", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 4,
		"max_position_embeddings": 64, "rope_scaling": {"type": "yarn", "factor": 4, "mscale": 1, "mscale_all_dim": 2}, "use_sliding_window": true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := convert.ParseConfig(text); err == nil && c.Validate() != nil {
			t.Errorf("ParseConfig returns an invalid config: %v", c.Validate())
		}
	})
}

// What progress tells comes to the size that the result tells, also of a table of which the head is made too.
func TestProgress(t *testing.T) {
	for _, recipe := range []convert.Recipe{{Type: quant.Q4_0}, {Type: quant.F32}} {
		var mu sync.Mutex
		var done, total int64
		result, _ := convertTo(t, "../testdata/tiny-smallthinker", convert.Options{Recipe: recipe, Progress: func(d, all int64) {
			mu.Lock()
			defer mu.Unlock()
			done, total = max(done, d), all
		}})
		if done != total || total != result.SourceBytes {
			t.Errorf("%s: %d of %d bytes, and %d were read", recipe.Type, done, total, result.SourceBytes)
		}
	}
}
