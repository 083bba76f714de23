package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"st/convert"
	"st/quant"
	"st/runtime"
	"st/runtime/grammar"
)

// repeating is a prompt whose text goes on as it did before.
const repeating = "And the LORD spake unto Moses, saying, Speak unto the children of Israel. And the LORD spake unto Moses, saying, Speak unto"

// same reports how a text that was guessed differs from one that was not, in anything but counters and times.
func same(want, got *runtime.Result) error {
	if w, g := fmt.Sprint(want.Tokens), fmt.Sprint(got.Tokens); w != g {
		return fmt.Errorf("tokens are\n%s, want\n%s", g, w)
	}
	if want.Text != got.Text || want.Stop != got.Stop || want.StopText != got.StopText || want.EndToken != got.EndToken ||
		want.Decoded != got.Decoded || want.ForcedTokens != got.ForcedTokens || want.Unfinished != got.Unfinished {
		return fmt.Errorf("the result is %+v, want %+v", got, want)
	}
	return nil
}

// openSmallest opens the model with a budget that holds few experts, and returns it. What the program takes besides the model grows from test to test,
// and while models open: so the budget is the first that the model opens with.
func openSmallest(t *testing.T, opts runtime.Options) *runtime.Model {
	t.Helper()
	for opts.Memory = 64 << 20; ; opts.Memory += 8 << 20 {
		m, err := runtime.Open(t.Context(), modelPath, opts)
		if err == nil {
			t.Cleanup(func() { m.Close() })
			return m
		}
		if !errors.Is(err, runtime.ErrMemory) {
			t.Fatal(err)
		}
	}
}

// Guessing changes no bit of a text, greedy or sampled: each token is drawn from the same logits with the same random number. Pieces are the same,
// too, with their probabilities.
func TestLookupSameText(t *testing.T) {
	yes, err := grammar.ParseGBNF(`root ::= ("the LORD " | "Moses, " | "and ")+ "Amen" | [a-z ,.]*`)
	if err != nil {
		t.Fatal(err)
	}
	seeds, lookups := uint64(2), []runtime.Lookup{runtime.LookupOff, runtime.LookupAuto, 4, runtime.MaxLookup}
	if testing.Short() {
		lookups = []runtime.Lookup{runtime.LookupOff, runtime.MaxLookup} // of the first seed alone not every kind of text has a guess that is right
	}
	for _, where := range []string{"in memory", "within a budget"} {
		bounded := where == "within a budget"
		var m *runtime.Model
		if bounded {
			m = openSmallest(t, runtime.Options{Threads: 2, Context: 600})
		} else {
			m = open(t, runtime.Options{Threads: 2})
		}
		for name, g := range map[string]runtime.Generate{
			"greedy":     {Temperature: new(0.0)},
			"sampled":    {},
			"cool":       {Temperature: new(0.3)},
			"hot":        {Temperature: new(1.5), TopK: new(0), TopP: new(1.0), MinP: new(0.0)},
			"penalties":  {Temperature: new(0.5), RepeatPenalty: new(1.1), PresencePenalty: 0.2, FrequencyPenalty: 0.1},
			"biased":     {Temperature: new(0.7), LogitBias: map[int32]float64{300: 2, 5: -3}},
			"logprobs":   {Temperature: new(0.4), LogProbs: true, TopLogProbs: 3},
			"stop":       {Temperature: new(0.0), Stop: []string{"spake unto Mos", "xyz"}},
			"short":      {Temperature: new(0.0), MaxTokens: 7},
			"grammar":    {Temperature: new(0.6), Grammar: yes},
			"ignore end": {Temperature: new(1.0), IgnoreEOS: true},
		} {
			if bounded && (name == "hot" || name == "biased" || name == "stop" || name == "short") {
				continue // the store knows nothing of these
			}
			t.Run(name+" "+where, func(t *testing.T) {
				if g.MaxTokens == 0 {
					g.MaxTokens = 80
				}
				accepted := 0
				seeds := seeds
				if g.Temperature != nil && *g.Temperature == 0 {
					seeds = 1 // nothing is drawn
				}
				for seed := range seeds {
					var want *runtime.Result
					var pieces []runtime.Piece
					for _, lookup := range lookups {
						g.Seed, g.Lookup = &seed, lookup
						var all []runtime.Piece
						var done *runtime.Result
						for p, err := range m.Generate(t.Context(), repeating, g) {
							if err != nil {
								t.Fatal(err)
							}
							if done = p.Done; done != nil {
								p.Done = nil
							}
							all = append(all, p)
						}
						if want == nil {
							want, pieces = done, all
							if done.Drafted != 0 || done.Accepted != 0 {
								t.Fatalf("off, but %d tokens were guessed", done.Drafted)
							}
							continue
						}
						if err := same(want, done); err != nil {
							t.Fatalf("lookup %s, seed %d: %v", lookup, seed, err)
						}
						if !reflect.DeepEqual(pieces, all) {
							t.Fatalf("lookup %s, seed %d: other pieces", lookup, seed)
						}
						if done.Accepted > done.Drafted || done.Drafted < 0 {
							t.Fatalf("%d of %d guesses were right", done.Accepted, done.Drafted)
						}
						accepted += done.Accepted
					}
				}
				if accepted == 0 && name != "hot" && name != "short" {
					t.Error("no guess was right")
				}
			})
		}
	}
}

