package pull_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"st/convert"
	"st/convert/hub"
	"st/convert/hub/hubtest"
	"st/convert/modeltest"
	"st/convert/pull"
	"st/format"
	"st/format/outfile"
	"st/quant"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const name = "Tiiny/SmallThinker"

var ref = hub.Ref{Org: "Tiiny", Name: "SmallThinker"}

// model is a checkpoint of some hundred kilobytes, in shards.
func model(t *testing.T, seed uint64) string {
	m := modeltest.New(modeltest.Shape{
		Layers: 3, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 4, TopK: 2, FFN: 32, Vocab: 200, Context: 64,
		Sliding: []int{0, 1, 1}, Window: 8,
	}, seed)
	dir := t.TempDir()
	ok(t, m.WriteShards(dir, 3))
	return dir
}

func files(t *testing.T, dir string) map[string]hubtest.Content {
	all, err := hubtest.Directory(dir)
	ok(t, err)
	return all
}

// config is that of a client that waits as little as it can before another attempt. That an answer waits for a processor is no reason for one.
func config(h *hubtest.Hub) hub.Config {
	return hub.Config{HuggingFace: h.URL, ModelScope: h.URL, Stall: time.Hour, FirstWait: time.Millisecond, LongestWait: 10 * time.Millisecond, Piece: 20_000}
}

func options(h *hubtest.Hub) pull.Options {
	return pull.Options{
		Convert: convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0, Keep: true}, Encoder: convert.Search, Threads: 2, Tool: "test"},
		Client:  hub.New(config(h)),
		Window:  100_000,
	}
}

func start(t *testing.T, dir string) (*hubtest.Hub, *hubtest.Repo) {
	h := hubtest.New()
	t.Cleanup(h.Close)
	r := h.Add(name)
	r.Commit(files(t, dir))
	return h, r
}

// pulled pulls a model in one run, and returns the file.
func pulled(t *testing.T, h *hubtest.Hub, ref hub.Ref, opts pull.Options) (*pull.Result, []byte) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "m.stm")
	result, err := pull.Model(t.Context(), ref, out, opts)
	ok(t, err)
	data, err := os.ReadFile(out)
	ok(t, err)
	only(t, out)
	return result, data
}

// only fails if there is anything beside a file.
func only(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	ok(t, err)
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

// sameAsDisk compares a file with what the same source on the disk becomes.
func sameAsDisk(t *testing.T, data []byte, src string, opts convert.Options) {
	t.Helper()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.stm"), filepath.Join(dir, "b.stm")
	ok(t, os.WriteFile(a, data, 0o666))
	_, err := convert.Run(t.Context(), src, b, opts)
	ok(t, err)
	var all [2]*format.Reader
	for i, path := range []string{a, b} {
		r, err := format.Open(path)
		ok(t, err)
		defer r.Close()
		if errs := r.Verify(t.Context(), 1, nil); len(errs) > 0 {
			t.Fatal(errs)
		}
		all[i] = r
	}
	if diff := cmp.Diff(all[0].Records(), all[1].Records()); diff != "" {
		t.Errorf("records: %s", diff)
	}
	if diff := cmp.Diff(all[0].Meta, all[1].Meta); diff != "" {
		t.Errorf("metadata: %s", diff)
	}
	p := all[0].Provenance
	for _, key := range []string{"repository", "commit"} {
		if p.General[key] == "" {
			t.Errorf("the file does not tell its %s: %v", key, p.General)
		}
		delete(p.General, key)
	}
	if len(p.General) == 0 {
		p.General = nil
	}
	if diff := cmp.Diff(p, all[1].Provenance); diff != "" {
		t.Errorf("provenance: %s", diff)
	}
}

// TestModel: what is pulled is what a conversion from the disk makes, and every byte comes once.
func TestModel(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	for _, ref := range []hub.Ref{ref, {Service: hub.ModelScope, Org: "Tiiny", Name: "SmallThinker"}} {
		_, before := h.Sent()
		opts := options(h)
		result, data := pulled(t, h, ref, opts)
		sameAsDisk(t, data, dir, opts.Convert)
		var weights, small int64
		for path, c := range files(t, dir) {
			if strings.HasSuffix(path, ".safetensors") {
				weights += c.Size()
			} else {
				small += c.Size()
			}
		}
		if _, after := h.Sent(); result.Downloaded != weights || after-before > 2*weights+small {
			t.Errorf("%s: %d bytes of weights and %d of small files: %d came, %d were sent", ref, weights, small, result.Downloaded, after-before)
		}
	}
}

// TestShapes: streams are cut in other ways for other models.
func TestShapes(t *testing.T) {
	gguf := func(t *testing.T, typ quant.Type, shards int) string {
		m := modeltest.New(modeltest.Shape{Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 3, TopK: 2, FFN: 96, Vocab: 261, Context: 64}, 1)
		dir := t.TempDir()
		_, err := m.WriteGGUF(filepath.Join(dir, "model-"+strings.ToUpper(typ.String())+".gguf"), modeltest.GGUF{Type: typ, Shards: shards})
		ok(t, err)
		return dir
	}
	for _, tt := range []struct {
		name string
		dir  func() string
		file string
		ref  string
	}{
		{"gguf", func() string { return gguf(t, quant.Q4_0, 1) }, "model-Q4_0.gguf", name},
		{"gguf by type", func() string {
			dir := gguf(t, quant.Q8_0, 1)
			ok(t, os.CopyFS(dir, os.DirFS(gguf(t, quant.F16, 1))))
			return dir
		}, "model-Q8_0.gguf", name + ":q8_0"},
		{"best source", func() string {
			dir := gguf(t, quant.Q8_0, 1)
			ok(t, os.CopyFS(dir, os.DirFS(gguf(t, quant.F16, 1))))
			return dir
		}, "model-F16.gguf", name},
		{"split", func() string { return gguf(t, quant.F16, 3) }, "model-F16-00001-of-00003.gguf", name + ":F16"},
		{"trained", func() string { return "../../testdata/tiny-smallthinker" }, "", name},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := tt.dir()
			h, _ := start(t, dir)
			ref, err := hub.ParseRef(tt.ref)
			ok(t, err)
			opts := options(h)
			result, data := pulled(t, h, ref, opts)
			if result.File != tt.file {
				t.Errorf("%q was chosen, want %q", result.File, tt.file)
			}
			sameAsDisk(t, data, filepath.Join(dir, tt.file), opts.Convert)
		})
	}
}

