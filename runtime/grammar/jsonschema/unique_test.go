package jsonschema_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"st/runtime/grammar"
)

// TestUniqueItems writes arrays of items that repeat each other easily: most tokens are drawn from a few.
func TestUniqueItems(t *testing.T) {
	for _, items := range []string{
		`{"type": "string"}`,
		`{"type": "string", "maxLength": 2}`,
		`{"type": "string", "minLength": 1, "maxLength": 100}`,
		`{"type": "string", "pattern": "^(a|ab[12]+)$"}`,
		`{"type": "string", "pattern": "^[ab]{1,2}$"}`,
		`{"type": "string", "pattern": "^(a|bcd[0-9]+)$"}`,
		`{"type": "string", "format": "date"}`,
		`{"type": "integer"}`,
		`{"type": "integer", "minimum": 0, "maximum": 12}`,
		`{"type": "number"}`,
		`{"type": "number", "minimum": 0, "maximum": 2}`,
		`{"type": "number", "multipleOf": 0.1, "maximum": 2.5}`,
		`{"type": "number", "multipleOf": 0.5}`,
		`{"anyOf": [{"type": "integer"}, {"type": "number"}, {"enum": [1.0, 1e0, 2.50, "a"]}]}`,
		`{"type": ["string", "null", "boolean", "integer"]}`,
		`{"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "boolean"}}}`,
		`{"type": "object", "properties": {"b": {"type": "boolean"}, "a": {"type": "null"}}, "additionalProperties": true}`,
		`{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "integer"}, "uniqueItems": true}}, "required": ["b"]}`,
		`{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "string"}, "uniqueItems": true, "minItems": 2}}, "required": ["a", "b"]}`,
		`{"type": "array", "items": {"type": "string", "maxLength": 1}, "uniqueItems": true, "minItems": 2, "maxItems": 2}`,
		`{"anyOf": [{"type": "string", "maxLength": 1}, {"type": "array", "items": false, "uniqueItems": true}]}`,
		`{"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2}}`,
		`{"type": "array", "items": {"enum": [1, 2, "a"]}, "uniqueItems": true, "maxItems": 2}`,
		`{"type": "array", "items": {"enum": [1, 2, "a"]}, "maxItems": 1}`,
		`{"enum": ["a", "b", "ab", 1, 1.0, 12, 2, {"a": 1, "b": 2}, {"b": 2, "a": 1}, null, true, "12", "\u0061"]}`,
		`{"type": "object"}`,
		`{"type": "object", "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 2}}`,
		`{"type": "object", "patternProperties": {"^a": {"enum": [1, 2]}, "^b": {"type": "boolean"}}, "minProperties": 1}`,
		`{"type": "object", "properties": {"a": {"enum": [1]}, "m": {"type": "object", "additionalProperties": {"enum": [1]}}}, "required": ["m"], "additionalProperties": false}`,
		`{"type": "object", "additionalProperties": {"enum": [1]}, "propertyNames": {"enum": ["a", "b"]}}`,
		`{"type": "object", "properties": {"a": {"enum": [1, 2]}}, "additionalProperties": {"enum": [1, "a"]}, "maxProperties": 2}`,
		`{"anyOf": [{"type": "object", "properties": {"a": {"enum": [1, 2]}, "b": {"enum": [1]}}}, {"type": "object", "properties": {"b": {"enum": [1]}, "a": {"enum": [1, 2]}}}]}`,
		`{"anyOf": [{"type": "object", "properties": {"a": {"enum": [1, 2]}}}, {"type": "object", "properties": {"b": {"enum": [1]}}, "additionalProperties": {"enum": [1]}}, {"type": "object"}]}`,
		`{"type": "object", "required": ["m"], "anyOf": [{"properties": {"m": {"type": "object", "properties": {"a": {"enum": [1]}}, "additionalProperties": true}}}, {"properties": {"m": {}}}]}`,
		`{}`,
	} {
		for _, bounds := range []string{``, `, "minItems": 2`, `, "minItems": 2, "maxItems": 3`} {
			schema := `{"type": "array", "uniqueItems": true, "items": ` + items + bounds + `}`
			either := `{"anyOf": [{"type": "array", "items": {"type": "integer"}, "maxItems": 4}, ` + schema + `]}`
			within := `{"type": "object", "properties": {"a": ` + schema + `, "b": {"type": "array", "uniqueItems": true, "items": ` + schema + `}}}`
			for _, schema := range []string{schema, either, within} {
				c, err := compile(schema)
				if errors.Is(err, grammar.ErrEmpty) && (schema == within || strings.Contains(items, `propertyNames`)) {
					continue // it is not known how many there are of lists within lists, or of objects with few names
				}
				if err != nil {
					t.Fatalf("%s: %v", schema, err)
				}
				v, err := newValidator(schema)
				if err != nil {
					t.Fatal(err)
				}
				for i := range 30 {
					text, err := sampleFew(rand.New(rand.NewPCG(2, uint64(i))), c, 10+4*i)
					if err != nil {
						t.Fatalf("%s: %v", schema, err)
					}
					if err := validateWith(v, text); err != nil {
						t.Fatalf("%s: %s is written: %v", schema, text, err)
					}
				}
			}
		}
	}
}

// sampleFew is sample with tokens that are mostly of a few.
func sampleFew(rng *rand.Rand, c *grammar.Compiled, n int) (string, error) {
	m, text := c.NewMatcher(), ""
	for range n {
		if m.Done() {
			break
		}
		allowed, err := m.Allowed()
		if err != nil {
			return "", fmt.Errorf("after %q: %w", text, err)
		}
		var ids, few []int32
		for id := range allowed.All {
			if ids = append(ids, id); strings.Trim(string(vocabulary.Bytes(id)), `[], "a12b:{}.`) == "" {
				few = append(few, id)
			}
		}
		if len(few) > 0 && rng.IntN(10) > 0 {
			ids = few
		}
		id := ids[rng.IntN(len(ids))]
		if vocabulary.IsEnd(id) {
			continue
		}
		if err := m.Accept(id); err != nil {
			return "", fmt.Errorf("after %q: %w", text, err)
		}
		text += string(vocabulary.Bytes(id))
	}
	rest := m.Finish()
	if err := m.AcceptText(string(rest)); err != nil || !m.CanEnd() {
		return "", fmt.Errorf("%q does not end with %q: %v", text, rest, err)
	}
	return text + string(rest), nil
}
