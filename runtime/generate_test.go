package runtime_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"st/format"
	"st/runtime"
)

func TestGenerateEnds(t *testing.T) {
	m := open(t, runtime.Options{})
	greedy := runtime.Generate{MaxTokens: 20, Temperature: new(0.0)}
	whole := generate(t, m, "The LORD", greedy)
	for _, tt := range []struct {
		name   string
		change func(*runtime.Generate)
		want   runtime.Result
		tokens int
	}{
		{"the prompt alone", func(g *runtime.Generate) { g.MaxTokens = -1 }, runtime.Result{Stop: runtime.StopLength}, 0},
		{"so many tokens", func(g *runtime.Generate) { g.MaxTokens = 3 }, runtime.Result{Stop: runtime.StopLength, Text: " of the LORD"}, 3},
		{"a stop text across tokens", func(g *runtime.Generate) { g.Stop = []string{"xyz", "RD, a"} },
			runtime.Result{Stop: runtime.StopText, StopText: "RD, a", Text: " of the LORD shall be the LO"}, 9},
		{"top-p 0 is the likeliest token", func(g *runtime.Generate) { g.Temperature, g.TopP = new(5.0), new(0.0) },
			runtime.Result{Stop: runtime.StopLength, Text: whole.Text}, 20},
		{"top-k 1 too", func(g *runtime.Generate) { g.Temperature, g.TopK = new(5.0), new(1) },
			runtime.Result{Stop: runtime.StopLength, Text: whole.Text}, 20},
	} {
		g := greedy
		tt.change(&g)
		r := generate(t, m, "The LORD", g)
		if r.Stop != tt.want.Stop || r.StopText != tt.want.StopText || r.Text != tt.want.Text || len(r.Tokens) != tt.tokens ||
			r.PromptTokens != whole.PromptTokens || (r.FirstToken > 0) != (tt.tokens > 0) {
			t.Errorf("%s: %+v, want %+v after %d tokens", tt.name, r, tt.want, tt.tokens)
		}
	}
	small := open(t, runtime.Options{Context: 10})
	if r := generate(t, small, "The LORD", runtime.Generate{Temperature: new(0.0)}); r.Stop != runtime.StopContext || len(r.Tokens) != 8 {
		t.Errorf("a context of 10: %+v", r)
	}
	_, r, err := collect(small.Generate(t.Context(), strings.Repeat("word ", 20), runtime.Generate{}))
	if !errors.Is(err, runtime.ErrContextFull) || r != nil {
		t.Errorf("a prompt that is too long: %+v, %v", r, err)
	}
}

// A token that ends a text ends it, unless it is ignored; as a stop text it is found although the text leaves it out.
func TestGenerateEndToken(t *testing.T) {
	m := open(t, runtime.Options{})
	end, ok := m.Tokenizer().ID("<|im_end|>")
	if !ok || !slices.Contains(m.EndTokens(), end) {
		t.Fatalf("<|im_end|> is token %d, the end tokens are %v", end, m.EndTokens())
	}
	// Hot enough, every token comes.
	g := runtime.Generate{Temperature: new(1000.0), TopK: new(0), TopP: new(1.0), MinP: new(0.0)}
	ended, ignored := 0, 0
	for seed := uint64(0); ended == 0 || ignored == 0; seed++ {
		if seed == 60 {
			t.Fatalf("in 60 texts, %d ended and %d had <|im_end|> and went on", ended, ignored)
		}
		g.Seed, g.IgnoreEOS, g.Stop = &seed, false, nil
		r := generate(t, m, "To be", g)
		if r.Stop == runtime.StopEOS {
			ended++
		}
		g.IgnoreEOS = true
		all := generate(t, m, "To be", g)
		at := slices.Index(all.Tokens, end)
		if all.Stop != runtime.StopContext || at < 0 {
			continue
		}
		ignored++
		if strings.Contains(all.Text, "<|im_end|>") {
			t.Errorf("the text shows the token: %q", all.Text)
		}
		g.Stop = []string{"<|im_end|>"}
		if r := generate(t, m, "To be", g); r.Stop != runtime.StopText || r.StopText != "<|im_end|>" || len(r.Tokens) != at+1 {
			t.Errorf("the stop text comes with token %d: %d tokens, %s %q", at, len(r.Tokens), r.Stop, r.StopText)
		}
	}
}

