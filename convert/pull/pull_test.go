package pull_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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

// config is that of a client that waits as little as it can.
func config(h *hubtest.Hub) hub.Config {
	return hub.Config{HuggingFace: h.URL, ModelScope: h.URL, Stall: 80 * time.Millisecond, FirstWait: time.Millisecond, LongestWait: 10 * time.Millisecond, Piece: 20_000}
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

// interrupted pulls in as many runs as it takes, each of which may end after some requests, and returns the file.
func interrupted(t *testing.T, h *hubtest.Hub, opts pull.Options, rng *rand.Rand) ([]byte, error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "m.stm")
	for runs := 0; ; runs++ {
		ctx, cancel := context.WithCancel(t.Context())
		faults := h.Faults
		var left atomic.Int64
		left.Store(int64(rng.IntN(40)))
		h.Faults = func(r hubtest.Request) hubtest.Fault {
			if left.Add(-1) == 0 && runs < 5 {
				cancel() // as Ctrl-C does
			}
			if faults == nil {
				return hubtest.Fault{}
			}
			return faults(r)
		}
		_, err := pull.Model(ctx, ref, out, opts)
		cancel()
		h.Faults = faults
		if _, statErr := os.Stat(out); (statErr == nil) != (err == nil) {
			return nil, fmt.Errorf("the file is there: %t, and the error is %v", statErr == nil, err)
		}
		if err == nil {
			only(t, out)
			return os.ReadFile(out)
		}
		if errors.Is(err, context.Canceled) {
			continue
		}
		known := false
		for _, kind := range []error{hub.ErrHash, hub.ErrChanged, hub.ErrUnreachable, hub.ErrForbidden, hub.ErrNoRange, convert.ErrNonFinite} {
			known = known || errors.Is(err, kind)
		}
		if !known {
			return nil, fmt.Errorf("run %d: %w", runs, err)
		}
		if runs > 20 {
			return nil, err
		}
	}
}

// TestFaults: 200 schedules of faults end in the same file, bit for bit. Errors on the way are told, leave nothing under the file's name, and the same
// call goes on.
func TestFaults(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	_, want := pulled(t, h, ref, options(h))
	var group sync.WaitGroup
	places := make(chan bool, 16) // they mostly wait
	for seed := range uint64(200) {
		places <- true
		group.Go(func() {
			defer func() { <-places }()
			h, _ := start(t, dir)
			h.Faults = hubtest.Random(seed, 0.3, 25, seed%2 == 0)
			h.Signed = 4
			got, err := interrupted(t, h, options(h), rand.New(rand.NewPCG(seed, 1)))
			if err != nil {
				t.Errorf("schedule %d: %v", seed, err)
			} else if !bytes.Equal(got, want) {
				t.Errorf("schedule %d: another file came of it", seed)
			}
		})
	}
	group.Wait()
}

