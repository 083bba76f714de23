package runtime

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

// observeHead shows the observer the head's input of a batch of n tokens.
func (s *Session) observeHead(n int) {
	e := s.engine
	c := e.config
	for t := range n {
		kernel.RMSNorm(s.normed.Row(t), s.x[t*c.Hidden:][:c.Hidden], e.weights.norm, c.RMSNormEps)
	}
	e.observer.HeadInput(s.normed.F[:n*c.Hidden])
}
