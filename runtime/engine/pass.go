package engine

import (
	"context"

	"st/quant"
	"st/runtime/kernel"
)

// maxBatch is the number of a sequence's tokens that go through the layers together, at most.
const maxBatch = 256

// headBatch is the number of tokens whose logits are computed together: a row of logits has the size of the vocabulary.
const headBatch = 8

// segment is what one session runs in a pass: n tokens from position start on, which are the rows from row on.
type segment struct {
	request *request
	session *Session
	row     int
	start   int
	n       int
	kept    int   // of a draft: its tokens that were right
	err     error // of the caller's function
}

// pass takes rows of several sessions through the layers. It owns all scratch, and its methods are the operations that architectures are written
// in. The first error ends it: operations after that do nothing.
//
// A pass is of single tokens or of longer segments. A row's bits do not depend on the rows of other sessions: single tokens are multiplied each
// as if it were alone, and so are those of drafts; those of a longer segment are multiplied together, and not with those of another. They all share
// the reading of the weights.
type pass struct {
	*Engine
	a      *arena
	layers int64 // where in the arena that begins which means nothing after the last layer
	store  store // of the engine, or one that shares with it what is in memory; nil: the model has no experts
	rows   int   // that there is room for
	alone  int   // of them, rows that are computed each as if they were alone

	candidates []*request
	segs       []segment
	singles    int // rows that are computed each as if they were alone, of single tokens and drafts: all or none
	n          int // rows
	ctx        context.Context
	err        error

	x      []float32     // [rows, hidden] residual stream
	raw    *kernel.Input // the same, to be multiplied in float32
	normed *kernel.Input // [rows, hidden] normalised x
	mixed  *kernel.Input // [rows, heads·head_dim] output of attention
	qkv    [3][]float32  // [rows, heads·head_dim] queries; keys and values with KV heads
	heads  [3]*blocks    // of these
	proj   []float32     // [rows, hidden] what add adds to x
	kvRows kvBatch
	shared map[int]*kvBatch // by layer, of those whose keys and values later layers attend to: they move into the cache after the last layer
	rope   *rope
	local  *rope // of the layers that slide; nil: that of the others
	attn   *attention
	*sharedScratch
	all        []int32   // 0, 1, 2, …: the index of a whole batch
	tokens     []int32   // of the rows
	ids        []int32   // of the rows: rows of the table of the layers' own embeddings
	router     []float32 // [rows, experts]
	choice     *route
	early      product // of a router, which is computed with the products of the layer's attention
	guess      *guess
	preference *preference // where experts in memory are preferred
	ffn        *feedForward
	altUp      *altUp        // nil: the residual stream is x alone
	peek       *kernel.Input // [rows, hidden] what a later layer's router is foreseen to see, where that is normalised; in the memory of mixed
	notes      *notes        // for a trace; nil: there is none
	active     []int32       // [rows, top-k] neurons of the experts they chose, if somebody observes them
	bytes      int64         // of the weights that a pass of one row was multiplied with

	threads []threadScratch
	now     jobState // what the threads are at
	do      struct {
		multiply, normalize, put, quantize, pick, lookup, head, predictor, sparseHead task
		choose                                                                        func()
	}
}

// sharedScratch is what the passes of an engine share: what holds nothing from one job of the threads to another, and what is used after the last layer, when
// no other pass runs before a caller has what he asked for.
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

// jobState is what the pool's threads work on. Tasks are made once, since a closure for every job would be garbage; their arguments are here.
type jobState struct {
	products  [4]product
	then      [4]*blocks // of the products' rows
	quantize  *kernel.Input
	norm      []float32 // weights of normalize, or nil
	residual  []float32 // of normalize: what is added to x before, or nil
	post      []float32 // of normalize: weights of the norm of the residual, or nil
	layer     int
	attn      *attentionWeights
	batch     *kvBatch  // that keys and values are put in
	head      []float32 // [headRows, vocab]
	peaks     []float32 // [headRows, vocab/kernel.PeakRun, rounded up]; nil: nobody asks
	headRows  int
	headAlone bool // every row as if it were alone
}

// newPass makes a pass for so many rows, of which some may be single tokens, with memory of the arena. If none may, what lies there means nothing from one pass
// to the next.
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
	p.attn = newAttention(c, e.threads, rows, a)
	p.attn.between = func() {
		if e.streamed == nil { // which may be bringing this layer's experts
			e.interject(p)
		}
	}
	p.attn.q, p.attn.out = p.qkv[0], p.mixed
	if m := c.MoE; m != nil {
		p.router = take[float32](a, rows*m.Experts)
		p.choice = newRoute(rows, m.Experts, m.ExpertsPerToken, a)
		if e.trace != nil {
			p.notes = newNotes(len(c.MoELayers()), m)
		}
	}
	p.ffn = newFeedForward(p, a)
	if c.AltUp != nil {
		p.altUp = newAltUp(p, a)
	}
	p.do.multiply, p.do.normalize, p.do.put = p.doMultiply, p.doNormalize, p.doPut
	p.do.choose = p.chooseBeside
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
	}
}

