package calibrate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"st/convert"
	"st/quant"
	"st/runtime"
)

func TestRun(t *testing.T) {
	const checkpoint = "../../testdata/tiny-smallthinker"
	path := filepath.Join(t.TempDir(), "tiny.stm")
	if _, err := convert.Run(t.Context(), checkpoint, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}}); err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Open(t.Context(), path, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text, err := os.ReadFile(filepath.Join(checkpoint, "heldout.txt"))
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := m.Encode(string(text[:1500]))
	if err != nil {
		t.Fatal(err)
	}
	for _, covariance := range []bool{false, true} {
		done := 0
		s, err := Run(t.Context(), m, tokens, Options{Window: 100, Covariance: covariance, Progress: func(n int) { done = n }})
		if err != nil {
			t.Fatal(err)
		}
		c := NewCoverage(m.Config(), s)
		if s.HasCovariance() != covariance || done != len(tokens) || c.Tokens != len(tokens) || c.Experts != 96 || c.Unreached > c.Rare ||
			c.Rare > c.Experts || c.FewestTokens > c.MedianTokens || c.MedianTokens > c.Tokens {
			t.Errorf("covariance %v: %+v, %d tokens done of %d", covariance, c, done, len(tokens))
		}
	}
	if _, err := Run(t.Context(), m, nil, Options{Window: 100}); !errors.Is(err, ErrEmptyText) {
		t.Errorf("an empty text: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, m, tokens, Options{Window: 100}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if with, without := MemoryBytes(m.Config(), true), MemoryBytes(m.Config(), false); with < without+1<<20 {
		t.Errorf("it takes %d bytes with covariances, %d without", with, without)
	}
}
