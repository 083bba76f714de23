package main

import (
	"fmt"
	"io"

	"st/runtime/engine"
)

// residencyReport tells how experts came into memory.
type residencyReport struct {
	MemoryBudget int64   `json:"memory_budget_bytes"`
	DirectReads  bool    `json:"direct_reads"`
	HitRate      float64 `json:"expert_cache_hit_rate"`
	BytesRead    float64 `json:"bytes_read_per_token"`
	Wait         float64 `json:"prefetch_wait_seconds"`
	Prefetched   float64 `json:"prefetched_per_token"`
	Accuracy     float64 `json:"prefetch_accuracy"`
}

// residencyHelp explains its fields.
const residencyHelp = `  memory_budget_bytes             --memory; 0: none
  direct_reads                    experts are read past the system's page cache, as far as the file system tells
  expert_cache_hit_rate           share of expert uses that found the expert in memory when the router chose it
  bytes_read_per_token            bytes of experts that were read, or paged in for the first time
  prefetch_wait_seconds           time spent waiting for experts
  prefetched_per_token            experts that were read before their router chose, and
  prefetch_accuracy               the share of these that were used
`

// newResidencyReport tells of what happened since the given statistics were taken.
func newResidencyReport(e *engine.Engine, since engine.Stats) residencyReport {
	s := e.Stats()
	tokens := float64(max(1, s.Tokens-since.Tokens))
	early := s.EarlyReads - since.EarlyReads
	r := residencyReport{
		DirectReads: e.DirectReads(),
		HitRate:     1 - float64(s.ExpertMisses-since.ExpertMisses)/float64(max(1, s.ExpertUses-since.ExpertUses)),
		BytesRead:   float64(s.ExpertBytesRead-since.ExpertBytesRead) / tokens,
		Wait:        (s.ExpertWait - since.ExpertWait).Seconds(),
		Prefetched:  float64(early) / tokens,
		Accuracy:    min(1, float64(s.EarlyUsed-since.EarlyUsed)/float64(max(1, early))),
	}
	if b := e.Budget(); b != nil {
		r.MemoryBudget = b.Total
	}
	return r
}

func (r *residencyReport) print(w io.Writer) {
	fmt.Fprintf(w, "experts    %.1f %% of uses found in memory, %s read a token, %.2f s of waiting\n", 100*r.HitRate, size(int64(r.BytesRead)), r.Wait)
	if r.MemoryBudget == 0 {
		return
	}
	if r.Prefetched > 0 {
		fmt.Fprintf(w, "prefetch   %.1f experts a token before their router chose, %.0f %% of them used\n", r.Prefetched, 100*r.Accuracy)
	}
	how := "reads past the page cache"
	if !r.DirectReads {
		how = "reads through the page cache, which its file system cannot do without"
	}
	fmt.Fprintf(w, "budget     %s, %s\n", size(r.MemoryBudget), how)
}
