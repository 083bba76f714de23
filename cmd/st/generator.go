package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"st/runtime"
	"st/runtime/engine"
)

// Why a text ended.
const (
	stopEOS         = "eos"
	stopString      = "stop"
	stopLength      = "length"
	stopContext     = "context"
	stopInterrupted = "interrupted"
)

// prefillTokens is how much of a prompt goes through the engine between two updates of the progress: a multiple of the
// engine's own batch.
const prefillTokens = 512

// generator continues texts.
type generator struct {
	model    *model
	session  *engine.Session
	sampler  *runtime.Sampler
	stops    []string
	limit    int // tokens to generate; −1: as many as fit
	progress func() *progress
}

// completion is a text that was generated, and how.
type completion struct {
	text, stopReason string
	ids              []int32 // without the end token
	fed              int     // how many of ids are in the session

	promptTokens, steps     int // tokens run through the engine: the prompt, and one by one after it
	promptTime, decodeTime  time.Duration
	firstToken              time.Duration // from the start to the first token
	promptSpeed, tokenSpeed float64       // tokens per second
}

// run appends the prompt to the session and generates. emit is called with text as it comes, in whole characters. When ctx
// is cancelled the text ends there; that is no error.
func (g *generator) run(ctx context.Context, prompt []int32, emit func(string)) (*completion, error) {
	if room := g.model.engine.Context() - g.session.Len(); len(prompt) > room {
		return nil, fmt.Errorf("%w: the prompt has %d tokens and the context %d: shorten it or give a larger --ctx",
			engine.ErrContextFull, g.session.Len()+len(prompt), g.model.engine.Context())
	}
	c := &completion{promptTokens: len(prompt), stopReason: stopLength}
	begin := time.Now()
	logits, err := g.prefill(ctx, prompt)
	if ctx.Err() != nil {
		c.stopReason = stopInterrupted
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	for _, id := range prompt {
		g.sampler.Accept(id)
	}
	c.promptTime = time.Since(begin)
	c.promptSpeed = float64(len(prompt)) / max(c.promptTime.Seconds(), 1e-9)
	if g.limit == 0 {
		return c, nil
	}
	err = g.decode(ctx, logits, c, begin, emit)
	if c.steps > 0 {
		c.tokenSpeed = float64(c.steps) / max(c.decodeTime.Seconds(), 1e-9)
	}
	return c, err
}

// prefill runs the prompt and returns the logits after it.
func (g *generator) prefill(ctx context.Context, prompt []int32) (logits []float32, err error) {
	var p *progress
	if len(prompt) > prefillTokens {
		p = g.progress()
		defer p.finish()
	}
	done := 0
	for part := range slices.Chunk(prompt, prefillTokens) {
		if logits, err = g.session.Forward(ctx, part); err != nil {
			return nil, err
		}
		done += len(part)
		p.update(int64(done), int64(len(prompt)))
	}
	return logits, nil
}

// decode draws token after token.
func (g *generator) decode(ctx context.Context, logits []float32, c *completion, begin time.Time, emit func(string)) error {
	decoder := g.model.tok.NewDecoder(true)
	stop := &stopMatcher{stops: g.stops}
	show := func(piece string) (found bool) {
		piece, found = stop.push(piece)
		c.text += piece
		emit(piece)
		return found
	}
	var first time.Time
	for {
		if logits[0] != logits[0] {
			return errors.New("the model's logits are not numbers: its weights are damaged or not finite")
		}
		id := g.sampler.Sample(logits)
		if first.IsZero() {
			first = time.Now()
			c.firstToken = first.Sub(begin)
		}
		if slices.Contains(g.model.eos(), id) {
			c.stopReason = stopEOS
			break
		}
		c.ids = append(c.ids, id)
		if show(decoder.Next(id)) {
			c.stopReason = stopString
			break
		}
		if len(c.ids) == g.limit {
			c.stopReason = stopLength
			break
		}
		if g.session.Len()+1 >= g.model.engine.Context() { // with this token, which is not run yet
			c.stopReason = stopContext
			break
		}
		if ctx.Err() != nil {
			c.stopReason = stopInterrupted
			break
		}
		var err error
		logits, err = g.session.Forward(ctx, []int32{id})
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) { // the session is as it was: a conversation can go on
			c.stopReason = stopInterrupted
			break
		}
		if err != nil {
			return err
		}
		c.steps, c.fed = c.steps+1, len(c.ids)
	}
	c.decodeTime = time.Since(first)
	if c.stopReason != stopString {
		// What is incomplete or held back comes out now.
		if show(decoder.Flush()) {
			c.stopReason = stopString
		} else {
			held := stop.flush()
			c.text += held
			emit(held)
		}
	}
	return nil
}
