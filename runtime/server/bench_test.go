package server

import (
	"flag"
	"slices"
	"testing"
	"time"

	"st/runtime"
)

// benchModel is the model of benchmarks.
var benchModel = flag.String("model", "", "run benchmarks with this `file` instead of the tiny model")

// BenchmarkLongPromptBesideChat tells the time between two tokens of a text while a prompt of 16,000 tokens runs beside it, how long that prompt
// takes, and both alone. Between two layers of the prompt's batches the text gets a token.
func BenchmarkLongPromptBesideChat(b *testing.B) {
	const context = 16 << 10
	path := *benchModel
	if path == "" {
		path = modelPath
	}
	s, err := New(Options{Models: []string{path}, Context: context})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	// run calls each for every token that is generated.
	run := func(prompt []int32, g runtime.Generate, each func() bool) {
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
	long := make([]int32, context-10)
	for i := range long {
		long[i] = int32(i*7%4000 + 10)
	}
	runLong := func() time.Duration {
		long[0]++ // so that no cache holds it
		begin := time.Now()
		run(long, runtime.Generate{MaxTokens: -1}, func() bool { return true })
		return time.Since(begin)
	}
	// chat generates a text until done is closed, or 300 tokens, and reports the times between its tokens; the first ones are left out, and begin
	// is called after them.
	chat := func(b *testing.B, begin func(), done chan struct{}) {
		tokens, last := 0, time.Time{}
		var gaps []time.Duration
		run([]int32{100, 101, 102}, runtime.Generate{IgnoreEOS: true, MaxTokens: 15000, Seed: new(uint64(1))}, func() bool {
			now := time.Now()
			if tokens++; tokens > 10 {
				gaps = append(gaps, now.Sub(last))
			} else if tokens == 10 {
				begin()
			}
			last = now
			select {
			case <-done:
				return false
			default:
				return done != nil || len(gaps) < 300
			}
		})
		slices.Sort(gaps)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		b.ReportMetric(ms(gaps[len(gaps)/2]), "p50-ms")
		b.ReportMetric(ms(gaps[len(gaps)*99/100]), "p99-ms")
		b.ReportMetric(ms(gaps[len(gaps)-1]), "worst-ms")
		b.ReportMetric(float64(len(gaps)), "tokens")
	}
	b.Run("chat alone", func(b *testing.B) {
		for range b.N {
			chat(b, func() {}, nil)
		}
	})
	b.Run("prompt alone", func(b *testing.B) {
		for range b.N {
			b.ReportMetric(runLong().Seconds(), "prompt-s")
		}
	})
	b.Run("both", func(b *testing.B) {
		for range b.N {
			done := make(chan struct{})
			chat(b, func() {
				go func() {
					defer close(done)
					b.ReportMetric(runLong().Seconds(), "prompt-s")
				}()
			}, done)
		}
	})
}