// So it is for models with windows, of other architectures, dense ones and those whose layers share keys and values.
func TestLookupArchitectures(t *testing.T) {
	for _, name := range []string{"gemma3_text", "gemma3n_text", "phi3", "qwen3_moe_mixed_shard"} {
		for _, typ := range []quant.Type{quant.Q8_0} {
			t.Run(fmt.Sprintf("%s %s", name, typ), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "m.stm")
				if _, err := convert.Run(t.Context(), filepath.Join("../testdata/architectures", name), path, convert.Options{Recipe: convert.Recipe{Type: typ}}); err != nil {
					t.Fatal(err)
				}
				m, err := runtime.Open(t.Context(), path, runtime.Options{Threads: 2, Context: 256})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				var prompt []int32
				for i := range 60 {
					prompt = append(prompt, int32(3+i%7))
				}
				accepted := 0
				for _, temperature := range []float64{0, 0.2} {
					g := runtime.Generate{MaxTokens: 100, Temperature: &temperature, Seed: new(uint64(4)), IgnoreEOS: true}
					if temperature == 0.2 { // a text that repeats itself
						g.LogitBias = map[int32]float64{5: 30, 6: 30, 7: 30}
					}
					run := func(l runtime.Lookup) *runtime.Result {
						g.Lookup = l
						_, r, err := collect(m.GenerateTokens(t.Context(), prompt, g))
						if err != nil {
							t.Fatal(err)
						}
						return r
					}
					want := run(runtime.LookupOff)
					for _, l := range []runtime.Lookup{3, runtime.MaxLookup} {
						got := run(l)
						if err := same(want, got); err != nil {
							t.Fatal(err)
						}
						accepted += got.Accepted
					}
				}
				if accepted == 0 {
					t.Error("no guess was right")
				}
			})
		}
	}
}

// A caller who leaves at any piece leaves the sequence, and the random numbers of a chat, as if nothing had been guessed.
func TestLookupLeave(t *testing.T) {
	m := open(t, runtime.Options{Threads: 2})
	g := runtime.Generate{MaxTokens: 40, Temperature: new(0.6), PresencePenalty: 0.05}
	talk := func(l runtime.Lookup, leave int) (second string) {
		c := m.NewChat()
		defer c.Close()
		g := g
		g.Lookup, g.Seed = l, new(uint64(9))
		n := 0
		for p, err := range c.Send(t.Context(), repeating, g) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; p.Done == nil && n == leave {
				break
			}
		}
		for _, message := range c.Messages() {
			second += message.Content + "|"
		}
		return second + say(t, c, "Who?", g).Text
	}
	step := 4
	if testing.Short() {
		step = 13
	}
	for leave := 1; leave <= 41; leave += step {
		if want, got := talk(runtime.LookupOff, leave), talk(runtime.MaxLookup, leave); got != want {
			t.Fatalf("after leaving at piece %d the chat is\n%q, want\n%q", leave, got, want)
		}
	}
}

// Sequences that are generated at the same time guess in passes that they share.
func TestLookupTogether(t *testing.T) {
	m := open(t, runtime.Options{Threads: 2, Parallel: 4})
	want := map[int]*runtime.Result{}
	for i := range 4 {
		want[i] = generate(t, m, repeating[i*4:], runtime.Generate{MaxTokens: 60, Temperature: new(0.4), Seed: new(uint64(i)), Lookup: runtime.LookupOff})
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			g := runtime.Generate{MaxTokens: 60, Temperature: new(0.4), Seed: new(uint64(i % 4)), Lookup: runtime.Lookup(i)}
			_, r, err := collect(m.Generate(context.Background(), repeating[i%4*4:], g))
			if err == nil {
				err = same(want[i%4], r)
			}
			if err != nil {
				t.Errorf("lookup %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// A context that ends within a guess ends the text there.
func TestLookupContext(t *testing.T) {
	for n := 40; n < 60; n++ {
		m := open(t, runtime.Options{Context: n})
		g := runtime.Generate{Temperature: new(0.0), IgnoreEOS: true, Lookup: runtime.LookupOff}
		want := generate(t, m, repeating, g)
		g.Lookup = runtime.MaxLookup
		if err := same(want, generate(t, m, repeating, g)); err != nil {
			t.Fatalf("a context of %d: %v", n, err)
		}
	}
}

func TestParseLookup(t *testing.T) {
	for s, want := range map[string]runtime.Lookup{"auto": runtime.LookupAuto, "off": runtime.LookupOff, "0": runtime.LookupOff, "1": 1, "15": runtime.MaxLookup} {
		if got, err := runtime.ParseLookup(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "on", "-1", "16", "1.5", "AUTO"} {
		if got, err := runtime.ParseLookup(s); err == nil || !strings.Contains(err.Error(), "auto, off") {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	m := open(t, runtime.Options{})
	for _, err := range m.Generate(t.Context(), "x", runtime.Generate{Lookup: 99}) {
		if !errors.Is(err, runtime.ErrOption) {
			t.Errorf("lookup 99: %v", err)
		}
	}
	c := m.NewChat()
	defer c.Close()
	for _, err := range c.Send(t.Context(), "x", runtime.Generate{Lookup: -5}) {
		if !errors.Is(err, runtime.ErrOption) {
			t.Errorf("lookup -5: %v", err)
		}
	}
}
