package bench

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
	"st/quant"
	"st/runtime"
	"st/runtime/engine"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		x    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{5, 100, 1}, 5}, {[]float64{4, 1, 2, 100}, 3}} {
		if got := median(tt.x); got != tt.want {
			t.Errorf("median of %v is %v, want %v", tt.x, got, tt.want)
		}
	}
}

// A tokenizer may have more tokens than the model: what is measured is then not its own text.
func TestTokensBeyondVocabulary(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "m.stm")
	shape := modeltest.Shape{Arch: "qwen3", Layers: 1, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 32, DenseFFN: 32, Vocab: 10, Context: 64}
	if err := modeltest.New(shape, 1).Write(dir); err != nil {
		t.Fatal(err)
	}
	tokenizer, err := os.ReadFile("../../testdata/tiny-smallthinker/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), tokenizer, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Run(t.Context(), dir, path, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Open(t.Context(), path, runtime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tokens, err := Tokens(m, Text, 20)
	if err != nil || len(tokens) != 20 || slices.Max(tokens) >= 10 || m.Tokenizer() == nil {
		t.Errorf("tokens are %v, %v", tokens, err)
	}
	if _, err := Run(t.Context(), m, tokens, Options{Gen: 2, Repeat: 1}); err != nil {
		t.Error(err)
	}
}

// Every stage has a name of its own.
func TestStages(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range engine.Stages() {
		if name := s.String(); name == "" || strings.Contains(name, "(") || seen[name] {
			t.Errorf("stage %d is called %q", int(s), name)
		}
		seen[s.String()] = true
	}
}

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.stm")
	if _, err := convert.Run(t.Context(), "../../testdata/tiny-smallthinker", path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Open(t.Context(), path, runtime.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tokens, err := Tokens(m, Text, 25)
	if err != nil || len(tokens) != 25 {
		t.Fatalf("%d tokens, %v", len(tokens), err)
	}
	var last, total int
	r, err := Run(t.Context(), m, tokens, Options{Depth: 5, Gen: 7, Repeat: 3, Progress: func(d, n int) { last, total = d, n }})
	if err != nil {
		t.Fatal(err)
	}
	if r.PromptTokens != 20 || r.GenTokens != 7 || r.Depth != 5 || len(r.PromptRuns) != 3 || len(r.GenRuns) != 3 || slices.Min(r.GenRuns) <= 0 ||
		r.Profile != nil || r.WeightBytes <= 0 || last != 3*32 || total != 3*32 {
		t.Errorf("%+v; progress %d of %d", r, last, total)
	}
	// A token attends to itself and all before it: here to 26 to 32 positions, fewer than the window has.
	c := m.Config()
	position := float64(2 * c.KVHeads * c.HeadDim * 2) // bytes in a layer, F16
	if want := float64(c.Layers) * position * 29; r.KVBytes != want {
		t.Errorf("%v bytes of keys and values a token, want %v", r.KVBytes, want)
	}
	// Tokens before the prompt are run in parts, so progress is told, and an interrupt is seen, meanwhile.
	long, err := Tokens(m, Text, 2*prefillTokens-1)
	if err != nil {
		t.Fatal(err)
	}
	var told []int
	r, err = Run(t.Context(), m, long, Options{Depth: len(long), Gen: 1, Repeat: 1, Progress: func(d, _ int) { told = append(told, d) }})
	if err != nil || !slices.Contains(told, prefillTokens) {
		t.Fatalf("progress of %d tokens: %v; %v", len(long), told, err)
	}
	var seen int // positions, of all layers
	for l := range c.Layers {
		if w := c.Window(l); w > 0 {
			seen += w
			continue
		}
		seen += len(long) + 1
	}
	if want := position * float64(seen); r.KVBytes != want {
		t.Errorf("%v bytes of keys and values after %d tokens, want %v", r.KVBytes, len(long), want)
	}
	if _, err := Tokens(m, "", 5); !errors.Is(err, runtime.ErrEmptyPrompt) {
		t.Errorf("an empty text: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, m, tokens, Options{Gen: 1, Repeat: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
