package selfcal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/format"
	"st/format/outfile"
	"st/quant"
)

const tiny = "../../testdata/tiny-smallthinker"

// options are those of a short text.
func options() Options {
	return Options{Options: convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}, Tool: "test"}, Tokens: 300, Seed: 1}
}

var shape = modeltest.Shape{Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 4, TopK: 2, FFN: 32, Vocab: 60, Context: 64}

// small writes a small model without a tokenizer, and without a token that begins a text.
func small(t *testing.T, seed uint64) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := modeltest.New(shape, seed).Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// names lists a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A model is converted in four stages, which leave nothing but the target, and which is the same with any number of threads, in any
// number of parts, and made in one step or of an .stm file.
func TestConvert(t *testing.T) {
	var want string
	for _, tt := range []struct {
		name    string
		threads int
		memory  int64
	}{
		{"plain", 1, 0},
		{"three threads", 3, 0},
		{"parts", 2, 1 << 20},
	} {
		dir := t.TempDir()
		dst := filepath.Join(dir, "t.stm")
		opts := options()
		opts.Threads, opts.RunThreads, opts.Memory = tt.threads, tt.threads, tt.memory
		var plan Plan
		opts.Planned = func(p Plan) { plan = p }
		parts := 0
		opts.StageProgress = func(s Stage, done, total int64) {
			if s == Encode && parts == 0 {
				parts = len(readJournal(dst).Parts)
			}
		}
		result, err := Convert(t.Context(), tiny, dst, opts)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(result.Stages[:], 0) || !result.Calibrated || result.Tensors == 0 {
			t.Errorf("%s: %+v", tt.name, result)
		}
		if plan.First != Draft || plan.Outdated || plan.DraftBytes < 3<<20 || plan.CalibrationBytes < 1<<20 || plan.OutputBytes > result.OutputBytes ||
			plan.OutputBytes < result.OutputBytes*9/10 {
			t.Errorf("%s: %+v, the file has %d bytes", tt.name, plan, result.OutputBytes)
		}
		if many := tt.memory > 0; many != (parts > 1) || parts == 0 {
			t.Errorf("%s: %d parts", tt.name, parts)
		}
		if got := names(t, dir); !slices.Equal(got, []string{"t.stm"}) {
			t.Errorf("%s: it left %v", tt.name, got)
		}
		got := read(t, dst)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s: the file differs", tt.name)
		}
	}
	// The bits differ from those of the search, and with the seed.
	dst := filepath.Join(t.TempDir(), "t.stm")
	opts := options()
	opts.Seed = 2
	if _, err := Convert(t.Context(), tiny, dst, opts); err != nil {
		t.Fatal(err)
	}
	if read(t, dst) == want {
		t.Error("another seed gives the same file")
	}
}

// A run that is interrupted in a stage goes on with that stage, and makes the same file.
func TestResume(t *testing.T) {
	src, opts := small(t, 1), options()
	opts.Memory = 1 << 10 // a part for each layer, and one for the head
	whole := filepath.Join(t.TempDir(), "t.stm")
	if _, err := Convert(t.Context(), src, whole, opts); err != nil {
		t.Fatal(err)
	}
	want := read(t, whole)
	dir := t.TempDir()
	dst := filepath.Join(dir, "t.stm")
	begins := Draft
	// after is how much of the stage has to be done, and kept is the number of files then.
	for _, tt := range []struct {
		stage Stage
		after float64
		kept  int
	}{
		{Draft, 0.1, 0}, {Text, 0.5, 2}, {Calibrate, 0, 2}, {Calibrate, 0.6, 4}, {Encode, 0.3, 5},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		opts := opts
		var begun []Stage
		opts.Planned = func(p Plan) { begun = append(begun, p.First) }
		opts.StageProgress = func(s Stage, done, total int64) {
			if s == tt.stage && float64(done) > tt.after*float64(total) {
				cancel()
			}
		}
		if _, err := Convert(ctx, src, dst, opts); !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled in %s: %v", tt.stage, err)
		}
		cancel()
		if !slices.Equal(begun, []Stage{begins}) {
			t.Errorf("it began with %v instead of %s", begun, begins)
		}
		begins = tt.stage
		if files := Files(dst); len(files) < tt.kept || len(files) > tt.kept+1 || len(files) != len(names(t, dir)) {
			t.Errorf("cancelled in %s: Files are %v, the directory has %v", tt.stage, files, names(t, dir))
		}
	}
	result, err := Convert(t.Context(), src, dst, opts)
	if err != nil {
		t.Fatal(err)
	}
	if result.Stages[Draft] != 0 || result.Stages[Text] != 0 || result.Stages[Calibrate] != 0 || result.Stages[Encode] == 0 {
		t.Errorf("stages that were done are timed: %v", result.Stages)
	}
	if read(t, dst) != want {
		t.Error("the file differs from one that is made without interruption")
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("it left %v", got)
	}
}