// TestManyFiles: a file for each tensor, in no order of use, so that an expert's bytes are in more files than there are whole pieces at once.
func TestManyFiles(t *testing.T) {
	m := modeltest.New(modeltest.Shape{Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 6, TopK: 2, FFN: 32, Vocab: 200, Context: 64}, 1)
	rng := rand.New(rand.NewPCG(1, 1))
	rng.Shuffle(len(m.Tensors), func(i, j int) { m.Tensors[i], m.Tensors[j] = m.Tensors[j], m.Tensors[i] })
	dir := t.TempDir()
	ok(t, m.WriteShards(dir, len(m.Tensors)))
	h, _ := start(t, dir)
	c := config(h)
	c.Piece, c.Cache = 1<<20, filepath.Join(t.TempDir(), "hub")
	opts := options(h)
	opts.Client, opts.Window = hub.New(c), 4<<20
	_, data := pulled(t, h, ref, opts)
	sameAsDisk(t, data, dir, opts.Convert)
	opts.Keep = true
	pulled(t, h, ref, opts)
	opts.Keep = false // from the cache
	_, data = pulled(t, h, ref, opts)
	sameAsDisk(t, data, dir, opts.Convert)
}

// TestOtherOptions: what was begun with other options does not count.
func TestOtherOptions(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	out := filepath.Join(t.TempDir(), "m.stm")
	ctx, cancel := context.WithCancel(t.Context())
	h.SetFaults(func(r hubtest.Request) hubtest.Fault {
		if strings.Contains(r.Path, "00003-of") && r.Method == http.MethodGet {
			cancel()
		}
		return hubtest.Fault{}
	})
	opts := options(h)
	_, err := pull.Model(ctx, ref, out, opts)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	h.SetFaults(nil)
	opts.Convert.Recipe = convert.Recipe{Type: quant.Q8_0}
	_, err = pull.Model(t.Context(), ref, out, opts)
	ok(t, err)
	data, err := os.ReadFile(out)
	ok(t, err)
	sameAsDisk(t, data, dir, opts.Convert)
}

// TestBusy: of two that pull the same file one says that the other does.
func TestBusy(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	out := filepath.Join(t.TempDir(), "m.stm")
	var other error
	h.SetFaults(func(r hubtest.Request) hubtest.Fault {
		if strings.HasSuffix(r.Path, "00002-of-00003.safetensors") && other == nil {
			_, other = pull.Model(t.Context(), ref, out, options(h))
		}
		return hubtest.Fault{}
	})
	_, err := pull.Model(t.Context(), ref, out, options(h))
	ok(t, err)
	if !errors.Is(other, outfile.ErrBusy) {
		t.Errorf("the other one: %v", other)
	}
	if _, err := pull.Model(t.Context(), ref, out, options(h)); !errors.Is(err, outfile.ErrExists) {
		t.Errorf("once more: %v", err)
	}
}

