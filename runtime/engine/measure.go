package engine

import (
	"context"
	"slices"
	"time"
)

const (
	// measureTime bounds the time for which threads are measured, and measureTurn is how many tokens a number of threads gets in turn.
	measureTime = time.Second
	measureTurn = 2
	// measureGain is what more threads must bring, at least: less is chance.
	measureGain = 1.03
	// tokenStep is the distance of tokens that are generated to measure: tokens far apart choose different experts. It is a prime.
	tokenStep = 7919
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
				token = (token + tokenStep) % int32(e.config.Vocab)
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
	if n != e.Threads() && !e.closing.Load() { // which has ended the threads
		e.pool.resize(n)
		e.threads.Store(int32(n))
	}
}

// forgetStats takes back what was counted.
func (e *Engine) forgetStats() {
	s := &e.stats
	for _, n := range []interface{ Store(int64) }{
		&s.tokens, &s.neurons, &s.active, &s.decodeBytes, &s.decodeKV, &s.decodeJobs, &s.headRows, &s.headTokens,
		&s.uses, &s.misses, &s.reads, &s.readBytes, &s.wait, &s.early, &s.earlyUsed,
	} {
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
