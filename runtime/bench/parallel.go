package bench

import (
	"context"
	"sync"
	"time"

	"st/runtime"
)

// Parallel is how fast a number of sequences are generated at once.
type Parallel struct {
	Sequences int `json:"sequences"`
	// PerSecond are the tokens of all sequences together.
	PerSecond float64 `json:"tokens_per_second"`
}

// startTokens are what a sequence of MeasureParallel begins with, of the prompt.
const startTokens = 16

// MeasureParallel measures how fast 1, 2, 4, … sequences are generated at once, up to the number that a pass of the model takes
// (runtime.Options.Parallel): gen tokens each, after different parts of tokens.
func MeasureParallel(ctx context.Context, m *runtime.Model, tokens []int32, parallel, gen int) ([]Parallel, error) {
	var all []Parallel
	for n := 1; n <= parallel; n = min(2*n, max(parallel, n+1)) {
		speed, err := generateTogether(ctx, m, tokens, n, gen)
		if err != nil {
			return nil, err
		}
		all = append(all, Parallel{n, speed})
	}
	return all, nil
}

// generateTogether returns the tokens per second of n sequences together, after their prompts.
func generateTogether(ctx context.Context, m *runtime.Model, tokens []int32, n, gen int) (float64, error) {
	errs := make([]error, n)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() { errs[i] = generateOne(ctx, m, tokens, i, gen, ready.Done, start) })
	}
	ready.Wait()
	begin := time.Now()
	close(start)
	done.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(n*gen) / time.Since(begin).Seconds(), nil
}

// generateOne generates sequence i. It calls ready after its prompt, in any case, and goes on when start is closed.
func generateOne(ctx context.Context, m *runtime.Model, tokens []int32, i, gen int, ready func(), start <-chan struct{}) error {
	ready = sync.OnceFunc(ready)
	defer ready()
	o := runtime.DefaultSampling()
	o.Seed = uint64(i)
	sampler, err := runtime.NewSampler(o)
	if err != nil {
		return err
	}
	s, err := m.Engine().NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	s.SetSparseHead(true)
	from := i * startTokens % max(1, len(tokens)-startTokens)
	logits, err := s.Forward(ctx, tokens[from:min(from+startTokens, len(tokens))])
	if err != nil {
		return err
	}
	ready()
	<-start
	next := make([]int32, 1)
	for range gen {
		next[0] = sampler.SamplePeaks(logits, s.Peaks(logits))
		if logits, err = s.Forward(ctx, next); err != nil {
			return err
		}
	}
	return nil
}
