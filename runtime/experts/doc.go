// Package cache decides which experts stay in memory. [Scores] is what the runtime ranks them by; a [Trace] is a recording of
// which experts tokens chose, and [Simulate] tells how often a [Policy] of a given size would have had them.
//
//	trace, err := cache.ReadTrace(file)
//	misses := cache.Simulate(trace, cache.NewScored(trace.Shape, 365, cache.ShortHalfLife, cache.LongHalfLife)).Misses
//
// Belady's policy, which knows the future, bounds them all; docs/experiments/policies compares the published ones. An expert is
// known by its number, layer · experts of a layer + expert.
package experts
