package runtime

import (
	"time"

	"st/runtime/process"
)

// Mark is a moment in the run of a model: see [Model.Reading].
type Mark struct {
	at                     time.Time
	stats                  Stats
	voluntary, involuntary int64
}

// Mark returns this moment.
func (m *Model) Mark() Mark {
	k := Mark{at: time.Now(), stats: m.Stats()}
	k.voluntary, k.involuntary = process.Switches()
	return k
}

// Reading tells how computing and the disk went together, for a token.
type Reading struct {
	// Time is what a token took, and Wait what of that was spent waiting for the disk, in milliseconds.
	Time float64 `json:"ms_per_token"`
	Wait float64 `json:"wait_ms_per_token"`
	// Busy is the share of the time in which the disk read something, 0 to 1, and QueueDepth how many reads were in flight meanwhile.
	Busy       float64 `json:"disk_busy_share"`
	QueueDepth float64 `json:"disk_queue_depth"`
	// Reads and Bytes are what was read.
	Reads float64 `json:"reads_per_token"`
	Bytes float64 `json:"bytes_read_per_token"`
	// Voluntary and Involuntary are the context switches of all threads of the process: those of threads that waited, and those of threads from
	// which the system took the processor. 0 where the system does not tell.
	Voluntary   float64 `json:"voluntary_switches_per_token"`
	Involuntary float64 `json:"involuntary_switches_per_token"`
}

// Reading tells what happened since a moment.
func (m *Model) Reading(since Mark) Reading {
	now := m.Mark()
	s, before := now.stats, since.stats
	tokens := float64(max(1, s.Tokens-before.Tokens))
	elapsed, busy := now.at.Sub(since.at), s.DiskBusy-before.DiskBusy
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 / tokens }
	r := Reading{
		Time: ms(elapsed), Wait: ms(s.ExpertWait - before.ExpertWait),
		Reads: float64(s.ExpertReads-before.ExpertReads) / tokens, Bytes: float64(s.ExpertBytesRead-before.ExpertBytesRead) / tokens,
		Voluntary: float64(now.voluntary-since.voluntary) / tokens, Involuntary: float64(now.involuntary-since.involuntary) / tokens,
	}
	if elapsed > 0 {
		r.Busy = busy.Seconds() / elapsed.Seconds()
	}
	if busy > 0 {
		r.QueueDepth = (s.ReadTime - before.ReadTime).Seconds() / busy.Seconds()
	}
	return r
}
