package experts

// Policy is a cache of experts of a fixed size.
type Policy interface {
	// Advance begins a batch of n tokens.
	Advance(n int)
	// Access uses an expert for some tokens of the batch, and reports whether it was in the cache.
	Access(id int32, tokens int) bool
}

// Result counts what a simulation saw: tokens, uses of experts, and uses that did not find the expert in the cache.
type Result struct{ Tokens, Uses, Misses int }

// HitRate returns the share of uses that found the expert in the cache.
func (r Result) HitRate() float64 { return 1 - float64(r.Misses)/float64(max(1, r.Uses)) }

// MissesPerToken returns the number of experts that are read for a token.
func (r Result) MissesPerToken() float64 { return float64(r.Misses) / float64(max(1, r.Tokens)) }

// Simulate replays a trace. The uses of its first warm tokens fill the cache and are not counted.
func Simulate(t *Trace, p Policy, warm int) Result {
	var r Result
	seen := 0
	t.accesses(func(batch int, all []access) {
		p.Advance(batch)
		for _, a := range all {
			hit := p.Access(a.id, int(a.tokens))
			if seen < warm {
				continue
			}
			r.Uses++
			if !hit {
				r.Misses++
			}
		}
		if seen >= warm {
			r.Tokens += batch
		}
		seen += batch
	})
	return r
}