// TestRefused: what cannot be made is told before any weights come, and leaves nothing behind.
func TestRefused(t *testing.T) {
	dir := model(t, 1)
	for _, tt := range []struct {
		name   string
		ref    string
		edit   func(h *hubtest.Hub, r *hubtest.Repo, o *pull.Options)
		want   error
		advice string
	}{
		{"no repository", "Tiiny/Other", func(*hubtest.Hub, *hubtest.Repo, *pull.Options) {}, hub.ErrNotFound, ""},
		{"no revision", name + "@v9", func(*hubtest.Hub, *hubtest.Repo, *pull.Options) {}, hub.ErrRevision, ""},
		{"gated", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) { r.Gate(true) }, hub.ErrGated, ""},
		{"no such type", name + ":Q4_K_M", func(*hubtest.Hub, *hubtest.Repo, *pull.Options) {}, pull.ErrNoGGUF, ""},
		{"no weights", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			r.Commit(map[string]hubtest.Content{"config.json": hubtest.Bytes("{}")})
		}, pull.ErrNoModel, ""},
		{"torch", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			r.Commit(map[string]hubtest.Content{"config.json": hubtest.Bytes("{}"), "pytorch_model.bin": hubtest.Bytes("PK")})
		}, pull.ErrKeepFirst, ""},
		{"gptq", name, func(_ *hubtest.Hub, _ *hubtest.Repo, o *pull.Options) { o.Convert.Encoder = convert.GPTQ }, pull.ErrKeepFirst, ""},
		{"a full disk", name, func(_ *hubtest.Hub, _ *hubtest.Repo, o *pull.Options) { pull.SetFree(o, 1000) }, pull.ErrDisk, ""},
		{"another model", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			all := files(t, dir)
			all["config.json"] = hubtest.Bytes(`{"architectures":["BertModel"]}`)
			r.Commit(all)
		}, convert.ErrArchitecture, ""},
		{"quantized", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			m := modeltest.New(modeltest.Shape{Layers: 1, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 32, Experts: 2, TopK: 1, FFN: 32, Vocab: 50, Context: 64}, 1)
			m.Config["quantization_config"] = map[string]any{"quant_method": "awq", "bits": 4}
			for i := range m.Tensors {
				m.Tensors[i].Name = strings.Replace(m.Tensors[i].Name, "proj.weight", "proj.qweight", 1)
			}
			dir := t.TempDir()
			ok(t, m.WriteShards(dir, 1))
			r.Commit(files(t, dir))
		}, convert.ErrQuantized, ""},
		{"no config", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			all := files(t, dir)
			delete(all, "config.json")
			r.Commit(all)
		}, convert.ErrNoConfig, ""},
		{"Mistral's own", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			r.Commit(map[string]hubtest.Content{"params.json": hubtest.Bytes("{}"), "consolidated.safetensors": hubtest.Bytes("\x02\x00\x00\x00\x00\x00\x00\x00{}")})
		}, convert.ErrNoConfig, "take the repository for Transformers"},
		{"no model's config", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			all := files(t, dir)
			all["config.json"] = hubtest.Bytes("{}")
			r.Commit(all)
		}, convert.ErrArchitecture, "it has neither architectures nor model_type"},
		{"offline", name, func(h *hubtest.Hub, _ *hubtest.Repo, o *pull.Options) {
			c := config(h)
			c.Offline, c.Cache = true, t.TempDir()
			o.Client = hub.New(c)
		}, hub.ErrOffline, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, r := start(t, dir)
			opts := options(h)
			tt.edit(h, r, &opts)
			out := filepath.Join(t.TempDir(), "m.stm")
			ref, err := hub.ParseRef(tt.ref)
			ok(t, err)
			_, err = pull.Model(t.Context(), ref, out, opts)
			if !errors.Is(err, tt.want) {
				t.Errorf("error is %v, want %v", err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.advice) {
				t.Errorf("error is %v, without %q", err, tt.advice)
			}
			only(t, out)
		})
	}
}

// TestProgress: the stages come in their order, and the bytes add up.
func TestProgress(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	opts := options(h)
	var stages []pull.Stage
	var last pull.Progress
	opts.Progress = func(p pull.Progress) {
		if len(stages) == 0 || stages[len(stages)-1] != p.Stage {
			stages = append(stages, p.Stage)
		}
		if p.Stage == last.Stage && p.Done < last.Done || p.Done > p.Total {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
	}
	pulled(t, h, ref, opts)
	if got, want := fmt.Sprint(stages), "[resolving pulling finishing done]"; got != want {
		t.Errorf("stages are %s, want %s", got, want)
	}
}
