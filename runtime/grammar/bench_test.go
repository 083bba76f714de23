package grammar_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
	"st/tokenizer"
)

var qwen = sync.OnceValues(func() (*tokenizer.Tokenizer, error) {
	const dir = "../../testdata/qwen-tokenizer/"
	f, err := os.Open(dir + "tokenizer.json.gz")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	config, err := os.ReadFile(dir + "tokenizer_config.json")
	if err != nil {
		return nil, err
	}
	return tokenizer.ParseFiles(tokenizer.Files{Tokenizer: data, TokenizerConfig: config})
})

// qwenSize is how many logits Qwen3 models have.
const qwenSize = 151936

// qwenVocabulary returns the vocabulary of the Qwen models.
func qwenVocabulary(tb testing.TB) (*grammar.Vocabulary, *tokenizer.Tokenizer) {
	tb.Helper()
	tok, err := qwen()
	if err != nil {
		tb.Fatal(err)
	}
	tokens := make([][]byte, qwenSize)
	for id := range tokens {
		if !tok.IsSpecial(int32(id)) {
			tokens[id] = []byte(tok.Text(int32(id)))
		}
	}
	end, _ := tok.ID("<|im_end|>")
	return grammar.NewVocabulary(tokens, []int32{end}, tok.ID), tok
}

// texts are grammars and texts of them, as models write such.
var texts = []struct {
	name    string
	grammar func() (*grammar.Grammar, error)
	text    string
}{
	{"json", func() (*grammar.Grammar, error) { return jsonschema.Value(), nil },
		`{"name": "Ada Lovelace", "born": 1815, "works": ["Notes on the Analytical Engine", "Sketch of the \"Engine\""], "died": null, "é": {"日本": true, "x": [1, 2.5e-3, []]}}`},
	{"schema", schemaText(`{"type": "object", "properties": {"title": {"type": "string"}, "year": {"type": "integer", "minimum": 1800, "maximum": 2100}, "genre": {"enum": ["drama", "comedy", "tragedy"]},
		"authors": {"type": "array", "items": {"type": "object", "properties": {"first": {"type": "string"}, "last": {"type": "string"}, "email": {"type": "string", "format": "email"}}, "required": ["first", "last"]}, "minItems": 1},
		"summary": {"type": "string"}, "published": {"type": "string", "format": "date"}, "price": {"type": "number", "minimum": 0}}, "required": ["title", "year", "genre", "authors", "summary", "published", "price"]}`),
		`{"title": "The Tempest and other plays", "year": 1911, "genre": "drama", "authors": [{"first": "William", "last": "Shakespeare", "email": "will@globe-theatre.co.uk"}, {"first": "John", "last": "Fletcher"}], "summary": "A magician raises a storm, and forgives those who wronged him. It was written around 1610.", "published": "1911-02-28", "price": 12.50}`},
	{"lengths", schemaText(`{"type": "object", "properties": {"title": {"type": "string", "maxLength": 60}, "body": {"type": "string", "minLength": 20, "maxLength": 500}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 5}}, "required": ["title", "body", "tags"]}`),
		`{"title": "A winter evening in the north", "body": "The snow had been falling since the morning, and the road was gone. She lit the lamp, put the kettle on the stove, and waited for the sound of the sleigh, which did not come before midnight.", "tags": ["snow", "waiting", "north country"]}`},
	{"patterns", schemaText(`{"type": "object", "properties": {"id": {"type": "string", "pattern": "^[A-Z]{2,4}-[0-9]{3,}$"}, "slug": {"type": "string", "pattern": "^[a-z]+(-[a-z]+)*$", "maxLength": 60}, "note": {"type": "string", "pattern": "urgent"}}, "required": ["id", "slug", "note"]}`),
		`{"id": "ORD-20931", "slug": "delivery-to-the-northern-branch-of-the-library", "note": "This is an urgent delivery that must come before noon"}`},
	{"different", schemaText(`{"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true}, "parts": {"type": "array", "uniqueItems": true,
		"items": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "count": {"type": "number"}}, "required": ["name", "count"]}}}, "required": ["tags", "parts"]}`),
		differentText()},
	{"gbnf", func() (*grammar.Grammar, error) {
		return grammar.ParseGBNF(`root ::= object
value ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}`)
	}, "{\n  \"name\": \"Ada Lovelace\",\n  \"born\": 1815,\n  \"works\": [\n    \"Notes on the Analytical Engine\",\n    \"Sketch of the Engine\"\n  ],\n  \"died\": null\n}"},
	{"regex", func() (*grammar.Grammar, error) {
		return grammar.FromRegex(`(- [A-Za-z ,'0-9]{1,120}\n){1,8}`)
	}, "- bread, two loaves\n- butter from the farmer's market\n- the good cheese\n"},
	{"call", func() (*grammar.Grammar, error) {
		return grammar.Sequence(grammar.Until("<tool_call>"), grammar.Literal("\n"), jsonschema.Object(), grammar.Literal("\n</tool_call>")), nil
	}, "I will look up the weather in Oslo for you, since you plan a walk tomorrow.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\", \"days\": 2}}\n</tool_call>"},
}

