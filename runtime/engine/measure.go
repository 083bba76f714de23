package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"st/runtime/experts"
)

const (
	// measureTime bounds the time for which threads are measured, and measureTurn is how many tokens a number of threads gets in turn.
	measureTime = time.Second
	measureTurn = 2
	// measureGain is what more threads must bring, at least: less is chance.
	measureGain = 1.03
)

// MeasureThreads generates tokens with each of some numbers of threads in turn, for about a second, and goes on with the number that was fastest: the
// smallest of those that are about as fast. It returns the median speeds, in tokens per second. No number may be larger than that with which the engine
// was opened, and no session may be in use. What is measured is in no statistics, and no observer is shown it. After an error the engine goes on with
// the default number.
func (e *Engine) MeasureThreads(ctx context.Context, numbers []int) (best int, speeds []float64, err error) {
	defer func() {
		if err != nil && !e.closing.Load() {
			e.setThreads(min(PhysicalCores(), slices.Max(numbers)))
		}
	}()
	s, done, err := e.measure()
	if err != nil {
		return 0, nil, err
	}
	defer done()
	times := make([][]time.Duration, len(numbers))
	token := int32(0)
	begin := time.Now()
	// The first round is to warm up: it reads what is not in memory yet.
	for round := 0; round < 2 || time.Since(begin) < measureTime; round++ {
		for i, n := range numbers {
			e.setThreads(n)
			if s.Len()+measureTurn > e.context {
				s.Truncate(0)
			}
			for range measureTurn {
				// Tokens far apart choose different experts.
				token = (token + 7919) % int32(e.config.Vocab)
				start := time.Now()
				if _, err := s.Forward(ctx, []int32{token}); err != nil {
					return 0, nil, err
				}
				if round > 0 {
					times[i] = append(times[i], time.Since(start))
				}
			}
		}
	}
	for _, t := range times {
		slices.Sort(t)
		speeds = append(speeds, 1/t[len(t)/2].Seconds())
	}
	best = fastest(numbers, speeds)
	e.setThreads(best)
	return best, speeds, nil
}

// measure returns a session for measuring: until done is called, nothing is traced or shown to observers, and afterwards what was counted is taken back.
func (e *Engine) measure() (s *Session, done func(), err error) {
	if s, err = e.NewSession(); err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.measuring = true
	trace, observer, activity := e.trace, e.observer, e.activity
	e.trace, e.observer, e.activity = nil, nil, nil
	return s, func() {
		s.Close()
		e.mu.Lock()
		e.measuring = false
		e.trace, e.observer, e.activity = trace, observer, activity
		e.mu.Unlock()
		e.forgetStats()
	}, nil
}

// MeasureStreaming measures a model of which only a part of the experts fits in memory. For about a second it generates tokens that choose other experts
// each time: bandwidth is what the disk gives then, in bytes a second while anything is being read, beside computing and with as many reads in flight as
// there are. It is 0 if nothing was read. For another second it generates one token over and over, so that its experts are in memory: what is computed for
// one, in the median, without waiting for the disk. No session may be in use. What is measured is in no statistics, and no observer is shown it.
func (e *Engine) MeasureStreaming(ctx context.Context) (c experts.Computing, bandwidth float64, err error) {
	if e.config.MoE == nil {
		return c, 0, fmt.Errorf("%s: %w", e.reader.Path(), ErrNoExperts)
	}
	s, done, err := e.measure()
	if err != nil {
		return c, 0, err
	}
	defer done()
	const least = 3 // tokens
	// run generates tokens, each of which is counted alone.
	run := func(step int, each func(i int)) error {
		for i, begin := 0, time.Now(); i < least || time.Since(begin) < measureTime; i++ {
			if s.Len() == e.context {
				s.Truncate(0)
			}
			e.forgetStats()
			if _, err := s.Forward(ctx, []int32{int32(i * step % e.config.Vocab)}); err != nil {
				return err
			}
			each(i)
		}
		return nil
	}
	var bytes int64
	var busy time.Duration
	if err := run(7919, func(int) { // tokens far apart choose different experts
		d, _ := e.stats.disk.read()
		busy, bytes = busy+d, bytes+e.stats.readBytes.Load()
	}); err != nil {
		return c, 0, err
	}
	layers := len(e.config.MoELayers())
	parts := []struct {
		stages []Stage
		share  int // of what is measured
		to     *time.Duration
		times  []time.Duration
	}{
		{[]Stage{StageRouter}, layers, &c.Router, nil},
		{[]Stage{StageQKV, StageKV, StageAttention, StageOutput, StageNorm}, layers, &c.Attention, nil},
		{[]Stage{StageExperts, StageSum}, layers * e.config.MoE.ExpertsPerToken, &c.Expert, nil},
		{[]Stage{StageEmbed, StageHead}, 1, &c.Head, nil},
	}
	if err := run(0, func(i int) {
		for j := range parts {
			p := &parts[j]
			var spent time.Duration
			for _, stage := range p.stages {
				if spent += e.StageTime(stage); stage == StageExperts {
					spent -= time.Duration(e.stats.wait.Load())
				}
			}
			if i >= least-1 { // the first ones read what is not in memory
				p.times = append(p.times, max(0, spent))
			}
		}
	}); err != nil {
		return c, 0, err
	}
	for _, p := range parts {
		slices.Sort(p.times)
		*p.to = p.times[len(p.times)/2] / time.Duration(p.share)
	}
	if busy > 0 {
		bandwidth = float64(bytes) / busy.Seconds()
	}
	return c, bandwidth, nil
}

// fastest returns the number with the highest speed, or the smallest one that is about as fast.
func fastest(numbers []int, speeds []float64) int {
	top := slices.Max(speeds)
	best := 0
	for i, n := range numbers {
		if speeds[i]*measureGain >= top && (best == 0 || n < best) {
			best = n
		}
	}
	return best
}

// setThreads makes n the number of threads that compute, which is not more than there were when the engine was opened: scratch is for so many.
func (e *Engine) setThreads(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n != e.threads {
		e.pool.resize(n)
		e.threads = n
	}
}

// forgetStats takes back what was counted.
func (e *Engine) forgetStats() {
	s := &e.stats
	for _, n := range []interface{ Store(int64) }{&s.tokens, &s.neurons, &s.active, &s.decodeBytes, &s.uses, &s.misses, &s.reads, &s.readBytes, &s.wait, &s.early, &s.earlyUsed} {
		n.Store(0)
	}
	s.disk.forget()
	for i := range e.uses {
		e.uses[i].Store(0)
	}
	for i := range e.clock.spent {
		e.clock.spent[i].Store(0)
	}
}