// interrupted leaves all that a run keeps until it encodes.
func interrupted(t *testing.T, src string, opts Options) (dst string) {
	t.Helper()
	dst = filepath.Join(t.TempDir(), "t.stm")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opts.StageProgress = func(s Stage, done, total int64) {
		if s == Encode {
			cancel()
		}
	}
	if _, err := Convert(ctx, src, dst, opts); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return dst
}

// What a run has kept stays, and is told, when the target was made in another way. What a killed run had only begun to write goes.
func TestClean(t *testing.T) {
	src := small(t, 1)
	dst := interrupted(t, src, options())
	left := Files(dst)
	running, err := outfile.Create(claimPath(dst), outfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if removed, kept := Clean(dst); removed != nil || kept != nil {
		t.Errorf("during a run it removed %v and told of %v", removed, kept)
	}
	running.Abort()
	for _, name := range []string{claimPath(dst), draftPath(dst)} {
		if err := os.WriteFile(name+".2147483646-1.tmp", make([]byte, 10), 0o666); err != nil { // no process has this number
			t.Fatal(err)
		}
	}
	if removed, kept := Clean(dst); len(removed) != 2 || len(left) != 3 || !slices.Equal(kept, left) {
		t.Errorf("it removed %v and kept %v of %v", removed, kept, left)
	}
	if got := names(t, filepath.Dir(dst)); len(got) != len(left) {
		t.Errorf("it left %v", got)
	}

	other := filepath.Join(t.TempDir(), "a.stm")
	if err := os.WriteFile(draftPath(other), make([]byte, 10), 0o666); err != nil {
		t.Fatal(err)
	}
	if removed, kept := Clean(other); removed != nil || kept != nil {
		t.Errorf("of a file whose it is nobody knows: it removed %v and told of %v", removed, kept)
	}
}

// What was left is used only if it is as it was, and of the same source and options.
func TestOutdated(t *testing.T) {
	src := small(t, 1)
	overwrite := func(t *testing.T, path string) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte{1, 2, 3}, info.Size()-100); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name     string
		change   func(t *testing.T, dst string, o *Options)
		first    Stage
		outdated bool
	}{
		{"nothing", func(*testing.T, string, *Options) {}, Encode, false},
		{"another recipe", func(_ *testing.T, _ string, o *Options) { o.Recipe, _ = convert.Preset("smallest") }, Encode, false},
		{"another seed", func(_ *testing.T, _ string, o *Options) { o.Seed = 9 }, Draft, true},
		{"another length", func(_ *testing.T, _ string, o *Options) { o.Tokens = 900 }, Draft, true},
		{"another version", func(_ *testing.T, _ string, o *Options) { o.Tool = "other" }, Draft, true},
		{"a damaged draft", func(t *testing.T, dst string, _ *Options) { overwrite(t, draftPath(dst)) }, Draft, true},
		{"no draft", func(t *testing.T, dst string, _ *Options) { os.Remove(draftPath(dst)) }, Draft, true},
		{"a damaged calibration", func(t *testing.T, dst string, _ *Options) { overwrite(t, partPath(dst, 0, 1)) }, Calibrate, false},
		{"a damaged journal", func(t *testing.T, dst string, _ *Options) { os.WriteFile(journalPath(dst), []byte("{"), 0o666) }, Draft, false},
		{"a journal of nothing", func(t *testing.T, dst string, _ *Options) { os.WriteFile(journalPath(dst), []byte("{}"), 0o666) }, Draft, true},
		{"tokens that are none", func(t *testing.T, dst string, _ *Options) {
			j := readJournal(dst)
			j.Text[3] = 1 << 20
			if err := j.write(dst); err != nil {
				t.Fatal(err)
			}
		}, Text, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := options()
			dst := interrupted(t, src, opts)
			tt.change(t, dst, &opts)
			var plan Plan
			opts.Planned = func(p Plan) { plan = p }
			if _, err := Convert(t.Context(), src, dst, opts); err != nil {
				t.Fatal(err)
			}
			if plan.First != tt.first || plan.Outdated != tt.outdated {
				t.Errorf("it begins with %s, outdated: %v", plan.First, plan.Outdated)
			}
			if got := names(t, filepath.Dir(dst)); len(got) != 1 {
				t.Errorf("it left %v", got)
			}
		})
	}
}

