package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
)

// componentCase is a tokenizer of testdata/tokenizers/components: one of the
// families with other components, options or tokens, drawn at random, and what
// the tokenizers library 0.22.2 makes of some texts with it.
type componentCase struct {
	Base         string            `json:"base"`
	Added        []json.RawMessage `json:"added_tokens"`
	Normalizer   json.RawMessage   `json:"normalizer"`
	PreTokenizer json.RawMessage   `json:"pre_tokenizer"`
	Decoder      json.RawMessage   `json:"decoder"`
	Model        map[string]any    `json:"model"`
	Vocab        map[string]any    `json:"vocab"`  // added to that of the base
	Merges       []any             `json:"merges"` // added to those of the base
	Texts        []componentResult `json:"texts"`
}

// componentResult is [text, ids, ids with special tokens, decoded or null].
type componentResult struct {
	text         int
	ids, special []int32
	decoded      *string
}

func (r *componentResult) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&r.text, &r.ids, &r.special, &r.decoded})
}

// file returns the tokenizer.json of a case.
func (c *componentCase) file(tb testing.TB, bases map[string]map[string]any) []byte {
	tb.Helper()
	if bases[c.Base] == nil {
		var base map[string]any
		if err := json.Unmarshal(readFile(tb, "tokenizers/"+c.Base+"/tokenizer.json"), &base); err != nil {
			tb.Fatal(err)
		}
		bases[c.Base] = base
	}
	file := maps.Clone(bases[c.Base])
	model := maps.Clone(file["model"].(map[string]any))
	maps.Copy(model, c.Model)
	if c.Vocab != nil {
		vocab := maps.Clone(model["vocab"].(map[string]any))
		maps.Copy(vocab, c.Vocab)
		model["vocab"] = vocab
		if prefix, _ := model["continuing_subword_prefix"].(string); prefix != "" {
			model["merges"] = c.Merges
		} else {
			model["merges"] = slices.Concat(model["merges"].([]any), c.Merges)
		}
	}
	added := slices.Clone(file["added_tokens"].([]any))
	for _, a := range c.Added {
		added = append(added, a)
	}
	file["model"], file["added_tokens"] = model, added
	file["normalizer"], file["pre_tokenizer"], file["decoder"] = c.Normalizer, c.PreTokenizer, c.Decoder
	data, err := json.Marshal(file)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestComponents(t *testing.T) {
	var golden struct {
		Texts []string
		Cases []componentCase
	}
	if err := json.Unmarshal(readFile(t, "tokenizers/components/cases.json"), &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 200 {
		t.Fatalf("only %d cases", len(golden.Cases))
	}
	bases := map[string]map[string]any{}
	for i, c := range golden.Cases {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			describe := func() string {
				return fmt.Sprintf("%s\n normalizer %s\n pre-tokenizer %s\n decoder %s\n model %v\n added %s",
					c.Base, c.Normalizer, c.PreTokenizer, c.Decoder, c.Model, c.Added)
			}
			parsed, err := ParseHF(c.file(t, bases), nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, describe())
			}
			section, _ := parsed.MarshalBinary()
			tok, err := Load(section)
			if err != nil {
				t.Fatalf("%v\n%s", err, describe())
			}
			for _, r := range c.Texts {
				text := golden.Texts[r.text]
				if got := tok.Encode(text, true); !slices.Equal(got, r.ids) {
					t.Errorf("%q: %v, want %v\n%s", text, got, r.ids, describe())
				}
				if got := tok.EncodeOptions(text, EncodeOptions{ParseSpecial: true, AddSpecial: true}); !slices.Equal(got, r.special) {
					t.Errorf("%q with special tokens: %v, want %v\n%s", text, got, r.special, describe())
				}
				if r.decoded == nil { // the library fails
					continue
				}
				if got := tok.Decode(r.ids, false); got != *r.decoded {
					t.Errorf("%q: decoded %q, want %q\n%s", text, got, *r.decoded, describe())
				}
				if got := stream(tok, r.ids, false); got != *r.decoded {
					t.Errorf("%q: streamed %q, want %q\n%s", text, got, *r.decoded, describe())
				}
			}
		})
	}
}
