package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// stepped returns the logits after every token of a text from the first on, one token at a time, behind a prompt of so many.
func stepped(t *testing.T, e *engine.Engine, tokens []int32, first int) [][]float32 {
	t.Helper()
	s := session(t, e)
	defer s.Close()
	want := make([][]float32, len(tokens))
	want[first-1] = slices.Clone(forward(t, s, tokens[:first]...))
	for i := first; i < len(tokens); i++ {
		want[i] = slices.Clone(forward(t, s, tokens[i]))
	}
	return want
}

// drafts runs a text behind a prompt with guesses of which some are right, and holds the logits of every token against those of single steps. It
// returns how many tokens came with others before them.
func drafts(t *testing.T, e *engine.Engine, tokens []int32, first int, want [][]float32, seed uint64) (guessed int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	s := session(t, e)
	defer s.Close()
	forward(t, s, tokens[:first]...)
	for n := first; n < len(tokens); {
		guess := slices.Clone(tokens[n:min(len(tokens), n+1+rng.IntN(engine.MaxDraft+1))])
		if rng.IntN(3) > 0 {
			wrong := rng.IntN(len(guess))
			if wrong > 0 {
				guess[wrong] = (guess[wrong] + 1) % int32(e.Config().Vocab)
			}
		}
		gained, computed, err := s.Verify(t.Context(), guess, func(i int, logits []float32) bool {
			if n+i >= len(tokens) || guess[i] != tokens[n+i] {
				t.Fatalf("logits after a wrong token %d", n+i)
			}
			if !slices.Equal(logits, want[n+i]) {
				d, _ := difference(want[n+i], logits)
				t.Fatalf("logits after token %d, token %d of a guess of %d, differ from those of a single step by up to %g", n+i, i, len(guess), d)
			}
			clear(logits) // which the caller may change
			return i+1 < len(guess) && guess[i+1] == tokens[n+i+1]
		})
		if err != nil || gained < 1 || gained > computed || computed > len(guess) || s.Len() != n+gained {
			t.Fatalf("%d tokens of %d computed were gained of %d, at %d of %d: %v", gained, computed, len(guess), n, s.Len(), err)
		}
		guessed += gained - 1
		if kept := s.Keeps(n); kept != n && computed <= smallestWindow(e) {
			t.Fatalf("%d tokens would be kept of the %d before a guess", kept, n)
		}
		if gained > 1 && rng.IntN(4) == 0 { // some that were right are taken back
			gained -= 1 + rng.IntN(gained-1)
			if kept := s.Truncate(n + gained); kept != n+gained {
				t.Fatalf("%d tokens are kept of a draft, want %d", kept, n+gained)
			}
		}
		n += gained
	}
	return guessed
}

// smallestWindow returns the least positions that a layer of a model sees.
func smallestWindow(e *engine.Engine) int {
	least := e.Context()
	for l := range e.Config().Layers {
		if w := e.Config().Window(l); w > 0 {
			least = min(least, w)
		}
	}
	return least
}

// Tokens that are guessed and right have the bits of single steps: in all types, with windows of any size, beyond pages and parts of the context,
// with rows of several threads, in memory and within a budget. What a wrong guess overwrote is there again.
func TestVerify(t *testing.T) {
	long := manyExperts()
	long.Context = 700
	ring := variant(func(s *modeltest.Shape) { s.Sliding, s.Window, s.Context = []int{1, 0, 1}, 270, 700 })
	pages := variant(func(s *modeltest.Shape) { s.Sliding, s.Window, s.Context = []int{1, 1, 1}, 20, 300 })
	everyType := []string{"window of 7", "odd sizes", "no whole block"} // a type changes products, not the caches
	for name, shape := range map[string]modeltest.Shape{
		"window of 7": long, "window beyond a page": ring, "window of 20": pages,
		"window of one":    variants["window of one"],
		"odd sizes":        variants["neurons of no whole group"],
		"Qwen3 MoE":        qwen3(func(s *modeltest.Shape) { s.Context = 300 }),
		"LongRoPE":         phi3(longRoPE(60, nil)),
		"no whole block":   variants["rows of no whole block"],
		"experts that all": variants["all experts"],
	} {
		n := min(600, shape.Context-1)
		tokens := prompt(n, shape.Vocab)
		for _, typ := range []quant.Type{quant.F32, quant.Q8_0, quant.Q4_0} {
			if typ != quant.Q4_0 && (testing.Short() || !slices.Contains(everyType, name)) {
				continue
			}
			path := write(t, shape, typ)
			e := openReader(t, reader(t, path), engine.Options{Threads: 2})
			first := 40
			if n > 300 {
				first = n - 180 // the parts of the context begin at 512
			}
			want := stepped(t, e, tokens, first)
			engines := map[string]*engine.Engine{
				"mapped":   e,
				"parallel": openReader(t, reader(t, path), engine.Options{Threads: 1, Parallel: 3}),
			}
			if shape.Arch == "" {
				engines["streamed"] = stream(t, reader(t, path), engine.Options{Threads: 2, Context: n + 1}, 0)
			}
			for where, e := range engines {
				t.Run(fmt.Sprintf("%s %s %s", name, typ, where), func(t *testing.T) {
					if guessed := drafts(t, e, tokens, first, want, 7); guessed < 10 && where == "mapped" && name != "window of one" {
						t.Errorf("%d tokens were guessed", guessed)
					}
				})
			}
		}
	}
}

