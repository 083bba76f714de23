package engine

import (
	"st/format"
	"st/runtime/kernel"
)

// phi3 is Phi-3 and Phi-4 (Abdin et al., arXiv 2404.14219, 2412.08905): every layer has a SwiGLU network. A part of each head may rotate, with
// frequencies that depend on the length of the sequence (LongRoPE).
type phi3 struct{ layers []phi3Layer }

type phi3Layer struct {
	attnNorm, ffnNorm []float32
	attn              attentionWeights
	ffn               kernel.Expert
}

func newPhi3(b *binder) architecture {
	c := b.c
	if c.MoE != nil {
		b.fail("there are experts: architecture %s has none", c.Architecture)
		return nil
	}
	m := &phi3{make([]phi3Layer, c.Layers)}
	for l := range m.layers {
		m.layers[l] = phi3Layer{
			attnNorm: b.vector(format.RoleAttnNorm, l, c.Hidden), ffnNorm: b.vector(format.RoleFFNNorm, l, c.Hidden),
			attn: b.attention(l), ffn: b.feedForward(l),
		}
	}
	return m
}

func (m *phi3) layer(p *pass, l int) {
	w := &m.layers[l]
	p.norm(w.attnNorm)
	p.attend(l, &w.attn)
	p.addNorm(w.ffnNorm)
	p.feedForward(l, &w.ffn)
}
