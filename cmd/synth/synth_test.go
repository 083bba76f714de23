package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/format"
	"st/quant"
)

// small has the 4b shape's experts at a width that takes a second.
var small = strings.Fields("-shape 4b -hidden 256 -layers 5 -heads 4 -head-dim 64 -ffn 64 -vocab 4096 -shard-size 8000000")

func generate(t *testing.T, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	generateTo(t, io.Discard, dir, args...)
	return dir
}

func generateTo(t *testing.T, stdout io.Writer, dir string, args ...string) {
	t.Helper()
	if err := run(context.Background(), slices.Concat(small, []string{"-o", dir}, args), stdout); err != nil {
		t.Fatal(err)
	}
}

func hash(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) < 6 {
		t.Fatalf("files %v, error %v", names, err)
	}
	for _, n := range names {
		f, err := os.Open(n)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(h, f)
		if f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return string(h.Sum(nil))
}

func TestDeterminism(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one := hash(t, generate(t, "-layers", "2"))
	runtime.GOMAXPROCS(2)
	if hash(t, generate(t, "-layers", "2")) != one {
		t.Error("two cores write other bytes than one")
	}
	if hash(t, generate(t, "-layers", "2", "-seed", "2")) == one {
		t.Error("another seed writes the same bytes")
	}
}

// readTensors reads a checkpoint back through its index.
func readTensors(t *testing.T, dir string) map[string][]float32 {
	t.Helper()
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	readJSON(t, filepath.Join(dir, "model.safetensors.index.json"), &index)
	all := map[string][]float32{}
	for _, file := range slices.Compact(slices.Sorted(maps.Values(index.WeightMap))) {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		start := 8 + binary.LittleEndian.Uint64(data)
		var header map[string]json.RawMessage
		if err := json.Unmarshal(data[8:start], &header); err != nil {
			t.Fatal(err)
		}
		delete(header, "__metadata__")
		for name, raw := range header {
			var e struct {
				DType   string
				Shape   []int
				Offsets [2]uint64 `json:"data_offsets"`
			}
			if err := json.Unmarshal(raw, &e); err != nil || e.DType != "BF16" || index.WeightMap[name] != file {
				t.Fatalf("%s in %s: %s, %v", name, file, raw, err)
			}
			v := data[start+e.Offsets[0] : start+e.Offsets[1]]
			w := make([]float32, len(v)/2)
			for i := range w {
				w[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(v[2*i:])) << 16)
			}
			all[name] = w
		}
	}
	return all
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

func TestCheckpoint(t *testing.T) {
	dir := generate(t, "-tied=false", "-layers", "2")
	c := config{arch: smallThinker}
	readJSON(t, filepath.Join(dir, "config.json"), &c)
	if c.Hidden != 256 || c.Layers != 2 || len(c.RopeLayout) != 2 || c.Tied || c.DType != "bfloat16" || c.BOS == 0 {
		t.Errorf("config %+v", c)
	}
	all := readTensors(t, dir)
	for _, want := range c.tensors() {
		w := all[want.name]
		if len(w) != want.size() || rms(w) < 0.005 || rms(w) > 20 || math.IsNaN(rms(w)) {
			t.Errorf("%s: %d values of rms %g, want %d", want.name, len(w), rms(w), want.size())
		}
		delete(all, want.name)
	}
	if len(all) != 0 {
		t.Errorf("%d tensors too many", len(all))
	}
}

func TestStatistics(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	var out bytes.Buffer
	generateTo(t, &out, dir, "-json")
	var got struct{ Mean layerStats }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	m := got.Mean
	for _, s := range []struct {
		what        string
		got, lo, hi float64
	}{
		{"density", m.Density, 0.32, 0.38}, {"rare", m.Rare, 0.6, 0.85}, {"quarter", m.Quarter, 0.58, 0.75},
		{"reuse", m.Reuse - m.Chance, 0.1, 0.4}, {"rms", m.RMS, 0.2, 10}, {"constant", m.Constant, 0.1, 0.35},
	} {
		if !(s.got >= s.lo && s.got <= s.hi) {
			t.Errorf("%s is %.3f, not in %g to %g", s.what, s.got, s.lo, s.hi)
		}
	}
	c := config{arch: smallThinker}
	readJSON(t, filepath.Join(dir, "config.json"), &c)
	generates(t, &c, readTensors(t, dir))
}

