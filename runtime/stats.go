package runtime

import "sync/atomic"

// counters are what an engine counts while it runs.
type counters struct{ tokens, neurons, active atomic.Int64 }

// Stats tells what an engine did since it was opened.
type Stats struct {
	// Tokens is the number of tokens that went through the layers.
	Tokens int64
	// NeuronDensity is the share of the routed experts' neurons whose gate was positive: 0 to 1; 0 before the first token.
	NeuronDensity float64
	// ModelBytes is the size of the mapped file.
	ModelBytes int64
}

// Stats returns the counters.
func (e *Engine) Stats() Stats {
	s := Stats{Tokens: e.stats.tokens.Load(), ModelBytes: e.reader.Size()}
	if n := e.stats.neurons.Load(); n > 0 {
		s.NeuronDensity = float64(e.stats.active.Load()) / float64(n)
	}
	return s
}

// KVBytes returns the memory that the session's KV cache takes so far.
func (s *Session) KVBytes() int64 { return s.kv.bytes }
