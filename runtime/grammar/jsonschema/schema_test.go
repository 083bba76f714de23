package jsonschema_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"st/runtime/grammar/jsonschema"
)

var schemaTests = []struct {
	name, schema string
	in, out      []string
}{
	{"any", `{}`, []string{`1`, `"a"`, `{"a": [1, null]}`, `-0.5e+10`, `"\u00e9\ud83d\ude00"`}, []string{``, `01`, `{"a":1}`, `"\ud800"`, `[1,2]`, "\"\n\""}},
	{"never", `{"anyOf": [false, {"const": 1}]}`, []string{`1`}, []string{`2`}},
	{"object", `{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "x": {"type": "null"}}, "required": ["age"]}`,
		[]string{`{"name": "é\n", "age": 3}`, `{"age": -12}`, `{"age": 0, "x": null}`}, []string{`{}`, `{"age": 3, "name": ""}`, `{"name": "a"}`, `{"age": 1, "y": 2}`, `{"age": 1.5}`, `{, "age": 1}`}},
	{"other properties", `{"type": "object", "properties": {"a": {"type": "integer"}, "ab": {"type": "integer"}}, "additionalProperties": {"type": "boolean"}}`,
		[]string{`{"a": 1, "b": true, "abc": false}`, `{"": true}`, `{"é\"": true}`}, []string{`{"b": 1}`, `{"c": true, "a": true}`, `{"\u0061": true}`}},
	{"a map", `{"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}}`, []string{`{}`, `{"a": [1, 2], "b": []}`}, []string{`{"a": 1}`}},
	{"numbers of properties", `{"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 1, "maxProperties": 2}`,
		[]string{`{"a": 1}`, `{"a": 1, "c": 2}`, `{"c": 1}`}, []string{`{}`, `{"a": 1, "b": 2, "c": 3}`}},
	{"numbers of other properties", `{"type": "object", "additionalProperties": true, "maxProperties": 2, "minProperties": 1}`, []string{`{"a": 1}`, `{"a": 1, "b": 1}`}, []string{`{}`, `{"a": 1, "b": 1, "c": 1}`}},
	{"property names", `{"type": "object", "propertyNames": {"pattern": "^[a-z]{1,3}$"}, "additionalProperties": {"type": "null"}}`, []string{`{"abc": null}`}, []string{`{"abcd": null}`, `{"A": null}`}},
	{"names by pattern, as pydantic's dict[Annotated[str, …], int]", `{"type": "object", "patternProperties": {"^k": {"type": "integer"}}}`, []string{`{}`, `{"k": 1, "ké": 2}`}, []string{`{"k": true}`, `{"x": 1}`}},
	{"names by patterns and others", `{"type": "object", "properties": {"ab": {"maximum": 5}, "z": {"type": "null"}}, "patternProperties": {"^a": {"type": "integer"}, "b$": {"minimum": 2}}, "required": ["ab"],
		"additionalProperties": {"type": "boolean"}}`, []string{`{"ab": 3, "z": null, "a": 9, "axb": 2, "xb": 2.5, "y": true}`}, []string{`{"ab": 1}`, `{"ab": 6}`, `{"ab": 3, "axb": 1}`, `{"ab": 3, "axb": 2.5}`, `{"ab": 3, "y": 1}`, `{"ab": 3, "a": true}`}},
	{"names by patterns of two schemas", `{"allOf": [{"type": "object", "patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": false}, {"patternProperties": {"b$": {"minimum": 2}}}]}`,
		[]string{`{"a": 0, "ab": 2}`}, []string{`{"ab": 1}`, `{"b": 2}`}},
	{"an enum of objects with names by pattern", `{"type": "object", "patternProperties": {"^a": {"type": "integer"}}, "enum": [{"a": 1}, {"a": true}]}`, []string{`{"a": 1}`}, []string{`{"a": true}`}},
	{"array", `{"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3}`, []string{`[true]`, `[true, false, true]`}, []string{`[]`, `[true, true, true, true]`, `[1]`}},
	{"items that are different, as pydantic's set of an enum", `{"type": "array", "uniqueItems": true, "items": {"$ref": "#/$defs/c"}, "minItems": 1, "$defs": {"c": {"enum": ["red", "blue", 1], "type": "string"}}}`,
		[]string{`["red"]`, `["blue", "red"]`}, []string{`[]`, `["red", "red"]`, `["red", "blue", "red"]`, `[1]`}},
	{"two different booleans at most", `{"type": "array", "uniqueItems": true, "items": {"type": "boolean"}, "maxItems": 5}`, []string{`[]`, `[true, false]`}, []string{`[true, true]`}},
	{"different items that are booleans and in an enum", `{"type": "array", "uniqueItems": true, "items": {"allOf": [{"type": "boolean"}, {"enum": [true, 1, "a"]}]}}`,
		[]string{`[]`, `[true]`}, []string{`[false]`, `[1]`, `[true, false]`}},
	{"different items of a long enum", `{"type": "array", "uniqueItems": true, "items": {"enum": ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", 1, 1.0]}}`,
		[]string{`[]`, `["k"]`, `["c", "a", "k", 1]`, `["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", 1]`}, []string{`["a", "a"]`, `["b", "a", "b"]`, `[1, 1.0]`, `["l"]`}},
	{"a number of different items of a long enum", `{"type": "array", "uniqueItems": true, "items": {"enum": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}, "minItems": 2, "maxItems": 3}`,
		[]string{`[0, 10]`, `[5, 4, 3]`}, []string{`[]`, `[3]`, `[1, 2, 3, 4]`, `[1, 1]`}},
	{"different strings, as a set of MCP servers", `{"type": "array", "uniqueItems": true, "items": {"type": "string", "minLength": 1}, "minItems": 1}`,
		[]string{`["a"]`, `["a", "b", "ab", "é\n"]`}, []string{`[]`, `[""]`, `["a", "a"]`, `["b", "a", "b"]`, `["a", "a"]`}},
	{"different strings of a pattern", `{"type": "array", "uniqueItems": true, "items": {"type": "string", "pattern": "^[ab]$"}, "maxItems": 5}`,
		[]string{`[]`, `["b", "a"]`}, []string{`["a", "a"]`, `["a", "b", "a"]`}},
	{"different numbers", `{"type": "array", "uniqueItems": true, "items": {"type": "number"}}`, []string{`[1, 2.5, -0.25, 0, -1]`}, []string{`[1, 1]`, `[1, 1.0]`, `[0, -0]`, `[1e1]`}},
	{"different objects", `{"type": "array", "uniqueItems": true, "items": {"type": "object", "properties": {"id": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["id"]}}`,
		[]string{`[{"id": 1}, {"id": 1, "tags": []}, {"id": 1, "tags": ["a"]}]`}, []string{`[{"id": 1}, {"id": 1}]`, `[{"id": 1, "tags": ["a"]}, {"tags": ["a"], "id": 1}]`}},
	{"different values of any type", `{"type": "array", "uniqueItems": true}`, []string{`[1, "1", [1], null, [1, 1]]`}, []string{`[null, null]`, `[[1], [1]]`, `[{"a": 1}, {"a": 1.0}]`}},
	{"different maps", `{"type": "array", "uniqueItems": true, "items": {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": {"type": "integer"}}}`,
		[]string{`[{"n": 1, "b": 1, "a": 2}, {"b": 1, "a": 2}, {"n": 1}, {}, {"n": 1, "a": 2}]`},
		[]string{`[{"n": 1, "b": 1, "a": 2}, {"n": 1, "a": 2, "b": 1}]`, `[{"a": 1, "a": 2}]`, `[{}, {}]`}},
	{"different values with maps in them", `{"type": "array", "uniqueItems": true}`, []string{`[{"a": {"x": 1, "y": [{"p": 1, "q": 2}]}, "b": 2}, {"b": 2, "a": {"y": [{"p": 1, "q": 2}], "x": 2}}]`},
		[]string{`[{"a": {"x": 1, "y": [{"p": 1, "q": 2}]}, "b": 2}, {"b": 2, "a": {"y": [{"q": 2, "p": 1}], "x": 1}}]`}},
	{"a tuple of different items", `{"type": "array", "uniqueItems": true, "prefixItems": [{"enum": ["a", 1.0]}, {"type": "string"}, {"type": "number", "maximum": 9}], "items": {}, "minItems": 1, "maxItems": 4}`,
		[]string{`["a", "b", 1]`, `[1, "a", 2, "b"]`, `["a"]`}, []string{`["a", "a"]`, `[1, "a", 1]`, `[1, "a", 2, "a"]`, `[]`}},
	{"a pair of different items", `{"type": "array", "uniqueItems": true, "prefixItems": [{"type": "boolean"}, {"type": "boolean"}], "items": false}`,
		[]string{`[]`, `[true, false]`}, []string{`[true, true]`, `[true, false, true]`}},
	{"different objects of alternatives in another order", `{"type": "array", "uniqueItems": true, "items": {"anyOf": [{"type": "object", "properties": {"a": {}, "b": {}}},
			{"type": "object", "properties": {"b": {}, "a": {}, "c": {}}}, {"type": "object", "properties": {"c": {"type": "integer"}}, "additionalProperties": {"type": "integer"}}]}}`,
		[]string{`[{"a": 1, "b": 1}, {"a": 1}, {"a": 1, "c": 1}, {"c": 1}, {"x": 1}]`},
		[]string{`[{"a": 1, "b": 1}, {"b": 1, "a": 1}]`, `[{"a": 1, "c": 1}, {"c": 1, "a": 1}]`}},
	{"different objects of an enum, and others", `{"type": "array", "uniqueItems": true, "items": {"anyOf": [{"enum": [{"b": 1, "a": 2, "y": 0, "x": 0}]}, {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}}]}}`,
		[]string{`[{"a": 2, "y": 0, "x": 0, "b": 1}]`, `[{"a": 2, "b": 1, "x": 0, "y": 0}, {"a": 2, "b": 1}]`}, []string{`[{"a": 2, "b": 1, "x": 0, "y": 0}, {"a": 2, "y": 0, "x": 0, "b": 1}]`}},
	{"different lists of different numbers of an enum, and others", `{"type": "array", "uniqueItems": true, "items": {"anyOf": [{"type": "array", "uniqueItems": true, "items": {"enum": [1.0, 2]}},
			{"type": "array", "items": {"type": "integer"}}]}}`, []string{`[[1], [2], [1, 2]]`}, []string{`[[1.0], [1]]`, `[[1], [1.0]]`}},
	{"different items, or others", `{"anyOf": [{"type": "array", "uniqueItems": true, "items": {"type": "string"}}, {"type": "array", "items": {"type": "string", "maxLength": 1}, "maxItems": 3}]}`,
		[]string{`["a", "b", "c", "d"]`, `["a", "a", "b"]`, `["ab", "a"]`}, []string{`["ab", "ab"]`, `["a", "a", "bc"]`, `["a", "a", "b", "c"]`}},
	{"different items of a choice of constants, as TypeBox's union of literals", `{"type": "array", "uniqueItems": true, "items": {"anyOf": [{"const": "a"}, {"const": "b"}, {"enum": ["b", 1]}, false]}}`,
		[]string{`[]`, `["b", "a"]`, `["a", 1, "b"]`}, []string{`["a", "a"]`, `["b", "b"]`}},
	{"an enum of arrays of different items", `{"uniqueItems": true, "enum": [[1, 2], [1, 1]]}`, []string{`[1, 2]`}, []string{`[1, 1]`}},
	{"tuple", `{"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false, "minItems": 1}`, []string{`[1]`, `[1, "a"]`}, []string{`[]`, `["a"]`, `[1, "a", 1]`}},
	{"tuple of draft 7", `{"type": "array", "items": [{"type": "integer"}], "additionalItems": {"type": "string"}}`, []string{`[]`, `[1]`, `[1, "a", "b"]`}, []string{`["a"]`, `[1, 2]`}},
	{"enum", `{"enum": ["a", 1, null, {"b": [1, "é\""]}]}`, []string{`"a"`, `1`, `null`, `{"b": [1, "é\""]}`}, []string{`"b"`, `2`}},
	{"enum of a type", `{"type": "string", "enum": ["a", 1, "bb"], "minLength": 2}`, []string{`"bb"`}, []string{`"a"`, `1`}},
	{"types", `{"type": ["string", "null"], "maxLength": 2}`, []string{`null`, `"ab"`, `"é日"`, `"\u00e9\n"`}, []string{`"abc"`, `1`}},
	{"long strings", `{"type": "string", "minLength": 2, "maxLength": 300}`, []string{`"ab"`, `"` + strings.Repeat("é", 300) + `"`, `"` + strings.Repeat(`\n`, 300) + `"`},
		[]string{`"a"`, `"` + strings.Repeat("a", 301) + `"`}},
	{"nullable", `{"type": "integer", "nullable": true}`, []string{`1`, `null`}, []string{`"a"`}},
	{"anyOf with siblings", `{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}`,
		[]string{`{"a": 1}`, `{"b": 1}`, `{"a": 1, "b": 2}`}, []string{`{}`}},
	{"allOf", `{"allOf": [{"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]}, {"properties": {"a": {"maximum": 5}, "b": {"type": "null"}}}]}`,
		[]string{`{"a": 3}`, `{"a": 5, "b": null}`}, []string{`{"a": 2}`, `{"a": 6}`, `{}`}},
	{"oneOf", `{"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
		{"type": "object", "properties": {"kind": {"const": "b"}, "y": {"type": "integer"}}, "required": ["kind"]}, {"type": "string"}]}`,
		[]string{`{"kind": "a", "x": 1}`, `{"kind": "b"}`, `"s"`}, []string{`{"kind": "a"}`, `{"kind": "c"}`}},
	{"reference", `{"$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["v", "next"]}}, "$ref": "#/$defs/node"}`,
		[]string{`{"v": 1, "next": null}`, `{"v": 1, "next": {"v": 2, "next": null}}`}, []string{`{"v": 1}`}},
	{"reference with a limit", `{"$defs": {"n": {"type": "integer", "minimum": 0}}, "type": "object", "properties": {"a": {"$ref": "#/$defs/n", "maximum": 9, "description": "a digit"}}, "required": ["a"]}`,
		[]string{`{"a": 9}`}, []string{`{"a": 10}`, `{"a": -1}`}},
	{"integers", `{"type": "integer", "minimum": -12, "exclusiveMaximum": 105}`, []string{`-12`, `-1`, `0`, `9`, `10`, `99`, `100`, `104`}, []string{`-13`, `105`, `1000`, `-0`, `00`, `1.0`}},
	{"large integers", `{"type": "integer", "minimum": 9007199254740991}`, []string{`9007199254740991`, `90071992547409910`}, []string{`9007199254740990`}},
	{"numbers", `{"type": "number", "minimum": -0.25, "maximum": 3.5}`, []string{`-0.25`, `-0.2`, `0`, `0.001`, `3.5`, `3.4999`, `3.50`, `3`}, []string{`-0.251`, `3.51`, `4`, `-1`}},
	{"numbers that no reader takes for their bound", `{"type": "number", "exclusiveMinimum": 2}`, []string{`2.000000000000001`, `2.5`, `3`},
		[]string{`2`, `2.0000000000000001`}},
	{"nor of large ones", `{"type": "integer", "exclusiveMinimum": 9007199254740992}`, []string{`9007199254740994`, `9007199254740995`},
		[]string{`9007199254740992`, `9007199254740993`}},
	{"nor for the other one", `{"type": "number", "exclusiveMaximum": -100}`, []string{`-100.0000000000001`, `-101`}, []string{`-100`, `-100.0000000000000001`}},
	{"numbers without their bounds", `{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}`, []string{`0.1`, `0.0001`, `0.999`}, []string{`0`, `0.0`, `1`, `1.0`}},
	{"multiples", `{"type": "number", "minimum": 0, "multipleOf": 0.01}`, []string{`1.25`, `3`, `0.1`}, []string{`1.255`}},
	{"multiples of five", `{"type": "integer", "multipleOf": 5}`, []string{`0`, `-5`, `10`, `12345`}, []string{`1`, `-0`, `05`, `5.0`, `12`}},
	{"multiples within bounds", `{"type": "number", "multipleOf": 0.25, "minimum": -1, "exclusiveMaximum": 2.5}`, []string{`-1`, `-0.75`, `0.50`, `2.25`, `2`}, []string{`2.5`, `-1.25`, `0.3`, `0.255`}},
	{"multiples of both", `{"allOf": [{"multipleOf": 4}, {"multipleOf": 0.6}], "type": "number", "minimum": 0}`, []string{`0`, `12`, `24`}, []string{`4`, `6`, `0.6`}},
	{"multiples of a large number and a small one", `{"allOf": [{"multipleOf": 1000}, {"multipleOf": 1e-16}], "type": "number", "minimum": 0}`, []string{`0`, `2000`}, []string{`1`, `0.5`, `1001`}},
	{"integers that are multiples of a fraction", `{"type": "integer", "multipleOf": 1.5, "minimum": 0, "maximum": 1000}`, []string{`0`, `3`, `999`}, []string{`1`, `2`, `1000`}},
	{"pattern", `{"type": "string", "pattern": "^[A-Z]{2}-\\d+$"}`, []string{`"AB-12"`}, []string{`"xAB-12"`, `"AB-"`}},
	{"pattern anywhere", `{"type": "string", "pattern": "a\"b|^c"}`, []string{`"xa\"by"`, `"cx"`}, []string{`"xc"`, `"ab"`}},
	{"pattern with spaces beyond ASCII, which readers tell apart", `{"type": "string", "pattern": "^[^\\s@]+@\\S+\\s$"}`, []string{`"é@日 "`},
		[]string{"\"\u00a0@b \"", "\"a@\u3000b \"", "\"a@b\ufeff \"", "\"a@b\u00a0\"", `"a@b\u000b "`}},
	{"pattern with letters and digits beyond ASCII", `{"type": "string", "pattern": "^\\W[^\\d]\\D\\w\\d$"}`, []string{`"-éüa1"`},
		[]string{`"é--a1"`, "\"--\u0660a1\"", "\"-\u0660-a1\"", `"---é1"`, "\"---a\u0660\""}},
	{"pattern with any character", `{"type": "string", "pattern": "^.[\\s\\S][^]$"}`, []string{"\"é\u00a0\u2028\"", `"a\n\r"`}, []string{`"\rab"`, "\"\u2028ab\"", "\"\u2029ab\""}},
	{"pattern without spaces ahead", `{"type": "string", "pattern": "^(?!.*\\s)(?=\\S).+$"}`, []string{`"é"`}, []string{"\"a\u00a0\"", "\"\u3000a\"", `"a b"`}},
	{"pattern with a pair of surrogates", `{"type": "string", "pattern": "^[\\ud83d\\ude00-\\ud83d\\ude4f]\\u00e9$"}`, []string{`"😀é"`}, []string{`"🚀é"`}},
	{"pattern and length", `{"type": "string", "pattern": "^a+b*$", "minLength": 2, "maxLength": 4}`, []string{`"aa"`, `"abbb"`}, []string{`"a"`, `"aabbb"`, `"b"`}},
	{"lookahead", `{"type": "string", "pattern": "^(?!\\.)(?!.*\\.\\.)[a-z.]+$"}`, []string{`"a.b"`}, []string{`".a"`, `"a..b"`}},
	{"lookaheads anywhere, as in pydantic's Decimal", `{"type": "string", "pattern": "^(?!^[-+.]*$)[+-]?0*(?:\\d{0,3}|(?=[\\d.]{1,6}0*$)\\d{0,3}\\.\\d{0,2}0*$)"}`,
		[]string{`"-12.5"`, `"123.45"`, `"007"`}, []string{`"+."`, `""`, `"-"`}},
	{"lookaheads anywhere, as in zod's duration", `{"type": "string", "format": "duration",
		"pattern": "^P(?:(\\d+W)|(?!.*W)(?=\\d|T\\d)(\\d+Y)?(\\d+M)?(\\d+D)?(T(?=\\d)(\\d+H)?(\\d+M)?(\\d+([.,]\\d+)?S)?)?)$"}`, []string{`"P1W"`, `"P1Y2M"`, `"PT5M"`}, []string{`"P"`, `"PT"`, `"P1DT"`}},
	{"flags are for lookaheads, too", `{"type": "string", "pattern": "(?i)^(?!admin$)[a-z]{5}$"}`, []string{`"OTHER"`, `"admit"`}, []string{`"admin"`, `"Admin"`, `"ADMIN"`}},
	{"lookaheads within each other and repeated", `{"type": "string", "pattern": "^(?:(?!ab(?=c)).)+$"}`, []string{`"aab"`, `"abd"`}, []string{`"xabc"`, `""`}},
	{"formats", `{"type": "object", "properties": {"a": {"format": "date"}, "b": {"format": "date-time"}, "c": {"format": "uuid"}, "d": {"format": "email"}, "e": {"format": "time"}, "f": {"format": "ipv6"}}}`,
		[]string{`{"a": "2024-02-29"}`, `{"b": "2024-12-31T23:59:59.5Z"}`, `{"c": "123e4567-e89b-12d3-a456-426614174000"}`, `{"d": "a.b+c@example.com"}`, `{"e": "01:02:03+01:00"}`, `{"f": "::1"}`, `{"f": "fe80::1:2"}`},
		[]string{`{"a": "2023-02-29"}`, `{"a": "2100-02-29"}`, `{"b": "2024-13-01T00:00:00Z"}`, `{"d": "a@b"}`, `{"f": "1::2::3"}`}},
	{"formats of pydantic", `{"type": "object", "properties": {"a": {"format": "uuid4"}, "b": {"format": "path"}, "c": {"format": "ipv4network"}, "d": {"format": "ipvanyinterface"}, "e": {"format": "base64"},
		"f": {"format": "binary"}, "g": {"format": "multi-host-uri"}, "h": {"format": "regex"}}}`,
		[]string{`{"a": "123e4567-e89b-42d3-a456-426614174000"}`, `{"b": "/tmp/é x"}`, `{"c": "10.1.0.0/16"}`, `{"d": "fe80::1/64"}`, `{"d": "1.2.3.4"}`, `{"e": "aGkA"}`, `{"e": "aA=="}`, `{"f": "any"}`, `{"g": "postgres://localhost:5432/db"}`, `{"h": "^a+.*$"}`},
		[]string{`{"a": "123e4567-e89b-12d3-a456-426614174000"}`, `{"b": ""}`, `{"c": "10.1.0.1/16"}`, `{"e": "aGk"}`, `{"h": "(a"}`}},
	{"formats of zod", `{"type": "object", "properties": {"a": {"type": "string", "format": "starts_with", "pattern": "^ab.*"}, "b": {"type": "string", "format": "cuid", "pattern": "^[cC][0-9a-z]{6,}$"},
		"c": {"type": "string", "format": "base64url", "contentEncoding": "base64url", "pattern": "^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?$"}, "d": {"format": "ends_with", "allOf": [{"pattern": "^a.*"}, {"pattern": ".*b$"}]}}}`,
		[]string{`{"a": "abc"}`, `{"b": "c123456789012345678901234"}`, `{"c": "ab_-"}`, `{"d": "a-b"}`}, []string{`{"a": "xab"}`, `{"b": "c1"}`, `{"c": "a+b="}`, `{"d": "a"}`}},
	{"formats of integers", `{"type": "array", "prefixItems": [{"type": "integer", "format": "uint8"}, {"type": "integer", "format": "int16"}, {"type": "integer", "format": "uint64"}]}`,
		[]string{`[255, -32768, 18446744073709551615]`, `[0, 32767, 0]`}, []string{`[256]`, `[-1]`, `[0, 32768]`, `[0, 0, -1]`, `[0, 0, 18446744073709551616]`}},
	{"formats of integers are whole numbers, also of a type that has others", `{"type": "array", "prefixItems": [{"type": "number", "format": "int64"}, {"format": "uint8", "enum": [1, 1.5]}]}`,
		[]string{`[-12, 1]`}, []string{`[1.5]`, `[1.0]`, `[1e2]`, `[1, 1.5]`}},
	{"an address of a length, as pydantic's HttpUrl", `{"type": "string", "format": "uri", "minLength": 1, "maxLength": 2083}`,
		[]string{`"https://example.com/a/b%20c?q=1#x"`, `"http://1.2.3.4:80/` + strings.Repeat("a", 299) + `"`}, []string{`"example.com"`, `""`}},
	{"a short address", `{"type": "string", "format": "uri", "maxLength": 100}`, []string{`"https://example.com/a"`}, []string{`"http://1.2.3.4:80/` + strings.Repeat("a", 90) + `"`}},
	{"an e-mail address of a length, as zod's email().max(255)", `{"type": "string", "format": "email", "minLength": 3, "maxLength": 255,
		"pattern": "^(?:[A-Za-z0-9_'+\\-]+\\.)*[A-Za-z0-9_'+\\-]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"}`, []string{`"a.b+c@mail.example.com"`}, []string{`"a@b"`}},
	{"a short e-mail address", `{"type": "string", "format": "email", "minLength": 8, "maxLength": 30}`, []string{`"abc@ef.com"`}, []string{`"abcdefghijklmnop@qrstuvwxyz.com"`, `"a@bc.de"`}},
	{"a host name of a length", `{"type": "string", "format": "hostname", "maxLength": 253}`, []string{`"www.example.com"`}, []string{`"a..b"`}},
	{"a pattern with properties of characters", `{"type": "string", "pattern": "^\\p{Script=Greek}\\p{gc=Lu}[\\p{sc=Han}\\p{Decimal_Number}]\\P{L}\\pL$"}`, []string{`"αÉ日1a"`}, []string{`"aÉ日1a"`, `"αé日1a"`, `"αÉ日aa"`}},
	{"emoji, as zod's", `{"type": "string", "format": "emoji", "pattern": "^(?=[\\s\\S]*[\\p{Extended_Pictographic}\\u20E3])[\\p{Extended_Pictographic}\\p{Emoji_Component}]+$"}`,
		[]string{`"😀"`, `"🚀🏽"`}, []string{`""`, `"a"`, `"🏽"`}},
	{"a token, as zod's", `{"type": "string", "format": "jwt"}`, []string{`"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQAA.` + strings.Repeat("a", 42) + `A"`}, []string{`"a.b.c"`}},
	{"a pattern that has the length", `{"type": "string", "pattern": "^([A-F]{2}|x)(-[0-9]+){0,300}$", "minLength": 1}`, []string{`"x"`, `"AB-1"`}, []string{`""`}},
	{"a length that there is not", `{"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^a*$", "minLength": 5, "maxLength": 3}]}`, []string{`null`}, []string{`"aaa"`, `"aaaa"`, `"aaaaa"`}},
	{"addresses of schemas, as generators of draft 4 write them", `{"$schema": "http://json-schema.org/draft-04/schema#", "id": "https://example.com/a.json", "type": "object", "properties":
		{"a": {"id": "/properties/a", "type": "integer"}, "b": {"$id": "#/properties/b", "$ref": "https://example.com/a.json#/definitions/c"}, "id": {"type": "null"}},
		"definitions": {"c": {"id": "c", "type": "boolean"}}}`, []string{`{"a": 1}`, `{"b": true, "id": null}`}, []string{`{"a": true}`, `{"b": 1}`}},
	{"a schema that refers to itself by its id, as TypeBox writes recursion", `{"type": "object", "properties": {"tree": {"$id": "T0", "type": "object", "required": ["n"],
		"properties": {"n": {"type": "array", "items": {"$ref": "T0"}}}}}, "required": ["tree"]}`, []string{`{"tree": {"n": [{"n": []}]}}`}, []string{`{"tree": {"n": [{"tree": {"n": []}}]}}`}},
	{"schemas in a bundle, by their ids", `{"$id": "https://example.com/order.json", "type": "object", "properties": {"by": {"$ref": "person.json"}, "at": {"$ref": "/place.json#/$defs/zip"}},
		"$defs": {"p": {"$id": "person.json", "type": "object", "properties": {"name": {"$ref": "#/$defs/name"}}, "$defs": {"name": {"type": "string", "maxLength": 3}}},
		"l": {"$id": "https://example.com/place.json", "$defs": {"zip": {"type": "integer"}}}}}`, []string{`{"by": {"name": "Ada"}, "at": 1}`}, []string{`{"by": {"name": "Lovelace"}}`, `{"at": ""}`}},
	{"schemas by their names", `{"type": "array", "prefixItems": [{"$ref": "#a"}], "items": {"$ref": "b.json#a"}, "$defs": {"x": {"$anchor": "a", "type": "null"}, "y": {"$id": "b.json", "$defs": {"x":
		{"$anchor": "a", "type": "boolean"}}}}}`, []string{`[null]`, `[null, true]`}, []string{`[true]`, `[null, null]`}},
	{"a schema that zod gives an id, within which references are as without it", `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {"u": {"$ref": "#/$defs/User"}},
		"$defs": {"User": {"id": "User", "type": "object", "properties": {"f": {"$ref": "#/$defs/User"}}, "required": []}}}`, []string{`{"u": {"f": {"f": {}}}}`}, []string{`{"u": {"f": 1}}`}},
	{"an id as in draft 4, in a document of no draft", `{"type": "array", "items": {"$ref": "Node"}, "$defs": {"n": {"id": "Node", "type": "null"}}}`, []string{`[null]`}, []string{`[1]`}},
	{"ids of schemas that are called as keywords", `{"type": "object", "properties": {"default": {"$id": "d.json", "$ref": "#/$defs/n", "$defs": {"n": {"type": "null"}}}, "e": {"$ref": "#a"}},
		"$defs": {"n": {"type": "integer"}, "enum": {"$anchor": "a", "type": "boolean"}}, "default": {"$id": "d.json"}}`, []string{`{"default": null, "e": true}`}, []string{`{"default": 1}`}},
	{"an id beside a reference, which draft 7 passes over", `{"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "items": {"$id": "b.json", "$ref": "#/definitions/n"},
		"definitions": {"n": {"type": "null"}}}`, []string{`[null]`}, []string{`[1]`}},
	{"names that are no keywords are annotations, as in schemas of editors and of forms", `{"type": "object", "name": "person", "_format": "x", "javaType": "Person", "links": [{"rel": "self"}], "properties":
		{"a": {"type": "integer", "markdownDescription": "*a*", "readonly": true, "form": {"widget": "slider"}}}}`, []string{`{"a": 1}`, `{}`}, []string{`{"a": "b"}`}},
	{"if, then and else by a const", `{"type": "object", "properties": {"kind": {"type": "string"}, "n": {"type": "integer"}, "s": {"type": "string"}}, "required": ["kind"],
		"allOf": [{"if": {"properties": {"kind": {"const": "n"}}}, "then": {"required": ["n"]}, "else": {"required": ["s"]}}]}`,
		[]string{`{"kind": "n", "n": 1}`, `{"kind": "x", "s": ""}`, `{"kind": "n", "n": 1, "s": ""}`}, []string{`{"kind": "n"}`, `{"kind": "x", "n": 1}`}},
	{"many conditions by an enum", `{"type": "object", "properties": {"kind": {"enum": ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]}, "n": {"type": "integer"}}, "required": ["kind"], "allOf": [
		{"if": {"properties": {"kind": {"const": "a"}}, "required": ["kind"]}, "then": {"required": ["n"]}}, {"if": {"properties": {"kind": {"const": "b"}}}, "then": {"required": ["n"]}},
		{"if": {"properties": {"kind": {"const": "c"}}}, "then": {"required": ["n"]}}, {"if": {"properties": {"kind": {"const": "d"}}}, "then": {"required": ["n"]}},
		{"if": {"properties": {"kind": {"const": "e"}}}, "then": {"required": ["n"]}}, {"if": {"properties": {"kind": {"const": "f"}}}, "then": {"required": ["n"]}},
		{"if": {"properties": {"kind": {"const": "g"}}}, "then": {"required": ["n"]}}, {"if": {"properties": {"kind": {"const": "h"}}}, "then": {"properties": {"n": {"minimum": 5}}}}]}`,
		[]string{`{"kind": "a", "n": 1}`, `{"kind": "h", "n": 5}`, `{"kind": "l"}`}, []string{`{"kind": "a"}`, `{"kind": "h", "n": 4}`, `{"kind": "x"}`}},
	{"what members need", `{"type": "object", "properties": {"card": {"type": "integer"}, "address": {"type": "string"}, "zip": {"type": "integer"}},
		"dependentRequired": {"card": ["address"]}, "dependentSchemas": {"zip": {"properties": {"address": {"minLength": 1}}}}}`,
		[]string{`{}`, `{"card": 1, "address": ""}`, `{"address": "x", "zip": 1}`, `{"zip": 1}`}, []string{`{"card": 1}`, `{"address": "", "zip": 1}`}},
	{"what members need, in draft 7", `{"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}}, "dependencies": {"a": ["b"], "b": {"required": ["c"]}}}`,
		[]string{`{"c": null}`, `{"a": null, "b": null, "c": null}`, `{"b": null, "c": null}`}, []string{`{"a": null}`, `{"b": null}`, `{"a": null, "b": null}`}},
	{"not of members", `{"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "not": {"required": ["a", "b"]}}`,
		[]string{`{}`, `{"a": null}`, `{"b": null}`}, []string{`{"a": null, "b": null}`}},
	{"not of a reference, beside which draft 7 passes over what stands", `{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}},
		"not": {"$ref": "#/definitions/d", "required": ["b"]}, "definitions": {"d": {"required": ["a"]}}}`, []string{`{}`, `{"b": null}`}, []string{`{"a": null}`, `{"a": null, "b": null}`}},
	{"not of an object, of one of whose members nothing is known that is not valid", `{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
		"not": {"properties": {"a": {"type": "integer"}, "b": {"const": "x"}}}}`, []string{`{"b": "y"}`, `{"a": 1, "b": "y"}`}, []string{`{}`, `{"a": 1}`, `{"a": 1, "b": "x"}`}},
	{"not of integers and another type", `{"type": ["number", "string", "null"], "not": {"type": ["integer", "string"]}}`, []string{`null`}, []string{`1`, `"a"`}},
	{"an alternative of draft 7 with a bound beside its reference, which is passed over", `{"$schema": "http://json-schema.org/draft-07/schema#",
		"oneOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/definitions/n", "maximum": 0}], "definitions": {"n": {"type": ["integer", "null"], "maximum": 5}}}`,
		[]string{`6`, `0`, `null`}, []string{`5`, `1`}},
	{"alternatives of draft 7 that their types tell apart, whatever stands beside a reference to them", `{"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/env",
		"properties": {"a": {"type": "integer"}}, "definitions": {"env": {"oneOf": [{"type": "object", "additionalProperties": {"type": "number"}}, {"type": "string", "pattern": "^x"}]}}}`,
		[]string{`{"a": 1, "b": 1.5}`, `"x"`}, []string{`{"a": 1.5}`, `"y"`}},
	{"not of values", `{"type": "array", "prefixItems": [{"type": "string", "not": {"enum": ["a", "b"]}}, {"type": "integer", "not": {"enum": [3, 5]}}, {"type": ["string", "null"], "not": {"pattern": "^x"}}, {"not": {"type": ["array", "object", "number"]}}]}`,
		[]string{`["c", 4, "yx", true]`, `["", 2, "", "a"]`}, []string{`["a"]`, `["c", 3]`, `["c", 5]`, `["c", 4, "x"]`, `["c", 4, null]`, `["c", 1, "", 1]`, `["c", 1, "", {}]`}},
	{"an enum without what is not", `{"enum": ["a", "b", 1, {"k": 1}], "not": {"anyOf": [{"const": "a"}, {"type": "number"}]}}`, []string{`"b"`, `{"k": 1}`}, []string{`"a"`, `1`}},
	{"oneOf of what is required", `{"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}`,
		[]string{`{"a": null}`, `{"b": null, "c": null}`}, []string{`{}`, `{"a": null, "b": null}`}},
	{"oneOf where what tells two apart is written because of a third", `{"type": "object", "oneOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["b"]}, {"properties": {"b": {"type": "string"}}}]}`,
		[]string{`{"a": 2, "b": 1}`}, []string{`{"a": "y", "b": 1}`, `{"b": ""}`}},
	{"oneOf in a closed object, which does not tell alternatives apart", `{"type": "object", "properties": {"c": {"type": "null"}}, "required": ["a"], "unevaluatedProperties": false,
		"oneOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {"type": "null"}}, "minProperties": 2}]}`, []string{`{"a": 1}`}, []string{`{"c": null, "a": 1}`, `{"a": 1, "b": null}`}},
	{"oneOf of lengths that overlap", `{"type": "string", "oneOf": [{"maxLength": 3}, {"minLength": 2}]}`, []string{`"a"`, `"abcd"`}, []string{`"ab"`, `"abc"`}},
	{"a property that nothing is valid for is left out", `{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "array", "enum": ["x"]}}}`, []string{`{"a": 1}`, `{}`}, []string{`{"b": "x"}`}},
	{"members that no part speaks of, as zod-to-json-schema writes strict intersections", `{"$schema": "https://json-schema.org/draft/2019-09/schema#", "$ref": "#/$defs/u", "$defs": {"u": {"allOf": [
		{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"anyOf": [{"properties": {"b": {"type": "null"}}, "required": ["b"]}, {"required": ["c"]}, {"maxProperties": 1}]}],
		"unevaluatedProperties": false}}}`, []string{`{"a": 1, "b": null}`, `{"a": 1}`}, []string{`{"a": 1, "c": 1}`, `{"a": 1, "d": 1}`, `{"a": 1, "b": null, "c": 1}`}},
	{"alternatives that are closed to what they do not speak of, as schemars writes them", `{"type": ["object", "null"], "description": "d", "minProperties": 1, "oneOf": [{"type": "null"},
		{"type": "object", "properties": {"t": {"const": "a"}, "a": {"type": "integer"}}, "required": ["t"], "unevaluatedProperties": false},
		{"type": "object", "allOf": [{"properties": {"t": {"const": "b"}}, "required": ["t"]}, {"properties": {"b": {"type": "null"}}}], "unevaluatedProperties": false}]}`,
		[]string{`null`, `{"t": "a", "a": 1}`, `{"t": "b", "b": null}`}, []string{`{"t": "a", "b": null}`, `{"t": "b", "a": 1}`, `{"t": "b", "c": 1}`, `{}`}},
	{"an object that is closed and speaks of no member", `{"type": "object", "unevaluatedProperties": false}`, []string{`{}`}, []string{`{"a": 1}`}},
	{"members that a part has opened", `{"type": "object", "allOf": [{"properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "boolean"}}], "unevaluatedProperties": false}`,
		[]string{`{"a": 1, "b": true}`}, []string{`{"b": 1}`}},
	{"items that an array has one of", `{"type": "array", "items": {"type": "integer"}, "contains": {"const": 1}}`, []string{`[1]`, `[2, 1]`, `[1, 2, 1]`}, []string{`[]`, `[2]`, `["a", 1]`}},
	{"a number of items of a kind", `{"type": "array", "contains": {"type": "string", "minLength": 2}, "minContains": 1, "maxContains": 2, "maxItems": 3}`,
		[]string{`["ab"]`, `["a", "ab"]`, `["ab", null, "cd"]`}, []string{`[]`, `["a"]`, `["ab", "cd", "ef"]`, `["ab", 1, 2, 3]`}},
	{"items of a tuple that count", `{"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "contains": {"enum": ["a", 5, null]}, "minContains": 2, "minItems": 3}`,
		[]string{`["a", 5, 1]`, `["b", 5, null]`, `["b", 1, null, null]`}, []string{`["a", 5]`, `["b", 5, 1]`, `["b", 1, null]`}},
	{"items of two kinds", `{"type": "array", "allOf": [{"contains": {"const": 1}}, {"contains": {"type": "integer"}, "minContains": 2}]}`,
		[]string{`[1, 2]`, `[3, "a", 1]`, `[1, 1]`}, []string{`[]`, `[1]`, `[2, 3]`, `[1, "a"]`}},
	{"items of two kinds, and no more of them", `{"type": "array", "allOf": [{"contains": {"const": "a"}, "maxContains": 1}, {"contains": {"type": "string"}, "minContains": 2, "maxContains": 2}]}`,
		[]string{`["a", "b"]`, `["b", 1, "a"]`}, []string{`["a"]`, `["b", "b"]`, `["a", "a"]`, `["a", "b", "c"]`}},
	{"no item of a kind", `{"type": "array", "contains": {"type": "null"}, "minContains": 0, "maxContains": 0}`, []string{`[]`, `[1]`}, []string{`[null]`, `[1, null]`}},
	{"contains of draft 7, which has no numbers of items", `{"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "contains": {"const": 1}, "minContains": 0}`,
		[]string{`[1]`, `[2, 1]`}, []string{`[]`, `[2]`}},
	{"lists of an enum by what they contain", `{"enum": [[1], [1, 1], [2]], "contains": {"const": 1}, "maxContains": 1}`, []string{`[1]`}, []string{`[1, 1]`, `[2]`}},
	{"a tuple of nothing", `{"type": "array", "prefixItems": [], "items": false}`, []string{`[]`}, []string{`[1]`}},
	{"const in an object", `{"properties": {"t": {"const": {"k": [true]}}}, "required": ["t"]}`, []string{`{"t": {"k": [true]}}`}, []string{`{"t": {}}`}},
	{"pydantic", `{"$defs": {"Color": {"enum": ["red", "blue"], "title": "Color", "type": "string"}}, "properties": {"id": {"title": "Id", "type": "integer"}, "color": {"$ref": "#/$defs/Color"},
		"tags": {"default": [], "items": {"type": "string"}, "title": "Tags", "type": "array"}, "n": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": null}}, "required": ["id", "color"], "title": "M", "type": "object"}`,
		[]string{`{"id": 1, "color": "red"}`, `{"id": 1, "color": "blue", "tags": ["a"], "n": null}`}, []string{`{"id": 1, "color": "green"}`}},
	{"one base by two ways", `{"$defs": {"a": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}, "b": {"allOf": [{"$ref": "#/$defs/a"}, {"properties": {"n": {"type": "null"}}}]},
		"c": {"allOf": [{"$ref": "#/$defs/a"}]}}, "allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/c"}, {"$ref": "#/$defs/a"}]}`, []string{`{"id": 1, "n": null}`, `{"id": 1}`}, []string{`{"n": null}`}},
	{"zod", `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {"email": {"type": "string", "format": "email",
		"pattern": "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"}, "n": {"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991},
		"r": {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "boolean"}}}, "required": ["email", "n", "r"], "additionalProperties": false}`,
		[]string{`{"email": "a@b.co", "n": -9007199254740991, "r": {"x": true}}`}, []string{`{"email": ".a@b.co", "n": 1, "r": {}}`, `{"email": "a@b.co", "n": 9007199254740992, "r": {}}`}},
}

