package engine

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
	engine  *Engine
	kv      *kvCache
	length  int
	counted bool // its memory is taken from the budget
	broken  bool // a batch failed half-way: the cache is not to be continued from

	x      []float32     // [batch, hidden] residual stream
	raw    kernel.Input  // the same, as input of the router
	normed *kernel.Input // [batch, hidden] normalised x
	mixed  *kernel.Input // [batch, heads·head_dim] attention output
	qkv    [3][]float32  // queries, keys, values of the batch
	proj   []float32     // [batch, hidden]
	router []float32     // [batch, experts]
	route  *route
	guess  *guess
	rope   *rope
	attn   *attention
	moe    *feedForward
	head   *kernel.Input // [headBatch, hidden] input of the language-model head
	logits []float32     // [headBatch, vocab]
	all    []int32       // 0, 1, 2, …: the index of a whole batch

	tokens []int32 // of the batch
	active []int32 // [batch, top-k] neurons of the experts they chose, if somebody observes them
	routes []int32 // [layers, batch, top-k] the experts they chose, if there is a trace

	// What the threads are at. Functions are made once: a closure for every job would be garbage.
	layerWeights *layerWeights
	rotate       bool       // the layer has RoPE
	products     [3]product // of multiply
	vectors      []int32    // of products: the first n of all
	norm         []float32  // weights of normalize
	residual     []float32  // of normalize: what is added to x before, or nil
	do           struct{ multiply, normalize, put, quantize, pick, lookup func(thread, from, to int) }
}

// headBatch is the number of tokens whose logits are computed together: a row of logits has the size of the vocabulary.
const headBatch = 8

// NewSession returns an empty sequence.
func (e *Engine) NewSession() *Session {
	c := e.config
	batch := e.batch
	s := &Session{
		engine: e,
		kv:     newKVCache(c, e.kvType, e.context, batch),
		x:      make([]float32, batch*c.Hidden),
		normed: kernel.NewInput(batch, c.Hidden),
		mixed:  kernel.NewInput(batch, c.Heads*c.HeadDim),
		proj:   make([]float32, batch*c.Hidden),
		router: make([]float32, batch*c.MoE.Experts),
		route:  newRoute(batch, c.MoE.Experts, c.MoE.ExpertsPerToken),
		rope:   newRope(c.HeadDim, c.RoPETheta),
		head:   kernel.NewInput(min(headBatch, batch), c.Hidden),
		logits: make([]float32, min(headBatch, batch)*c.Vocab),
		all:    make([]int32, batch),
	}
	s.guess = newGuess(batch, c.MoE.Experts, c.MoE.ExpertsPerToken)
	s.raw = kernel.Input{Cols: c.Hidden, F: s.x}
	for i, n := range []int{c.Heads, c.KVHeads, c.KVHeads} {
		s.qkv[i] = make([]float32, batch*n*c.HeadDim)
	}
	for i := range s.all {
		s.all[i] = int32(i)
	}
	s.attn = newAttention(s.kv, c.Heads, c.HeadDim, e.pool.threads, batch)
	s.attn.q, s.attn.out = s.qkv[0], s.mixed.F
	s.moe = newFeedForward(e.pool.threads, batch, c.Hidden, c.MoE.ExpertFFN, s.route)
	s.do.multiply, s.do.normalize, s.do.put = s.doMultiply, s.doNormalize, s.doPut
	s.do.quantize, s.do.pick, s.do.lookup = s.doQuantize, s.doPick, s.doLookup
	return s
}

// Len returns the number of tokens in the sequence.
func (s *Session) Len() int { return s.length }

// Reset forgets the sequence.
func (s *Session) Reset() { s.length, s.broken = 0, false }

// Forward appends tokens to the sequence and returns the logits [vocab] that predict the next one. The slice is valid until
// the next call. When ctx is cancelled it stops between two layers, or waiting for an expert. After an error the sequence is as it
// was if there was only one token, which can be tried again; if there were more, the session must be Reset, unless it is
// [ErrContextFull].
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
	// A single token changes nothing that is seen before its position is counted.
	s.broken = len(tokens) > 1
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
	if err := e.reserve(s, s.kv.growth(s.length+n)); err != nil {
		return err
	}
	e.clock.start()
	if err := s.embed(ctx, tokens); err != nil {
		return err
	}
	s.rope.set(s.length, n)
	s.routes = s.routes[:0]
	e.clock.lap(StageEmbed)
	for l := range e.weights.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.layer(ctx, l, n); err != nil {
			return err
		}
	}
	e.stats.tokens.Add(int64(n))
	if e.observer != nil {
		s.observeHead(n)
	}
	if e.trace != nil {
		if err := e.trace(n, s.routes); err != nil {
			return err
		}
	}
	if n == 1 {
		e.stats.decodeBytes.Add(e.weights.head.Bytes())
	}
	return nil
}

