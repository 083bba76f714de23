package engine

import (
	"st/format"
	"st/runtime/kernel"
)

// gemma3 is Gemma 3 (Gemma Team, arXiv 2503.19786): the outputs of attention and of the GeGLU network are normalised before they are added, and
// layers that slide have rotary angles of their own. Token embeddings are scaled. Weights of norms are stored with the 1 that checkpoints leave out.
type gemma3 struct{ layers []gemma3Layer }

type gemma3Layer struct {
	attnNorm, postAttnNorm, ffnNorm, postFFNNorm []float32
	attn                                         attentionWeights
	ffn                                          kernel.Expert
}

func newGemma3(b *binder) architecture {
	c := b.c
	m := &gemma3{make([]gemma3Layer, c.Layers)}
	for l := range m.layers {
		m.layers[l] = gemma3Layer{
			attnNorm: b.vector(format.RoleAttnNorm, l, c.Hidden), postAttnNorm: b.vector(format.RolePostAttnNorm, l, c.Hidden),
			ffnNorm: b.vector(format.RoleFFNNorm, l, c.Hidden), postFFNNorm: b.vector(format.RolePostFFNNorm, l, c.Hidden),
			attn: b.attention(l), ffn: b.feedForward(l),
		}
	}
	return m
}

func (m *gemma3) layer(p *pass, l int) {
	w := &m.layers[l]
	p.norm(w.attnNorm)
	p.attend(l, &w.attn)
	p.addNormed(w.postAttnNorm, w.ffnNorm)
	p.network(l, &w.ffn)
	p.addNetwork(w.postFFNNorm)
}
