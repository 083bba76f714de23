package runtime

import (
	"context"
	"errors"
	"fmt"

	"st/runtime/kernel"
)

// ErrContextFull is returned by Forward when the sequence would be longer than the engine's context.
var ErrContextFull = errors.New("the context is full")

// Session is one sequence of tokens: its KV cache and the working memory of a batch.
type Session struct {
	engine *Engine
	kv     *kvCache
	length int
	broken bool // a batch failed half-way: the cache is not to be continued from

	x      []float32     // [batch, hidden] residual stream
	normed *kernel.Input // [batch, hidden] normalised x
	mixed  *kernel.Input // [batch, heads·head_dim] attention output
	qkv    [3][]float32  // queries, keys, values of the batch
	proj   []float32     // [batch, hidden]
	router []float32     // [batch, experts]
	route  *route
	rope   *rope
	attn   attention
	moe    experts
	head   *kernel.Input // [headBatch, hidden] input of the language-model head
	logits []float32     // [headBatch, vocab]
	all    []int32       // 0, 1, 2, …: the index of a whole batch
}

// headBatch is the number of tokens whose logits are computed together: a row of logits has the size of the vocabulary.
const headBatch = 8

// NewSession returns an empty sequence.
func (e *Engine) NewSession() *Session {
	c := e.config
	batch := min(maxBatch, e.context)
	s := &Session{
		engine: e,
		kv:     newKVCache(c, e.kvType, e.context),
		x:      make([]float32, batch*c.Hidden),
		normed: kernel.NewInput(batch, c.Hidden),
		mixed:  kernel.NewInput(batch, c.Heads*c.HeadDim),
		proj:   make([]float32, batch*c.Hidden),
		router: make([]float32, batch*c.Experts),
		route:  newRoute(c.Experts, c.ExpertsPerToken),
		rope:   newRope(c.HeadDim, c.RoPETheta),
		head:   kernel.NewInput(min(headBatch, batch), c.Hidden),
		logits: make([]float32, min(headBatch, batch)*c.Vocab),
		all:    make([]int32, batch),
	}
	for i, n := range []int{c.Heads, c.KVHeads, c.KVHeads} {
		s.qkv[i] = make([]float32, batch*n*c.HeadDim)
	}
	for i := range s.all {
		s.all[i] = int32(i)
	}
	s.attn = attention{kv: s.kv, heads: c.Heads, headDim: c.HeadDim, q: s.qkv[0], out: s.mixed.F}
	s.moe = newExperts(e.pool.threads, batch, c.Hidden)
	for range e.pool.threads {
		s.attn.scratch = append(s.attn.scratch, newAttentionScratch(c.HeadDim, c.Heads/c.KVHeads))
	}
	return s
}

// Len returns the number of tokens in the sequence.
func (s *Session) Len() int { return s.length }

// Reset forgets the sequence.
func (s *Session) Reset() { s.length, s.broken = 0, false }

// Forward appends tokens to the sequence and returns the logits [vocab] that predict the next one. The slice is valid until
// the next call. When ctx is cancelled it stops between two layers; after any error but [ErrContextFull] the session must
// be Reset.
func (s *Session) Forward(ctx context.Context, tokens []int32) ([]float32, error) {
	var last []float32
	err := s.forward(ctx, tokens, func(n int) error {
		return s.predict(n-1, n, func(_ int, logits []float32) error {
			last = logits
			return nil
		})
	}, false)
	return last, err
}

// ForwardAll is Forward with the logits of every token: each is called with i counting tokens from 0, in order, and may use
// the logits until it returns.
func (s *Session) ForwardAll(ctx context.Context, tokens []int32, each func(i int, logits []float32) error) error {
	done := 0
	return s.forward(ctx, tokens, func(n int) error {
		err := s.predict(0, n, func(i int, logits []float32) error { return each(done+i, logits) })
		done += n
		return err
	}, true)
}