func (p *pass) reset() {
	clear(p.segs)
	p.segs, p.singles, p.n, p.err, p.bytes = p.segs[:0], 0, 0, nil, 0
	p.early = product{}
	for _, b := range p.heads {
		b.reset()
	}
	p.attn.reset()
	if p.notes != nil {
		p.notes.reset()
	}
}

// admit takes the first n tokens of a request into the pass.
func (p *pass) admit(r *request, n int) {
	p.segs = append(p.segs, segment{request: r, session: r.session, start: r.session.length, n: n})
	if n == 1 {
		p.singles++
	}
}

// place gives every segment its rows.
func (p *pass) place() {
	for i := range p.segs {
		seg := &p.segs[i]
		seg.row = p.n
		copy(p.tokens[p.n:], seg.request.tokens[:seg.n])
		p.rope.set(seg.row, seg.start, seg.n, seg.session.long)
		if p.local != nil {
			p.local.set(seg.row, seg.start, seg.n, seg.session.long)
		}
		p.n += seg.n
	}
	together := p.n
	if p.singles == 0 && len(p.segs) > 1 && !kernel.Alike() {
		together = 0
	}
	p.normed.Expect(together)
	p.mixed.Expect(together)
}

// run takes the rows through all layers and computes the logits that are asked for. leader is the request of the calling goroutine.
func (p *pass) run(leader *request) error {
	p.ctx = p.segs[0].request.ctx
	if len(p.segs) > 1 {
		ctx, done := shared(p.segs)
		defer done()
		p.ctx = ctx
	}
	p.clock.layer = -1
	p.clock.start()
	p.embed()
	p.clock.lap(StageEmbed)
	for l := range p.config.Layers {
		p.interject(p)
		if p.err == nil {
			p.err = p.ctx.Err()
		}
		if p.err == nil {
			p.err = p.breathe(p.ctx)
		}
		if p.err == nil && p.closing.Load() {
			p.err = ErrClosed
		}
		if p.err != nil {
			return p.err
		}
		p.clock.layer = int32(l)
		p.arch.layer(p, l)
	}
	p.clock.layer = -1
	if p.err != nil {
		return p.err
	}
	for l, batch := range p.shared {
		p.commit(l, batch)
	}
	// What was computed from a file that is being overwritten is worth nothing: the mapping shows the new bytes, and rows of embeddings are read
	// without a checksum.
	if p.err = p.reader.Changed(); p.err != nil {
		return p.err
	}
	p.stats.tokens.Add(int64(p.n))
	if !p.measuring {
		p.pages.passed()
	}
	if p.observer != nil {
		p.observeHead()
	}
	if p.trace != nil {
		if err := p.trace(p.notes.batch(p.n)); err != nil {
			return err
		}
	}
	p.predict(leader)
	if p.n == 1 {
		p.stats.decodeBytes.Add(p.bytes)
	}
	return p.err
}

// check keeps the first error.
func (p *pass) check(err error) {
	if p.err == nil {
		p.err = err
	}
}

// embed looks the rows' tokens up: in memory, or with a read each.
func (p *pass) embed() {
	if p.lookup != nil {
		p.check(p.lookup.rows(p.ctx, p.x, p.tokens[:p.n]))
	} else {
		p.check(p.pool.guard(0, p.n, p.do.lookup))
	}
	if scale := float32(p.config.EmbeddingScale); scale != 0 {
		for i := range p.x[:p.n*p.config.Hidden] {
			p.x[i] *= scale
		}
	}
}

func (p *pass) doLookup(_, from, to int) {
	table, hidden := &p.weights.embed, p.config.Hidden
	for t := from; t < to; t++ {
		table.tensor.DecodeRow(p.x[t*hidden:][:hidden], table.bytes, int(p.tokens[t]))
	}
}

// norm stores the RMSNorm of x in p.normed, ready to be multiplied.
func (p *pass) norm(weight []float32) { p.normalize(weight, nil, nil) }

// addNorm adds p.proj, the output of attention, to x, and stores the RMSNorm of the sum in p.normed.
func (p *pass) addNorm(weight []float32) {
	p.normalize(weight, p.proj, nil)
	p.clock.lap(StageNorm)
}

// addNormed is addNorm with the RMSNorm of the output, whose weights are post.
func (p *pass) addNormed(post, weight []float32) {
	p.normalize(weight, p.proj, post)
	p.clock.lap(StageNorm)
}

