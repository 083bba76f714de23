package experts

// Policy is a cache of experts of a fixed size.
type Policy interface {
	// Advance begins a batch of n tokens.
	Advance(n int)
	// Access uses an expert for some tokens of the batch, and reports whether it was in the cache. Afterwards it is, unless the policy has no use
	// for it.
	Access(id int32, tokens int) bool
	// Has reports whether an expert is in the cache.
	Has(id int32) bool
}

// Rater is a policy that ranks experts also by what a router says of those that are not chosen. Rate comes before the layer's accesses, with the chances
// of a layer's experts for one token, in 255ths: see [Chances].
type Rater interface {
	Rate(layer int, chances []byte)
}

// Bringer is a policy that takes experts because they are foreseen. Bring puts one into the cache, if it is not there, and keeps it until Forget or an
// access.
type Bringer interface {
	Bring(id int32)
	Forget(id int32)
}

// Starter is a policy whose cache need not be empty at first. Start comes before anything else, with the experts that are in memory, as many as the
// policy has room for, and the shares of all tokens that are known to use each expert; nil: nothing is known of them.
type Starter interface {
	Start(ids []int32, shares []float64)
}

// Result counts what a simulation saw: tokens, uses of experts, and uses that did not find the expert in the cache.
type Result struct{ Tokens, Uses, Misses int }

// Add adds what another simulation saw.
func (r *Result) Add(x Result) {
	r.Tokens, r.Uses, r.Misses = r.Tokens+x.Tokens, r.Uses+x.Uses, r.Misses+x.Misses
}

// HitRate returns the share of uses that found the expert in the cache.
func (r Result) HitRate() float64 { return 1 - float64(r.Misses)/float64(max(1, r.Uses)) }

// MissesPerToken returns the number of experts that are read for a token.
func (r Result) MissesPerToken() float64 { return float64(r.Misses) / float64(max(1, r.Tokens)) }

// Simulate replays a trace without foresight. The uses of its first warm tokens fill the cache and are not counted.
func Simulate(t *Trace, p Policy, warm int) (sum Result) {
	seen := 0
	for _, r := range Replay(t, p) {
		if seen >= warm {
			sum.Add(r)
		}
		seen += r.Tokens
	}
	return sum
}

// Replay replays a trace without foresight, and returns what each batch saw.
func Replay(t *Trace, p Policy) (all []Result) {
	t.batches(func(b batch) {
		r := Result{Tokens: len(b.tokens)}
		p.Advance(len(b.tokens))
		for l, uses := range b.layers {
			t.rate(p, b, l)
			for _, a := range uses {
				if r.Uses++; !p.Access(a.id, int(a.tokens)) {
					r.Misses++
				}
			}
		}
		all = append(all, r)
	})
	return all
}
