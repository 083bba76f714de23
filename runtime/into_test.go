package runtime_test

import (
	"errors"
	"slices"
	"testing"

	"st/runtime"
	"st/runtime/grammar/jsonschema"
)

type character struct {
	Name    string   `json:"name" jsonschema:"minLength=1,maxLength=20"`
	Rank    string   `json:"rank" jsonschema:"enum=king|knight|fool"`
	Age     uint8    `json:"age"`
	Friends []string `json:"friends" jsonschema:"maxLength=8,maxItems=2"`
	Heir    *string  `json:"heir,omitempty" jsonschema:"maxLength=8"`
}

func TestGenerateInto(t *testing.T) {
	m := open(t, runtime.Options{})
	for seed := range uint64(8) {
		c, err := runtime.GenerateInto[character](t.Context(), m, "Who comes here?", runtime.Generate{Seed: &seed, Temperature: new(1.5)})
		if err != nil {
			t.Fatal(err)
		}
		if c.Name == "" || !slices.Contains([]string{"king", "knight", "fool"}, c.Rank) || len(c.Friends) > 2 {
			t.Errorf("%+v", c)
		}
	}
	if n, err := runtime.GenerateInto[[3]int8](t.Context(), m, "Three numbers:", runtime.Generate{}); err != nil {
		t.Errorf("%v: %v", n, err)
	}
	if _, err := runtime.GenerateInto[character](t.Context(), m, "Who?", runtime.Generate{MaxTokens: 3}); !errors.Is(err, runtime.ErrUnfinished) {
		t.Errorf("an answer of 3 tokens: %v", err)
	}
	if _, err := runtime.GenerateInto[chan int](t.Context(), m, "Who?", runtime.Generate{}); !errors.Is(err, runtime.ErrGrammar) || !errors.Is(err, jsonschema.ErrType) {
		t.Errorf("a channel: %v", err)
	}
}
