package engine

import (
	"st/format"
	"st/runtime/kernel"
)

// qwen3 is Qwen3 and Qwen3-MoE (Yang et al., arXiv 2505.09388): queries and keys are normalised head by head, and layers have SwiGLU networks,
// of experts that the router chooses after attention, or dense.
type qwen3 struct{ layers []qwen3Layer }

type qwen3Layer struct {
	attnNorm, ffnNorm []float32
	attn              attentionWeights
	router            kernel.Matrix // [experts, hidden]; empty in a layer without experts
	dense             kernel.Expert // of a layer without experts
}

func newQwen3(b *binder) architecture {
	c := b.c
	m := &qwen3{make([]qwen3Layer, c.Layers)}
	for l := range m.layers {
		w := &m.layers[l]
		w.attnNorm, w.ffnNorm = b.vector(format.RoleAttnNorm, l, c.Hidden), b.vector(format.RoleFFNNorm, l, c.Hidden)
		w.attn = b.attention(l)
		if c.HasExperts(l) {
			w.router = b.matrix(format.RoleRouter, l, c.MoE.Experts, c.Hidden)
		} else {
			w.dense = b.feedForward(l)
		}
	}
	return m
}

func (m *qwen3) layer(p *pass, l int) {
	w := &m.layers[l]
	p.norm(w.attnNorm)
	p.attend(l, &w.attn)
	p.addNorm(w.ffnNorm)
	if !p.config.HasExperts(l) {
		p.feedForward(l, &w.dense)
		return
	}
	p.route(l, p.normed, &w.router)
	for i := range foresights {
		if next := l + 1 + int(i); next < len(m.layers) && p.config.HasExperts(next) {
			p.expect(next, near-i, m.layers[next].ffnNorm)
		}
	}
	p.experts(l)
}