// Pieces are whole characters; each but the last has a token.
func TestGeneratePieces(t *testing.T) {
	m := open(t, runtime.Options{})
	g := runtime.Generate{MaxTokens: 300, Temperature: new(50.0), TopK: new(0), TopP: new(1.0), MinP: new(0.0), Seed: new(uint64(5))}
	var tokens []int32
	text := ""
	for p, err := range m.Generate(t.Context(), "né", g) {
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(p.Text) {
			t.Errorf("piece %q cuts a character", p.Text)
		}
		text += p.Text
		if p.Done == nil {
			tokens = append(tokens, p.Token)
			continue
		}
		if p.Token != -1 || !slices.Equal(p.Done.Tokens, tokens) || text != m.Tokenizer().Decode(tokens, true) {
			t.Errorf("%+v: %q of %v", p.Done, text, tokens)
		}
	}
	if !strings.ContainsFunc(text, func(c rune) bool { return c >= 0x80 }) {
		t.Errorf("no character of several bytes in %q: the test proves nothing", text)
	}
}

// The same iterator can be used again; leaving a loop leaves the model as it was.
func TestGenerateAgain(t *testing.T) {
	m := open(t, runtime.Options{})
	pieces := m.Generate(t.Context(), "To be", runtime.Generate{MaxTokens: 9, Seed: new(uint64(3))})
	first, _, err := collect(pieces)
	if err != nil {
		t.Fatal(err)
	}
	for p, err := range pieces {
		if p.Done != nil || err != nil {
			t.Errorf("%+v, %v", p, err)
		}
		break
	}
	if again, _, err := collect(pieces); err != nil || again != first {
		t.Errorf("%q, then %q, %v", first, again, err)
	}
}

// Log-probabilities are those of the logits, whatever is sampled with.
func TestLogProbs(t *testing.T) {
	m := open(t, runtime.Options{})
	prompt, err := m.Encode("The LORD")
	if err != nil {
		t.Fatal(err)
	}
	g := runtime.Generate{MaxTokens: 4, Temperature: new(2.0), RepeatPenalty: new(1.5), Seed: new(uint64(1)), LogProbs: true, TopLogProbs: 3}
	var pieces []runtime.Piece
	var tokens []int32
	for p, err := range m.GenerateTokens(t.Context(), prompt, g) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Done == nil {
			pieces, tokens = append(pieces, p), append(tokens, p.Token)
		}
	}
	n := 0
	err = m.Logits(t.Context(), slices.Concat(prompt, tokens[:3]), func(i int, logits []float32) error {
		if i < len(prompt)-1 {
			return nil
		}
		var sum float64
		for _, v := range logits {
			sum += math.Exp(float64(v))
		}
		p, best := pieces[n], slices.Max(logits)
		n++
		if want := float64(logits[p.Token]) - math.Log(sum); math.Abs(p.LogProb-want) > 1e-2 {
			t.Errorf("token %d: %v, want %v", p.Token, p.LogProb, want)
		}
		if len(p.Top) != 3 || logits[p.Top[0].Token] != best || p.Top[0].LogProb < p.Top[1].LogProb || p.Top[1].LogProb < p.Top[2].LogProb {
			t.Errorf("the likeliest are %v", p.Top)
		}
		return nil
	})
	if err != nil || n != 4 {
		t.Errorf("%d positions, %v", n, err)
	}
}

