package engine

import (
	"st/format"
	"st/runtime/kernel"
)

// smallThinker is SmallThinker (Song et al., arXiv 2507.20984): the router looks at a layer's input before attention, so that experts can be
// read meanwhile, and experts are ReGLU networks.
type smallThinker struct{ layers []smallThinkerLayer }

type smallThinkerLayer struct {
	attnNorm, ffnNorm []float32
	attn              attentionWeights
	router            kernel.Matrix // [experts, hidden]
}

func newSmallThinker(b *binder) architecture {
	c := b.c
	if len(c.MoELayers()) < c.Layers {
		b.fail("a layer has no experts: the layers of architecture %s all have some", c.Architecture)
		return nil
	}
	m := &smallThinker{make([]smallThinkerLayer, c.Layers)}
	for l := range m.layers {
		m.layers[l] = smallThinkerLayer{
			attnNorm: b.vector(format.RoleAttnNorm, l, c.Hidden), ffnNorm: b.vector(format.RoleFFNNorm, l, c.Hidden),
			attn: b.attention(l), router: b.matrix(format.RoleRouter, l, c.MoE.Experts, c.Hidden),
		}
	}
	return m
}

func (m *smallThinker) layer(p *pass, l int) {
	w := &m.layers[l]
	p.routeEarly(l, p.raw, &w.router)
	p.norm(w.attnNorm)
	p.attend(l, &w.attn)
	p.addNorm(w.ffnNorm)
	if l+1 < len(m.layers) {
		p.expect(l+1, near, nil)
	}
	p.experts(l)
}
