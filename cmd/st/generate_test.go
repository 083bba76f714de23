package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"strings"

	"github.com/spf13/pflag"

	"st/format"
	"st/runtime"
	"st/runtime/engine"
	"st/tokenizer"
)

func generateJSON(t *testing.T, args ...string) generateReport {
	t.Helper()
	return mustJSON[generateReport](t, append([]string{"generate", tiny(t), "--json"}, args...)...)
}

func TestGenerate(t *testing.T) {
	r := generateJSON(t, "-p", "To be, or not to be", "-n", "12", "--seed", "7")
	if r.StopReason != stopLength || r.PromptTokens != 7 || r.GenTokens != 12 || len(r.Tokens) != 12 || r.Seed != 7 || r.Threads < 1 ||
		r.LoadSeconds <= 0 || r.FirstToken <= 0 || r.PromptPerSecond <= 0 || r.GenPerSecond <= 0 ||
		r.NeuronDensity < 0.1 || r.NeuronDensity > 0.6 || r.ModelBytes <= 0 || r.KVBytes <= 0 || r.PeakRSSBytes < 0 {
		t.Errorf("%+v", r)
	}
	// The same seed gives the same text, printed or in JSON, and with the prompt from anywhere.
	file := filepath.Join(t.TempDir(), "prompt")
	if err := os.WriteFile(file, []byte("To be, or not to be"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, o := range []outcome{
		st("generate", tiny(t), "-p", "To be, or not to be", "-n", "12", "--seed", "7"),
		st("generate", tiny(t), "-f", file, "-n", "12", "--seed", "7"),
		stIn("To be, or not to be", "generate", tiny(t), "-n", "12", "--seed", "7"),
		stIn("To be, or not to be\n", "generate", tiny(t), "-p", "-", "-n", "12", "--seed", "7"),
	} {
		if o != (outcome{stdout: r.Text + "\n"}) {
			t.Errorf("%+v, want %q", o, r.Text)
		}
	}
	if other := generateJSON(t, "-p", "To be, or not to be", "-n", "12", "--seed", "8"); other.Text == r.Text {
		t.Errorf("another seed gives the same text, %q", r.Text)
	}
	a, b := generateJSON(t, "-p", "To be", "-n", "1"), generateJSON(t, "-p", "To be", "-n", "1")
	if a.Seed == b.Seed {
		t.Errorf("without --seed the seed is %d twice", a.Seed)
	}
}

func TestGenerateEnds(t *testing.T) {
	greedy := generateJSON(t, "-p", "The LORD", "-n", "20", "--temp", "0")
	for _, tt := range []struct {
		args   []string
		reason string
		text   string
		tokens int
	}{
		{[]string{"-n", "0"}, stopLength, "", 0},
		{[]string{"--ctx", "10"}, stopContext, greedy.Text[:len(" of the LORD shall be the LORD,")], 8},
		{[]string{"--stop", "xyz", "--stop", "RD, a"}, stopString, " of the LORD shall be the LO", 9},
		{[]string{"--stop", "the"}, stopString, " of ", 2},
	} {
		r := generateJSON(t, append([]string{"-p", "The LORD", "--temp", "0"}, tt.args...)...)
		if r.StopReason != tt.reason || r.Text != tt.text || r.GenTokens != tt.tokens {
			t.Errorf("%v: %+v, want %q after %d tokens", tt.args, r, tt.text, tt.tokens)
		}
	}
	// Take one of the tokens for the end, and the text ends there.
	a, _, _ := testApp()
	g := newConversation(t, a, engine.Options{}, -1).generator
	g.sampler, _ = runtime.NewSampler(runtime.SamplerOptions{})
	g.model.reader.Generation.EOS = []int32{-1, greedy.Tokens[7]}
	c, err := g.run(t.Context(), g.model.encode("The LORD"), func(string) {})
	if want := slices.Index(greedy.Tokens, greedy.Tokens[7]); err != nil || c.stopReason != stopEOS || !slices.Equal(c.ids, greedy.Tokens[:want]) {
		t.Errorf("%+v, %v: %v should end at %d", c, err, greedy.Tokens, greedy.Tokens[7])
	}
}

// Text comes in whole characters, and joined it is what the tokens mean.
func TestGenerateStreams(t *testing.T) {
	var pieces writes
	var stderr bytes.Buffer
	// Hot sampling gives tokens that are parts of characters.
	args := []string{"-p", "né", "-n", "300", "--temp", "50", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--seed", "5"}
	if code := run(append([]string{"generate", tiny(t)}, args...), strings.NewReader(""), &pieces, &stderr); code != exitOK {
		t.Fatal(stderr.String())
	}
	if len(pieces) < 100 {
		t.Errorf("%d pieces: the text was not streamed", len(pieces))
	}
	for _, p := range pieces {
		if !utf8.ValidString(p) {
			t.Errorf("piece %q cuts a character", p)
		}
	}
	r := generateJSON(t, args...)
	if got := strings.Join(pieces, ""); got != r.Text+"\n" {
		t.Errorf("streamed %q, JSON has %q", got, r.Text)
	}
	f, err := format.Open(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := tokenizer.Load(f.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	if want := tok.Decode(r.Tokens, true); r.Text != want {
		t.Errorf("text %q, tokens mean %q", r.Text, want)
	}
	if !strings.ContainsFunc(r.Text, func(c rune) bool { return c >= 0x80 }) {
		t.Errorf("no character of several bytes in %q: the test proves nothing", r.Text)
	}
}

// writes keeps what is written, piece by piece.
type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return len(p), nil
}

func TestGenerateNotes(t *testing.T) {
	o := st("generate", tiny(t), "-p", "To be", "-n", "1", "--ctx", "2000", "--stats", "--seed", "3")
	for _, want := range []string{"more than the 1024 that the model was trained for", "load ", "tokens/s", "peak ", "neurons ", "seed       3"} {
		if !strings.Contains(o.stderr, want) {
			t.Errorf("%q is missing in\n%s", want, o.stderr)
		}
	}
	if r := generateJSON(t, "-p", "", "-n", "3"); r.PromptTokens != 1 {
		t.Errorf("an empty prompt has %d tokens, want BOS alone", r.PromptTokens)
	}
}

// A long prompt goes through in parts and gives what it gives in one.
func TestGenerateLongPrompt(t *testing.T) {
	text, err := os.ReadFile(heldout(t, 2500))
	if err != nil {
		t.Fatal(err)
	}
	r := generateJSON(t, "-p", string(text), "-n", "3", "--temp", "0")
	if r.PromptTokens <= prefillTokens || r.GenTokens != 3 {
		t.Errorf("%+v", r)
	}
}

func TestGenerateChat(t *testing.T) {
	plain := generateJSON(t, "-p", "Hello", "-n", "1")
	chat := generateJSON(t, "-p", "Hello", "-n", "1", "--chat")
	system := generateJSON(t, "-p", "Hello", "-n", "1", "--chat", "--system", "Answer in verse, and at length, as the bard would.")
	if !(plain.PromptTokens < chat.PromptTokens && chat.PromptTokens < system.PromptTokens) {
		t.Errorf("prompts have %d, %d and %d tokens", plain.PromptTokens, chat.PromptTokens, system.PromptTokens)
	}
}

func TestSampling(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	no, k := false, 7
	for _, tt := range []struct {
		name  string
		args  []string
		model format.Generation
		want  runtime.SamplerOptions
	}{
		{"nothing given", nil, format.Generation{}, defaultSampling},
		{"the model's", nil, format.Generation{Temperature: f(0.6), TopK: &k, TopP: f(0.9), MinP: f(0), RepetitionPenalty: f(1.1)},
			runtime.SamplerOptions{Temperature: 0.6, TopK: 7, TopP: 0.9, MinP: 0, RepeatPenalty: 1.1}},
		{"a greedy model", nil, format.Generation{DoSample: &no, Temperature: f(0.6)},
			runtime.SamplerOptions{Temperature: 0, TopK: 40, TopP: 0.95, MinP: 0.05, RepeatPenalty: 1}},
		{"flags win", []string{"--temp", "1", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--repeat-penalty", "1"},
			format.Generation{DoSample: &no, Temperature: f(0.6), TopK: &k, TopP: f(0.9), MinP: f(0.1), RepetitionPenalty: f(1.1)},
			runtime.SamplerOptions{Temperature: 1, TopP: 1, RepeatPenalty: 1}},
	} {
		var o runtime.SamplerOptions
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		addSamplingFlags(flags, &o)
		if err := flags.Parse(append(tt.args, "--seed", "5")); err != nil {
			t.Fatal(err)
		}
		tt.want.Seed = 5
		if got := sampling(flags, o, &tt.model); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
