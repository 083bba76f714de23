package bench

import (
	_ "embed"
	"math/rand/v2"

	"st/runtime"
)

// Text is English prose to measure with.
//
//go:embed text.txt
var Text string

// Tokens returns n tokens of a text, over and over until there are enough. A model without a tokenizer gets random ones, if the text is
// [Text].
func Tokens(m *runtime.Model, text string, n int) ([]int32, error) {
	if m.Tokenizer() == nil && text == Text {
		tokens := make([]int32, n)
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range tokens {
			tokens[i] = rng.Int32N(int32(m.Config().Vocab))
		}
		return tokens, nil
	}
	once, err := m.Encode(text)
	switch {
	case err != nil:
		return nil, err
	case len(once) == 0:
		return nil, runtime.ErrEmptyPrompt
	}
	var tokens []int32
	for len(tokens) < n {
		tokens = append(tokens, once...)
	}
	return tokens[:n], nil
}
