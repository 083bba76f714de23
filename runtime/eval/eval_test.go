package eval

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"testing"

	"st/convert"
	"st/quant"
	"st/runtime"
	"st/tokenizer"
)

const checkpoint = "../../testdata/tiny-smallthinker"

// The first token of a window becomes BOS, if the model's texts begin with one.
func TestCutBOS(t *testing.T) {
	json, err := os.ReadFile(filepath.Join(checkpoint, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		config string
		first  int32
	}{
		{`{"add_bos_token": true, "bos_token": "<|endoftext|>"}`, 4093},
		{`{"add_bos_token": false, "bos_token": "<|endoftext|>"}`, 14},
	} {
		tok, err := tokenizer.ParseHF(json, []byte(tt.config))
		if err != nil {
			t.Fatal(err)
		}
		text := []int32{10, 11, 12, 13, 14, 15, 16, 17, 18}
		w, err := Cut(tok, text, 4)
		if err != nil || w.Count() != 2 || w.Scored() != 2 || w.At(1)[0] != tt.first || w.At(1)[1] != 15 || text[4] != 14 {
			t.Errorf("%s: %+v, %v", tt.config, w, err)
		}
		if w, err := Cut(tok, text, 100); err != nil || w.Count() != 1 || w.Length != 9 {
			t.Errorf("a text shorter than a window: %+v, %v", w, err)
		}
		if _, err := Cut(tok, text[:3], 4); !errors.Is(err, ErrShortText) {
			t.Errorf("a text of 3 tokens: %v", err)
		}
	}
}

// failingWriter has room for so many bytes.
type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

// A full disk is an error.
func TestSaveFails(t *testing.T) {
	p := &scorer{save: &failingWriter{left: 100}}
	p.batch = []position{{logits: make([]float32, 10), save: make(record, recordSize(10))}}
	for i := range 3 {
		err := p.add(make([]float32, 10), nil, 1)
		if i < 2 && err != nil || i == 2 && (err == nil || err.Error() != "write logits: no space left on device") {
			t.Errorf("record %d: %v", i, err)
		}
	}
}

// openTiny converts the trained model to a temporary file and opens it.
func openTiny(dir string) (*runtime.Model, error) {
	path := filepath.Join(dir, "tiny.stm")
	if _, err := convert.Run(context.Background(), checkpoint, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}}); err != nil {
		return nil, err
	}
	return runtime.Open(context.Background(), path, runtime.Options{KVType: runtime.KVF32})
}

// Perplexity is what the logits of every window say.
func TestRunDefinition(t *testing.T) {
	m, err := openTiny(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text, err := os.ReadFile(filepath.Join(checkpoint, "heldout.txt"))
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := m.Encode(string(text[:500]))
	if err != nil {
		t.Fatal(err)
	}
	w, err := Cut(m.Tokenizer(), tokens, 32)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	r, err := Run(t.Context(), m, w, Options{Progress: func(n int) { done = n }})
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	n := 0
	for i := range w.Count() {
		err := m.Logits(t.Context(), w.At(i), func(j int, logits []float32) error {
			if j >= 16 && j <= 30 {
				sum -= math.Log(softmax(toFloat64(logits))[w.At(i)[j+1]])
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n != r.ScoredTokens || math.Abs(sum/float64(n)-r.NLLMean) > 3e-4 || done != len(w.Tokens) || r.Windows != w.Count() || r.Divergence != nil {
		t.Errorf("mean %.6f of %d, want %.6f of %d; %d tokens done: %+v", r.NLLMean, r.ScoredTokens, sum/float64(n), n, done, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, m, w, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	m, err := openTiny(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	tokens, err := m.Encode("It was the best of times, it was the worst of times, it was the age of wisdom.")
	if err != nil {
		log.Fatal(err)
	}
	windows, err := Cut(m.Tokenizer(), tokens, 512)
	if err != nil {
		log.Fatal(err)
	}
	report, err := Run(context.Background(), m, windows, Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d tokens scored, perplexity about %.0f0\n", report.ScoredTokens, report.Perplexity/10)
	// Output: 10 tokens scored, perplexity about 90
}
