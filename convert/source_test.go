package convert_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/convert/checkpoint/ckpttest"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
)

const (
	lfsPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 4974351472\n"
	webPage    = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"
)

// layOut writes a checkpoint somewhere in dir, and other things, and returns what is given to Run, relative to dir.
type layOut func(t *testing.T, dir string, m *modeltest.Model) (src string)

func write(t *testing.T, text string, elem ...string) {
	t.Helper()
	path := filepath.Join(elem...)
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(text), 0o644))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// in writes the checkpoint to a directory below, given as src.
func in(sub, src string) layOut {
	return func(t *testing.T, dir string, m *modeltest.Model) string {
		ok(t, os.MkdirAll(filepath.Join(dir, sub), 0o755))
		ok(t, m.Write(filepath.Join(dir, sub)))
		return src
	}
}

// with writes the checkpoint to the directory that is given, and a file beside it, or in the place of one of its files.
func with(name, text string) layOut {
	return func(t *testing.T, dir string, m *modeltest.Model) string {
		ok(t, m.Write(dir))
		write(t, text, dir, name)
		return "."
	}
}

// renamed changes the names of all tensors.
func renamed(to func(name string) string) layOut {
	return func(t *testing.T, dir string, m *modeltest.Model) string {
		for i := range m.Tensors {
			m.Tensors[i].Name = to(m.Tensors[i].Name)
		}
		ok(t, m.Write(dir))
		return "."
	}
}

func prefixed(prefix string) layOut {
	return renamed(func(name string) string { return prefix + name })
}

// with quantization_config, and each matrix of experts in the parts that suffixes and types tell.
func quantizedAs(config map[string]any, parts map[string]string) layOut {
	return func(t *testing.T, dir string, m *modeltest.Model) string {
		if config != nil {
			m.Config["quantization_config"] = config
		}
		var all []ckpttest.Tensor
		for _, x := range m.Tensors {
			name, matrix := strings.CutSuffix(x.Name, ".weight")
			if !matrix || len(x.Shape) != 2 || strings.Contains(name, "embed") {
				all = append(all, x)
				continue
			}
			for suffix, dtype := range parts {
				n := len(x.Data)
				all = append(all, ckpttest.Tensor{Name: name + suffix, DType: dtype, Shape: x.Shape, Data: make([]float32, n)})
			}
		}
		m.Tensors = all
		ok(t, m.Write(dir))
		return "."
	}
}

const (
	revisionA = "0123456789abcdef0123456789abcdef01234567"
	revisionB = "89abcdef0123456789abcdef0123456789abcdef"
)