// TestWrongHash: bytes that are not those of the published hash are refused, and the next run fetches the file again.
func TestWrongHash(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	_, want := pulled(t, h, ref, options(h))
	bad := true
	h.Faults = func(r hubtest.Request) hubtest.Fault {
		return hubtest.Fault{Flip: bad && r.Path == "model-00002-of-00003.safetensors" && r.Bytes > 0 && r.Header.Get("Range") != "" && !strings.HasPrefix(r.Header.Get("Range"), "bytes=0-")}
	}
	out := filepath.Join(t.TempDir(), "m.stm")
	_, err := pull.Model(t.Context(), ref, out, options(h))
	if !errors.Is(err, hub.ErrHash) && !errors.Is(err, hub.ErrChanged) || !strings.Contains(err.Error(), "model-00002-of-00003.safetensors") {
		t.Fatalf("error is %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("there is a file")
	}
	bad = false
	before, _ := h.Sent()
	_, err = pull.Model(t.Context(), ref, out, options(h))
	ok(t, err)
	data, err := os.ReadFile(out)
	ok(t, err)
	if !bytes.Equal(data, want) {
		t.Error("another file came of it")
	}
	after, _ := h.Sent()
	if n := after["model-00001-of-00003.safetensors"] - before["model-00001-of-00003.safetensors"]; n > 300<<10 {
		t.Errorf("%d bytes of the first file came again", n)
	}
}

// TestChanged: a repository that changes while it is pulled does not mix; the run goes on with the commit that it began with, and says so.
func TestChanged(t *testing.T) {
	dir := model(t, 1)
	h, repo := start(t, dir)
	_, want := pulled(t, h, ref, options(h))
	for _, gone := range []bool{false, true} {
		first := repo.Commit(files(t, dir))
		out := filepath.Join(t.TempDir(), "m.stm")
		ctx, cancel := context.WithCancel(t.Context())
		h.Faults = func(r hubtest.Request) hubtest.Fault {
			if r.Path == "model-00003-of-00003.safetensors" && r.Method == http.MethodGet && !strings.HasPrefix(r.Header.Get("Range"), "bytes=0-") {
				cancel()
			}
			return hubtest.Fault{}
		}
		if _, err := pull.Model(ctx, ref, out, options(h)); !errors.Is(err, context.Canceled) {
			t.Fatalf("it was to be interrupted: %v", err)
		}
		h.Faults = nil
		second := repo.Commit(files(t, model(t, 2)))
		if gone {
			repo.Forget(first)
		}
		opts := options(h)
		var notes []string
		opts.Note = func(text string) { notes = append(notes, text) }
		result, err := pull.Model(t.Context(), ref, out, opts)
		ok(t, err)
		data, err := os.ReadFile(out)
		ok(t, err)
		said := strings.Join(notes, "\n")
		if gone {
			if result.Commit != second || bytes.Equal(data, want) || !strings.Contains(said, "is gone") {
				t.Errorf("commit %s, notes:\n%s", result.Commit, said)
			}
			continue
		}
		if result.Commit != first || !bytes.Equal(data, want) || !strings.Contains(said, "was changed") || !strings.Contains(said, second[:12]) {
			t.Errorf("commit %s, the same file: %t, notes:\n%s", result.Commit, bytes.Equal(data, want), said)
		}
	}
}

// TestOtherOptions: what was begun with other options does not count.
func TestOtherOptions(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	out := filepath.Join(t.TempDir(), "m.stm")
	ctx, cancel := context.WithCancel(t.Context())
	h.Faults = func(r hubtest.Request) hubtest.Fault {
		if strings.Contains(r.Path, "00003-of") && r.Method == http.MethodGet {
			cancel()
		}
		return hubtest.Fault{}
	}
	opts := options(h)
	_, err := pull.Model(ctx, ref, out, opts)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	h.Faults = nil
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
	h.Faults = func(r hubtest.Request) hubtest.Fault {
		if strings.HasSuffix(r.Path, "00002-of-00003.safetensors") && other == nil {
			_, other = pull.Model(t.Context(), ref, out, options(h))
		}
		return hubtest.Fault{}
	}
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
		name string
		ref  string
		edit func(h *hubtest.Hub, r *hubtest.Repo, o *pull.Options)
		want error
	}{
		{"no repository", "Tiiny/Other", func(*hubtest.Hub, *hubtest.Repo, *pull.Options) {}, hub.ErrNotFound},
		{"no revision", name + "@v9", func(*hubtest.Hub, *hubtest.Repo, *pull.Options) {}, hub.ErrRevision},
		{"gated", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) { r.Gate(true) }, hub.ErrGated},
		{"no such type", name + ":Q4_K_M", func(*hubtest.Hub, *hubtest.Repo, *pull.Options) {}, pull.ErrNoGGUF},
		{"no weights", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			r.Commit(map[string]hubtest.Content{"config.json": hubtest.Bytes("{}")})
		}, pull.ErrNoModel},
		{"torch", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			r.Commit(map[string]hubtest.Content{"config.json": hubtest.Bytes("{}"), "pytorch_model.bin": hubtest.Bytes("PK")})
		}, pull.ErrKeepFirst},
		{"gptq", name, func(_ *hubtest.Hub, _ *hubtest.Repo, o *pull.Options) { o.Convert.Encoder = convert.GPTQ }, pull.ErrKeepFirst},
		{"a full disk", name, func(_ *hubtest.Hub, _ *hubtest.Repo, o *pull.Options) { pull.SetFree(o, 1000) }, pull.ErrDisk},
		{"another model", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			all := files(t, dir)
			all["config.json"] = hubtest.Bytes(`{"architectures":["BertModel"]}`)
			r.Commit(all)
		}, convert.ErrArchitecture},
		{"no config", name, func(_ *hubtest.Hub, r *hubtest.Repo, _ *pull.Options) {
			all := files(t, dir)
			delete(all, "config.json")
			r.Commit(all)
		}, convert.ErrNoConfig},
		{"offline", name, func(h *hubtest.Hub, _ *hubtest.Repo, o *pull.Options) {
			c := config(h)
			c.Offline, c.Cache = true, t.TempDir()
			o.Client = hub.New(c)
		}, hub.ErrOffline},
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
			only(t, out)
		})
	}
}

