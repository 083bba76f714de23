package engine

import (
	"st/quant"
	"st/runtime/kernel"
)

// attentionWeights are what a layer's attention computes with.
type attentionWeights struct {
	q, k, v, o   kernel.Matrix
	bias         *attentionBias // nil: nothing is added
	qNorm, kNorm []float32      // [head_dim]; nil: queries and keys are not normalised
	vNorm        []float32      // [head_dim] ones; nil: values are not normalised
	kv           int            // the layer whose keys and values these are: another one, if the layer has no k and v
	rotate       bool           // RoPE
	local        bool           // with the angles of the layers that slide
	window       int            // positions that a token attends to, itself counted in; 0: all
}

// attentionBias are the vectors that are added to what the matrices of the same names make.
type attentionBias struct{ q, k, v, o []float32 }

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
	p.now.attn, p.now.batch, p.now.layer = w, batch, l
	p.multiplyQKV(l, w)
	if p.err != nil {
		return
	}
	if p.singles == 0 {
		p.check(p.pool.split(p.n, 4, &p.do.put))
		p.clock.lap(StageKV)
	}
	if p.err == nil {
		p.check(p.attn.run(p.pool, w.kv, w.window, batch, p.segs, p.singles > 0))
		if p.n == 1 {
			p.kvBytes += 2 * int64(c.KVHeads*p.kv.rowBytes*p.attn.seen(&p.segs[0], 0))
		}
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
	if w.bias != nil {
		for t := range p.n {
			addTo(p.proj[t*c.Hidden:][:c.Hidden], w.bias.o)
		}
	}
	p.clock.lap(StageOutput)
}

// multiplyQKV computes a layer's queries, keys and values, and with them the logits of a router that looks at the layer's input (see routeEarly). Rows that
// are computed alone are put in their places at once, head by head; where no expert has to be read, so are the experts chosen.
func (p *pass) multiplyQKV(l int, w *attentionWeights) {
	products := [...]product{p.early, {p.qkv[0], &w.q, p.normed}, {p.qkv[1], &w.k, p.normed}, {p.qkv[2], &w.v, p.normed}}
	var then [len(products)]*blocks
	beside := p.singles > 0 && p.streamed == nil
	if p.singles > 0 {
		copy(then[1:], p.heads[:])
	}
	if beside {
		then[0] = p.routed
	}
	first, end := 0, len(products)
	if p.early.w == nil {
		first = 1
	}
	if w.kv != l { // another layer has computed keys and values
		end = 2
	}
	p.multiplyThen(then[first:end], products[first:end]...)
	p.clock.lap(StageQKV)
	if p.early.w != nil {
		p.early = product{}
		if !beside {
			p.choose(l)
		}
	}
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
	q := p.qkv[0][(t*c.Heads+h)*c.HeadDim:][:c.HeadDim]
	if bias := p.now.attn.bias; bias != nil {
		addTo(q, bias.q[h*c.HeadDim:])
	}
	p.turn(q, p.now.attn.qNorm, t)
}

func (p *pass) putKey(h, t int) {
	c := p.config
	k := p.qkv[1][(t*c.KVHeads+h)*c.HeadDim:][:c.HeadDim]
	if bias := p.now.attn.bias; bias != nil {
		addTo(k, bias.k[h*c.HeadDim:])
	}
	p.turn(k, p.now.attn.kNorm, t)
	p.kv.encode(p.now.batch.row(p.now.batch.k, h, t, p.kv.rowBytes), k)
}

func (p *pass) putValue(h, t int) {
	c := p.config
	v := p.qkv[2][(t*c.KVHeads+h)*c.HeadDim:][:c.HeadDim]
	if bias := p.now.attn.bias; bias != nil {
		addTo(v, bias.v[h*c.HeadDim:])
	}
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

// addTo adds the first numbers of y to x.
func addTo(x, y []float32) {
	for i := range x {
		x[i] += y[i]
	}
}