// TestSources: what is one step away from a checkpoint is found, and said. Every case is converted to the same file.
func TestSources(t *testing.T) {
	shards := func(src string, edit func(t *testing.T, dir string)) layOut {
		return func(t *testing.T, dir string, m *modeltest.Model) string {
			ok(t, m.WriteShards(dir, 3))
			if edit != nil {
				edit(t, dir)
			}
			return src
		}
	}
	for _, tt := range []struct {
		name   string
		layOut layOut
		note   string // "": none but that there is no tokenizer
	}{
		{"directory", in("", "."), ""},
		{"prefix of torch.compile", prefixed("_orig_mod."), "tensors are called _orig_mod.model.embed_tokens.weight and so on: read as model.embed_tokens.weight"},
		{"prefix of DDP", prefixed("module."), "tensors are called module.model."},
		{"prefix of PEFT", prefixed("base_model.model."), "tensors are called base_model.model.model."},
		{"prefix doubled", prefixed("model."), "tensors are called model.model."},
		{"prefix of a larger model", prefixed("language_model."), "tensors are called language_model.model."},
		{"two prefixes", prefixed("module._orig_mod."), "tensors are called module._orig_mod.model."},
		{"prefix in the middle", renamed(func(name string) string { return strings.Replace(name, "model.", "model.language_model.", 1) }), "tensors are called model.language_model.embed_tokens"},
		{"prefix missing", renamed(func(name string) string { return strings.TrimPrefix(name, "model.") }), "tensors are called embed_tokens.weight"},
		{"matrices of PEFT without its adapter", renamed(func(name string) string { return strings.Replace(name, "q_proj.weight", "q_proj.base_layer.weight", 1) }),
			"tensors are called model.layers.0.self_attn.q_proj.base_layer.weight and so on: read as model.layers.0.self_attn.q_proj.weight"},
		{"matrices and prefix of PEFT", renamed(func(name string) string {
			return "base_model.model." + strings.Replace(name, "q_proj.weight", "q_proj.base_layer.weight", 1)
		}), "tensors are called base_model.model.model.embed_tokens.weight and so on: read as model.embed_tokens.weight"},
		{"averages beside the model", func(t *testing.T, dir string, m *modeltest.Model) string {
			for _, x := range m.Tensors {
				x.Name, x.Data = "ema."+x.Name, make([]float32, len(x.Data))
				m.Tensors = append([]ckpttest.Tensor{x}, m.Tensors...)
			}
			return in("", ".")(t, dir, m)
		}, "and so on, are averages of the model's own"},
		{"averages alone", prefixed("ema."), "tensors are called ema.model.embed_tokens.weight and so on: read as model.embed_tokens.weight"},
		{"wrapped layers", renamed(func(name string) string {
			return strings.Replace(name, "self_attn.", "_fsdp_wrapped_module.self_attn._checkpoint_wrapped_module.", 1)
		}), "tensors are called model.layers.0._fsdp_wrapped_module.self_attn._checkpoint_wrapped_module.q_proj.weight and so on: read as model.layers.0.self_attn.q_proj.weight"},
		{"Hub cache root", in("models--a--b/snapshots/"+revisionA, "models--a--b"), "holds one checkpoint"},
		{"Hub cache snapshots", in("models--a--b/snapshots/"+revisionA, "models--a--b/snapshots"), "holds one checkpoint"},
		{"whole Hub cache", in("huggingface/hub/models--a--b/snapshots/"+revisionA, "huggingface"), "holds one checkpoint"},
		{"Hub cache of two revisions", func(t *testing.T, dir string, m *modeltest.Model) string {
			write(t, revisionB, dir, "models--a--b/refs/main")
			write(t, "{}", dir, "models--a--b/snapshots", revisionA, "config.json")
			return in("models--a--b/snapshots/"+revisionB, "models--a--b")(t, dir, m)
		}, "snapshots/" + revisionB},
		{"the only directory in it", in("a/b", "a"), "holds one checkpoint"},
		{"config.json", in("", "config.json"), "config.json is a file of the checkpoint"},
		{"tokenizer_config.json", func(t *testing.T, dir string, m *modeltest.Model) string {
			write(t, "{}", dir, "tokenizer_config.json")
			return in("", "tokenizer_config.json")(t, dir, m)
		}, "is a file of the checkpoint"},
		{"one shard", shards("model-00002-of-00003.safetensors", nil), "model-00002-of-00003.safetensors is one of 3 shards"},
		{"one shard, no index", shards("model-00003-of-00003.safetensors", func(t *testing.T, dir string) {
			ok(t, os.Remove(filepath.Join(dir, "model.safetensors.index.json")))
		}), "is one of 3 shards"},
		{"stale index beside a .bin", func(t *testing.T, dir string, m *modeltest.Model) string {
			m.Shape.Untied = true // no copy of the head
			ok(t, m.WriteTorch(dir))
			return with("model.safetensors.index.json", `{"weight_map":{"a":"model-00001-of-00001.safetensors"}}`)(t, dir, &modeltest.Model{Config: m.Config})
		}, "pytorch_model.bin is used instead"},
		{"pointer beside a .bin", func(t *testing.T, dir string, m *modeltest.Model) string {
			m.Shape.Untied = true
			ok(t, m.WriteTorch(dir))
			write(t, lfsPointer, dir, "model.safetensors")
			return "."
		}, "pytorch_model.bin is used instead"},
		{"leftover quantization_config", func(t *testing.T, dir string, m *modeltest.Model) string {
			m.Config["quantization_config"] = map[string]any{"quant_method": "bitsandbytes", "load_in_4bit": true}
			return in("", ".")(t, dir, m)
		}, "config.json has a quantization_config, bitsandbytes to 4 bits, and the weights are not quantized"},
		{"a value head", func(t *testing.T, dir string, m *modeltest.Model) string {
			m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: "v_head.summary.weight", DType: "F32", Shape: []int{1, 64}, Data: make([]float32, 64)},
				ckpttest.Tensor{Name: "v_head.summary.bias", DType: "F32", Shape: []int{1}, Data: []float32{0}})
			return in("", ".")(t, dir, m)
		}, "2 tensors of v_head, a head that rates texts in training by reinforcement, left out"},
		{"a value head beside the model that it wraps", func(t *testing.T, dir string, m *modeltest.Model) string {
			for i := range m.Tensors {
				m.Tensors[i].Name = "module.pretrained_model." + m.Tensors[i].Name
			}
			m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: "module.v_head.summary.weight", DType: "F32", Shape: []int{1, 64}, Data: make([]float32, 64)})
			return in("", ".")(t, dir, m)
		}, "1 tensor of v_head, a head that rates texts in training by reinforcement, left out"},
		{"angles", func(t *testing.T, dir string, m *modeltest.Model) string {
			for _, name := range []string{"layers.0.self_attn.rotary_emb.inv_freq", "layers.0.self_attn.rotary_emb.cos_cached", "rotary_emb_local.inv_freq"} {
				m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: "model." + name, DType: "F32", Shape: []int{4}, Data: make([]float32, 4)})
			}
			return in("", ".")(t, dir, m)
		}, ""},
		{"a head that classifies", func(t *testing.T, dir string, m *modeltest.Model) string {
			m.Tensors = append(m.Tensors, ckpttest.Tensor{Name: "score.weight", DType: "F32", Shape: []int{2, 64}, Data: make([]float32, 128)})
			return in("", ".")(t, dir, m)
		}, "1 tensor of score, a head that classifies texts, left out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := small()
			dir := t.TempDir()
			src := tt.layOut(t, dir, m)
			if strings.Contains(tt.name, "stale index") { // which wrote an empty file of weights
				ok(t, os.Remove(filepath.Join(dir, "model.safetensors")))
			}
			result, r := convertTo(t, filepath.Join(dir, src), convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
			if got, want := sums(r), sums(reference(t, small())); !slices.Equal(got, want) {
				t.Error("the file differs from that of the checkpoint itself")
			}
			notes := strings.Join(result.Notes, "\n")
			if !strings.Contains(notes, tt.note) || tt.note == "" && len(result.Notes) != 1 {
				t.Errorf("notes are %q, want %q", notes, tt.note)
			}
			t.Log(notes)
		})
	}
}

func reference(t *testing.T, m *modeltest.Model) *format.Reader {
	dir := t.TempDir()
	ok(t, m.Write(dir))
	_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
	return r
}

func sums(r *format.Reader) (all []uint64) {
	for _, rec := range r.Records() {
		all = append(all, rec.Checksum)
	}
	return all
}
