package engine

import (
	"context"

	"st/runtime/kernel"
)

// maxBatch is the number of a sequence's tokens that go through the layers together, at most. What a batch shares is unpacked, or read from the disk, once;
// its activations take memory.
const maxBatch = 512

// headBatch is the number of tokens whose logits are computed together: a row of logits has the size of the vocabulary.
const headBatch = 8

// segment is what one session runs in a pass: n tokens from position start on, which are the rows from row on.
type segment struct {
	request  *request
	session  *Session
	row      int
	start    int
	n        int
	accepted int   // of a draft: its tokens that were right
	err      error // of the caller's function
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
	layers int64 // offset in the arena: what lies behind it is of no use after the last layer
	store  store // of the engine, or one that shares with it what is in memory; nil: the model has no experts
	rows   int   // there is room for so many
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
	routed     *blocks // its rows: the thread that computes the last of them chooses the experts
	guess      *guess
	preference *preference // where experts in memory are preferred
	ffn        *feedForward
	altUp      *altUp        // nil: the residual stream is x alone
	peekRaw    *kernel.Input // raw, rounded for the routers that layers are foreseen with; its int8 form is in the memory of mixed
	peek       *kernel.Input // [rows, hidden] what a later layer's router is foreseen to see, where that is normalised; in the memory of mixed
	notes      *notes        // for a trace; nil: there is none
	active     []int32       // [rows, top-k] neurons of the experts they chose, if somebody observes them
	bytes      int64         // of the weights that a pass of one row was multiplied with
	kvBytes    int64         // of the keys and values that it attended to

	threads []threadScratch
	between func()   // is called now and then in a layer, where others may come between
	now     jobState // what the threads are at
	do      struct{ multiply, normalize, put, quantize, pick, lookup, head, predictor, sparseHead task }
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

func (p *pass) reset() {
	clear(p.segs)
	p.segs, p.singles, p.n, p.err, p.bytes, p.kvBytes = p.segs[:0], 0, 0, nil, 0, 0
	p.early = product{}
	for _, b := range p.heads {
		b.reset()
	}
	p.attn.reset()
	p.ffn.reset()
	if p.routed != nil {
		p.routed.reset()
	}
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
		ctx, done := untilAllEnd(p.segs)
		defer done()
		p.ctx = ctx
	}
	p.clock.layer = -1
	p.clock.start()
	jobs := p.pool.number.Load()
	p.embed()
	p.clock.lap(StageEmbed)
	for l := range p.config.Layers {
		if p.pause(); p.err != nil {
			return p.err
		}
		p.clock.layer = int32(l)
		p.arch.layer(p, l)
	}
	p.clock.layer = -1
	if p.endLayers(); p.err != nil {
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
		p.stats.decodeKV.Add(p.kvBytes)
		p.stats.decodeJobs.Add(int64(p.pool.number.Load() - jobs))
	}
	return p.err
}

// pause is what is done between two layers: short requests run, other programs get memory, and a pass that nobody waits for any more ends.
func (p *pass) pause() {
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
}

// endLayers is what is done after the last layer, before what was computed counts.
func (p *pass) endLayers() {
	if p.err != nil {
		return
	}
	for l, batch := range p.shared {
		p.commit(l, batch)
	}
	// What was computed from a file that is being overwritten is worth nothing: the mapping shows the new bytes, and rows of embeddings are read
	// without a checksum.
	p.err = p.reader.Changed()
}

// check keeps the first error.
func (p *pass) check(err error) {
	if p.err == nil {
		p.err = err
	}
}