// A source that changed makes what was left useless.
func TestOtherSource(t *testing.T) {
	dir := small(t, 1)
	dst := interrupted(t, dir, options())
	if err := modeltest.New(shape, 2).Write(dir); err != nil {
		t.Fatal(err)
	}
	opts := options()
	var plan Plan
	opts.Planned = func(p Plan) { plan = p }
	if _, err := Convert(t.Context(), dir, dst, opts); err != nil || plan.First != Draft || !plan.Outdated {
		t.Errorf("%v, %+v", err, plan)
	}
}

// Models of every architecture calibrate themselves, also without a tokenizer, and without a token that begins a text.
func TestArchitectures(t *testing.T) {
	for name, shape := range map[string]modeltest.Shape{
		"smallthinker": shape,
		"qwen3":        {Arch: "qwen3", Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, FFN: 96, DenseFFN: 96, Vocab: 60, Context: 64},
		"qwen3moe": {Arch: "qwen3moe", Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 4, TopK: 2, FFN: 64, DenseFFN: 96,
			DenseLayers: []int{0}, Vocab: 60, Context: 64},
	} {
		t.Run(name, func(t *testing.T) {
			src, dst := t.TempDir(), filepath.Join(t.TempDir(), "t.stm")
			if err := modeltest.New(shape, 1).Write(src); err != nil {
				t.Fatal(err)
			}
			opts := options()
			if _, err := Convert(t.Context(), src, dst, opts); err != nil {
				t.Fatal(err)
			}
			plain := filepath.Join(t.TempDir(), "plain.stm")
			opts.Encoder = convert.Search
			if _, err := convert.Run(t.Context(), src, plain, opts.Options); err != nil {
				t.Fatal(err)
			}
			if a, b := read(t, dst), read(t, plain); len(a) < len(b)-4096 || a == b {
				t.Errorf("%d bytes, by search %d", len(a), len(b))
			}
		})
	}
}

// An .stm file without loss gives the same weights as the checkpoint. One that is Q4_0 already has nothing to calibrate for.
func TestQuantize(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if _, err := convert.Run(t.Context(), tiny, path("bf16.stm"), convert.Options{Recipe: convert.Recipe{Type: quant.BF16}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Quantize(t.Context(), path("bf16.stm"), path("a.stm"), options()); err != nil {
		t.Fatal(err)
	}
	if _, err := Convert(t.Context(), tiny, path("b.stm"), options()); err != nil {
		t.Fatal(err)
	}
	if read(t, path("a.stm")) != read(t, path("b.stm")) {
		t.Error("the file differs from one that is made in one step")
	}
	result, err := Quantize(t.Context(), path("a.stm"), path("c.stm"), options())
	if err != nil || result.Calibrated || !strings.Contains(strings.Join(result.Notes, "\n"), "gptq has nothing to do") {
		t.Errorf("%v, %+v", err, result)
	}
	r, err := format.Open(path("a.stm"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := r.Provenance.Options["calibration"]; got != "the model's own text, 512 tokens, seed 1" {
		t.Errorf("it was calibrated with %q", got)
	}
	if got := names(t, dir); len(got) != 4 {
		t.Errorf("the directory has %v", got)
	}
}

// GGUF files are sources like others. One of eight bits becomes four.
func TestGGUF(t *testing.T) {
	dir := t.TempDir()
	src, err := modeltest.New(shape, 1).WriteGGUF(filepath.Join(t.TempDir(), "model.gguf"), modeltest.GGUF{Type: quant.Q8_0})
	if err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(dir, "t.stm")
	result, err := Convert(t.Context(), src, dst, options())
	if err != nil || !result.Calibrated || result.Type != quant.Q4_0 {
		t.Errorf("%v, %+v", err, result)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("it left %v", got)
	}
}

// What would fail fails at once, and leaves nothing.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	dst := filepath.Join(dir, "t.stm")
	if err := os.WriteFile(dst, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		src  string
		want string
	}{{tiny, "exists"}, {filepath.Join(dir, "none"), "no such file"}, {dst, "is an .stm file already"}} {
		if _, err := Convert(t.Context(), tt.src, dst, options()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.src, err)
		}
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("it left %v", got)
	}
}
