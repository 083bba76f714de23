package server

import (
	"bufio"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"st/runtime"
)

// benchModel is the model of benchmarks.
var benchModel = flag.String("model", "", "run benchmarks with this `file` instead of the tiny model")

// benchContext is how long the prompt of BenchmarkLongPromptBesideChat is.
var benchContext = flag.Int("context", 16<<10, "run benchmarks of a long prompt with `N` tokens")

// BenchmarkLongPromptBesideChat tells the time between two tokens of a text while a prompt of 16,000 tokens runs beside it, how long that prompt
// takes, and both alone. Between two layers of the prompt's batches the text gets a token.
func BenchmarkLongPromptBesideChat(b *testing.B) {
	context := *benchContext
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

// benchURL is a server to be measured from outside.
var benchURL = flag.String("url", "", "measure the server at a `URL` that speaks OpenAI's API instead of one with -model")

// BenchmarkClients tells what clients of a server see who ask for streams one after the other: the time to the first token and between two of them,
// and the tokens that all get together.
//
//	go test ./runtime/server -run '^$' -bench Clients -benchtime 3x -model 4b.stm
//	llama-server -m 4b.gguf -np 8 & go test ./runtime/server -run '^$' -bench Clients -benchtime 3x -url http://127.0.0.1:8080
func BenchmarkClients(b *testing.B) {
	url := *benchURL
	if url == "" {
		path := *benchModel
		if path == "" {
			path = modelPath
		}
		s, err := New(Options{Models: []string{path}, Context: 2048, Parallel: 8})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		h := httptest.NewServer(s)
		defer h.Close()
		url = h.URL
	}
	var number atomic.Int64 // so that no cache holds a prompt
	// ask returns when the request was sent, and when each token came.
	ask := func() (begin time.Time, tokens []time.Time, err error) {
		prompt := fmt.Sprintf("%d. %s", number.Add(1), strings.Repeat("In the beginning God created the heaven and the earth. ", 8))
		body := fmt.Sprintf(`{"prompt": %q, "max_tokens": 48, "ignore_eos": true, "stream": true, "temperature": 0, "cache_prompt": false}`, prompt)
		begin = time.Now()
		r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(body))
		if err != nil {
			return begin, nil, err
		}
		defer r.Body.Close()
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "data: {") {
				tokens = append(tokens, time.Now())
			}
		}
		if len(tokens) < 2 {
			err = fmt.Errorf("status %d, %d tokens", r.StatusCode, len(tokens))
		}
		return begin, tokens, err
	}
	if _, _, err := ask(); err != nil { // it loads the model
		b.Fatal(err)
	}
	for _, clients := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			var mu sync.Mutex
			var first, between []time.Duration
			total, begin := 0, time.Now()
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for range b.N {
						sent, tokens, err := ask()
						mu.Lock()
						if err != nil {
							b.Error(err)
						} else {
							first, total = append(first, tokens[0].Sub(sent)), total+len(tokens)
							for i := 1; i < len(tokens); i++ {
								between = append(between, tokens[i].Sub(tokens[i-1]))
							}
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			for name, times := range map[string][]time.Duration{"first": first, "between": between} {
				slices.Sort(times)
				for _, p := range []int{50, 99} {
					b.ReportMetric(float64(times[(len(times)-1)*p/100].Microseconds())/1000, fmt.Sprintf("%s-p%d-ms", name, p))
				}
			}
			b.ReportMetric(float64(total)/time.Since(begin).Seconds(), "tokens/s")
		})
	}
}