// TestKeep: files are kept where huggingface_hub keeps them, and used from there, with requests or without.
func TestKeep(t *testing.T) {
	dir := model(t, 1)
	h, repo := start(t, dir)
	commit := repo.Commit(files(t, dir))
	c := config(h)
	c.Cache = filepath.Join(t.TempDir(), "hub")
	opts := options(h)
	opts.Client, opts.Keep = hub.New(c), true
	_, want := pulled(t, h, ref, opts)
	folder := filepath.Join(c.Cache, "models--Tiiny--SmallThinker")
	if text, err := os.ReadFile(filepath.Join(folder, "refs", "main")); err != nil || string(text) != commit {
		t.Errorf("refs/main is %q, %v", text, err)
	}
	snapshot := filepath.Join(folder, "snapshots", commit)
	for path := range files(t, dir) {
		a, err := os.ReadFile(filepath.Join(snapshot, path))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if b, err := os.ReadFile(filepath.Join(dir, path)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs", path)
		}
		if target, err := os.Readlink(filepath.Join(snapshot, path)); err != nil || !strings.HasPrefix(filepath.ToSlash(target), "../../blobs/") {
			t.Errorf("%s leads to %q, %v", path, target, err)
		}
	}
	sameData(t, want, dir, opts.Convert)
	_, before := h.Sent()
	for _, offline := range []bool{false, true} {
		c.Offline = offline
		opts.Client, opts.Keep = hub.New(c), false
		if _, got := pulled(t, h, ref, opts); offline && !bytes.Equal(got, want) {
			t.Error("offline another file comes of it")
		} else {
			sameData(t, got, dir, opts.Convert)
		}
	}
	if _, after := h.Sent(); after != before {
		t.Errorf("%d bytes came although all are there", after-before)
	}
	// A part of it is used, too, if the rest has to come.
	ok(t, os.Remove(filepath.Join(snapshot, "model-00002-of-00003.safetensors")))
	ok(t, os.RemoveAll(filepath.Join(folder, "blobs", blobOf(t, files(t, dir)["model-00002-of-00003.safetensors"]))))
	c.Offline = false
	opts.Client = hub.New(c)
	result, got := pulled(t, h, ref, opts)
	sameData(t, got, dir, opts.Convert)
	if n := files(t, dir)["model-00002-of-00003.safetensors"].Size(); result.Downloaded != n {
		t.Errorf("%d bytes came, want %d", result.Downloaded, n)
	}
}

func blobOf(t *testing.T, c hubtest.Content) string {
	h := hubtest.New()
	defer h.Close()
	h.Add("a/b").Commit(map[string]hubtest.Content{"x.safetensors": c})
	r, err := hub.New(config(h)).Open(t.Context(), hub.Ref{Org: "a", Name: "b"})
	ok(t, err)
	return r.Files[0].ETag()
}

// sameData compares records with those that the same source on the disk becomes.
func sameData(t *testing.T, data []byte, src string, opts convert.Options) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.stm")
	ok(t, os.WriteFile(path, data, 0o666))
	a, err := format.Open(path)
	ok(t, err)
	defer a.Close()
	other := filepath.Join(t.TempDir(), "b.stm")
	_, err = convert.Run(t.Context(), src, other, opts)
	ok(t, err)
	b, err := format.Open(other)
	ok(t, err)
	defer b.Close()
	if diff := cmp.Diff(a.Records(), b.Records()); diff != "" {
		t.Error(diff)
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