// forward runs tokens through the layers in batches, and after each batch of n, or only the last, calls predict.
func (s *Session) forward(ctx context.Context, tokens []int32, predict func(n int) error, every bool) error {
	e := s.engine
	if err := s.check(tokens); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.broken = true
	for len(tokens) > 0 {
		n := min(len(tokens), len(s.all))
		if err := s.batch(ctx, tokens[:n]); err != nil {
			return e.explain(err)
		}
		s.length += n
		tokens = tokens[n:]
		if every || len(tokens) == 0 {
			if err := predict(n); err != nil {
				return e.explain(err)
			}
		}
	}
	s.broken = false
	return nil
}

// explain names the file in an error about reading it from the mapping; other errors name it themselves.
func (e *Engine) explain(err error) error {
	if errors.Is(err, errFault) {
		return fmt.Errorf("%s: %w", e.reader.Path(), err)
	}
	return err
}

func (s *Session) check(tokens []int32) error {
	switch {
	case s.broken:
		return errors.New("the session failed and must be reset")
	case len(tokens) == 0:
		return errors.New("there are no tokens to run")
	case len(tokens) > s.engine.context-s.length:
		return fmt.Errorf("%w: %d tokens and %d more do not fit in %d", ErrContextFull, s.length, len(tokens), s.engine.context)
	}
	for i, id := range tokens {
		if id < 0 || int(id) >= s.engine.config.Vocab {
			return fmt.Errorf("token %d of the input is %d: the vocabulary has ids 0 to %d", i, id, s.engine.config.Vocab-1)
		}
	}
	return nil
}

