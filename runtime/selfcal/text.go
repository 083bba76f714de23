package selfcal

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"st/runtime"
)

// maxWindow is the number of tokens in a sequence, where the model's context is not shorter.
const maxWindow = 512

// sequences returns how many there are in a text of n tokens or a few more.
func sequences(n, window int) int { return (n + window - 1) / window }

// writer has a model write a text of its own: whole sequences of window tokens. They begin as texts of the model do, and every
// [chatEvery]th as a conversation, if the model has a chat template: it writes the question too, as in Magpie (arXiv 2406.08464). It goes on
// with tokens that are drawn from the model's own distribution, past those that end a text: after an answer comes the next question.
type writer struct {
	model      *runtime.Model
	beginnings [][]int32
	window     int
	seed       uint64
}

func newWriter(ctx context.Context, m *runtime.Model, k *Key) (*writer, error) {
	beginnings, err := m.Beginnings(ctx)
	return &writer{m, beginnings, k.Window, k.Seed}, err
}

// write writes n tokens or a few more, parallel sequences at a time. Sequence i has random numbers of its own, so that the text does not
// depend on parallel.
func (w *writer) write(ctx context.Context, n, parallel int, progress func(done, total int64)) ([]int32, error) {
	text := make([][]int32, sequences(n, w.window))
	total := int64(len(text) * w.window)
	var next, done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(parallel, len(text)) {
		group.Go(func() (err error) {
			for i := int(next.Add(1) - 1); i < len(text); i = int(next.Add(1) - 1) {
				text[i], err = w.sequence(ctx, i, func(n int) { progress(done.Add(int64(n)), total) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(text...), nil
}

// sequence writes sequence i. progress is told of every token.
func (w *writer) sequence(ctx context.Context, i int, progress func(n int)) ([]int32, error) {
	text := w.beginning(i)
	text = text[:min(len(text), w.window-1)]
	progress(len(text))
	options := runtime.Generate{
		MaxTokens: w.window - len(text), IgnoreEOS: true, Seed: new(w.seed + uint64(i)),
		// What the model predicts, as it is.
		Temperature: new(1.), TopK: new(0), TopP: new(1.), MinP: new(0.), RepeatPenalty: new(1.),
	}
	for piece, err := range w.model.GenerateTokens(ctx, slices.Clone(text), options) {
		if err != nil {
			return nil, err
		}
		if piece.Done == nil {
			text = append(text, piece.Token)
			progress(1)
		}
	}
	return text, nil
}

// chatEvery is how often a sequence is a conversation: so that what only conversations have is seen, and plain text counts most.
const chatEvery = 4

// beginning returns what sequence i begins with: any token, if the model knows none that begins a text.
func (w *writer) beginning(i int) []int32 {
	switch b := w.beginnings; {
	case len(b) == 0:
		rng := rand.New(rand.NewPCG(w.seed+uint64(i), 1)) // the sampler has stream 0
		return []int32{rng.Int32N(int32(w.model.Config().Vocab))}
	case i%chatEvery == chatEvery-1:
		return slices.Clone(b[len(b)-1])
	default:
		return slices.Clone(b[0])
	}
}
