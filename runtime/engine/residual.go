package engine

import (
	"st/runtime/kernel"
)

// embed looks the rows' tokens up: in memory, or in the file.
func (p *pass) embed() {
	if p.lookup != nil {
		p.check(p.lookup.rows(p.ctx, p.x, p.tokens[:p.n]))
	} else {
		p.check(p.pool.guard(p.n, p.do.lookup))
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
