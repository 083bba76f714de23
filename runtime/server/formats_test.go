package server

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A schema or grammar that is too large is refused with an error that names the field and the limit, before a model is loaded.
func TestLargeFormats(t *testing.T) {
	c := start(t, Options{})
	values := `{"enum": [1` + strings.Repeat(",1", 70_000) + `]}`
	bytes := `{"description": "` + strings.Repeat("x", 5<<20) + `"}`
	const messages = `"messages": [{"role": "user", "content": "x"}]`
	for _, test := range []struct{ path, body, want string }{
		{"/v1/completions", `{"prompt": "x", "json_schema": ` + values + `}`, "json_schema: the JSON Schema cannot be followed: it has more than 65536 values"},
		{"/v1/completions", `{"prompt": "x", "grammar": "root ::= \"` + strings.Repeat("x", 1<<20) + `\""}`, "grammar: the grammar is too large: its text has"},
		{"/v1/chat/completions", `{` + messages + `, "response_format": {"type": "json_schema", "json_schema": {"schema": ` + bytes + `}}}`,
			"response_format.json_schema.schema: the JSON Schema cannot be followed: it has 5242899 bytes, and at most 4194304 are read"},
		{"/v1/responses", `{"input": "x", "text": {"format": {"type": "json_schema", "schema": ` + values + `}}}`, "text.format.schema: the JSON Schema cannot be followed: it has more"},
		{"/api/chat", `{` + messages + `, "format": ` + values + `}`, "format: the JSON Schema cannot be followed: it has more"},
		{"/v1/messages", `{"max_tokens": 9, ` + messages + `, "output_format": {"type": "json_schema", "schema": ` + values + `}}`, "output_format.schema: the JSON Schema cannot be followed: it has more"},
	} {
		r := c.request(t, test.path, test.body)
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(string(data), test.want) {
			t.Errorf("%s: status %d, %.300s, want %s", test.path, r.StatusCode, data, test.want)
		}
	}
	if c.models.served[0].model != nil || c.formats.Len() != 0 {
		t.Error("a model was loaded, or a format is kept")
	}
}

// What only the model's tokens show about a grammar is an error of the field that has it, too.
func TestGrammarField(t *testing.T) {
	c := start(t, Options{})
	for _, test := range []struct{ path, body, field, says string }{
		{"/v1/completions", `{"prompt": "x", "grammar": "root ::= root \"a\" | \"b\""}`, "grammar", "left recursion"},
		{"/v1/completions", `{"prompt": "x", "response_format": {"type": "json_schema", "schema": {"type": "object", "properties": {"a": false}, "required": ["a"]}}}`,
			"response_format.schema", "no text"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema":
			{"type": "object", "properties": {"a": false}, "required": ["a"]}}}}`, "response_format.json_schema.schema", "no text"},
	} {
		status, e := getError(t, c, test.path, test.body)
		if status != http.StatusBadRequest || e.Error.Param == nil || *e.Error.Param != test.field || !strings.Contains(e.Error.Message, test.says) {
			t.Errorf("%s: status %d, %+v", test.body, status, e.Error)
		}
	}
}

// A grammar that has too many readings of a text ends it with an error: a status, or an event of a stream.
func TestAmbiguousGrammar(t *testing.T) {
	c := start(t, Options{})
	const body = `{"prompt": "x", "max_tokens": 400, "seed": 1, "grammar": "root ::= a\na ::= [a-z ] a b | [a-z ] b a | [a-z ]\nb ::= a a a | [a-z ]"`
	status, e := getError(t, c, "/v1/completions", body+`}`)
	if status != http.StatusBadRequest || *e.Error.Code != "invalid_grammar" || !strings.Contains(e.Error.Message, "the grammar is too ambiguous") {
		t.Errorf("status %d, %+v", status, e)
	}
	events := stream(t, c, "/v1/completions", body+`, "stream": true}`)
	if n := len(events); n < 3 || !strings.Contains(events[n-2], `"code":"invalid_grammar"`) {
		t.Errorf("the stream ends with %q", events[max(0, n-2):])
	}
}