// embed looks tokens up: in memory, or with a read each.
func (s *Session) embed(ctx context.Context, tokens []int32) error {
	if rows := s.engine.rows; rows != nil {
		return rows.rows(ctx, s.x, tokens)
	}
	s.tokens = tokens
	return guard(0, len(tokens), s.do.lookup)
}

func (s *Session) doLookup(_, from, to int) {
	table, hidden := &s.engine.weights.embed, s.engine.config.Hidden
	for t := from; t < to; t++ {
		table.tensor.DecodeRow(s.x[t*hidden:][:hidden], table.bytes, int(s.tokens[t]))
	}
}

// layer computes y = h + experts(norm(h)), h = x + attention(norm(x)), with the experts chosen by x itself.
func (s *Session) layer(ctx context.Context, l, n int) error {
	e := s.engine
	c, w := e.config, &e.weights.layers[l]
	s.layerWeights, s.rotate = w, c.RoPELayout[l]
	if err := s.chooseExperts(n); err != nil {
		return err
	}
	if e.trace != nil {
		s.routes = append(s.routes, s.route.experts[:n*c.MoE.ExpertsPerToken]...)
	}
	s.moe.choose(w.experts)
	for i := range s.moe.chosen {
		e.uses[l*c.MoE.Experts+s.moe.chosen[i].weights.record.Expert] += int64(len(s.moe.chosen[i].tokens))
	}
	e.store.want(l, n, s.moe.chosen)
	e.clock.lap(StageRouter)
	if err := s.attention(l, n); err != nil {
		return err
	}
	e.clock.lap(StageOutput)
	if err := s.normalize(w.ffnNorm, s.proj, n); err != nil {
		return err
	}
	e.clock.lap(StageNorm)
	if e.observer != nil {
		e.observer.ExpertInput(l, s.normed.F[:n*c.Hidden], s.route.experts[:n*c.MoE.ExpertsPerToken], s.route.weights[:n*c.MoE.ExpertsPerToken])
	}
	if err := s.expectExperts(l+1, n); err != nil {
		return err
	}
	e.clock.lap(StageRouter)
	active, err := s.moe.run(ctx, e, s.normed, n)
	if err != nil {
		return err
	}
	e.clock.lap(StageExperts)
	e.stats.neurons.Add(int64(n) * int64(c.MoE.ExpertsPerToken) * int64(c.MoE.ExpertFFN))
	e.stats.active.Add(active)
	if e.activity != nil {
		s.observeExperts(l, n)
	}
	if n == 1 {
		e.stats.decodeBytes.Add(w.denseBytes + int64(c.MoE.ExpertsPerToken)*w.gateBytes + active*w.neuronBytes)
	}
	err = s.moe.addTo(e.pool, s.x[:n*c.Hidden], n)
	e.clock.lap(StageSum)
	return err
}

// chooseExperts runs the router on the raw residual stream, before the layer's norm.
func (s *Session) chooseExperts(n int) error {
	s.raw.N = n
	if err := s.multiply(n, product{s.router, &s.layerWeights.router, &s.raw}); err != nil {
		return err
	}
	err := s.engine.pool.split(n, 16, s.do.pick)
	s.route.group(n)
	return err
}

// expectExperts tells the store which experts a layer will probably choose: those that its router chooses now, from the
// residual stream without the experts of the layer before it (compare Fate, arXiv 2502.12224).
func (s *Session) expectExperts(l, n int) error {
	e := s.engine
	if e.streamed == nil || l == len(e.weights.layers) || e.streamed.complete() {
		return nil
	}
	if err := s.multiply(n, product{s.router, &e.weights.layers[l].router, &s.raw}); err != nil {
		return err
	}
	e.streamed.expect(l, s.guess.pickMost(s.router, n, e.config.MoE.RouterSoftmax))
	return nil
}

