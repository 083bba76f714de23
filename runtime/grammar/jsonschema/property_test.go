package jsonschema_test

import (
	"errors"
	"flag"
	"math/rand/v2"
	"testing"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
	"st/runtime/grammar/jsonschema/schematest"
)

var schemaCount = flag.Int("schemas", 100, "number of random schemas of TestRandomSchemas")

// TestRandomSchemas writes texts of random schemas, with tokens that are drawn at random, and validates them:
//
//	go test ./runtime/grammar/jsonschema -run TestRandomSchemas -v -schemas 10000
func TestRandomSchemas(t *testing.T) {
	var refused, empty, texts int
	reasons := map[string]int{}
	for i := range *schemaCount {
		rng := rand.New(rand.NewPCG(7, uint64(i)))
		schema := schematest.Random(rng)
		c, err := compile(schema)
		var e *jsonschema.Error
		switch {
		case errors.As(err, &e):
			refused++
			reasons[e.Reason]++
			continue
		case errors.Is(err, grammar.ErrEmpty):
			empty++
			continue
		case err != nil:
			t.Fatalf("%s: %v", schema, err)
		}
		v, err := newValidator(schema)
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		for _, n := range []int{0, 5, 40, 120} {
			text, err := sample(rng, c, n)
			if err != nil {
				t.Fatalf("%s: %v", schema, err)
			}
			texts++
			if err := validateWith(v, text); err != nil {
				t.Fatalf("%s: %s is written: %v", schema, text, err)
			}
		}
	}
	t.Logf("%d schemas: %d refused, %d empty; %d texts validate", *schemaCount, refused, empty, texts)
	for r, n := range reasons {
		t.Logf("refused %d: %s", n, r)
	}
	if refused+empty > *schemaCount/5 {
		t.Errorf("too many of the schemas are refused or empty")
	}
}
