package engine

import (
	"sync/atomic"
	"time"

	"st/format"
)

// counters are what an engine counts while it runs.
type counters struct {
	tokens, neurons, active              atomic.Int64
	decodeBytes, decodeKV, decodeJobs    atomic.Int64
	headRows, headTokens                 atomic.Int64 // of the head where rows are predicted
	uses, misses, reads, readBytes, wait atomic.Int64 // of experts; wait in nanoseconds
	early, earlyUsed                     atomic.Int64 // experts that were read because they were expected
	disk                                 diskMeter
	timeline                             *Timeline // nil: nothing is recorded
}

// waited counts the time since begin, which was spent waiting for the disk.
func (c *counters) waited(layer int32, begin time.Time) {
	now := time.Now()
	c.wait.Add(int64(now.Sub(begin)))
	if c.timeline != nil {
		c.timeline.add(timeSpan{kind: spanWait, layer: layer, expert: -1, begin: begin, end: now})
	}
}

// beginRead counts a read that starts, and endRead one that has brought n bytes: why it began, and what its record is now that it has come.
func (c *counters) beginRead() time.Time {
	c.disk.begin(1)
	if c.timeline == nil {
		return time.Time{}
	}
	return time.Now()
}

func (c *counters) endRead(begin time.Time, r *format.Record, n int64, why, came string) {
	c.disk.end(1)
	if c.timeline != nil {
		c.timeline.add(timeSpan{kind: spanRead, layer: int32(r.Layer), expert: int32(r.Expert), n: n, why: why, came: came, begin: begin, end: time.Now()})
	}
}

// Stats tells what an engine did since it was opened.
type Stats struct {
	// Tokens is the number of tokens that went through the layers.
	Tokens int64
	// NeuronDensity is the share of the routed experts' neurons whose gate was positive: 0 to 1; 0 before the first token.
	NeuronDensity float64
	// ModelBytes is the size of the mapped file.
	ModelBytes int64
	// DecodeWeightBytes are the bytes of weights that were computed with for tokens that came one at a time.
	DecodeWeightBytes int64
	// DecodeKVBytes are the bytes of keys and values that such tokens attended to.
	DecodeKVBytes int64
	// DecodeJobs is the number of jobs that the threads shared for tokens that came one at a time: they meet after each. One thread has none.
	DecodeJobs int64
	// HeadTokens is the number of tokens whose logits are of predicted rows of the head alone, and HeadRows the rows that were computed for them.
	HeadTokens, HeadRows int64
	// ExpertUses counts how often an expert was computed for a batch, ExpertMisses how often it was not in memory when the
	// router chose it, and ExpertReads how often it was read.
	ExpertUses, ExpertMisses, ExpertReads int64
	// EarlyReads counts the reads of experts that were expected to be chosen, and EarlyUsed how many of those were.
	EarlyReads, EarlyUsed int64
	// ExpertBytesRead and ExpertWait are what these reads brought, and the time that was spent waiting for them.
	ExpertBytesRead int64
	ExpertWait      time.Duration
	// DiskBusy is the time in which at least one of these reads was in flight, and ReadTime what all of them took, one after the other: their
	// quotient is how many were in flight while some were.
	DiskBusy, ReadTime time.Duration
}

// Stats returns the counters.
func (e *Engine) Stats() Stats {
	s := Stats{
		Tokens: e.stats.tokens.Load(), ModelBytes: e.reader.Size(),
		HeadTokens: e.stats.headTokens.Load(), HeadRows: e.stats.headRows.Load(), DecodeWeightBytes: e.stats.decodeBytes.Load(),
		DecodeKVBytes: e.stats.decodeKV.Load(), DecodeJobs: e.stats.decodeJobs.Load(),
		ExpertUses: e.stats.uses.Load(), ExpertMisses: e.stats.misses.Load(), ExpertReads: e.stats.reads.Load(),
		EarlyReads: e.stats.early.Load(), EarlyUsed: e.stats.earlyUsed.Load(),
		ExpertBytesRead: e.stats.readBytes.Load(), ExpertWait: time.Duration(e.stats.wait.Load()),
	}
	s.DiskBusy, s.ReadTime = e.stats.disk.read()
	if n := e.stats.neurons.Load(); n > 0 {
		s.NeuronDensity = float64(e.stats.active.Load()) / float64(n)
	}
	return s
}