// addNetwork adds the RMSNorm of the output of a layer's feed-forward network to x.
func (p *pass) addNetwork(post []float32) {
	p.normalize(nil, p.ffn.out, post)
	p.clock.lap(StageSum)
}

func (p *pass) normalize(weight, residual, post []float32) {
	if p.err == nil {
		p.now.norm, p.now.residual, p.now.post = weight, residual, post
		p.check(p.pool.split(p.n, 4, &p.do.normalize))
	}
}

func (p *pass) doNormalize(_, from, to int) {
	c := p.config
	for t := from; t < to; t++ {
		x := p.x[t*c.Hidden:][:c.Hidden]
		if p.now.residual != nil {
			residual := p.now.residual[t*c.Hidden:][:c.Hidden]
			if p.now.post != nil {
				kernel.RMSNorm(residual, residual, p.now.post, c.RMSNormEps)
			}
			kernel.Axpy(x, 1, residual)
		}
		if p.now.norm != nil {
			kernel.RMSNorm(p.normed.Row(t), x, p.now.norm, c.RMSNormEps)
			p.normed.Quantize(t)
		}
	}
}

// manyRows is the number of rows from which on a unit of a matrix is worth a part of its own: it takes some microseconds then.
const manyRows = 32

// product is one matrix product of the rows: dst[row, i] = w_i · x_row.
type product struct {
	dst []float32 // [rows, w.Rows]
	w   *kernel.Matrix
	x   *kernel.Input
}

// multiply computes up to four products, which the threads share by the matrices' units.
func (p *pass) multiply(products ...product) { p.multiplyThen(nil, products...) }

// multiplyThen is multiply with what follows from blocks of a product's rows; nil: nothing does.
func (p *pass) multiplyThen(then []*blocks, products ...product) {
	if p.err != nil {
		return
	}
	clear(p.now.then[copy(p.now.then[:], then):])
	clear(p.now.products[copy(p.now.products[:], products):])
	units := 0
	for i := range products {
		units += products[i].w.Units()
		p.bytes += products[i].w.Bytes()
	}
	grain := 4
	if p.n >= manyRows {
		grain = 1
	}
	p.check(p.pool.split(units, grain, &p.do.multiply))
}

func (p *pass) doMultiply(thread, from, to int) {
	first := 0
	for i := range p.now.products {
		m := &p.now.products[i]
		if m.w == nil {
			return
		}
		units := m.w.Units()
		if a, b := max(from-first, 0), min(to-first, units); a < b {
			p.multiplyUnits(thread, m, a, b)
			if then := p.now.then[i]; then != nil {
				then.add(a*m.w.UnitRows(), min(b*m.w.UnitRows(), m.w.Rows))
			}
		}
		first += units
	}
}

// multiplyUnits multiplies units [from, to) of a matrix with all rows. Where there is more than one long segment, each unit is multiplied with all
// of them before the next is read.
func (p *pass) multiplyUnits(thread int, m *product, from, to int) {
	scratch, stride := &p.threads[thread].Scratch, m.w.Rows
	switch {
	case p.singles > 0:
		kernel.MulEach(m.dst, stride, m.w, from, to, m.x, p.all[:p.n], scratch)
		return
	case len(p.segs) == 1 || kernel.Alike():
		kernel.Mul(m.dst, stride, m.w, from, to, m.x, p.all[:p.n], scratch)
		return
	}
	for u := from; u < to; u++ {
		for i := range p.segs {
			seg := &p.segs[i]
			kernel.Mul(m.dst[seg.row*stride:], stride, m.w, u, u+1, m.x, p.all[seg.row:seg.row+seg.n], scratch)
		}
	}
}

// attentionWeights are what a layer's attention computes with.
type attentionWeights struct {
	q, k, v, o   kernel.Matrix
	qNorm, kNorm []float32 // [head_dim]; nil: queries and keys are not normalised
	vNorm        []float32 // [head_dim] ones; nil: values are not normalised
	kv           int       // the layer whose keys and values these are: another one, if the layer has no k and v
	rotate       bool      // RoPE
	local        bool      // with the angles of the layers that slide
	window       int       // positions that a token attends to, itself counted in; 0: all
}