// generates checks that greedy decoding does not get stuck: it must not settle on one token nor on a short cycle.
func generates(t *testing.T, c *config, w map[string][]float32) {
	t.Helper()
	embed := w["model.embed_tokens.weight"]
	tokens := []int{17, 4, 99}
	seen := map[int]bool{}
	for range 24 {
		var x []float32
		for _, v := range tokens {
			x = append(x, embed[v*c.Hidden:(v+1)*c.Hidden]...)
		}
		for l := range c.Layers {
			forward(c, w, l, x)
		}
		z := rmsNorm(x[len(x)-c.Hidden:], w["model.norm.weight"], c.NormEps)
		logits := project(z, embed, c.Hidden)
		if d := deviations(logits, 1)[0]; d < 2 || d > 3.2 {
			t.Fatalf("logits after %d tokens deviate by %.2f", len(tokens), d)
		}
		next := topK(logits, 1)[0]
		tokens, seen[next] = append(tokens, next), true
	}
	if len(seen) < 8 {
		t.Errorf("%d different tokens of 24: %v", len(seen), tokens)
	}
}

// forward moves x, one sequence, past layer l as the checkpoint's files have it.
func forward(c *config, w map[string][]float32, l int, x []float32) {
	p := layerPrefix(l)
	n := len(x) / c.Hidden
	logits := apply(x, w[c.router(l)], c.Hidden)
	z := rmsNorm(x, w[p+"input_layernorm.weight"], c.NormEps)
	attn := func(name string) []float32 { return apply(z, w[p+"self_attn."+name+"_proj.weight"], c.Hidden) }
	q, k, v := attn("q"), attn("k"), attn("v")
	rotate(q, c.Heads*c.HeadDim, c.HeadDim, n, c.RopeTheta)
	rotate(k, c.KVHeads*c.HeadDim, c.HeadDim, n, c.RopeTheta)
	axpy(x, 1, apply(attend(q, k, v, c, n, n), w[p+"self_attn.o_proj.weight"], c.Heads*c.HeadDim))
	z = rmsNorm(x, w[p+"post_attention_layernorm.weight"], c.NormEps)
	for t := range n {
		r := route(logits[t*c.Experts:(t+1)*c.Experts], c)
		for i, e := range r.experts {
			in := z[t*c.Hidden : (t+1)*c.Hidden]
			g := apply(in, w[c.network(l, e, "gate")], c.Hidden)
			reglu(g, apply(in, w[c.network(l, e, "up")], c.Hidden))
			axpy(x[t*c.Hidden:(t+1)*c.Hidden], r.weights[i], apply(g, w[c.network(l, e, "down")], c.FFN))
		}
	}
}

// apply is project without goroutines, which cost more than these small products.
func apply(x, w []float32, cols int) []float32 {
	y := make([]float32, len(x)/cols*(len(w)/cols))
	matmul(y, x, w, cols, 0, len(w)/cols)
	return y
}

