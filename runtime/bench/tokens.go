package bench

import (
	_ "embed"
	"math/rand/v2"
	"slices"

	"st/runtime"
)

// Text is English prose to measure with.
//
//go:embed text.txt
var Text string

// Tokens returns n tokens of a text, over and over until there are enough. If the text is [Text], a model that cannot run it gets random ones: one
// without a tokenizer, or with one that has more tokens than the model.
func Tokens(m *runtime.Model, text string, n int) ([]int32, error) {
	if m.Tokenizer() == nil && text == Text {
		return random(m, n), nil
	}
	once, err := m.Encode(text)
	switch {
	case err != nil:
		return nil, err
	case len(once) == 0:
		return nil, runtime.ErrEmptyPrompt
	case text == Text && int(slices.Max(once)) >= m.Config().Vocab:
		return random(m, n), nil
	}
	var tokens []int32
	for len(tokens) < n {
		tokens = append(tokens, once...)
	}
	return tokens[:n], nil
}

// random returns n tokens, always the same.
func random(m *runtime.Model, n int) []int32 {
	tokens := make([]int32, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range tokens {
		tokens[i] = rng.Int32N(int32(m.Config().Vocab))
	}
	return tokens
}
