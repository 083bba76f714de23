package server

import (
	"fmt"
	"testing"
	"time"

	"st/runtime"
)

// BenchmarkLongPromptBesideChat tells the longest time between two tokens of a text while a prompt of 16,000 tokens runs beside it, and without.
// A pass has at most one batch of 256 tokens of a long prompt beside the single tokens of others.
func BenchmarkLongPromptBesideChat(b *testing.B) {
	const context = 16 << 10
	s, err := New(Options{Models: []string{modelPath}, Context: context})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for _, beside := range []int{0, context - 10} {
		b.Run(fmt.Sprintf("prompt=%d", beside), func(b *testing.B) {
			for range b.N {
				worst, mean := gaps(b, s, beside)
				b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
				b.ReportMetric(float64(mean.Microseconds())/1000, "mean-ms")
			}
		})
	}
}

// gaps generates a text while a prompt of n tokens runs, and returns the longest and the mean time between two of its tokens.
func gaps(b *testing.B, s *Server, n int) (worst, mean time.Duration) {
	generate := func(prompt []int32, g runtime.Generate, each func() bool) {
		j, err := s.begin(b.Context(), "", nil)
		if err != nil {
			b.Error(err)
			return
		}
		defer j.end()
		for p, err := range j.generate(b.Context(), prompt, g) {
			if err != nil {
				b.Error(err)
			}
			if p.Done == nil && !each() {
				return
			}
		}
	}
	done := make(chan struct{})
	begin := func() {
		defer close(done)
		if n == 0 {
			return
		}
		prompt := make([]int32, n)
		for i := range prompt {
			prompt[i] = int32(i*7%4000 + 10)
		}
		generate(prompt, runtime.Generate{MaxTokens: -1}, func() bool { return true })
	}
	tokens, after, last, first := 0, 0, time.Now(), time.Now()
	generate([]int32{100, 101, 102}, runtime.Generate{IgnoreEOS: true, MaxTokens: 15000, Seed: new(uint64(1))}, func() bool {
		now := time.Now()
		if tokens++; tokens > 10 {
			worst = max(worst, now.Sub(last))
			after++
		} else {
			first = now
		}
		last = now
		if tokens == 10 {
			go begin()
		}
		select {
		case <-done:
			return n == 0 && after < 500
		default:
			return true
		}
	})
	return worst, last.Sub(first) / time.Duration(max(1, after))
}
