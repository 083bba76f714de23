package runtime_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"st/convert"
	"st/quant"
	"st/runtime"
)

// sequence returns an empty sequence, until the test ends.
func sequence(t *testing.T, m *runtime.Model) *runtime.Sequence {
	t.Helper()
	q, err := m.NewSequence()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// A sequence runs only what it does not hold, and writes the text that an empty one writes: with weights in F32, where how a prompt is cut makes
// no difference to speak of.
func TestSequence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f32.stm")
	if _, err := convert.Run(t.Context(), "../testdata/tiny-smallthinker", path, convert.Options{Recipe: convert.Recipe{Type: quant.F32}}); err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Open(t.Context(), path, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	q := sequence(t, m)
	g := runtime.Generate{MaxTokens: 12, Temperature: new(0.9), RepeatPenalty: new(1.3), Seed: new(uint64(3))}
	first := encode(t, m, "The LORD said unto Moses")
	_, one, err := collect(q.Generate(t.Context(), first, g))
	if err != nil || one.CachedTokens != 0 {
		t.Fatalf("%+v, %v", one, err)
	}
	for _, tt := range []struct {
		name   string
		prompt []int32
		cached int
	}{
		{"continued", slices.Concat(first, one.Tokens, encode(t, m, " and to Aaron")), len(first) + 11}, // the last token was not run
		{"the same again", first, len(first) - 1},
		{"another one", encode(t, m, "KING RICHARD"), 0},
	} {
		if n := q.Shared(tt.prompt); n != tt.cached {
			t.Errorf("%s: %d tokens are shared, want %d", tt.name, n, tt.cached)
		}
		_, got, err := collect(q.Generate(t.Context(), tt.prompt, g))
		_, want, err2 := collect(m.GenerateTokens(t.Context(), tt.prompt, g))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if got.Text != want.Text || got.CachedTokens != tt.cached || got.CachedTokens+got.PromptTokens != want.PromptTokens {
			t.Errorf("%s: %q with %d tokens cached and %d run, want %q with %d of %d cached", tt.name, got.Text, got.CachedTokens, got.PromptTokens,
				want.Text, tt.cached, want.PromptTokens)
		}
	}
	held := q.Len()
	long := make([]int32, m.Context()+1)
	if _, _, err := collect(q.Generate(t.Context(), long, g)); !errors.Is(err, runtime.ErrContextFull) || q.Len() != held {
		t.Errorf("a prompt that is too long: %v, and %d tokens are left of %d", err, q.Len(), held)
	}
}

// What a model wrote need not be how the tokenizer writes it: where the ring of a sliding window, of
// 64 tokens here and twice as many slots, has lost what is before, the text decides.
func TestSequenceReadAsText(t *testing.T) {
	m := open(t, runtime.Options{})
	tok := m.Tokenizer()
	end, _ := tok.ID("<|im_end|>")
	run := func(tokens []int32) *runtime.Sequence {
		q := sequence(t, m)
		if _, _, err := collect(q.Generate(t.Context(), tokens, runtime.Generate{MaxTokens: -1})); err != nil {
			t.Fatal(err)
		}
		return q
	}
	long := encode(t, m, "And it came to pass in those days, ")
	for len(long) < 70 {
		long = append(long, long[:8]...)
	}
	var letters []int32
	for _, c := range " the king" {
		letters = append(letters, encode(t, m, string(c))...)
	}
	word := encode(t, m, " the king")
	if slices.Equal(word, letters) || len(tok.Encode("<|im_end|>", false)) < 2 {
		t.Fatal("the tokenizer writes the text letter by letter: the test proves nothing")
	}
	for _, tt := range []struct {
		name         string
		held, prompt []int32
		want         int
	}{
		{"the same text", slices.Concat(long, letters, long), slices.Concat(long, word, long, []int32{end}), 2*len(long) + len(letters)},
		{"nothing after it", slices.Concat(long, letters, long), slices.Concat(long, word, long), 0},
		{"another text", slices.Concat(long, letters, long), slices.Concat(long, encode(t, m, " the queen of"), long, []int32{end}), 0},
		{"less text", slices.Concat(long, letters, long), slices.Concat(long, letters[:3], []int32{end, 1}), 0},
		{"a special token as text", slices.Concat(long, letters, []int32{end}, long), slices.Concat(long, word, tok.Encode("<|im_end|>", false), long, []int32{1}), 0},
		{"a special token", slices.Concat(long, letters, []int32{end}, long), slices.Concat(long, word, []int32{end}, long, []int32{1}), 2*len(long) + len(letters) + 1},
		{"within the ring, the tokens decide", slices.Concat(long, letters), slices.Concat(long, word, []int32{end}), len(long)},
		{"inside the window, the tokens decide", slices.Concat(long[:20], letters), slices.Concat(long[:20], word, []int32{end}), 20},
	} {
		q := run(tt.held)
		if got := q.Shared(tt.prompt); got != tt.want {
			t.Errorf("%s: %d tokens are shared, want %d", tt.name, got, tt.want)
		}
		_, r, err := collect(q.Generate(t.Context(), tt.prompt, runtime.Generate{MaxTokens: 1}))
		if err != nil || r.CachedTokens != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, r, err)
		}
	}
}

