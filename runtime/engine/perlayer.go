package engine

import (
	"math"

	"st/runtime/kernel"
)

// embedPerLayer makes the layers' own embeddings of the rows' tokens: a row of a table each, which is read from the file where it is not in memory,
// plus the RMSNorm of what the tokens' embeddings, which u.in holds no more, are projected to.
func (u *altUp) embedPerLayer(m *gemma3n) {
	p := u.p
	if p.err != nil {
		return
	}
	in := p.config.PerLayerInput
	ids := p.ids[:p.n] // tokens that the table lacks have the row of token 0
	for t, id := range p.tokens[:p.n] {
		if ids[t] = id; int(id) >= in.Vocab {
			ids[t] = 0
		}
	}
	if u.rows = nil; p.perLayer != nil {
		q, err := p.perLayer.read(p.ctx, ids)
		if p.check(err); err != nil {
			return
		}
		u.rows = q
	}
	u.load(0)
	p.multiply(product{u.perLayer, &m.perLayerModel, u.in})
	u.now.model = m
	u.each(&u.do.perLayer)
	if u.rows != nil {
		p.perLayer.request = u.rows
	}
	p.clock.lap(StageEmbed)
}

func (u *altUp) doPerLayer(thread, from, to int) {
	p, c, table := u.p, u.p.config, u.table[thread]
	size := c.PerLayerInput.Size
	scale, embedded := float32(1/math.Sqrt(float64(c.Hidden))), float32(math.Sqrt(float64(size)))
	for t := from; t < to; t++ {
		if u.rows != nil {
			p.perLayer.decode(u.rows, t, table)
		} else {
			w := &p.weights.perLayer
			w.tensor.DecodeRow(table, w.bytes, int(p.ids[t]))
		}
		own := u.perLayer[t*len(table):][:len(table)]
		for i := range own {
			own[i] *= scale
		}
		for at := 0; at < len(own); at += size {
			part := own[at:][:size]
			kernel.RMSNorm(part, part, u.now.model.perLayerNorm, c.RMSNormEps)
		}
		kernel.Axpy(own, embedded, table)
		for i := range own {
			own[i] *= 1 / math.Sqrt2
		}
	}
}

// inject gates a layer's own embedding with u.in, and adds its projection, normalised, to all vectors of the residual stream but the first.
func (u *altUp) inject(l int, w *gemma3nLayer) {
	p := u.p
	u.now.layer, u.now.own = w, l
	p.multiply(product{u.gate.F, &w.gate, u.in})
	u.each(&u.do.gate)
	p.multiply(product{p.proj, &w.projection, u.gate})
	u.each(&u.do.inject)
	p.clock.lap(StageSum)
}

func (u *altUp) doGate(_, from, to int) {
	c := u.p.config
	size := c.PerLayerInput.Size
	for t := from; t < to; t++ {
		gate := u.gate.Row(t)
		kernel.GELUMul(gate, gate, u.perLayer[(t*c.Layers+u.now.own)*size:][:size])
		u.gate.Quantize(t)
	}
}

func (u *altUp) doInject(_, from, to int) {
	for t := from; t < to; t++ {
		out := u.row(u.p.proj, t)
		kernel.RMSNorm(out, out, u.now.layer.perLayerNorm, u.p.config.RMSNormEps)
		for _, x := range u.x[1:] {
			kernel.Axpy(u.row(x, t), 1, out)
		}
	}
}
