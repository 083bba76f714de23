// Package cache decides which experts stay in memory. [Scores] is what the runtime ranks them by; a [Trace] is a recording of
// which experts tokens chose, and [Simulate] tells how often a [Policy] of a given size would have had them.
//
//	trace, err := cache.ReadTrace(file)
//	misses := cache.Simulate(trace, cache.NewScored(trace.Len(), 365, cache.ShortHalfLife, cache.LongHalfLife)).Misses
//
// The published policies that were considered are here too, each in a file of its own, and Belady's, which knows the future and
// bounds them all: `go test -v -run TestPolicies ./runtime/cache` prints how they compare. An expert is known by its number, layer ·
// experts of a layer + expert.
package cache
