package runtime

// Residency tells how experts, or the feed-forward layers of a dense model that is larger than its memory, came into memory.
type Residency struct {
	// Dense says that the model has no experts: the figures are about its feed-forward layers. Streamed says that those are not all kept in memory.
	Dense    bool `json:"-"`
	Streamed bool `json:"-"`
	// All is the budget in bytes with which they would be.
	All int64 `json:"-"`
	// MemoryBudget is Options.Memory, or what Open chose, in bytes; 0: there is no bound.
	MemoryBudget int64 `json:"memory_budget_bytes"`
	// MemoryNow is what of that the model takes now: less while other programs need memory.
	MemoryNow int64 `json:"memory_now_bytes"`
	// DirectReads says that weights are read past the operating system's page cache.
	DirectReads bool `json:"direct_reads"`
	// Reads is how what is not in memory is read. nil: there is no bound.
	Reads *Reads `json:"disk_reads,omitempty"`
	// ReadMethod is how they are read: [ReadByThreads] or [ReadByUring]; empty without a budget.
	ReadMethod string `json:"read_method,omitempty"`
	// Known is what was known of the use of experts when the model was opened; nil: nothing was.
	Known *KnownExperts `json:"known_experts,omitempty"`
	// LargePages is the share of the mapped file, as far as it was used, that lies in memory in pages of 2 MiB, 0 to 1: a processor reads these up
	// to twice as fast. nil: the file is small or not mapped, or the system does not tell.
	LargePages *float64 `json:"large_page_share,omitempty"`
	// CopiedPages is how much of the mapped file was copied to memory in such pages, in bytes, because reading the file again does not make them large or is
	// slow, and memory is plentiful, and CopyTime how long that took in the background, in seconds.
	CopiedPages int64   `json:"copied_pages_bytes,omitempty"`
	CopyTime    float64 `json:"copied_pages_seconds,omitempty"`
	// HitRate is the share of uses of experts, or parts of layers, that found them in memory, 0 to 1; of experts when the router chose them.
	HitRate float64 `json:"expert_cache_hit_rate"`
	// BytesRead are read, or paged in for the first time, for a token, and Wait is the time that was spent waiting for that, in seconds.
	BytesRead float64 `json:"bytes_read_per_token"`
	Wait      float64 `json:"prefetch_wait_seconds"`
	// Prefetched is the number of experts a token that were read before their router chose, and Accuracy the share of these that were
	// used.
	Prefetched float64 `json:"prefetched_per_token"`
	Accuracy   float64 `json:"prefetch_accuracy"`
}

// Residency tells of what happened since the given statistics were taken; since the zero value: all.
func (m *Model) Residency(since Stats) Residency {
	s := m.Stats()
	tokens := float64(max(1, s.Tokens-since.Tokens))
	early := s.EarlyReads - since.EarlyReads
	b := m.engine.Budget()
	r := Residency{
		Dense:        m.Config().MoE == nil,
		Streamed:     b != nil && b.FFN > 0,
		All:          m.memory.Needed,
		MemoryBudget: m.memory.Budget,
		MemoryNow:    m.engine.Memory(),
		DirectReads:  m.engine.DirectReads(),
		ReadMethod:   m.engine.ReadMethod(),
		HitRate:      1 - float64(s.ExpertMisses-since.ExpertMisses)/float64(max(1, s.ExpertUses-since.ExpertUses)),
		BytesRead:    float64(s.ExpertBytesRead-since.ExpertBytesRead) / tokens,
		Wait:         (s.ExpertWait - since.ExpertWait).Seconds(),
		Prefetched:   float64(early) / tokens,
		Accuracy:     min(1, float64(s.EarlyUsed-since.EarlyUsed)/float64(max(1, early))),
	}
	r.Known = m.KnownExperts()
	if reads := m.engine.Reads(); reads.Depth > 0 {
		r.Reads = &reads
	}
	if share, ok := m.engine.LargePages(); ok {
		r.LargePages = &share
		copied, took := m.engine.CopiedPages()
		r.CopiedPages, r.CopyTime = copied, took.Seconds()
	}
	return r
}
