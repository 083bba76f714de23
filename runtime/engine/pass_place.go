package engine

import (
	"st/format"
	"st/runtime/kernel"
)

// placePasses makes the engine's passes, and returns how many bytes of working and of batch they take. The pass of longer segments lies in batch if that
// is lent to experts, and else in working, too. Without memory it only counts.
func (e *Engine) placePasses(working, batch []byte) (int64, int64) {
	a, b := &arena{data: working}, &arena{data: batch}
	shared := &sharedScratch{threads: make([]threadScratch, e.Threads())}
	if e.parallel == 1 && !e.lends() {
		e.pass = newPass(e, e.batch, min(draftRows, e.batch), shared, a)
		e.quick = e.pass
		shared.placeHead(e.quick)
		return a.used, 0
	}
	rows := max(e.parallel, min(shortTokens, e.batch))
	e.quick = newPass(e, rows, rows, shared, a)
	shared.placeHead(e.quick)
	if s, ok := e.store.(*mappedStore); ok {
		e.quick.store = s.beside()
	}
	if e.lends() {
		e.pass = newPass(e, e.batch, 0, shared, b)
		return a.used, (b.used + format.Alignment - 1) / format.Alignment * format.Alignment
	}
	e.pass = newPass(e, e.batch, 0, shared, a)
	return a.used, 0
}

// sharedScratch is what the passes of an engine share. Threads' scratch holds nothing from one job to the next. The rest is used after the last layer. A
// pass that comes between two parts of another one's head comes before the next part's inputs are made, and after the callers have the last part's logits.
type sharedScratch struct {
	threads    []threadScratch
	head       *kernel.Input // [headBatch, hidden]
	sparsePass *sparsePass   // nil: all rows of the head are computed
	logits     []float32     // [headBatch, vocab]
	peaks      []float32     // [headBatch, vocab/kernel.PeakRun, rounded up] of logits
	compared   []float32     // [headBatch, vocab] of predicted rows, beside logits; nil: nobody has compared
}

// placeHead makes room for what comes after the last layer, in the memory of what a pass needs in a layer.
func (s *sharedScratch) placeHead(p *pass) {
	a, c, n, end := p.a, p.config, min(headBatch, p.batch), p.a.used
	a.used = p.layers
	s.head, s.logits, s.peaks = newInput(a, n, c.Hidden), take[float32](a, n*c.Vocab), take[float32](a, n*peakRuns(c.Vocab))
	if p.sparseBytes > 0 {
		s.sparsePass = newSparsePass(p.Engine, n, a)
	}
	a.used = max(a.used, end)
}

// newInput makes an input of n vectors with memory of the arena.
func newInput(a *arena, n, cols int) *kernel.Input {
	return kernel.PlaceInput(take[float32](a, n*cols), take[int8](a, n*cols), take[float32](a, n*cols/32), take[int32](a, n*cols/32), n, cols)
}

// threadScratch is what one thread keeps.
type threadScratch struct {
	kernel.Scratch
	_ [64]byte
}

// newPass makes a pass of up to so many rows, with memory of the arena; alone is how many of them may be computed each as if it were alone. If that is 0,
// nothing in this memory lasts from one pass to the next, so that it can be lent.
func newPass(e *Engine, rows, alone int, shared *sharedScratch, a *arena) *pass {
	c := e.config
	p := &pass{Engine: e, sharedScratch: shared, a: a, store: e.store, rows: rows, alone: alone, threads: shared.threads, all: make([]int32, rows),
		x: take[float32](a, rows*c.Hidden)}
	if e.lends() {
		p.guess = newGuess(rows, alone, len(c.MoELayers()), c.MoE, a)
	}
	p.layers = a.used
	p.normed, p.proj, p.tokens, p.ids = newInput(a, rows, c.Hidden), take[float32](a, rows*c.Hidden), take[int32](a, rows), take[int32](a, rows)
	p.rope = newRope(c.Rotated(), c.RoPETheta, c.RoPEScaling, rows, a)
	p.placeMixed(a)
	if r := c.LocalRoPE; r != nil {
		p.local = newRope(c.Rotated(), r.Theta, r.Scaling, rows, a)
	}
	for _, x := range []*kernel.Input{p.normed, p.mixed} {
		x.PlacePacked(take[byte](a, kernel.PackedBytes(rows, x.Cols)))
	}
	p.raw = &kernel.Input{Cols: c.Hidden, F: p.x}
	for i, n := range []int{c.Heads, c.KVHeads, c.KVHeads} {
		p.qkv[i] = take[float32](a, rows*n*c.HeadDim)
	}
	p.heads = [3]*blocks{p.newHeads(c.Heads, p.putQuery), p.newHeads(c.KVHeads, p.putKey), p.newHeads(c.KVHeads, p.putValue)}
	for i := range p.all {
		p.all[i] = int32(i)
	}
	size := c.KVHeads * rows * e.kv.rowBytes
	p.kvRows = kvBatch{kvPage{take[byte](a, size), take[byte](a, size)}, rows}
	p.shared = map[int]*kvBatch{}
	for l := range c.Layers {
		if k := c.KVLayer(l); k != l && p.shared[k] == nil {
			p.shared[k] = &kvBatch{kvPage{take[byte](a, size), take[byte](a, size)}, rows}
		}
	}
	p.attn = newAttention(c, e.Threads(), rows, a)
	p.between = func() {
		if e.streamed == nil { // which may be bringing this layer's experts
			e.interject(p)
		}
	}
	p.attn.between = func() { p.between() }
	p.attn.q, p.attn.out = p.qkv[0], p.mixed
	if m := c.MoE; m != nil {
		p.router = take[float32](a, rows*m.Experts)
		p.choice = newRoute(rows, m.Experts, m.ExpertsPerToken, a)
		p.routed = newBlocks(1, p.chooseBeside)
		p.routed.size = m.Experts
		if e.trace != nil {
			p.notes = newNotes(len(c.MoELayers()), m)
		}
	}
	p.ffn = newFeedForward(p, a)
	if c.AltUp != nil {
		p.altUp = newAltUp(p, a)
	}
	p.do.multiply, p.do.normalize, p.do.put = p.doMultiply, p.doNormalize, p.doPut
	p.do.quantize, p.do.pick, p.do.lookup, p.do.head = p.doQuantize, p.doPick, p.doLookup, p.doHead
	p.do.predictor, p.do.sparseHead = p.doPredictor, p.doSparseHead
	return p
}

// placeMixed makes room for the output of attention and, in the same memory, for what a later layer's router is foreseen to see: that is computed before a
// layer's attention or after it, where what the output of attention was multiplied with has been.
func (p *pass) placeMixed(a *arena) {
	c := p.config
	hidden, mixed := c.Hidden, c.Heads*c.HeadDim
	n := p.rows * mixed
	if p.lends() {
		n = p.rows * max(hidden, mixed)
	}
	f, q, d, sum := take[float32](a, n), take[int8](a, n), take[float32](a, n/32), take[int32](a, n/32)
	p.mixed = kernel.PlaceInput(f, q, d, sum, p.rows, mixed)
	if p.lends() {
		p.peek = kernel.PlaceInput(f, q, d, sum, p.rows, hidden)
		p.peekRaw = kernel.PlaceInput(p.x, q, d, sum, p.rows, hidden)
	}
}