// So do those of Gemma 3 and Gemma 3n, whose layers share keys and values.
func TestVerifyGemma(t *testing.T) {
	for name, g := range map[string]modeltest.Gemma{
		"gemma 3": gemma3(func(g *modeltest.Gemma) {}), "gemma 3n": gemma3n(func(g *modeltest.Gemma) {}),
		"gemma 3n, long window": gemma3n(func(g *modeltest.Gemma) { g.Window = 100 }),
	} {
		t.Run(name, func(t *testing.T) {
			e := open(t, modeltest.NewGemma(g, 1), (*modeltest.Model).Write, quant.Q8_0, engine.Options{Threads: 2})
			tokens := prompt(200, 50)
			drafts(t, e, tokens, 40, stepped(t, e, tokens, 40), 3)
		})
	}
}

// Drafts of several sequences share a pass with single tokens of others.
func TestVerifyTogether(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	e := openReader(t, reader(t, path), engine.Options{Threads: 2, Parallel: 4})
	tokens := prompt(200, 50)
	want := stepped(t, e, tokens, 40)
	t.Run("all", func(t *testing.T) {
		for i := range 6 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				if i%3 == 0 {
					for j, got := range stepped(t, e, tokens, 40) {
						if got != nil && !slices.Equal(got, want[j]) {
							t.Fatalf("step %d differs beside drafts", j)
						}
					}
					return
				}
				drafts(t, e, tokens, 40, want, uint64(i))
			})
		}
	})
}

// A guess that needs experts that are not in memory is cut, and none of them is read; an error leaves the sequence as it was.
func TestVerifyBudget(t *testing.T) {
	path := write(t, manyExperts(), quant.Q8_0)
	tokens := prompt(300, 50)
	e := stream(t, reader(t, path), engine.Options{Threads: 2, Context: 512}, 0)
	want := stepped(t, e, tokens, 40)
	single := e.Stats()
	drafts(t, e, tokens, 40, want, 5)
	both := e.Stats()
	if a, b := single.ExpertReads, both.ExpertReads-single.ExpertReads; float64(b) > 1.3*float64(a) {
		t.Errorf("%d experts were read for guesses, %d for single steps", b, a)
	}

	f, r := openFaulty(t, path)
	e = stream(t, r, engine.Options{Threads: 2, Context: 512}, 0)
	s := session(t, e)
	forward(t, s, tokens[:100]...)
	broken := errors.New("broken")
	f.set(func(int64, []byte) (int, error, bool) { return 0, broken, true })
	failed := 0
	for n := s.Len(); n < 140; n = s.Len() {
		_, _, err := s.Verify(t.Context(), tokens[n:n+4], func(int, []float32) bool { return true })
		if err == nil {
			continue
		}
		if failed++; !errors.Is(err, broken) || s.Len() != n {
			t.Fatalf("%d tokens after %d, error is %v", s.Len(), n, err)
		}
		f.set(nil)
		fresh := openReader(t, reader(t, path), engine.Options{Threads: 1})
		got := forward(t, s, tokens[n])
		if !slices.Equal(got, want100(t, fresh, tokens, n)) {
			t.Fatal("a draft that failed changed the sequence")
		}
		break
	}
	if failed == 0 {
		t.Error("no read failed")
	}
}

// want100 returns the logits after token n of a text whose first 100 are a prompt.
func want100(t *testing.T, e *engine.Engine, tokens []int32, n int) []float32 {
	t.Helper()
	return stepped(t, e, tokens[:n+1], 100)[n]
}