// Checkpoints of every architecture are what st converts.
func TestArchitectures(t *testing.T) {
	shape := strings.Fields("-hidden 128 -layers 3 -heads 4 -kv-heads 2 -head-dim 32 -ffn 64 -vocab 4096")
	for _, args := range []string{
		"-arch smallthinker", "-arch qwen3moe -experts 16 -top-k 4", "-arch qwen3", "-arch qwen3 -tied=false", "-arch qwen3 -write-head",
		"-arch qwen3moe -experts 8 -top-k 2 -calibrate=false", "-arch qwen3 -calibrate=false", "-shape tiny -arch qwen3moe",
	} {
		t.Run(args, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "model")
			var out bytes.Buffer
			if err := run(t.Context(), slices.Concat(shape, strings.Fields(args), []string{"-o", dir, "-json"}), &out); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "m.stm")
			result, err := convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
			if err != nil {
				t.Fatal(err)
			}
			r, err := format.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if c := r.Config; c.Layers != 3 || c.Hidden != 128 || c.QKNorm != strings.Contains(args, "qwen") || (c.MoE == nil) != strings.HasSuffix(c.Architecture, "qwen3") {
				t.Errorf("the config is %+v", c)
			}
			if got := slices.ContainsFunc(result.Notes, func(n string) bool { return strings.Contains(n, "stored once, as tied embeddings") }); got != strings.Contains(args, "write-head") {
				t.Errorf("notes are %q", result.Notes)
			}
			if args != "-arch qwen3moe -experts 16 -top-k 4" {
				return
			}
			var stats struct{ Mean layerStats }
			if err := json.Unmarshal(out.Bytes(), &stats); err != nil {
				t.Fatal(err)
			}
			if m := stats.Mean; m.Density != 1 || m.Quarter < 0.55 || m.Quarter > 0.8 || m.Reuse < m.Chance || m.RMS < 0.2 || m.RMS > 10 {
				t.Errorf("the statistics are %+v", m)
			}
		})
	}
}

func TestUncalibrated(t *testing.T) {
	for _, d := range []string{"f16", "f32"} {
		generate(t, "-calibrate=false", "-layers", "1", "-dtype", d)
	}
}

func TestRoundF16(t *testing.T) {
	for in, want := range map[float32]uint16{0: 0, 1: 0x3c00, -2: 0xc000, 65504: 0x7bff, 1e6: 0x7bff, 0x1p-24: 1,
		0x1p-14: 0x400, 1 + 0x1p-11: 0x3c00, 1 + 0x3p-11: 0x3c02, -0x1.8p-24: 0x8002, 2047.9: 0x6800, 0.1: 0x2e66} {
		if got := bitsF16(roundF16(in)); got != want {
			t.Errorf("%g becomes %#x, want %#x", in, got, want)
		}
	}
}

func TestRefusal(t *testing.T) {
	dir := t.TempDir()
	x := filepath.Join(t.TempDir(), "x")
	for _, c := range []struct{ args, want string }{
		{"-o " + dir, "exists"}, {"-force -o " + dir, "no checkpoint"}, {"-o " + x + " -vocab 100", "too small"}, {"-o " + x + " -shape 7b", "unknown shape"},
		{"-o " + x + " -top-k 32", "below"}, {"-o " + x + " -arch llama", "unknown architecture"}, {"-o " + x + " -arch qwen3 -density 0.5", "smallthinker only"},
		{"-o " + x + " -tied=false -write-head", "tied embeddings"}, {"-o " + x + " -dtype q4", "unknown dtype"}, {"-o " + x + " -rope-layout 012", "row of 0 and 1"},
	} {
		err := run(context.Background(), strings.Fields(c.args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.args, err, c.want)
		}
	}
	if names, _ := filepath.Glob(x + "*"); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

// Gemma's shapes are what st converts and runs: all tensors of the architecture and no others.
func TestGemmaShapes(t *testing.T) {
	for _, arch := range []string{"gemma3", "gemma3n"} {
		dir := filepath.Join(t.TempDir(), "model")
		args := []string{"-arch", arch, "-layers", "12", "-hidden", "64", "-heads", "2", "-kv-heads", "1", "-head-dim", "32", "-ffn", "64", "-vocab", "4096", "-o", dir}
		if err := run(context.Background(), args, io.Discard); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "m.stm")
		if _, err := convert.Run(context.Background(), dir, to, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}}); err != nil {
			t.Fatal(err)
		}
		r, err := format.Open(to)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		c := r.Config
		if c.Architecture != arch || c.Layers != 12 || c.KVLayer(0) != 0 || (c.Sparsity != nil) != (arch == "gemma3n") {
			t.Errorf("%s: the config is %+v", arch, c)
		}
	}
}
