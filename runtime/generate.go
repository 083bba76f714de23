package runtime

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"st/format"
	"st/runtime/grammar"
)

// Generate says how a text is generated. The zero value generates as the model's file says, until the text ends or the context is full.
//
// Fields that are pointers are nil for the file's own default, and where it has none for llama.cpp's, which stands behind each. Go 1.26
// writes a pointer to a value as new(0.7).
type Generate struct {
	// MaxTokens is the most tokens that are generated. 0: as many as the context has room for. Less than 0: none, the prompt alone is
	// run.
	MaxTokens int
	// MaxTime ends the text with the first line that ends so long after the first token: what an editor suggests is of no use late. 0: no limit.
	MaxTime time.Duration

	// Temperature divides the logits. 0: always the likeliest token. (0.8)
	Temperature *float64
	// TopK keeps the k likeliest tokens. 0 or less: all. (40)
	TopK *int
	// TopP keeps the likeliest tokens that together reach this probability: nucleus sampling, arXiv 1904.09751. 1: all; 0: the
	// likeliest one. (0.95)
	TopP *float64
	// MinP keeps tokens of at least this share of the probability of the likeliest one. 0: all. (0.05)
	MinP *float64
	// RepeatPenalty divides positive logits of the last 64 tokens and multiplies negative ones: CTRL, arXiv 1909.05858. 1 or 0: off. (1)
	RepeatPenalty *float64
	// PresencePenalty is subtracted from the logits of tokens that were drawn, and FrequencyPenalty as often as they were, as in OpenAI's
	// API: the prompt's tokens do not count. 0: off.
	PresencePenalty, FrequencyPenalty float64
	// LogitBias is added to the logits of tokens, before all else. Those that the vocabulary does not have are an error.
	LogitBias map[int32]float64
	// Seed is that of the random numbers. The same seed and options give the same text on one machine, with any number of threads and
	// any Options.Memory. (a new one each time)
	Seed *uint64

	// Stop are texts before which generation ends. Texts of special tokens such as <|im_end|> are found, too, although Piece.Text
	// leaves special tokens out. Empty ones are not looked for.
	Stop []string
	// IgnoreEOS goes on after tokens that end a text.
	IgnoreEOS bool

	// Grammar is what the text must be, from its first token on: JSON of a schema for example (package runtime/grammar/jsonschema). Only tokens
	// that keep to it are drawn, and the other options choose among those. The text ends where the grammar leaves nothing more, or with a
	// token that ends texts where it may end; Result.Unfinished tells if it ends before that. A stop text counts only where the text may end
	// and go on: it does not cut JSON. Text that the grammar leaves no choice about is not computed token by token. nil: any text.
	Grammar *grammar.Grammar

	// Lookup says how many of the next tokens are guessed from what the text says already, and checked in one pass. The text stays the same.
	Lookup Lookup

	// LogProbs asks for Piece.LogProb, and TopLogProbs for so many of the likeliest tokens beside it.
	LogProbs    bool
	TopLogProbs int
	// PromptLogProbs asks for a piece for every token of the prompt, before those of the text: see Piece.Prompt.
	PromptLogProbs bool

	// Prefilled, if not nil, is called when the prompt has run, before the first token is drawn: the sequence holds the prompt then. Its error
	// ends the text.
	Prefilled func() error
	// Progress, if not nil, is told while the prompt is run how many of its tokens are done.
	Progress func(done, total int)

	// markers are special tokens that Piece.Text has all the same.
	markers []int32
	// begun is a text at the end of the prompt with which that of Grammar begins.
	begun string
}

// defaultSampling is what llama.cpp samples with, for what neither the caller nor the model says.
var defaultSampling = SamplerOptions{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, RepeatPenalty: 1}

// DefaultSampling returns what a model samples with where neither its file nor the caller says otherwise, with seed 0.
func DefaultSampling() SamplerOptions { return defaultSampling }

