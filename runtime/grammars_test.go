package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"st/runtime"
	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
	"st/runtime/grammar/jsonschema/schematest"
)

const person = `{"type": "object", "properties": {"name": {"type": "string", "maxLength": 30}, "occupation": {"enum": ["king", "fool", "merchant"]},
	"age": {"type": "integer", "minimum": 0, "maximum": 120}, "friends": {"type": "array", "items": {"type": "string", "maxLength": 12}, "maxItems": 3}},
	"required": ["name", "occupation", "age", "friends"]}`

func schema(t testing.TB, text string) *grammar.Grammar {
	t.Helper()
	g, err := jsonschema.Grammar([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGrammar(t *testing.T) {
	m := open(t, runtime.Options{})
	g := schema(t, person)
	for seed := range uint64(10) {
		r := generate(t, m, "The king said:", runtime.Generate{Grammar: g, Seed: &seed, Temperature: new(2.0), TopK: new(0), TopP: new(1.0), MinP: new(0.0)})
		var v struct {
			Name, Occupation string
			Age              int
			Friends          []string
		}
		if err := json.Unmarshal([]byte(r.Text), &v); err != nil || r.Stop != runtime.StopEOS || r.EndToken != -1 || r.Unfinished {
			t.Fatalf("%q, %s: %v", r.Text, r.Stop, err)
		}
		if !slices.Contains([]string{"king", "fool", "merchant"}, v.Occupation) || v.Age < 0 || v.Age > 120 || len(v.Friends) > 3 {
			t.Errorf("%q", r.Text)
		}
		if r.ForcedTokens == 0 || m.Tokenizer().Decode(r.Tokens, false) != r.Text {
			t.Errorf("%d forced tokens; the tokens are %q, the text %q", r.ForcedTokens, m.Tokenizer().Decode(r.Tokens, false), r.Text)
		}
	}
}

// TestGrammarTokens holds the tokens of a forced text against those that the tokenizer makes of it.
func TestGrammarTokens(t *testing.T) {
	m := open(t, runtime.Options{})
	seed := uint64(3)
	r := generate(t, m, "Once", runtime.Generate{Grammar: schema(t, `{"type": "object", "properties": {"the king": {"const": "of England"}, "and": {"const": ["the people"]}}, "required": ["the king", "and"]}`), Seed: &seed})
	if want := `{"the king": "of England", "and": ["the people"]}`; r.Text != want {
		t.Fatalf("%q, want %q", r.Text, want)
	}
	if want := m.Tokenizer().Encode(r.Text, false); !slices.Equal(r.Tokens, want) || r.ForcedTokens != len(want) || r.Decoded != 0 {
		t.Errorf("tokens %v, of which %d forced and %d run; the tokenizer has %v", r.Tokens, r.ForcedTokens, r.Decoded, want)
	}
}

// TestGrammarForcedLogits: what is run together gives the same text as token by token.
func TestGrammarForcedLogits(t *testing.T) {
	m := open(t, runtime.Options{})
	for seed := range uint64(5) {
		g := runtime.Generate{Grammar: schema(t, person), Seed: &seed, Temperature: new(0.0)}
		together := generate(t, m, "The king said:", g)
		g.LogProbs = true
		single := generate(t, m, "The king said:", g)
		if single.ForcedTokens != 0 {
			t.Errorf("%d forced tokens with probabilities", single.ForcedTokens)
		}
		for _, r := range []*runtime.Result{together, single} {
			if !json.Valid([]byte(r.Text)) {
				t.Errorf("%q", r.Text)
			}
		}
	}
}

func TestGrammarEnds(t *testing.T) {
	m := open(t, runtime.Options{})
	seed := uint64(1)
	g := runtime.Generate{Grammar: schema(t, person), Seed: &seed, MaxTokens: 12}
	if r := generate(t, m, "The king said:", g); r.Stop != runtime.StopLength || !r.Unfinished || len(r.Tokens) != 12 {
		t.Errorf("%q of %d tokens ends by %s, unfinished: %v", r.Text, len(r.Tokens), r.Stop, r.Unfinished)
	}
	g.MaxTokens = 0
	g.Stop = []string{"name", `"`, "}", "k", " "}
	if r := generate(t, m, "The king said:", g); r.Stop != runtime.StopEOS || r.Unfinished || !json.Valid([]byte(r.Text)) {
		t.Errorf("%q ends by %s within JSON", r.Text, r.Stop)
	}
	free := runtime.Generate{Grammar: grammar.Text(), Seed: &seed, Stop: []string{"e"}, MaxTokens: 100}
	if r := generate(t, m, "The king said:", free); r.Stop != runtime.StopText || strings.Contains(r.Text, "e") {
		t.Errorf("%q ends by %s: a free text has stop texts", r.Text, r.Stop)
	}
	ends := runtime.Generate{Grammar: grammar.Repeat(grammar.Literal("a "), 1, 50), IgnoreEOS: true, Seed: &seed}
	if r := generate(t, m, "The king said:", ends); r.Text != strings.Repeat("a ", 50) {
		t.Errorf("%q: ends of text are not ignored", r.Text)
	}
	ends = runtime.Generate{Grammar: schema(t, `{"type": "string", "minLength": 200}`), MaxTokens: 400, LogitBias: map[int32]float64{}}
	for _, id := range m.EndTokens() {
		ends.LogitBias[id] = 100
	}
	if r := generate(t, m, "The king said:", ends); r.Stop == runtime.StopEOS && !json.Valid([]byte(r.Text)) {
		t.Errorf("%q has ended by itself", r.Text)
	}
}

func TestGrammarChat(t *testing.T) {
	m := open(t, runtime.Options{})
	c := m.NewChat()
	defer c.Close()
	for range 2 {
		r := say(t, c, "Who are you?", runtime.Generate{Grammar: schema(t, person), MaxTokens: 300})
		if !json.Valid([]byte(r.Text)) {
			t.Errorf("%q", r.Text)
		}
	}
}

func TestGrammarErrors(t *testing.T) {
	m := open(t, runtime.Options{})
	endless := grammar.NewRule("endless")
	endless.Define(grammar.Sequence(grammar.Literal("a"), endless.Grammar()))
	_, _, err := collect(m.Generate(t.Context(), "x", runtime.Generate{Grammar: endless.Grammar()}))
	if !errors.Is(err, runtime.ErrGrammar) || !errors.Is(err, grammar.ErrEmpty) {
		t.Errorf("%v", err)
	}
	a, err := m.CompileGrammar(schema(t, person))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := m.CompileGrammar(schema(t, person)); a != b || err != nil {
		t.Errorf("the same schema is compiled twice: %v", err)
	}
}

// A context that ends while the tokens that a grammar allows are looked for ends the text, and is no error of the grammar.
func TestGrammarCancelled(t *testing.T) {
	m := open(t, runtime.Options{})
	g, err := grammar.ParseGBNF("root ::= s\ns ::= [a-z ] s [a-z ] | [a-z ] s | [a-z ]")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err = collect(m.Generate(ctx, "x", runtime.Generate{Grammar: g, Prefilled: func() error { cancel(); return nil }}))
	if !errors.Is(err, context.Canceled) || errors.Is(err, runtime.ErrGrammar) {
		t.Error(err)
	}
}

var schemaCount = flag.Int("schemas", 12, "number of random schemas of TestGrammarRandomSchemas")

// TestGrammarRandomSchemas has the trained model write JSON of random schemas with random samplers, and validates it:
//
//	go test ./runtime -run TestGrammarRandomSchemas -v -schemas 10000 -timeout 2h
func TestGrammarRandomSchemas(t *testing.T) {
	m := open(t, runtime.Options{})
	ends := map[int32]float64{} // the model has read no JSON, and seldom ends a string
	for id := range int32(m.Tokenizer().VocabSize()) {
		if text := m.Tokenizer().Text(id); strings.HasPrefix(text, `"`) || strings.HasPrefix(text, "]") || strings.HasPrefix(text, "}") {
			ends[id] = 8
		}
	}
	var written, unfinished, refused, forced, tokens int
	for i := range *schemaCount {
		rng := rand.New(rand.NewPCG(11, uint64(i)))
		text := schematest.Random(rng)
		g, err := jsonschema.Grammar([]byte(text))
		if err == nil {
			_, err = m.CompileGrammar(g)
		}
		if errors.Is(err, jsonschema.ErrSchema) || errors.Is(err, grammar.ErrEmpty) {
			refused++
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		doc, err := validator.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		c := validator.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource("mem:///schema.json", doc); err != nil {
			t.Fatal(err)
		}
		v, err := c.Compile("mem:///schema.json")
		if err != nil {
			t.Fatal(err)
		}
		r := generate(t, m, "The king said:", runtime.Generate{Grammar: g, Seed: new(rng.Uint64()), MaxTokens: 400, LogitBias: ends, Temperature: new(3 * rng.Float64()),
			TopK: new(rng.IntN(3) * 20), TopP: new(0.5 + rng.Float64()/2), MinP: new(rng.Float64() / 10), RepeatPenalty: new(1 + rng.Float64()/5)})
		forced, tokens = forced+r.ForcedTokens, tokens+len(r.Tokens)
		if r.Unfinished {
			unfinished++ // a number of items or a recursion without end
			continue
		}
		value, err := validator.UnmarshalJSON(strings.NewReader(r.Text))
		if err == nil {
			err = v.Validate(value)
		}
		if err != nil {
			t.Fatalf("%s: %s is written: %v", text, r.Text, err)
		}
		written++
	}
	t.Logf("%d texts of %d schemas validate, %d are unfinished after 400 tokens, %d schemas are refused; %d of %d tokens were forced",
		written, *schemaCount, unfinished, refused, forced, tokens)
	if written < *schemaCount/2 {
		t.Error("too few texts are finished")
	}
}