// differentText is an object with a hundred strings that are all different, and as many objects.
func differentText() string {
	var tags, parts []string
	for i := range 100 {
		tags = append(tags, fmt.Sprintf(`"%s %d"`, []string{"winter", "a", "the river", "42"}[i%4], i/4))
		parts = append(parts, fmt.Sprintf(`{"name": "%s", "count": %d.5}`, []string{"bolt", "nut", "washer"}[i%3], i/3))
	}
	return `{"tags": [` + strings.Join(tags, ", ") + `], "parts": [` + strings.Join(parts, ", ") + `]}`
}

func schemaText(schema string) func() (*grammar.Grammar, error) {
	return func() (*grammar.Grammar, error) { return jsonschema.Grammar([]byte(schema)) }
}

// TestQwenTexts has the texts of the benchmark follow their grammars in the tokens of the Qwen models, and holds the tokens that are allowed
// against some that are accepted one by one.
func TestQwenTexts(t *testing.T) {
	v, tok := qwenVocabulary(t)
	rng := rand.New(rand.NewPCG(1, 1))
	var preparing sync.WaitGroup
	defer preparing.Wait()
	for i, test := range texts {
		g, err := test.grammar()
		if err != nil {
			t.Fatal(err)
		}
		c, err := v.Compile(g)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // others are met unprepared
			preparing.Go(func() { c.Prepare(t.Context()) })
		}
		m := c.NewMatcher()
		for i, id := range tok.Encode(test.text, false) {
			allowed, err := m.Allowed()
			if err != nil {
				t.Fatal(err)
			}
			if !allowed.Has(id) {
				t.Fatalf("%s: token %d, %q, is not allowed", test.name, i, v.Bytes(id))
			}
			for range 200 {
				other := int32(rng.IntN(v.Size()))
				if err := m.Clone().Accept(other); (err == nil) != allowed.Has(other) {
					t.Fatalf("%s: before token %d: %q is allowed: %v, but accepting it: %v", test.name, i, v.Bytes(other), allowed.Has(other), err)
				}
			}
			if allowed, err = m.Allowed(); err != nil || !allowed.Has(id) {
				t.Fatalf("%s: the second time token %d is not allowed: %v", test.name, i, err)
			}
			if err := m.Accept(id); err != nil {
				t.Fatal(err)
			}
		}
		if !m.CanEnd() {
			t.Errorf("%s: the text has not ended", test.name)
		}
	}
}

// BenchmarkToken is what a token of the Qwen models' vocabulary costs: the mask over all logits, and accepting it. Each text is followed twice
// after compiling: "first" is the first text of a grammar, "again" the second; "prepared" after Prepare, whose time is then in that of compiling. The benchmark reports the median, the 99th percentile and the
// longest time of a token, and what compiling takes: times that the thread computes, on Linux.
func BenchmarkToken(b *testing.B) {
	for _, prepared := range []bool{false, true} {
		b.Run(map[bool]string{false: "cold", true: "prepared"}[prepared], func(b *testing.B) { benchmarkToken(b, prepared) })
	}
}

func benchmarkToken(b *testing.B, prepared bool) {
	v, tok := qwenVocabulary(b)
	logits := make([]float32, qwenSize)
	for _, test := range texts {
		ids := tok.Encode(test.text, false)
		var compiling []time.Duration
		var times [2][]time.Duration
		b.Run(test.name, func(b *testing.B) {
			goruntime.LockOSThread()
			defer goruntime.UnlockOSThread()
			for range b.N {
				g, err := test.grammar()
				if err != nil {
					b.Fatal(err)
				}
				begin := threadTime()
				c, err := v.Compile(g)
				if err != nil {
					b.Fatal(err)
				}
				if prepared {
					c.Prepare(b.Context())
				}
				compiling = append(compiling, threadTime()-begin)
				for again := range times {
					m := c.NewMatcher()
					for _, id := range ids {
						begin := threadTime()
						if err := m.Mask(logits); err != nil {
							b.Fatal(err)
						}
						if err := m.Accept(id); err != nil {
							b.Fatal(err)
						}
						times[again] = append(times[again], threadTime()-begin)
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(median(compiling).Microseconds()), "compile-µs")
			for i, name := range []string{"first", "again"} {
				slices.Sort(times[i])
				n := len(times[i])
				for _, p := range []struct {
					name string
					at   int
				}{{"p50", n / 2}, {"p99", n * 99 / 100}, {"max", n - 1}} {
					b.ReportMetric(float64(times[i][p.at].Nanoseconds())/1000, fmt.Sprintf("%s-%s-µs", name, p.name))
				}
			}
		})
	}
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// BenchmarkVocabulary is what making the trie of the Qwen models' vocabulary takes.
func BenchmarkVocabulary(b *testing.B) {
	if _, err := qwen(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		qwenVocabulary(b)
	}
}