// Sampling returns the options that a model with these generation defaults samples with. A seed that is not given is a new one.
func (g *Generate) Sampling(model *format.Generation) SamplerOptions {
	o := defaultSampling
	pick := func(to *float64, from ...*float64) {
		for _, f := range from {
			if f != nil {
				*to = *f
				return
			}
		}
	}
	pick(&o.Temperature, g.Temperature, model.Temperature)
	if g.Temperature == nil && model.DoSample != nil && !*model.DoSample {
		o.Temperature = 0
	}
	pick(&o.TopP, g.TopP, model.TopP)
	pick(&o.MinP, g.MinP, model.MinP)
	pick(&o.RepeatPenalty, g.RepeatPenalty, model.RepetitionPenalty)
	if k := g.TopK; k != nil {
		o.TopK = max(0, *k)
	} else if k := model.TopK; k != nil {
		o.TopK = max(0, *k)
	}
	if o.TopP == 0 { // which a sampler takes for "off"
		o.TopK, o.TopP = 1, 1
	}
	o.PresencePenalty, o.FrequencyPenalty, o.LogitBias = g.PresencePenalty, g.FrequencyPenalty, g.LogitBias
	if g.Seed != nil {
		o.Seed = *g.Seed
	} else {
		o.Seed = RandomSeed()
	}
	return o
}

// RandomSeed returns a seed of 53 bits: exact also for readers of JSON that hold numbers in floats.
func RandomSeed() uint64 { return rand.Uint64() >> 11 }

// sparse reports whether rows of the language-model head may be left out: nothing is told of the probabilities, and no token that the model does not
// favour by itself is to be drawn.
func (g *Generate) sparse(s *Sampler) bool {
	if g.LogProbs || g.PromptLogProbs || g.Grammar != nil || s.opts.PresencePenalty < 0 || s.opts.FrequencyPenalty < 0 ||
		s.opts.RepeatPenalty > 0 && s.opts.RepeatPenalty < 1 {
		return false
	}
	for _, bias := range s.opts.LogitBias {
		if bias > 0 {
			return false
		}
	}
	return true
}

// sampler returns a new sampler.
func (m *Model) sampler(o SamplerOptions) (*Sampler, error) {
	s, err := NewSampler(o)
	for id := range o.LogitBias {
		if err == nil && (id < 0 || int(id) >= m.Config().Vocab) {
			err = fmt.Errorf("logit bias is for token %d: the vocabulary has ids 0 to %d", id, m.Config().Vocab-1)
		}
	}
	if err != nil {
		return nil, as(ErrOption, fmt.Errorf("%s: %w", m.file.Path(), err))
	}
	return s, nil
}

// Generate continues a text. What comes, comes in pieces of whole characters; the last piece has Done. An error ends the pieces, and
// comes with Done if the text was begun: a context that ends is such an error. Every loop over the pieces generates anew.
func (m *Model) Generate(ctx context.Context, prompt string, g Generate) iter.Seq2[Piece, error] {
	ids, err := m.EncodePrompt(prompt)
	if err != nil {
		return failed(err)
	}
	return m.GenerateTokens(ctx, ids, g)
}

// GenerateTokens is Generate with a prompt of tokens. Without a tokenizer pieces have tokens and no text.
func (m *Model) GenerateTokens(ctx context.Context, prompt []int32, g Generate) iter.Seq2[Piece, error] {
	if len(prompt) == 0 {
		return failed(fmt.Errorf("%s: %w", m.file.Path(), ErrEmptyPrompt))
	}
	return func(yield func(Piece, error) bool) {
		q, err := m.NewSequence()
		if err != nil {
			yield(Piece{Token: noToken}, err)
			return
		}
		defer q.Close()
		q.Generate(ctx, prompt, g)(yield)
	}
}

// failed returns pieces that are an error alone.
func failed(err error) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) { yield(Piece{Token: noToken}, err) }
}
