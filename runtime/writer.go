package runtime

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"st/tokenizer"
)

// prefillTokens is how much of a prompt goes through the engine between two reports of progress: a multiple of the engine's own batch.
const prefillTokens = 512

// writer continues the text of a sequence.
type writer struct {
	sequence *Sequence
	sampler  *Sampler
	options  *Generate
	yield    func(Piece, error) bool

	result  Result
	text    strings.Builder
	decoder *tokenizer.StreamDecoder // nil: there is no tokenizer
	stop    stopMatcher
	grammar *constraint // nil: there is none
	ends    []int32     // tokens that end the text
	lookup  *lookup     // nil: nothing is guessed
	drawn   []drawnPiece
	first   time.Time // when the first token was there
	fed     int       // how many of the result's tokens are in the sequence
	left    bool      // the caller left the loop
	next    Piece     // its probabilities are known already
}

// write appends a prompt to the sequence, generates and yields the pieces. It reports whether the prompt was run.
func (w *writer) write(ctx context.Context, prompt []int32) (begun bool) {
	m := w.sequence.model
	w.result = Result{CachedTokens: w.sequence.Len(), PromptTokens: len(prompt), Stop: StopLength, EndToken: noToken, Seed: w.sampler.opts.Seed}
	if n := w.sequence.Len() + len(prompt); n > m.Context() {
		w.yield(Piece{Token: noToken}, fmt.Errorf("%w: the prompt has %d tokens and the context %d", ErrContextFull, n, m.Context()))
		return false
	}
	w.sequence.session.SetSparseHead(w.options.sparse(w.sampler))
	begin := time.Now()
	logits, err := w.prefill(ctx, prompt)
	switch {
	case w.left:
		return false
	case err != nil:
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		w.end(err)
		return false
	}
	for _, id := range prompt {
		w.sampler.Accept(id)
	}
	w.result.PromptTime = max(1, time.Since(begin))
	if w.options.Prefilled != nil {
		err = w.options.Prefilled()
	}
	if err == nil && w.options.MaxTokens >= 0 {
		err = w.decode(ctx, logits, begin)
	}
	if w.left {
		w.finish()
		return true
	}
	w.end(err)
	return true
}

// prefill runs the prompt and returns the logits after it.
func (w *writer) prefill(ctx context.Context, prompt []int32) (logits []float32, err error) {
	progress := w.options.Progress
	if progress == nil {
		progress = func(done, total int) {}
	}
	progress(0, len(prompt))
	w.sequence.expect(len(prompt))
	done := 0
	for part := range slices.Chunk(prompt, prefillTokens) {
		if w.options.PromptLogProbs {
			logits, err = w.promptPieces(ctx, prompt, done, len(part))
		} else {
			logits, err = w.sequence.forward(ctx, part)
		}
		if err != nil || w.left {
			return nil, err
		}
		done += len(part)
		progress(done, len(prompt))
	}
	return logits, nil
}

// promptPieces runs n tokens of a prompt from index first on, yields a piece for each, and returns the logits after the last. A piece's
// probabilities come from the logits of the token before.
func (w *writer) promptPieces(ctx context.Context, prompt []int32, first, n int) (logits []float32, err error) {
	if first == 0 {
		w.next = Piece{LogProb: math.NaN()}
	}
	pieces := make([]Piece, 0, n)
	// What computes waits for the function, so it yields nothing: a caller may be slow.
	err = w.sequence.forwardAll(ctx, prompt[first:first+n], func(i int, l []float32) error {
		p := w.next
		p.Token, p.Prompt = prompt[first+i], true
		pieces = append(pieces, p)
		if first+i+1 == len(prompt) {
			logits, w.next = slices.Clone(l), Piece{}
			return nil
		}
		after := newLogProbs(l, w.options.TopLogProbs)
		w.next = Piece{LogProb: after.of(prompt[first+i+1]), Top: after.top}
		return nil
	})
	for _, p := range pieces {
		if err == nil && !w.left && !w.yield(p, nil) {
			w.left, w.result.Stop = true, StopInterrupted
		}
	}
	return logits, err
}

// decode draws token after token. Those that the grammar forces after one go through the model together with it, and so do those that are guessed.
func (w *writer) decode(ctx context.Context, logits []float32, begin time.Time) error {
	m, r := w.sequence.model, &w.result
	if m.tok != nil {
		w.decoder = m.tok.NewDecoder(true)
		w.decoder.Continue(w.sequence.tokens[len(w.sequence.tokens)-1])
	}
	w.stop = newStopMatcher(w.options.Stop)
	defer func() {
		if !w.first.IsZero() {
			r.DecodeTime = max(1, time.Since(w.first))
		}
	}()
	if w.options.Lookup != LookupOff {
		w.lookup = newLookup(w.options.Lookup)
	}
	ids, end, err := w.step(logits)
	if err == nil {
		w.first = time.Now()
		r.FirstToken = max(1, w.first.Sub(begin))
	}
	for {
		if !w.flush() || end || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var guess []int32
		if len(ids) == 1 {
			guess = w.guess()
		}
		if len(guess) > 0 {
			ids, end, err = w.check(ctx, ids[0], guess)
		} else {
			ids, end, err = w.run(ctx, ids)
		}
	}
}

