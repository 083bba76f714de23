package engine

import (
	"errors"
	"fmt"

	"st/format"
	"st/runtime/experts"
)

// How a plan reads a trace. A run begins with a prompt, whose experts are others than those of the text that follows: for some time after it more is
// missing than in a long text. See docs/experts.md.
const (
	// PlanStart is how many generated tokens after a prompt are told apart from later ones.
	PlanStart   = 100
	planTokens  = 16 // generated, of which fewer tell nothing
	planLater   = 50 // later than PlanStart after a prompt, of which fewer tell nothing
	promptBatch = 8  // tokens of a batch that is a prompt; fewer are guesses that are verified together, or those of several sequences
	fillTokens  = 32 // that fill the cache where a trace does not begin with a prompt, and are not counted
)

// ErrShortTrace: a trace has so few tokens that it tells nothing of a speed.
var ErrShortTrace = errors.New("the trace is too short to tell anything of a speed")

// SimulatedSpeed is the speed of generation where reads and computing wait for each other.
type SimulatedSpeed struct {
	// Tokens is how many tokens of the trace it rests on.
	Tokens          int     `json:"tokens"`
	TokensPerSecond float64 `json:"tokens_per_second"`
	// Wait is the time a token waits for the disk, in seconds, and DiskBusy the share of the time in which something is being read.
	Wait     float64 `json:"wait_seconds_per_token"`
	DiskBusy float64 `json:"disk_busy"`
	// Misses is how many experts of a token are not in memory when the router chooses them, Reads how many are read for it, and Vain how many of these it
	// does not use.
	Misses float64 `json:"misses_per_token"`
	Reads  float64 `json:"reads_per_token"`
	Vain   float64 `json:"reads_in_vain_per_token"`
}

func newSimulatedSpeed(s experts.Speed) *SimulatedSpeed {
	n := float64(s.Tokens)
	return &SimulatedSpeed{s.Tokens, s.TokensPerSecond(), s.Wait.Seconds() / n, s.Busy.Seconds() / max(1e-9, s.Time.Seconds()),
		float64(s.Missed) / n, float64(s.Reads) / n, float64(s.Vain) / n}
}

// replay is a trace that is replayed for a plan.
type replay struct {
	trace  *experts.Trace
	since  []int     // by batch: how many tokens were generated since the last prompt, with this one; 0: it is not counted
	later  bool      // enough tokens come later than PlanStart after a prompt
	order  []int32   // experts in the order in which they are read when a model is opened
	shares []float64 // of tokens that are known to use each expert; nil: nothing is known
}

// newReplay returns ErrShortTrace if too few tokens of a trace were generated. A trace of prompts alone is replayed as if its text had been generated.
// Usage is what is recorded of the model, or nil.
func newReplay(t *experts.Trace, usage *format.Usage) (*replay, error) {
	r := &replay{trace: t, order: warmOrder(t.Len(), usage), shares: usageShares(usage)}
	n, later := r.count()
	if n == 0 {
		r.trace = t.OneByOne()
		n, later = r.count()
	}
	if n < planTokens {
		return nil, fmt.Errorf("%w: it has %d generated tokens that count, and %d are needed", ErrShortTrace, n, planTokens)
	}
	r.later = later >= planLater
	return r, nil
}

// CheckTrace returns ErrShortTrace if a plan cannot be made of a trace, before anything is measured for it.
func CheckTrace(t *experts.Trace) error {
	_, err := newReplay(t, nil)
	return err
}

// count finds the tokens that count, and returns how many there are, and how many of them are later ones.
func (r *replay) count() (n, later int) {
	r.since = nil
	since, fill := 0, 0 // fill: tokens that stand for a prompt
	for i, size := range r.trace.Batches() {
		if i == 0 && size == 1 {
			fill = fillTokens
		}
		counted := 0
		switch {
		case fill > 0:
			fill -= size
		case size >= promptBatch:
			since = 0
		case size == 1:
			since++
			n++
			if counted = since; since > PlanStart {
				later++
			}
		}
		r.since = append(r.since, counted)
	}
	return n, later
}

// begin gives a policy the cache that a model has when it is opened.
func (r *replay) begin(p experts.Policy, size int) experts.Policy {
	p.(experts.Starter).Start(r.order[:min(size, len(r.order))], r.shares)
	return p
}

// found returns the uses of the tokens that count.
func (r *replay) found(p experts.Policy) (sum experts.Result) {
	for i, x := range experts.Replay(r.trace, p) {
		if r.since[i] > 0 {
			sum.Add(x)
		}
	}
	return sum
}

// plan adds to a plan what the replay tells of it.
func (r *replay) plan(p *CachePlan, timing experts.Timing) (misses float64) {
	found := r.found(r.begin(r.trace.Policy(p.Experts), p.Experts))
	p.HitRate = found.HitRate()
	p.Bound = r.found(r.begin(experts.NewBelady(r.trace, p.Experts), p.Experts)).HitRate()
	var all, start, later experts.Speed
	for i, x := range experts.ReplayTime(r.trace, r.begin(r.trace.Policy(p.Experts), p.Experts), timing) {
		switch since := r.since[i]; {
		case since > PlanStart:
			later.Add(x)
			all.Add(x)
		case since > 0:
			start.Add(x)
			all.Add(x)
		}
	}
	p.Simulated = newSimulatedSpeed(all)
	p.BytesPerToken = float64(all.Bytes) / float64(all.Tokens)
	if r.later {
		p.Later = newSimulatedSpeed(later)
		p.Start = newSimulatedSpeed(start)
	}
	return found.MissesPerToken()
}