// attend computes a layer's attention of p.normed and leaves its output, projected by o, in p.proj.
func (p *pass) attend(l int, w *attentionWeights) {
	c := p.config
	if p.observer != nil && p.err == nil {
		p.observer.AttentionInput(l, p.normed.F[:p.n*c.Hidden])
	}
	batch := p.shared[w.kv]
	later := batch != nil // it moves into the cache later: other layers attend to what the cache has now
	if !later {
		batch = &p.kvRows
	}
	p.now.attn, p.now.batch = w, batch
	products := [...]product{p.early, {p.qkv[0], &w.q, p.normed}, {p.qkv[1], &w.k, p.normed}, {p.qkv[2], &w.v, p.normed}}
	var then [len(products)]*blocks
	if p.singles > 0 {
		copy(then[1:], p.heads[:])
	}
	first, end := 0, len(products)
	if p.early.w == nil {
		first = 1
	}
	if w.kv != l {
		end = 2
	}
	p.multiplyThen(then[first:end], products[first:end]...)
	p.clock.lap(StageQKV)
	p.now.layer, p.attn.beside = l, nil
	if p.early.w != nil {
		p.early = product{}
		if p.singles > 0 && p.streamed == nil {
			p.attn.beside = p.do.choose
		} else {
			p.choose(l)
		}
	}
	if p.err != nil {
		return
	}
	if p.singles == 0 {
		p.check(p.pool.split(p.n, 4, &p.do.put))
		p.clock.lap(StageKV)
	}
	if p.err == nil {
		p.check(p.attn.run(p.pool, w.kv, w.window, batch, p.segs, p.singles > 0))
	}
	if p.err != nil {
		return
	}
	if !later {
		p.commit(l, batch)
	}
	if p.config.HeadDim%quant.BlockSize != 0 { // its blocks are not of one head each
		p.quantize(p.mixed)
	}
	if p.observer != nil {
		p.observer.AttentionOutput(l, p.mixed.F[:p.n*c.Heads*c.HeadDim])
	}
	p.clock.lap(StageAttention)
	p.multiply(product{p.proj, &w.o, p.mixed})
	p.clock.lap(StageOutput)
}

// commit moves a layer's keys and values of the rows into the caches.
func (p *pass) commit(l int, batch *kvBatch) {
	for i := range p.segs {
		seg := &p.segs[i]
		if seg.request.draft {
			seg.session.kv.save(l, seg.start, seg.n)
		}
		seg.session.kv.commit(l, batch, seg.row, seg.start, seg.n)
	}
}

// doPut normalises and rotates rows' queries and keys, and stores keys and values in the type of the cache.
func (p *pass) doPut(_, from, to int) {
	for t := from; t < to; t++ {
		for h := range p.config.Heads {
			p.putQuery(h, t)
		}
		if p.now.attn.k.Rows == 0 {
			continue
		}
		for h := range p.config.KVHeads {
			p.putKey(h, t)
			p.putValue(h, t)
		}
	}
}

// newHeads makes blocks of a product: the heads of queries, keys or values. The thread that computes the last number of one puts it. So do rows
// that are computed alone; those of a batch are shared out.
func (p *pass) newHeads(heads int, put func(h, t int)) *blocks {
	b := newBlocks(heads, func(h int) {
		for t := range p.n {
			put(h, t)
		}
	})
	b.size = p.config.HeadDim
	return b
}

func (p *pass) putQuery(h, t int) {
	c := p.config
	p.turn(p.qkv[0][(t*c.Heads+h)*c.HeadDim:][:c.HeadDim], p.now.attn.qNorm, t)
}

func (p *pass) putKey(h, t int) {
	c := p.config
	k := p.qkv[1][(t*c.KVHeads+h)*c.HeadDim:][:c.HeadDim]
	p.turn(k, p.now.attn.kNorm, t)
	p.kv.encode(p.now.batch.row(p.now.batch.k, h, t, p.kv.rowBytes), k)
}

func (p *pass) putValue(h, t int) {
	c := p.config
	v := p.qkv[2][(t*c.KVHeads+h)*c.HeadDim:][:c.HeadDim]
	if norm := p.now.attn.vNorm; norm != nil {
		kernel.RMSNorm(v, v, norm, c.RMSNormEps)
	}
	p.kv.encode(p.now.batch.row(p.now.batch.v, h, t, p.kv.rowBytes), v)
}

// turn normalises and rotates a head's query or key of a row, as the layer does.
func (p *pass) turn(x, norm []float32, row int) {
	if norm != nil {
		kernel.RMSNorm(x, x, norm, p.config.RMSNormEps)
	}
	switch {
	case !p.now.attn.rotate:
	case p.now.attn.local:
		p.local.rotate(x, row)
	default:
		p.rope.rotate(x, row)
	}
}

// quantize makes the rows of an input ready to be multiplied.
func (p *pass) quantize(x *kernel.Input) {
	if p.err == nil {
		p.now.quantize = x
		p.check(p.pool.split(p.n, 8, &p.do.quantize))
	}
}

func (p *pass) doQuantize(_, from, to int) {
	for t := from; t < to; t++ {
		p.now.quantize.Quantize(t)
	}
}