func (s *Session) doPick(_, from, to int) {
	c := s.engine.config
	for t := from; t < to; t++ {
		s.route.pick(t, s.router[t*c.MoE.Experts:][:c.MoE.Experts], c.MoE.RouterSoftmax)
	}
}

// attention leaves attention(norm(x)) in s.proj.
func (s *Session) attention(l, n int) error {
	e := s.engine
	c, w := e.config, s.layerWeights
	if err := s.normalize(w.attnNorm, nil, n); err != nil {
		return err
	}
	if e.observer != nil {
		e.observer.AttentionInput(l, s.normed.F[:n*c.Hidden])
	}
	err := s.multiply(n, product{s.qkv[0], &w.q, s.normed}, product{s.qkv[1], &w.k, s.normed}, product{s.qkv[2], &w.v, s.normed})
	if err != nil {
		return err
	}
	e.clock.lap(StageQKV)
	if err := e.pool.split(n, 4, s.do.put); err != nil {
		return err
	}
	e.clock.lap(StageKV)
	if err := s.attn.run(e.pool, l, c.Window(l), s.length, n); err != nil {
		return err
	}
	s.kv.commit(l, s.length, n)
	if err := e.pool.split(n, 8, s.do.quantize); err != nil {
		return err
	}
	if e.observer != nil {
		e.observer.AttentionOutput(l, s.mixed.F[:n*c.Heads*c.HeadDim])
	}
	e.clock.lap(StageAttention)
	return s.multiply(n, product{s.proj, &w.o, s.mixed})
}

// doPut rotates tokens' queries and keys, and stores keys and values.
func (s *Session) doPut(_, from, to int) {
	c := s.engine.config
	for t := from; t < to; t++ {
		q, k, v := s.qkv[0][t*c.Heads*c.HeadDim:], s.qkv[1][t*c.KVHeads*c.HeadDim:], s.qkv[2][t*c.KVHeads*c.HeadDim:]
		if s.rotate {
			for h := range c.Heads {
				s.rope.rotate(q[h*c.HeadDim:][:c.HeadDim], t)
			}
			for h := range c.KVHeads {
				s.rope.rotate(k[h*c.HeadDim:][:c.HeadDim], t)
			}
		}
		for h := range c.KVHeads {
			s.kv.put(t, h, k[h*c.HeadDim:][:c.HeadDim], v[h*c.HeadDim:][:c.HeadDim])
		}
	}
}

func (s *Session) doQuantize(_, from, to int) {
	for t := from; t < to; t++ {
		s.mixed.Quantize(t)
	}
}

// normalize adds residual [n, hidden], if there is one, to x, and stores the RMSNorm of x in s.normed, ready to be
// multiplied.
func (s *Session) normalize(weight, residual []float32, n int) error {
	s.norm, s.residual = weight, residual
	return s.engine.pool.split(n, 4, s.do.normalize)
}

func (s *Session) doNormalize(_, from, to int) {
	c := s.engine.config
	for t := from; t < to; t++ {
		x := s.x[t*c.Hidden:][:c.Hidden]
		if s.residual != nil {
			kernel.Axpy(x, 1, s.residual[t*c.Hidden:][:c.Hidden])
		}
		kernel.RMSNorm(s.normed.Row(t), x, s.norm, c.RMSNormEps)
		s.normed.Quantize(t)
	}
}

// product is one matrix product of a batch: dst[t, row] = w · x.
type product struct {
	dst []float32 // [batch, w.Rows]
	w   *kernel.Matrix
	x   *kernel.Input
}

// multiply computes up to three products of n tokens, which the threads share by the matrices' units.
func (s *Session) multiply(n int, products ...product) error {
	clear(s.products[copy(s.products[:], products):])
	s.vectors = s.all[:n]
	units := 0
	for i := range products {
		units += products[i].w.Units()
	}
	return s.engine.pool.split(units, 4, s.do.multiply)
}

func (s *Session) doMultiply(thread, from, to int) {
	first := 0
	for i := range s.products {
		p := &s.products[i]
		if p.w == nil {
			return
		}
		units := p.w.Units()
		if a, b := max(from-first, 0), min(to-first, units); a < b {
			kernel.Mul(p.dst, p.w.Rows, p.w, a, b, p.x, s.vectors, &s.moe.threads[thread].scratch)
		}
		first += units
	}
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
		if err := s.multiply(n, product{s.logits, &e.weights.head, s.head}); err != nil {
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
