package jsonschema_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
)

// nested returns begin n times, middle, and end n times.
func nested(n int, begin, middle, end string) string {
	return strings.Repeat(begin, n) + middle + strings.Repeat(end, n)
}

func list(n int, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(format, "%", fmt.Sprint(i))
	}
	return strings.Join(parts, ", ")
}

// allocated returns how many bytes were allocated so far.
func allocated() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.TotalAlloc
}

// TestLimits: errors of schemas that are too large name the limit.
func TestLimits(t *testing.T) {
	for schema, want := range map[string]string{
		`{"enum": [` + list(100_000, "%") + `]}`:                              "more than 65536 values",
		`{"description": "` + strings.Repeat("x", 5<<20) + `"}`:               "at most 4194304 are read",
		`{"enum": [` + list(20_000, `"a rather long value %"`) + `]}`:         "more than 262144 bytes",
		`{"type": "string", "pattern": "` + strings.Repeat("a", 1<<17) + `"}`: "longer than 65536 bytes",
	} {
		if _, err := jsonschema.Grammar([]byte(schema)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200v, want %q", err, want)
		}
	}
}

// TestContextEnds: a context that has ended ends the compilation, with its cause.
func TestContextEnds(t *testing.T) {
	gone := errors.New("the client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := jsonschema.GrammarContext(ctx, []byte(`{"enum": [`+list(1000, `"value %"`)+`]}`)); !errors.Is(err, gone) {
		t.Error(err)
	}
}