// A sequence whose call was interrupted goes on from what it had run.
func TestSequenceInterrupted(t *testing.T) {
	m := open(t, runtime.Options{})
	q := sequence(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	prompt := encode(t, m, "In the beginning")
	var drawn []int32
	for p, err := range q.Generate(ctx, prompt, runtime.Generate{Temperature: new(0.0), IgnoreEOS: true}) {
		if p.Done != nil {
			if !errors.Is(err, context.Canceled) || len(drawn) > 5 {
				t.Errorf("%v after %d tokens", err, len(drawn))
			}
			break
		}
		if drawn = append(drawn, p.Token); len(drawn) == 5 {
			cancel()
		}
	}
	if want := slices.Concat(prompt, drawn[:4]); !slices.Equal(q.Tokens(), want) {
		t.Errorf("it holds %v, want %v", q.Tokens(), want)
	}
	q.Close()
	if _, _, err := collect(q.Generate(t.Context(), prompt, runtime.Generate{})); !errors.Is(err, runtime.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// The probabilities of a prompt's tokens are those that the logits before them give, whatever the sequence held.
func TestPromptLogProbs(t *testing.T) {
	m := open(t, runtime.Options{})
	q := sequence(t, m)
	prompt := encode(t, m, "The LORD is my shepherd; I shall not want. ")
	for len(prompt) < 700 { // more than goes through in one part
		prompt = append(prompt, prompt[:10]...)
	}
	want := []float64{math.NaN()}
	if err := m.Logits(t.Context(), prompt, func(i int, logits []float32) error {
		var sum float64
		for _, v := range logits {
			sum += math.Exp(float64(v))
		}
		if i+1 < len(prompt) {
			want = append(want, float64(logits[prompt[i+1]])-math.Log(sum))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	g := runtime.Generate{MaxTokens: -1, LogProbs: true, PromptLogProbs: true, TopLogProbs: 2}
	for range 2 { // the second time the sequence holds the prompt
		var got []runtime.Piece
		for p, err := range q.Generate(t.Context(), prompt, g) {
			if err != nil {
				t.Fatal(err)
			}
			if p.Done == nil {
				got = append(got, p)
			} else if p.Done.PromptTokens != len(prompt) {
				t.Errorf("%d tokens were run", p.Done.PromptTokens)
			}
		}
		if len(got) != len(prompt) {
			t.Fatalf("%d pieces for %d tokens", len(got), len(prompt))
		}
		for i, p := range got {
			if !p.Prompt || p.Token != prompt[i] || !(math.Abs(p.LogProb-want[i]) < 1e-3) && i > 0 {
				t.Fatalf("piece %d is %+v, want token %d with %v", i, p, prompt[i], want[i])
			}
			if i > 0 && (len(p.Top) != 2 || p.Top[0].LogProb < p.LogProb) {
				t.Fatalf("piece %d: the likeliest are %v", i, p.Top)
			}
		}
		if !math.IsNaN(got[0].LogProb) || got[0].Top != nil {
			t.Errorf("the first piece is %+v: nothing comes before it", got[0])
		}
	}
}

// In a chat they are those of the whole conversation, in later turns, too.
func TestPromptLogProbsOfChat(t *testing.T) {
	m := open(t, runtime.Options{})
	c := m.NewChat()
	defer c.Close()
	for turn := range 3 {
		prompt, unknown := 0, 0
		for p, err := range c.Send(t.Context(), "Who art thou?", runtime.Generate{MaxTokens: 4, Seed: new(uint64(3)), PromptLogProbs: true}) {
			switch {
			case err != nil:
				t.Fatal(err)
			case p.Done != nil:
				if p.Done.CachedTokens != 0 || p.Done.PromptTokens != prompt {
					t.Errorf("turn %d: %d pieces of %d tokens, %d were held", turn, prompt, p.Done.PromptTokens, p.Done.CachedTokens)
				}
			case p.Prompt:
				if prompt++; math.IsNaN(p.LogProb) {
					unknown++
				}
			}
		}
		if unknown != 1 {
			t.Errorf("turn %d: %d tokens have no probability", turn, unknown)
		}
	}
}

// A conversation's tokens are what a chat runs.
func TestEncodeChat(t *testing.T) {
	m := open(t, runtime.Options{})
	ids, err := m.EncodeChat(t.Context(), []runtime.Message{{Role: "user", Content: "Hi <|im_end|>"}}, runtime.System("S"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Tokenizer().Decode(ids, false), "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	end, _ := m.Tokenizer().ID("<|im_end|>")
	if n := len(slices.DeleteFunc(slices.Clone(ids), func(id int32) bool { return id != end })); n != 2 {
		t.Errorf("%d tokens end a turn, want 2: what a message holds is text", n)
	}
}

func encode(t *testing.T, m *runtime.Model, text string) []int32 {
	t.Helper()
	ids, err := m.EncodePlain(text)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}
