package engine

import (
	"math"
	"slices"

	"st/format"
	"st/runtime/kernel"
)

// gemma3n is the text part of Gemma 3n (Google DeepMind, 2025). The residual stream is several vectors wide and layers compute with one of them
// (altup.go); beside attention there is a residual of low rank (LAuReL: Menghani et al., arXiv 2411.07501); a layer has embeddings of its own
// (perlayer.go); the first layers leave out most neurons (sparse.go), and the last ones attend to keys and values of layers before them.
type gemma3n struct {
	layers []gemma3nLayer
	// From a token's embedding to the other vectors of the residual stream, and back: one matrix [hidden, hidden] each.
	project, unembed []kernel.Matrix
	perLayerModel    kernel.Matrix // [layers·size, hidden]
	perLayerNorm     []float32     // [size]
}

type gemma3nLayer struct {
	altUp                                        altUpWeights
	attnNorm, postAttnNorm, ffnNorm, postFFNNorm []float32
	attn                                         attentionWeights
	laurelLeft, laurelRight                      kernel.Matrix // [rank, hidden], [hidden, rank]
	laurelNorm                                   []float32
	ffn                                          kernel.Expert
	cutoff                                       float64       // of sparse networks, in standard deviations of the gates
	gate, projection                             kernel.Matrix // of the layer's own embedding: [size, hidden], [hidden, size]
	perLayerNorm                                 []float32     // [hidden]
}

func newGemma3n(b *binder) architecture {
	c := b.c
	if c.AltUp == nil || c.PerLayerInput == nil || c.LaurelRank < 1 || c.MoE != nil {
		b.fail("a model of architecture %s has altup, per_layer_input and laurel_rank, and no experts", c.Architecture)
		return nil
	}
	size, others := c.PerLayerInput.Size, c.AltUp.Inputs-1
	m := &gemma3n{
		layers: make([]gemma3nLayer, c.Layers), project: b.stack(format.RoleAltUpProjection, others), unembed: b.stack(format.RoleAltUpUnembedding, others),
		perLayerModel: b.matrix(format.RolePerLayerModel, -1, c.Layers*size, c.Hidden), perLayerNorm: b.vector(format.RolePerLayerModelNorm, -1, size),
	}
	ones := slices.Repeat([]float32{1}, c.HeadDim)
	for l := range m.layers {
		w := &m.layers[l]
		*w = gemma3nLayer{
			altUp:    b.altUp(l),
			attnNorm: b.vector(format.RoleAttnNorm, l, c.Hidden), postAttnNorm: b.vector(format.RolePostAttnNorm, l, c.Hidden),
			ffnNorm: b.vector(format.RoleFFNNorm, l, c.Hidden), postFFNNorm: b.vector(format.RolePostFFNNorm, l, c.Hidden),
			attn: b.attention(l), ffn: b.feedForward(l),
			laurelLeft:  b.matrix(format.RoleLaurelLeft, l, c.LaurelRank, c.Hidden),
			laurelRight: b.matrix(format.RoleLaurelRight, l, c.Hidden, c.LaurelRank), laurelNorm: b.vector(format.RoleLaurelNorm, l, c.Hidden),
			gate: b.matrix(format.RolePerLayerGate, l, size, c.Hidden), projection: b.matrix(format.RolePerLayerProjection, l, c.Hidden, size),
			perLayerNorm: b.vector(format.RolePerLayerNorm, l, c.Hidden),
		}
		w.attn.vNorm = ones
		if c.SparseFFN(l) {
			w.cutoff = math.Sqrt2 * math.Erfinv(2*c.Sparsity[l]-1) // the quantile of the normal distribution
		}
	}
	return m
}

// stack binds n matrices [hidden, hidden] that lie one below the other.
func (b *binder) stack(role format.Role, n int) []kernel.Matrix {
	all := b.matrix(role, -1, n*b.c.Hidden, b.c.Hidden)
	if b.err == nil && b.c.Hidden%all.UnitRows() != 0 {
		b.fail("hidden_size is %d, and rows of role %s lie in groups of %d", b.c.Hidden, role, all.UnitRows())
	}
	if b.err != nil {
		return nil
	}
	parts := make([]kernel.Matrix, n)
	for i := range parts {
		parts[i] = all.Part(i*b.c.Hidden, b.c.Hidden)
	}
	return parts
}

func (m *gemma3n) layer(p *pass, l int) {
	w := &m.layers[l]
	if l == 0 {
		p.altUp.project(m.project)
		p.altUp.embedPerLayer(m)
	}
	p.altUp.predict(&w.altUp, w.attnNorm)
	p.altUp.laurel(w)
	p.attend(l, &w.attn)
	p.altUp.join(w)
	if p.config.SparseFFN(l) {
		p.sparse(l, &w.ffn, w.cutoff)
	} else {
		p.network(l, &w.ffn)
	}
	p.altUp.correct(&w.altUp, w.postFFNNorm)
	p.altUp.inject(l, w)
	if l == len(m.layers)-1 {
		p.altUp.merge(m.unembed)
	}
}