func TestGenerateRefuses(t *testing.T) {
	m := open(t, runtime.Options{})
	if r := generate(t, m, "", runtime.Generate{MaxTokens: 1}); r.PromptTokens != 1 {
		t.Errorf("an empty prompt has %d tokens, want BOS alone", r.PromptTokens)
	}
	if _, _, err := collect(m.GenerateTokens(t.Context(), nil, runtime.Generate{})); !errors.Is(err, runtime.ErrEmptyPrompt) {
		t.Errorf("no tokens: %v", err)
	}
	for _, g := range []runtime.Generate{{Temperature: new(-1.0)}, {TopP: new(1.5)}, {MinP: new(math.NaN())}, {RepeatPenalty: new(-1.0)}} {
		if _, _, err := collect(m.Generate(t.Context(), "x", g)); !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%+v: %v", g, err)
		}
	}
}

// What the caller sets wins, then the file, then llama.cpp.
func TestSampling(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	seed := new(uint64(5))
	for _, tt := range []struct {
		name  string
		g     runtime.Generate
		model format.Generation
		want  runtime.SamplerOptions
	}{
		{"nothing given", runtime.Generate{}, format.Generation{},
			runtime.SamplerOptions{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, RepeatPenalty: 1}},
		{"the model's", runtime.Generate{}, format.Generation{Temperature: f(0.6), TopK: new(7), TopP: f(0.9), MinP: f(0), RepetitionPenalty: f(1.1)},
			runtime.SamplerOptions{Temperature: 0.6, TopK: 7, TopP: 0.9, MinP: 0, RepeatPenalty: 1.1}},
		{"a greedy model", runtime.Generate{}, format.Generation{DoSample: new(false), Temperature: f(0.6)},
			runtime.SamplerOptions{Temperature: 0, TopK: 40, TopP: 0.95, MinP: 0.05, RepeatPenalty: 1}},
		{"a model without top-k", runtime.Generate{}, format.Generation{TopK: new(-1)},
			runtime.SamplerOptions{Temperature: 0.8, TopK: 0, TopP: 0.95, MinP: 0.05, RepeatPenalty: 1}},
		{"a model with top-p 0", runtime.Generate{}, format.Generation{TopP: f(0)},
			runtime.SamplerOptions{Temperature: 0.8, TopK: 1, TopP: 1, MinP: 0.05, RepeatPenalty: 1}},
		{"the caller's win", runtime.Generate{Temperature: f(1), TopK: new(0), TopP: f(1), MinP: f(0), RepeatPenalty: f(1)},
			format.Generation{DoSample: new(false), Temperature: f(0.6), TopK: new(7), TopP: f(0.9), MinP: f(0.1), RepetitionPenalty: f(1.1)},
			runtime.SamplerOptions{Temperature: 1, TopP: 1, RepeatPenalty: 1}},
	} {
		tt.g.Seed, tt.want.Seed = seed, 5
		if got := tt.g.Sampling(&tt.model); !got.Equal(tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	var g runtime.Generate
	if a, b := g.Sampling(&format.Generation{}), g.Sampling(&format.Generation{}); a.Seed == b.Seed {
		t.Errorf("without a seed it is %d twice", a.Seed)
	}
}

// A text that has more bytes than the context's tokens can have is refused before it is cut into tokens.
func TestPromptBytes(t *testing.T) {
	m := open(t, runtime.Options{})
	text := strings.Repeat("word ", 4<<20)
	allocated := testing.AllocsPerRun(1, func() {
		if _, err := m.EncodePrompt(text); !errors.Is(err, runtime.ErrContextFull) || !strings.Contains(err.Error(), "20971520 bytes") {
			t.Errorf("a prompt: %v", err)
		}
	})
	if allocated > 100_000 {
		t.Errorf("%v allocations", allocated)
	}
	if _, err := m.ChatPrompt(t.Context(), []runtime.Message{{Role: "user", Content: text}}); !errors.Is(err, runtime.ErrContextFull) {
		t.Errorf("a chat: %v", err)
	}
	if _, err := m.EncodePrompt(text[:60_000]); err != nil { // the caller may cut it
		t.Errorf("a shorter one: %v", err)
	}
}
