// Package experts decides which experts stay in memory. [Scores] is what the engine ranks them by. A [Trace] records which experts tokens
// chose, what the router said of the others, and what was foreseen. [Simulate] replays it: it counts how often a [Policy] of a given size would have
// had them. [ReplayTime] replays it with a clock and a [Disk], and tells how fast generation would be.
//
// Belady's policy, which knows the future, bounds all others; docs/experiments/policies compares the published ones. An expert is known
// by its number: the index of its layer among those that have experts · experts of a layer + expert.
package experts
