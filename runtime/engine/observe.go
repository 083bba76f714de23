package engine

import "st/runtime/kernel"

// Observer is shown what flows through a model, batch by batch and layer by layer, in the order in which it is computed. The
// slices are valid until a method returns; n is the number of the batch's tokens.
type Observer interface {
	// AttentionInput is shown the input [n, hidden] of q, k and v, and AttentionOutput that of o: [n, heads·head_dim].
	AttentionInput(layer int, x []float32)
	AttentionOutput(layer int, x []float32)
	// ExpertInput is shown the input [n, hidden] of a layer's experts, the experts that each token chose [n, top-k], best
	// first, and their weights.
	ExpertInput(layer int, x []float32, experts []int32, weights []float32)
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

// observeExperts shows the observer what the experts of a layer did with a batch of n tokens.
func (s *Session) observeExperts(l, n int) {
	r, m := s.route, s.moe
	choices := n * r.topK
	active := s.active[:0]
	for _, at := range r.at[:choices] {
		active = append(active, m.active[at])
	}
	s.active = active
	s.engine.activity.ExpertsUsed(l, r.experts[:choices], r.weights[:choices], active)
}

// observeHead shows the observer the head's input of a batch of n tokens.
func (s *Session) observeHead(n int) {
	e := s.engine
	c := e.config
	for t := range n {
		kernel.RMSNorm(s.normed.Row(t), s.x[t*c.Hidden:][:c.Hidden], e.weights.norm, c.RMSNormEps)
	}
	e.observer.HeadInput(s.normed.F[:n*c.Hidden])
}