// draw returns the next tokens: one that is drawn, and those that the grammar forces after it. None: the text has ended.
func (w *writer) draw(logits []float32) ([]int32, error) {
	c := w.grammar
	if c == nil {
		return []int32{w.sampler.SamplePeaks(logits, w.sequence.session.Peaks(logits))}, nil
	}
	if c.matcher.Done() {
		return nil, nil
	}
	if len(c.accepted) == 0 { // the text may begin with what is forced
		if ids := c.follow(noToken); len(ids) > 0 {
			w.result.ForcedTokens++
			w.force(ids)
			return ids, nil
		}
	}
	if err := c.mask(logits); err != nil {
		return nil, err
	}
	id := w.sampler.Sample(logits)
	if slices.Contains(w.ends, id) {
		return []int32{id}, nil
	}
	ids := c.follow(id)
	w.force(ids[1:])
	return ids, nil
}

// force has the sampler know tokens that it did not draw.
func (w *writer) force(ids []int32) {
	for _, id := range ids {
		w.sampler.Accept(id)
	}
}

// take adds a token to the text, to be yielded, and reports whether it ends it.
func (w *writer) take(id int32, forced bool, probabilities *logProbs) (end bool, err error) {
	m, r := w.sequence.model, &w.result
	if !w.options.IgnoreEOS && slices.Contains(w.ends, id) {
		r.Stop, r.EndToken = StopEOS, id
		if probabilities != nil {
			w.next = Piece{LogProb: probabilities.of(id), Top: probabilities.top}
		}
		return true, nil
	}
	if w.grammar != nil {
		if err := w.grammar.accept(id); err != nil {
			return true, err
		}
	}
	r.Tokens = append(r.Tokens, id)
	piece := Piece{Token: id}
	if probabilities != nil {
		piece.LogProb, piece.Top = probabilities.of(id), probabilities.top
	}
	var found bool
	piece.Text, found = w.show(id)
	w.text.WriteString(piece.Text)
	w.drawn = append(w.drawn, drawnPiece{piece, forced, len(r.Tokens), w.text.Len(), w.sampler.mark()})
	switch {
	case found:
		r.Stop, r.StopText = StopText, w.stop.found
	case len(r.Tokens) == w.options.MaxTokens, w.late(piece.Text):
		r.Stop = StopLength
	case w.grammar != nil && w.grammar.matcher.Done():
		r.Stop = StopEOS
	case w.sequence.Len()+len(r.Tokens)-w.fed >= m.Context(): // with these tokens, which are not run yet
		r.Stop = StopContext
	default:
		return false, nil
	}
	return true, nil
}

// late reports whether a line ends with a text, and MaxTime is over.
func (w *writer) late(text string) bool {
	most := w.options.MaxTime
	return most > 0 && !w.first.IsZero() && strings.Contains(text, "\n") && time.Since(w.first) >= most
}

// show returns what can be shown with a token, and whether a stop text came. Within a grammar that is not at its end none does.
func (w *writer) show(id int32) (text string, found bool) {
	if w.decoder == nil {
		return "", false
	}
	if c := w.grammar; c != nil && (!c.matcher.CanEnd() || c.matcher.Done()) {
		return w.stop.flush() + w.decoder.Next(id), false
	}
	text, found = w.stop.push(w.decoder.Next(id), false)
	if tok := w.sequence.model.tok; !found && tok.IsSpecial(id) {
		special, _ := tok.Token(id)
		var more string
		more, found = w.stop.push(special, true)
		text += more
	}
	return text, found
}

// end yields the last piece: what is incomplete or held back comes out now.
func (w *writer) end(err error) {
	if err != nil {
		w.result.Stop = StopInterrupted
	}
	rest := ""
	if w.decoder != nil && w.result.Stop != StopText {
		var found bool
		if rest, found = w.stop.push(w.decoder.Flush(), false); found {
			w.result.Stop, w.result.StopText = StopText, w.stop.found
		} else {
			rest += w.stop.flush()
		}
		w.text.WriteString(rest)
	}
	w.finish()
	w.yield(Piece{Text: rest, Token: noToken, LogProb: w.next.LogProb, Top: w.next.Top, Done: &w.result}, err)
}

// finish completes the result.
func (w *writer) finish() {
	w.result.Text = w.text.String()
	w.result.Unfinished = w.grammar != nil && !w.grammar.matcher.CanEnd()
	w.result.KVBytes = w.sequence.session.KVBytes()
}