// The validator of the tests knows neither OpenAPI's nullable nor what RE2 does not read, and not what other drafts say otherwise.
var (
	notValidated = []string{"nullable", "(?!", "(?=", "[^]", `\\u`, "{Script="}
	otherDrafts  = []string{"draft 7", "draft 4", "tuple of nothing"}
)

func mentions(text string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

func TestSchemas(t *testing.T) {
	for _, test := range schemaTests {
		t.Run(test.name, func(t *testing.T) {
			c := mustCompile(t, test.schema)
			for _, text := range test.in {
				if !in(c, text) {
					t.Errorf("%.80s is not written", text)
				}
			}
			for _, text := range test.out {
				if in(c, text) {
					t.Errorf("%.80s is written", text)
				}
			}
			rng := rand.New(rand.NewPCG(1, 1))
			for range 30 {
				text, err := sample(rng, c, 40)
				if err != nil {
					t.Fatal(err)
				}
				if mentions(test.schema, notValidated) || mentions(test.name, otherDrafts) {
					continue
				}
				if err := validate(test.schema, text); err != nil {
					t.Fatalf("%s is written: %v", text, err)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct{ schema, pointer, says string }{
		{`{"type": "object", "properties": {"a/b~": {"unevaluatedItems": {}}}}`, "#/properties/a~1b~0/unevaluatedItems", "the keyword unevaluatedItems is not supported"},
		{`{"type": "array", "uniqueItems": true, "items": {"type": "object", "maxProperties": 2}}`, "#/items/maxProperties", "not supported of objects without properties"},
		{`{"type": "array", "allOf": [` + list(5, `{"contains": {"const": %}}`) + `]}`, "#/allOf/4/contains", "at most 4 times for an array"},
		{`{"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": true, "contains": {"const": 2}}`, "#/contains", "not supported with uniqueItems"},
		{`{"type": "array", "contains": {"format": "date"}, "maxContains": 1}`, "#/contains/format", "what does not validate against format"},
		{`{"type": "array", "contains": {"const": 1}, "maxItems": 100000}`, "#/contains", "more than 20000 states"},
		{`{"type": "array", "contains": {"const": 1}, "minContains": -1}`, "#/minContains", "minContains is a whole number of 0 or more"},
		{`{"type": "object", "additonalProperties": false}`, "#/additonalProperties", "is it additionalProperties that is meant?"},
		{`{"properties": {"a": {"minlength": 3}}}`, "#/properties/a/minlength", "is it minLength that is meant?"},
		{`{"type:": "object"}`, "#/type:", "is it type that is meant?"},
		{`{"type": "object", "city": {"type": "string"}}`, "#/city", "a property stands in properties"},
		{`{"city": "Oslo", "population": 700000}`, "#", "it has no keyword of one"},
		{`{"properties": {"a": {}}, "anyOf": [{"unevaluatedProperties": false}]}`, "#/anyOf/0/unevaluatedProperties", "only of the whole schema"},
		{`{"properties": {"a": {}}, "allOf": [{"unevaluatedProperties": false}]}`, "#/allOf/0/unevaluatedProperties", "only of the whole schema"},
		{`{"$ref": "#/$defs/x", "additionalProperties": {}, "$defs": {"x": {"type": "object", "unevaluatedProperties": false}}}`, "#/$defs/x/unevaluatedProperties", "only of the whole schema"},
		{`{"$ref": "#/$defs/x", "if": {"required": ["a"]}, "then": {"properties": {"b": {}}}, "$defs": {"x": {"properties": {"a": {}}, "unevaluatedProperties": false}}}`,
			"#/$defs/x/unevaluatedProperties", "only of the whole schema"},
		{`{"unevaluatedProperties": false, "enum": [{}]}`, "#/unevaluatedProperties", "with an enum"},
		{`{"type": "integer", "min": 1}`, "#/min", "is it minimum, minLength or minItems that is meant?"},
		{`{"type": "object", "not": {"not": {"properties": {"a": {}}}}, "unevaluatedProperties": false}`, "#/not/not", "what does not validate against not is not supported"},
		{`{"type": "strin"}`, "#/type", "is no type"},
		{`{"type": "string", "format": "color"}`, "#/format", `the format "color" is not supported: there are date,`},
		{`{"type": "string", "pattern": "\\p{Emoji"}`, "#/pattern", "is not supported"},
		{`{"type": "string", "pattern": "\\pEmoji}[^\\p{Emoji}]"}`, "#/pattern", "is not supported"},
		{`{"type": "string", "pattern": "(a"}`, "#/pattern", "missing closing"},
		{`{"type": "string", "pattern": "\\ba"}`, "#/pattern", "word boundaries"},
		{`{"type": "string", "pattern": "(?<!b)a"}`, "#/pattern", "lookbehinds are not supported"},
		{`{"type": "string", "pattern": "^(?i:(?=A)a|b)"}`, "#/pattern", "flags are supported with lookaheads only"},
		{`{"type": "string", "pattern": "(?=a"}`, "#/pattern", "a lookahead lacks its )"},
		{`{"type": "string", "pattern": "(?!^)b"}`, "#/pattern", "^ in a lookahead is supported only at the beginning"},
		{`{"type": "string", "pattern": "a(?=(?=^b))b"}`, "#/pattern", "^ in a lookahead is supported only at the beginning"},
		{`{"type": "string", "pattern": "(a)\\1"}`, "#/pattern", "invalid escape"},
		{`{"$ref": "#/$defs/x"}`, "#/$ref", "has nothing at"},
		{`{"$ref": "https://example.com/x"}`, "#/$ref", "not to a place within the schema"},
		{`{"properties": {"a": {"$id": "b.json", "items": {"$ref": "#/x"}}}}`, "#/properties/a/items/$ref", "the schema has nothing at"},
		{`{"$ref": "#"}`, "#/$ref", "refers to itself without end"},
		{`{"anyOf": [{"$ref": "#"}, {"type": "string"}]}`, "#", "refers to itself without end"},
		{`{"oneOf": [{"type": "integer"}, {"minimum": 2}]}`, "#/oneOf", "may both be valid"},
		{`{"oneOf": [{"type": "string", "format": "uri"}, {"type": "string"}]}`, "#/oneOf", "may both be valid"},
		{`{"properties": {"a": 3}, "type": "object"}`, "#/properties/a", "a schema is an object"},
		{`{"minLength": -1}`, "#/minLength", "a whole number"},
		{`{"required": "a"}`, "#/required", "a list of names"},
		{`{"enum": [1], "type": "string"}`, "#", "no value of the enumeration"},
		{`{"type": "number", "multipleOf": 1024}`, "#/multipleOf", "up to 1000"},
		{`{"type": "number", "allOf": [{"multipleOf": 999}, {"multipleOf": 998}]}`, "#/allOf/1/multipleOf", "multiples of this and of others"},
		{`{"not": {"type": "integer"}}`, "#/not/type", "what does not validate against type is not supported"},
		{`{"if": {"format": "uri"}, "then": {"minLength": 3}}`, "#/if/format", "what does not validate against format is not supported"},
		{`{"type": "object", "minProperties": 3}`, "#/minProperties", "one more"},
		{`{"patternProperties": {"(a": {}}}`, "#/patternProperties/(a", "missing closing"},
		{`{"patternProperties": {"a": {}, "b": {}, "c": {}, "d": {}, "e": {}, "f": {}, "g": {}}}`, "#/patternProperties/g", "more than 6 patterns"},
	} {
		_, err := jsonschema.Grammar([]byte(test.schema))
		var e *jsonschema.Error
		if !errors.As(err, &e) || !errors.Is(err, jsonschema.ErrSchema) || e.Pointer != test.pointer || !strings.Contains(e.Reason, test.says) {
			t.Errorf("%s: %v, want %s: %s", test.schema, err, test.pointer, test.says)
		}
	}
	for _, schema := range []string{``, `{`, `{bad`, `{"a" 1}`, `{"a": 1`, `[1`, `{"a": tru}`} {
		if _, err := jsonschema.Grammar([]byte(schema)); !errors.Is(err, jsonschema.ErrSchema) || !strings.Contains(err.Error(), "it is not JSON: ") {
			t.Errorf("%s: %v", schema, err)
		}
	}
	for _, schema := range []string{`{} {}`, "{\"a\": \"\xff\"}", `{"a": 1, "a": 2}`, `{"minimum": 1e99999}`, strings.Repeat(`{"items":`, 5000) + `{}` + strings.Repeat(`}`, 5000)} {
		if _, err := jsonschema.Grammar([]byte(schema)); !errors.Is(err, jsonschema.ErrSchema) {
			t.Errorf("%.40s: %v", schema, err)
		}
	}
}