// batch runs up to maxBatch tokens through all layers. What is left in s.x is the last layer's output.
func (s *Session) batch(ctx context.Context, tokens []int32) error {
	e, n := s.engine, len(tokens)
	e.clock.start()
	err := guard(func() error {
		for t, id := range tokens {
			e.weights.embed.lookup(s.x[t*e.config.Hidden:][:e.config.Hidden], id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.rope.set(s.length, n)
	e.clock.lap(StageEmbed)
	for l := range e.weights.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.layer(l, n); err != nil {
			return err
		}
	}
	e.stats.tokens.Add(int64(n))
	if n == 1 {
		e.stats.decodeBytes.Add(e.weights.head.Bytes())
	}
	return nil
}

// layer computes y = h + experts(norm(h)), h = x + attention(norm(x)), with the experts chosen by x itself.
func (s *Session) layer(l, n int) error {
	e := s.engine
	c, w := e.config, &e.weights.layers[l]
	if err := s.chooseExperts(w, n); err != nil {
		return err
	}
	e.clock.lap(StageRouter)
	if err := s.attention(l, n); err != nil {
		return err
	}
	e.clock.lap(StageOutput)
	if err := s.normalize(s.normed, w.ffnNorm, n); err != nil {
		return err
	}
	e.clock.lap(StageNorm)
	active, err := s.moe.run(e, w.experts, s.route, s.normed, n)
	if err != nil {
		return err
	}
	e.clock.lap(StageExperts)
	e.stats.neurons.Add(int64(n) * int64(c.ExpertsPerToken) * int64(c.ExpertFFN))
	e.stats.active.Add(active)
	if n == 1 {
		e.stats.decodeBytes.Add(w.denseBytes + int64(c.ExpertsPerToken)*w.gateBytes + active*w.neuronBytes)
	}
	err = s.moe.addTo(e.pool, s.x[:n*c.Hidden])
	e.clock.lap(StageSum)
	return err
}

// chooseExperts runs the router on the raw residual stream, before the layer's norm.
func (s *Session) chooseExperts(w *layerWeights, n int) error {
	c := s.engine.config
	x := &kernel.Input{N: n, Cols: c.Hidden, F: s.x}
	err := s.multiply(product{s.router, &w.router, x}, product{}, product{}, n)
	if err != nil {
		return err
	}
	for t := range n {
		s.route.pick(t, s.router[t*c.Experts:][:c.Experts], c.RouterSoftmax)
	}
	s.route.group(n)
	return nil
}

// attention adds attention(norm(x)) to x.
func (s *Session) attention(l, n int) error {
	e := s.engine
	c, w := e.config, &e.weights.layers[l]
	if err := s.normalize(s.normed, w.attnNorm, n); err != nil {
		return err
	}
	err := s.multiply(product{s.qkv[0], &w.q, s.normed}, product{s.qkv[1], &w.k, s.normed}, product{s.qkv[2], &w.v, s.normed}, n)
	if err != nil {
		return err
	}
	e.clock.lap(StageQKV)
	err = e.pool.run(n, func(_, t int) {
		for h := range c.Heads + c.KVHeads {
			x, i := s.qkv[0][t*c.Heads*c.HeadDim:], h
			if h >= c.Heads {
				x, i = s.qkv[1][t*c.KVHeads*c.HeadDim:], h-c.Heads
			}
			if c.RoPELayout[l] {
				s.rope.rotate(x[i*c.HeadDim:][:c.HeadDim], t)
			}
		}
		for g := range c.KVHeads {
			at := (t*c.KVHeads + g) * c.HeadDim
			s.kv.put(t, g, s.qkv[1][at:][:c.HeadDim], s.qkv[2][at:][:c.HeadDim])
		}
	})
	if err != nil {
		return err
	}
	e.clock.lap(StageKV)
	s.attn.layer, s.attn.window, s.attn.start, s.attn.n = l, c.Window(l), s.length, n
	if err := e.pool.run(s.attn.tasks(), s.attn.run); err != nil {
		return err
	}
	s.kv.commit(l, s.length, n)
	if err := e.pool.run(n, func(_, t int) { s.mixed.Quantize(t) }); err != nil {
		return err
	}
	e.clock.lap(StageAttention)
	if err := s.multiply(product{s.proj, &w.o, s.mixed}, product{}, product{}, n); err != nil {
		return err
	}
	for i, v := range s.proj[:n*c.Hidden] {
		s.x[i] += v
	}
	return nil
}

// normalize stores the RMSNorm of the first n rows of x in dst, ready to be multiplied.
func (s *Session) normalize(dst *kernel.Input, weight []float32, n int) error {
	c := s.engine.config
	return s.engine.pool.run(n, func(_, t int) {
		kernel.RMSNorm(dst.Row(t), s.x[t*c.Hidden:][:c.Hidden], weight, c.RMSNormEps)
		dst.Quantize(t)
	})
}

// product is one matrix product of a batch: dst[t, row] = w · x.
type product struct {
	dst []float32 // [batch, w.Rows]
	w   *kernel.Matrix
	x   *kernel.Input
}

// multiply computes up to three products of n tokens, split among the threads by the matrices' units.
func (s *Session) multiply(a, b, c product, n int) error {
	pool := s.engine.pool
	return pool.runThreads(func(thread int) {
		for _, p := range [...]product{a, b, c} {
			if p.w == nil {
				continue
			}
			from, to := share(p.w.Units(), thread, pool.threads)
			kernel.Mul(p.dst, p.w.Rows, p.w, from, to, p.x, s.all[:n], &s.moe.threads[thread].scratch)
		}
	})
}

// share returns thread's part of n units.
func share(n, thread, threads int) (from, to int) {
	return n * thread / threads, n * (thread + 1) / threads
}

// predict computes the logits of tokens [from, to) of the batch.
func (s *Session) predict(from, to int, each func(i int, logits []float32) error) error {
	e := s.engine
	c := e.config
	for at := from; at < to; at += s.head.N {
		e.clock.start()
		n := min(s.head.N, to-at)
		for t := range n {
			kernel.RMSNorm(s.head.Row(t), s.x[(at+t)*c.Hidden:][:c.Hidden], e.weights.norm, c.RMSNormEps)
			s.head.Quantize(t)
		}
		if err := s.multiply(product{s.logits, &e.weights.head, s.head}, product{}, product{}, n); err != nil {
			return err
		}
		e.clock.lap(StageHead)
		for t := range n {
			if err := each(at+t, s.logits[t*c.Vocab:][:c.Vocab]); err != nil {
				return err
			}
		}
	}
	return nil
}
