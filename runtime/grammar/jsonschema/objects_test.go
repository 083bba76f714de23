package jsonschema_test

import (
	"errors"
	"strings"
	"testing"

	"st/runtime/grammar/jsonschema"
)

// Of what a schema lets be, objects alone are written.
func TestObjects(t *testing.T) {
	for _, test := range []struct{ schema, in, out string }{
		{`{}`, `{"a": [1]}`, `5`},
		{`{"description": "no parameters"}`, `{}`, `"a"`},
		{`{"type": "object", "properties": {"a": {"type": "integer"}}}`, `{"a": 1}`, `{"a": "1"}`},
		{`{"type": ["object", "null"], "properties": {"a": {"type": "integer"}}}`, `{"a": 1}`, `null`},
		{`{"type": "object", "nullable": true}`, `{}`, `null`},
		{`{"anyOf": [{"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}, {"type": "string"}]}`, `{"a": 1}`, `"a"`},
		{`{"oneOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"type": "null"}]}`, `{"a": 1}`, `null`},
		{`{"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/x", "definitions": {"x": {"properties": {"a": {"const": 2}}, "required": ["a"]}}}`, `{"a": 2}`, `{}`},
		{`{"$ref": "#/$defs/x", "$defs": {"x": {"type": ["object", "array"]}}}`, `{}`, `[]`},
		{`{"enum": [5, {"a": 1}]}`, `{"a": 1}`, `5`},
	} {
		g, err := jsonschema.ObjectsContext(t.Context(), []byte(test.schema))
		if err != nil {
			t.Errorf("%s: %v", test.schema, err)
			continue
		}
		c, err := vocabulary.Compile(g)
		if err != nil {
			t.Fatal(err)
		}
		if !in(c, test.in) || in(c, test.out) {
			t.Errorf("%s: %s is written: %v; %s is written: %v", test.schema, test.in, in(c, test.in), test.out, in(c, test.out))
		}
	}
	for schema, says := range map[string]string{`{"type": "string"}`: "no object is valid against it", `{"type": "array", "nullable": true}`: "no object is valid", `{"type": "strin"}`: "is no type"} {
		_, err := jsonschema.ObjectsContext(t.Context(), []byte(schema))
		if !errors.Is(err, jsonschema.ErrSchema) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want one that says %q", schema, err, says)
		}
	}
}