// TestHostile compiles schemas that are deep, large or ambiguous, and writes texts of those that are not refused.
func TestHostile(t *testing.T) {
	for _, test := range []struct {
		name, schema string
		refused      bool
	}{
		{"nested arrays", nested(490, `{"type": "array", "items": `, `{}`, `}`), false},
		{"nested 999 times", nested(999, `{"type": "array", "items": `, `{}`, `}`), false},
		{"nested 1001 times", nested(1001, `{"type": "array", "items": `, `{}`, `}`), true},
		{"nested objects", nested(300, `{"type": "object", "properties": {"a": `, `{"type": "null"}`, `}, "required": ["a"]}`), false},
		{"nested anyOf", nested(150, `{"anyOf": [{"type": "null"}, `, `{"type": "string"}`, `]}`), false},
		{"nested allOf", nested(1000, `{"allOf": [`, `{"type": "string"}`, `]}`), true},
		{"3 MB of description", `{"type": "string", "description": "` + strings.Repeat("x", 3<<20) + `"}`, false},
		{"10 MB of description", `{"type": "string", "description": "` + strings.Repeat("x", 10<<20) + `"}`, true},
		{"as many values as there may be", `{"enum": [` + list(65_000, `%`) + `]}`, true},
		{"10 MB of enum", `{"enum": [` + list(500_000, `"value %"`) + `]}`, true},
		{"10 MB of properties", `{"type": "object", "properties": {` + list(230_000, `"property %": {"type": "null"}`) + `}}`, true},
		{"enum", `{"enum": [` + list(10_000, `"value %"`) + `]}`, false},
		{"optional properties", `{"type": "object", "properties": {` + list(3000, `"p%": {"type": "integer"}`) + `}}`, false},
		{"required properties", `{"type": "object", "properties": {` + list(3000, `"p%": {}`) + `}, "required": [` + list(3000, `"p%"`) + `]}`, false},
		{"choices of choices", `{"allOf": [` + list(40, `{"anyOf": [{"properties": {"a%": {}}}, {"properties": {"b%": {}}}]}`) + `]}`, true},
		{"many alternatives of oneOf", `{"oneOf": [` + list(3000, `{"type": "object", "properties": {"k": {"const": %}}, "required": ["k"]}`) + `]}`, true},
		{"many alternatives that a name tells apart", `{"oneOf": [` + list(3000, `{"type": "object", "properties": {"k": {"const": "%"}}, "required": ["k"]}`) + `]}`, false},
		{"references in a chain", `{"$ref": "#/$defs/d0", "$defs": {` + list(150, `"d%": {"allOf": [{"$ref": "#/$defs/e%"}]}, "e%": {"type": "object"}`) + `}}`, false},
		{"ids within ids", nested(400, `{"$id": "a/", "type": "object", "properties": {"b": `, `{"$ref": "#"}`, `}}`), false},
		{"references in a circle", `{"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}`, true},
		{"recursion without end", `{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}`, true},
		{"the same beginning, nested", `{"$defs": {"e": {"anyOf": [{"type": "object", "properties": {"l": {"$ref": "#/$defs/e"}, "a": {}}, "required": ["l", "a"]},
			{"type": "object", "properties": {"l": {"$ref": "#/$defs/e"}, "b": {}}, "required": ["l", "b"]}, {"type": "null"}]}}, "$ref": "#/$defs/e"}`, false},
		{"catastrophic pattern", `{"type": "string", "pattern": "^(a+)+$"}`, false},
		{"catastrophic pattern 2", `{"type": "string", "pattern": "^(x+x+)+y$"}`, false},
		{"exponential pattern", `{"type": "string", "pattern": "^(a|b)*a(a|b){30}$"}`, false},
		{"exponential pattern with a length", `{"type": "string", "pattern": "^(a|b)*a(a|b){30}$", "maxLength": 100}`, true},
		{"lookaheads", `{"type": "string", "pattern": "^(?:(?=.*a.{6})[ab])*$"}`, false},
		{"exponential lookaheads", `{"type": "string", "pattern": "^(?:(?=.*a.{12}b)[ab]|(?!.*b.{9}a)[bc])*$"}`, true},
		{"lookaheads in a loop", `{"type": "string", "pattern": "^(?:` + strings.ReplaceAll(list(30, "(?=.*a%b)"), ", ", "|") + `)*$"}`, true},
		{"lookaheads before letters", `{"type": "string", "pattern": "^(?:(?=.*a.{9}b)\\p{L}|(?!.*b.{9}a)\\p{L})*$"}`, true},
		{"nested lookaheads", `{"type": "string", "pattern": "` + nested(30, "(?=a", "b", ")") + `"}`, true},
		{"long pattern", `{"type": "string", "pattern": "^` + strings.Repeat("[a-z]?", 5000) + `$"}`, false},
		{"too many patterns", `{"type": "object", "properties": {` + list(11_000, `"p%": {"type": "string", "pattern": "[ab]%"}`) + `}}`, true},
		{"a million characters", `{"type": "string", "minLength": 1000, "maxLength": 1000000}`, false},
		{"a million items", `{"type": "array", "items": {"type": "array", "maxItems": 900000}, "maxItems": 1000000}`, false},
		{"large numbers", `{"type": "number", "minimum": 1e300, "maximum": 1e301}`, false},
		{"multiples", `{"type": "integer", "multipleOf": 999, "minimum": 0}`, false},
		{"multiples with fractions", `{"type": "number", "multipleOf": 0.999, "minimum": 0}`, true},
		{"many multiples", `{"type": "object", "properties": {` + list(100, `"p%": {"type": "number", "multipleOf": 0.999}`) + `}}`, true},
		{"many sets", `{"type": "object", "properties": {` + list(3000, `"p%": {"type": "array", "uniqueItems": true, "items": {"enum": [1, 2, 3, 4, 5, 6, 7, 8, 9, "%"]}}`) + `}}`, false},
		{"a large set", `{"type": "array", "uniqueItems": true, "items": {"enum": [` + list(8000, `"value %"`) + `]}}`, false},
		{"a large set of numbers", `{"type": "array", "uniqueItems": true, "items": {"enum": [` + list(20_000, `%`) + `]}}`, false},
		{"a large set of objects", `{"type": "array", "uniqueItems": true, "items": {"anyOf": [{"enum": [` + list(3000, `{"b": %, "a": [%, 1.0]}`) + `]}, {"const": {"a": [1, 1], "b": 1}}]}}`, false},
		{"a set of objects of which two are needed", `{"type": "array", "uniqueItems": true, "minItems": 2, "items": {"type": "object", "required": ["a", "b", "c"], "properties": {
			"a": {"anyOf": [{"type": "string", "maxLength": 41, "pattern": "é"}, {"type": "string", "minLength": 3}]}, "b": {"type": "number", "minimum": 108, "exclusiveMaximum": 126},
			"c": {"const": "a text that is as long as the others may become before any of them has come to the end of it"}}}}`, false},
		{"names by patterns", `{"type": "object", "patternProperties": {` + list(6, `"^(a|b)*a(a|b){%}c?$": {}`) + `}}`, false},
		{"exponential names by patterns", `{"type": "object", "patternProperties": {` + list(6, `"^(a|b)*a(a|b){1%}c?$": {}`) + `}}`, true},
		{"alternatives that may overlap", `{"oneOf": [` + list(30, `{"type": "object", "properties": {"a%": {"type": "string"}, "b": {"type": "integer"}}, "required": ["b"]}`) + `]}`, false},
		{"alternatives of which some are alike", `{"type": "object", "oneOf": [` + list(29, `{"properties": {"t": {"const": "1-%"}, "f0": {"type": "string"}}, "required": ["t"], "additionalProperties": false}, {"properties": {"t": {"const": "2-%"}, "f0": {"type": "string"}, "f1": {"type": "string"}}, "required": ["t", "f0"], "additionalProperties": false}, {"properties": {"t": {"const": "3-%"}, "f0": {"type": "string"}, "f1": {"type": "string"}, "f2": {"type": "string"}}, "required": ["t"], "additionalProperties": false}, {"properties": {"t": {"const": "4-%"}, "f0": {"type": "string"}, "f1": {"type": "string"}, "f2": {"type": "string"}, "f3": {"type": "string"}}, "required": ["t", "f0"], "additionalProperties": false}, {"properties": {"t": {"const": "5-%"}, "f0": {"type": "string"}, "f1": {"type": "string"}, "f2": {"type": "string"}, "f3": {"type": "string"}, "f4": {"type": "string"}}, "required": ["t"], "additionalProperties": false}`) + `, ` +
			`{"properties": {"t": {"const": "1-0"}, "f0": {"type": "string"}, "f1": {"type": "string"}, "f2": {"type": "string"}, "f3": {"type": "string"}}, "required": ["t", "f0"], "additionalProperties": false}, {"properties": {"t": {"const": "1-0"}, "f0": {"type": "string"}, "f1": {"type": "string"}, "f2": {"type": "string"}, "f3": {"type": "string"}, "f4": {"type": "string"}}, "required": ["t"], "additionalProperties": false}]}`, false},
		{"patterns of which one fits", `{"oneOf": [` + list(20, `{"type": "string", "pattern": "a.*%"}`) + `]}`, false},
		{"nested not", nested(100, `{"not": `, `{"type": "string"}`, `}`), false},
		{"recursion under not", `{"not": {"properties": {"a": {"$ref": "#"}}, "required": ["a"]}}`, false},
		{"a schema that is not itself", `{"not": {"$ref": "#"}}`, true},
		{"values under not", `{"type": "string", "not": {"enum": [` + list(10_000, `"value %"`) + `]}}`, false},
		{"properties under not", `{"type": "object", "not": {"properties": {` + list(1000, `"p%": {"type": "string"}`) + `}}}`, false},
		{"conditions in a chain", nested(60, `{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": `, `{"required": ["c"]}`, `}`), false},
		{"conditions over one key", `{"type": "object", "properties": {"k": {"enum": [` + list(12, "%") + `]}}, "required": ["k"], "allOf": [` +
			list(12, `{"if": {"properties": {"k": {"const": %}}}, "then": {"required": ["p%"]}}`) + `]}`, false},
		{"conditions side by side", `{"type": "object", "allOf": [` + list(100, `{"if": {"properties": {"k": {"const": %}}, "required": ["k"]}, "then": {"required": ["p%"]}}`) + `]}`, true},
		{"properties that need others", `{"type": "object", "dependentRequired": {` + list(30, `"p%": ["q%"]`) + `}}`, true},
		{"a thousand properties that need others", `{"type": "object", "properties": {` + list(1000, `"p%": {}`) + `}, "dependentRequired": {` + list(1000, `"p%": ["p0"]`) + `}}`, true},
		{"patterns of conditions", `{"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"], "allOf": [` +
			list(100, `{"if": {"properties": {"k": {"pattern": "^(a|b)*a(a|b){%}$"}}}, "then": {"required": ["p%"]}}`) + `]}`, true},
		{"unevaluated properties", `{"allOf": [` + list(300, `{"properties": {"p%": {"type": "string"}}}`) + `], "unevaluatedProperties": false}`, false},
		{"properties and others", `{"type": "object", "properties": {` + list(1000, `"property %": {}`) + `}, "additionalProperties": true}`, false},
		{"properties and others, counted", `{"type": "object", "properties": {` + list(100, `"property %": {}`) + `}, "additionalProperties": true, "maxProperties": 100}`, false},
		{"counted properties", `{"type": "object", "properties": {` + list(1000, `"p%": {}`) + `}, "additionalProperties": true, "maxProperties": 900}`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := allocated()
			c, err := compile(test.schema)
			if n := allocated() - before; n > 512<<20 {
				t.Errorf("compiling it has taken %d MiB", n>>20)
			}
			if err == nil != !test.refused {
				t.Fatalf("refused: %v, want %v: %v", err != nil, test.refused, err)
			}
			if err != nil {
				if !errors.Is(err, jsonschema.ErrSchema) && !errors.Is(err, grammar.ErrTooLarge) && !errors.Is(err, grammar.ErrEmpty) {
					t.Errorf("%v", err)
				}
				return
			}
			rng := rand.New(rand.NewPCG(1, 1))
			if _, err := sample(rng, c, 40); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzGrammar(f *testing.F) {
	for _, test := range schemaTests {
		f.Add(test.schema)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		c, err := compile(schema)
		if err != nil {
			return
		}
		if _, err := sample(rand.New(rand.NewPCG(1, 1)), c, 10); err != nil && !errors.Is(err, grammar.ErrTooComplex) {
			t.Errorf("%s: %v", schema, err)
		}
	})
}
