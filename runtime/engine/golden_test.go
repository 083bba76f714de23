package engine_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"st/convert"
	"st/quant"
	"st/runtime/engine"
)

const tiny = "../../testdata/tiny-smallthinker"

// goldenLogits reads the reference in a checkpoint's directory: float32 [tokens, vocab] in NumPy's format, from an independent implementation.
func goldenLogits(t *testing.T, dir string) (tokens []int32, logits [][]float32) {
	t.Helper()
	tokens = goldenTokens(t, filepath.Join(dir, "golden_tokens.json"))
	npy, err := os.ReadFile(filepath.Join(dir, "golden_logits.npy"))
	if err != nil {
		t.Fatal(err)
	}
	data := npy[10+int(binary.LittleEndian.Uint16(npy[8:])):]
	vocab := len(data) / 4 / len(tokens)
	for range tokens {
		row := make([]float32, vocab)
		if err := binary.Read(bytes.NewReader(data[:4*vocab]), binary.LittleEndian, row); err != nil {
			t.Fatal(err)
		}
		logits, data = append(logits, row), data[4*vocab:]
	}
	return tokens, logits
}

func goldenTokens(t *testing.T, name string) (tokens []int32) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &tokens); err != nil {
		t.Fatal(err)
	}
	return tokens
}

// files are the converted checkpoints of all tests, each made once.
var files struct {
	sync.Mutex
	dir   string
	paths map[string]string
}

func TestMain(m *testing.M) {
	code := 1
	dir, err := os.MkdirTemp("", "st-engine-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(code)
	}
	files.dir, files.paths = dir, make(map[string]string)
	code = m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// converted returns the file of a checkpoint, which no test may change.
func converted(t *testing.T, dir string, typ quant.Type) string {
	t.Helper()
	files.Lock()
	defer files.Unlock()
	key := dir + " " + typ.String()
	path, ok := files.paths[key]
	if !ok {
		path = filepath.Join(files.dir, fmt.Sprintf("%d.stm", len(files.paths)))
		if _, err := convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: typ}}); err != nil {
			t.Fatal(err)
		}
		files.paths[key] = path
	}
	return path
}

// openCheckpoint opens the model of a checkpoint.
func openCheckpoint(t *testing.T, dir string, typ quant.Type, opts engine.Options) *engine.Engine {
	t.Helper()
	return openReader(t, reader(t, converted(t, dir, typ)), opts)
}

// difference returns the largest |Δlogit| and the mean KL divergence from want to got.
func difference(want, got []float32) (top, kl float64) {
	lw, lg := logSoftmax(want), logSoftmax(got)
	for i := range want {
		top = max(top, math.Abs(float64(want[i])-float64(got[i])))
		kl += math.Exp(lw[i]) * (lw[i] - lg[i])
	}
	return top, kl
}

func logSoftmax(x []float32) []float64 {
	m := math.Inf(-1)
	for _, v := range x {
		m = max(m, float64(v))
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - m)
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v) - m - math.Log(sum)
	}
	return out
}

// continued continues a prompt greedily to n tokens.
func continued(t *testing.T, s *engine.Session, prompt []int32, n int) []int32 {
	t.Helper()
	got := slices.Clone(prompt)
	logits := forward(t, s, got...)
	for len(got) < n {
		next := int32(0)
		for i, v := range logits {
			if v > logits[next] {
				next = int32(i)
			}
		}
		got = append(got, next)
		logits = forward(t, s, next)
	}
	return got
}

// checkGreedy checks that a model continues the first 16 tokens as its reference does.
func checkGreedy(t *testing.T, e *engine.Engine, greedy []int32) {
	t.Helper()
	if got := continued(t, session(t, e), greedy[:16], len(greedy)); !slices.Equal(got, greedy) {
		t.Errorf("the greedy continuation is\n%v, want\n%v", got[16:], greedy[16:])
	}
}

func TestGoldenLogits(t *testing.T) {
	tokens, want := goldenLogits(t, tiny)
	for _, tt := range []struct {
		typ     quant.Type
		kv      engine.KVType
		maxDiff float64 // 0: not held
		maxKL   float64
	}{
		{quant.F32, engine.KVF32, 2e-3, 1e-9},
		{quant.BF16, engine.KVF32, 2e-3, 1e-9}, // the checkpoint is bf16: nothing is lost
		{quant.F16, engine.KVF32, 2e-2, 1e-6},
		{quant.F16, engine.KVF16, 2e-2, 1e-6},
		{quant.Q8_0, engine.KVF32, 0, 1e-3},
		{quant.Q8_0, engine.KVQ8, 0, 1e-3},
		{quant.Q4_0, engine.KVF16, 0, 0.1},
	} {
		t.Run(tt.typ.String()+"/kv "+tt.kv.String(), func(t *testing.T) {
			e := openCheckpoint(t, tiny, tt.typ, engine.Options{KVType: tt.kv, Threads: 2})
			var top, kl float64
			err := session(t, e).ForwardAll(t.Context(), tokens, func(i int, got []float32) error {
				d, k := difference(want[i], got)
				top, kl = max(top, d), kl+k/float64(len(tokens))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("max |Δlogit| %.2g, mean KL divergence %.2g, neuron density %.3f", top, kl, e.Stats().NeuronDensity)
			if tt.maxDiff > 0 && top > tt.maxDiff {
				t.Errorf("max |Δlogit| is %g, allowed is %g", top, tt.maxDiff)
			}
			if kl > tt.maxKL {
				t.Errorf("mean KL divergence is %g, allowed is %g", kl, tt.maxKL)
			}
		})
	}
}

// One token at a time gives what a batch gives.
func TestDecodeEqualsPrefill(t *testing.T) {
	tokens, want := goldenLogits(t, tiny)
	e := openCheckpoint(t, tiny, quant.F32, engine.Options{KVType: engine.KVF32, Threads: 2})
	s := session(t, e)
	for i, id := range tokens {
		got, err := s.Forward(t.Context(), []int32{id})
		if err != nil {
			t.Fatal(err)
		}
		if d, _ := difference(want[i], got); d > 2e-3 {
			t.Fatalf("token %d: max |Δlogit| is %g", i, d)
		}
	}
}

// The threads meet five times a layer of SmallThinker for a token that comes alone, and once for the head.
func TestDecodeJobs(t *testing.T) {
	tokens := goldenTokens(t, filepath.Join(tiny, "golden_tokens.json"))
	e := openCheckpoint(t, tiny, quant.Q4_0, engine.Options{Threads: 2})
	s := session(t, e)
	if _, err := s.Forward(t.Context(), tokens[:8]); err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens[8:11] {
		if _, err := s.Forward(t.Context(), []int32{token}); err != nil {
			t.Fatal(err)
		}
	}
	layers := len(reader(t, converted(t, tiny, quant.Q4_0)).Config.RoPELayout)
	if got, want := e.Stats().DecodeJobs, int64(3*(5*layers+1)); got != want {
		t.Errorf("%d jobs for three tokens, want %d", got, want)
	}
}
