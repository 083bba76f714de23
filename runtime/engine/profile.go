package engine

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Stage is a part of a forward pass. The stages of a layer come in this order.
type Stage int

const (
	StageEmbed     Stage = iota // look up token embeddings
	StageRouter                 // router logits, top-k, tokens by expert; with qkv where that computes it, too (see routeEarly)
	StageQKV                    // attention norm, query, key and value projections
	StageKV                     // RoPE, and keys and values into the cache
	StageAttention              // softmax(q·kᵀ)·v
	StageOutput                 // output projection
	StageNorm                   // feed-forward norm
	StageExperts                // gate, up and down of the chosen experts
	StageSum                    // sum of the outputs of experts; of rows that are computed alone with these
	StageHead                   // final norm and language-model head
	numStages
)

var stageNames = [numStages]string{"embed", "router", "qkv", "kv", "attention", "output", "norm", "experts", "sum", "head"}

func (s Stage) String() string {
	if s < 0 || s >= numStages {
		return fmt.Sprintf("Stage(%d)", int(s))
	}
	return stageNames[s]
}

// Stages returns all stages, in the order in which they run.
func Stages() []Stage {
	all := make([]Stage, numStages)
	for i := range all {
		all[i] = Stage(i)
	}
	return all
}

// clock measures the stages of forward passes, as the caller's thread sees them: waiting for other threads counts.
type clock struct {
	timeline *Timeline // nil: nothing is recorded
	layer    int32     // that runs; −1: none
	last     time.Time
	spent    [numStages]atomic.Int64 // nanoseconds
}

func (c *clock) start() { c.last = time.Now() }

// lap counts the time since the last call for stage s.
func (c *clock) lap(s Stage) {
	now := time.Now()
	c.spent[s].Add(int64(now.Sub(c.last)))
	if c.timeline != nil {
		c.timeline.add(timeSpan{kind: spanStage, layer: c.layer, expert: -1, n: int64(s), begin: c.last, end: now})
	}
	c.last = now
}

// StageTime returns the time that a stage took, in all forward passes so far.
func (e *Engine) StageTime(s Stage) time.Duration { return time.Duration(e.clock.spent[s].Load()) }
