package engine

import "st/runtime/kernel"

// Observer is shown a model's activations, batch by batch and layer by layer, in the order in which they are computed. The
// slices are valid until a method returns; n is the number of the batch's tokens.
type Observer interface {
	// AttentionInput is shown the input [n, hidden] of q, k and v, and AttentionOutput that of o: [n, heads·head_dim].
	AttentionInput(layer int, x []float32)
	AttentionOutput(layer int, x []float32)
	// ExpertInput is shown the input [n, hidden] of a layer's experts, the experts that each token chose [n, top-k], best
	// first, and their weights.
	ExpertInput(layer int, x []float32, experts []int32, weights []float32)
	// FFNInput is shown the input [n, hidden] of the network of a layer without experts.
	FFNInput(layer int, x []float32)
	// DownInput is shown the input [n, ffn] of a down matrix behind a dense activation: of an expert, with the weights that n tokens give it, or,
	// if expert is −1, of a layer without experts.
	DownInput(layer, expert int, x, weights []float32)
	// HeadInput is shown the input [n, hidden] of the language-model head, of all tokens whether or not their logits are asked
	// for.
	HeadInput(x []float32)
}

// Observe makes o see what the engine computes from now on; nil ends that.
func (e *Engine) Observe(o Observer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.observer = o
}

// ExpertObserver is shown what the experts did, batch by batch and layer by layer, in the order in which it is computed: for
// each of n tokens the experts that it chose [n, top-k], best first, their weights, which add up to 1, and how many of their
// neurons were active. The slices are valid until the method returns.
type ExpertObserver interface {
	ExpertsUsed(layer int, experts []int32, weights []float32, active []int32)
}

// ObserveExperts makes o see what the experts do from now on; nil ends that. A batch that fails was shown in some layers only.
func (e *Engine) ObserveExperts(o ExpertObserver) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.activity = o
}

// observeExperts shows the observer what the experts of a layer did. A dense activation has all neurons active.
func (p *pass) observeExperts(l int) {
	r, m := p.choice, p.ffn.relu
	choices := p.n * r.topK
	p.active = p.active[:0]
	for _, at := range r.at[:choices] {
		n := int32(p.config.MoE.ExpertFFN)
		if m != nil {
			n = m.active[at]
		}
		p.active = append(p.active, n)
	}
	p.activity.ExpertsUsed(l, r.experts[:choices], r.weights[:choices], p.active)
}

// observeHead shows the observer the head's input of all rows.
func (p *pass) observeHead() {
	c := p.config
	for t := range p.n {
		kernel.RMSNorm(p.normed.Row(t), p.x[t*c.Hidden:][:c.Hidden], p.weights.norm, c.RMSNormEps)
	}
	p.observer.HeadInput(p.normed.F[:p.n*c.Hidden])
}
