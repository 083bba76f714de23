package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/quant"
	"st/runtime"
	"st/tokenizer"
)

// templates are chat templates of testdata by the names of the models that have them: those of Qwen2.5 and Qwen3, and the trained model's own,
// which knows nothing of tools.
var templates = map[string]string{"qwen2.5": "templates/qwen2.5.jinja", "qwen3": "qwen-tokenizer/tokenizer_config.json", "own": ""}

// templated returns the trained model in a file of that name, with the template.
func templated(t *testing.T, name string) string {
	t.Helper()
	return altered(t, name, func(dir string) error {
		from := templates[name]
		if from == "" {
			return nil
		}
		data, err := os.ReadFile("../../testdata/" + from)
		text := string(data)
		if err == nil && strings.HasSuffix(from, ".json") {
			text, err = tokenizer.ChatTemplate(data)
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "chat_template.jinja"), []byte(text), 0o644) // which comes before that of tokenizer_config.json
	})
}

// altered returns the trained model in a file of that name, converted from a checkpoint that was changed.
func altered(t testing.TB, name string, change func(dir string) error) string {
	t.Helper()
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), name+".stm")
	err := os.CopyFS(dir, os.DirFS("../../testdata/tiny-smallthinker"))
	if err == nil {
		err = change(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
		t.Fatal(err)
	}
	return path
}

// The tools of the tests. Their schemas leave the model little to choose, so that a small one comes to an end.
const (
	weatherSchema = `{"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
		"required": ["city", "days"], "additionalProperties": false}`
	clockSchema = `{"type": "object", "properties": {"zone": {"type": "string", "enum": ["UTC"]}}, "required": ["zone"], "additionalProperties": false}`

	openAITools = `[{"type": "function", "function": {"name": "weather", "description": "Tells the weather.", "parameters": ` + weatherSchema + `, "strict": true}},
		{"type": "function", "function": {"name": "clock", "parameters": ` + clockSchema + `}}]`
	responsesTools = `[{"type": "function", "name": "weather", "description": "Tells the weather.", "parameters": ` + weatherSchema + `, "strict": true},
		{"type": "function", "name": "clock", "parameters": ` + clockSchema + `}]`
	anthropicTools = `[{"name": "weather", "description": "Tells the weather.", "input_schema": ` + weatherSchema + `}, {"name": "clock", "input_schema": ` + clockSchema + `}]`
)

// wantWeather reports arguments that do not follow weatherSchema.
func wantWeather(t *testing.T, arguments string) {
	t.Helper()
	var a struct {
		City string
		Days int
	}
	d := json.NewDecoder(strings.NewReader(arguments))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil || !slices.Contains([]string{"Oslo", "Rome"}, a.City) || a.Days < 1 || a.Days > 9 {
		t.Errorf("arguments of weather are %s: %v", arguments, err)
	}
}

// joined is a streamed chat, put together again.
func joined(t *testing.T, c *client, body string) (m chatAnswer, finish string) {
	t.Helper()
	events := stream(t, c, "/v1/chat/completions", body)
	for _, data := range events[:len(events)-1] {
		var chunk chatCompletion
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			t.Fatal(err)
		}
		d := chunk.Choices[0].Delta
		if d.Content != nil && *d.Content != "" {
			m.Content = new(*cmpText(m.Content) + *d.Content)
		}
		m.Reasoning += d.Reasoning
		for _, call := range d.ToolCalls {
			if *call.Index == len(m.ToolCalls) {
				if call.ID == "" || call.Type != "function" || call.Function.Name == "" || call.Function.Arguments != "" {
					t.Errorf("a call begins with %s", data)
				}
				m.ToolCalls = append(m.ToolCalls, call)
				continue
			}
			if call.ID != "" || call.Function.Name != "" || *call.Index != len(m.ToolCalls)-1 {
				t.Errorf("a call goes on with %s", data)
			}
			m.ToolCalls[*call.Index].Function.Arguments += call.Function.Arguments
		}
		if f := chunk.Choices[0].FinishReason; f != nil {
			finish = *f
		}
	}
	return m, finish
}

// A mode of tool_choice may be an object, as Anthropic's clients and some of OpenAI's write it, and means what the text does.
func TestToolChoiceModes(t *testing.T) {
	tools := []runtime.Tool{{Name: "f"}}
	for _, mode := range []string{"auto", "none", "required"} {
		text, err := readToolChoice(json.RawMessage(`"`+mode+`"`), nil, tools, false)
		if err != nil {
			t.Fatal(err)
		}
		if object, err := readToolChoice(json.RawMessage(`{"type": "`+mode+`"}`), nil, tools, false); err != nil || !reflect.DeepEqual(object, text) {
			t.Errorf("%s: %+v, %v; want %+v", mode, object, err, text)
		}
	}
	if _, err := readToolChoice(json.RawMessage(`{"type": "required"}`), nil, nil, false); err == nil || !strings.Contains(err.Error(), "tools has none") {
		t.Error(err)
	}
	if _, err := readToolChoice(json.RawMessage(`{"type": "allowed_tools", "mode": "auto", "tools": [{"type": "auto"}]}`), nil, tools, false); err == nil {
		t.Error("a mode is no tool that may be allowed")
	}
}

// cmpText returns a text that may be missing.
func cmpText(s *string) *string {
	if s == nil {
		return new("")
	}
	return s
}

// A model that must call tools does, one after the other, and then answers: with every template, in every protocol.
func TestToolsInARow(t *testing.T) {
	for name := range templates {
		t.Run(name, func(t *testing.T) {
			c := start(t, Options{Models: []string{templated(t, name)}})
			t.Run("chat", func(t *testing.T) { chatToolsInARow(t, c, name != "qwen3") })
			t.Run("responses", func(t *testing.T) { responsesToolsInARow(t, c) })
			t.Run("anthropic", func(t *testing.T) { anthropicToolsInARow(t, c) })
		})
	}
}

// chatToolsInARow is told whether the template writes what was generated as it was: then it is not run again. That of Qwen3 leaves out reasoning.
func chatToolsInARow(t *testing.T, c *client, cached bool) {
	messages := []any{map[string]any{"role": "user", "content": "How is Oslo?"}}
	ask := func(fields string) string {
		list, _ := json.Marshal(messages)
		return fmt.Sprintf(`{"messages": %s, "tools": %s, "seed": 1, "max_tokens": 200, "chat_template_kwargs": {"enable_thinking": false}, %s}`, list, openAITools, fields)
	}
	first := get[chatCompletion](t, c, "/v1/chat/completions", ask(`"tool_choice": {"type": "function", "function": {"name": "weather"}}`))
	m := first.Choices[0].Message
	if *first.Choices[0].FinishReason != "tool_calls" || m.Content != nil || len(m.ToolCalls) != 1 || m.ToolCalls[0].Function.Name != "weather" || m.ToolCalls[0].ID == "" {
		t.Fatalf("%+v", m)
	}
	wantWeather(t, m.ToolCalls[0].Function.Arguments)
	// The same request gets the same call as a stream.
	streamed, finish := joined(t, c, ask(`"stream": true, "cache_prompt": false, "tool_choice": {"type": "function", "function": {"name": "weather"}}`))
	if finish != "tool_calls" || len(streamed.ToolCalls) != 1 || streamed.Content != nil {
		t.Errorf("streamed: %+v, %s", streamed, finish)
	} else {
		wantWeather(t, streamed.ToolCalls[0].Function.Arguments)
	}
	messages = append(messages, m, map[string]any{"role": "tool", "tool_call_id": m.ToolCalls[0].ID, "content": "17 C"})
	second := get[chatCompletion](t, c, "/v1/chat/completions", ask(`"tool_choice": {"type": "function", "function": {"name": "clock"}}`))
	m = second.Choices[0].Message
	if len(m.ToolCalls) != 1 || m.ToolCalls[0].Function.Name != "clock" || m.ToolCalls[0].Function.Arguments != `{"zone": "UTC"}` {
		t.Fatalf("%+v", m)
	}
	// What the conversation had before is not run again.
	if u := second.Usage; cached && u.Details.CachedTokens < first.Usage.PromptTokens || u.PromptTokens <= first.Usage.PromptTokens+first.Usage.CompletionTokens {
		t.Errorf("usage is %+v after %+v", u, first.Usage)
	}
	messages = append(messages, m, map[string]any{"role": "tool", "tool_call_id": m.ToolCalls[0].ID, "content": "noon"})
	last := get[chatCompletion](t, c, "/v1/chat/completions", ask(`"tool_choice": "none", "logit_bias": {"5": -1}`))
	if m = last.Choices[0].Message; len(m.ToolCalls) != 0 || m.Content == nil || *m.Content == "" {
		t.Errorf("%+v", m)
	}
}

func responsesToolsInARow(t *testing.T, c *client) {
	input := []any{map[string]any{"role": "user", "content": "How is Oslo?"}}
	ask := func(fields string) string {
		list, _ := json.Marshal(input)
		return fmt.Sprintf(`{"input": %s, "tools": %s, "max_output_tokens": 200, "temperature": 0, %s}`, list, responsesTools, fields)
	}
	call := func(a response) *responseItem {
		t.Helper()
		item := a.Output[len(a.Output)-1]
		if a.Status != "completed" || item.Type != "function_call" || item.CallID == "" || item.Status != "completed" {
			t.Fatalf("%+v", item)
		}
		for _, item := range a.Output {
			input = append(input, item)
		}
		return item
	}
	first := call(get[response](t, c, "/v1/responses", ask(`"tool_choice": {"type": "function", "name": "weather"}`)))
	if first.Name != "weather" {
		t.Errorf("%+v", first)
	}
	wantWeather(t, *first.Arguments)
	input = append(input, map[string]any{"type": "function_call_output", "call_id": first.CallID, "output": "17 C"})
	// The second comes as a stream.
	var types []string
	arguments := ""
	var second response
	for _, data := range stream(t, c, "/v1/responses", ask(`"stream": true, "tool_choice": {"type": "function", "name": "clock"}`)) {
		var e responseEvent
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		if types = append(types, e.Type); e.Type == "response.function_call_arguments.delta" {
			arguments += *e.Delta
		}
		if e.Type == "response.completed" {
			second = *e.Response
		}
	}
	item := call(second)
	if item.Name != "clock" || *item.Arguments != `{"zone": "UTC"}` || arguments != *item.Arguments {
		t.Errorf("%+v with %s", item, arguments)
	}
	if got := slices.Compact(types); !slices.Equal(got[len(got)-5:], []string{"response.output_item.added", "response.function_call_arguments.delta",
		"response.function_call_arguments.done", "response.output_item.done", "response.completed"}) {
		t.Errorf("events are %q", got)
	}
	input = append(input, map[string]any{"type": "function_call_output", "call_id": item.CallID, "output": "noon"})
	if a := get[response](t, c, "/v1/responses", ask(`"tool_choice": "none"`)); len(a.Output) == 0 || slices.ContainsFunc(a.Output, func(i *responseItem) bool { return i.Type == "function_call" }) {
		t.Errorf("%+v", a)
	}
}

func anthropicToolsInARow(t *testing.T, c *client) {
	messages := []any{map[string]any{"role": "user", "content": "How is Oslo?"}}
	ask := func(fields string) string {
		list, _ := json.Marshal(messages)
		return fmt.Sprintf(`{"messages": %s, "tools": %s, "max_tokens": 200, "temperature": 0, "thinking": {"type": "disabled"}, %s}`, list, anthropicTools, fields)
	}
	a := get[anthropicMessage](t, c, "/v1/messages", ask(`"tool_choice": {"type": "tool", "name": "weather"}`))
	if len(a.Content) != 1 || a.Content[0].Type != "tool_use" || a.Content[0].Name != "weather" || *a.StopReason != "tool_use" {
		t.Fatalf("%+v", a)
	}
	n := get[map[string]int](t, c, "/v1/messages/count_tokens", ask(`"tool_choice": {"type": "any"}`))
	if u := a.Usage; n["input_tokens"] != u.InputTokens+u.CacheReadTokens {
		t.Errorf("%d tokens are counted, and usage is %+v", n["input_tokens"], u)
	}
	wantWeather(t, string(a.Content[0].Input))
	messages = append(messages, map[string]any{"role": "assistant", "content": a.Content}, map[string]any{"role": "user", "content": []any{
		map[string]any{"type": "tool_result", "tool_use_id": a.Content[0].ID, "content": []any{map[string]any{"type": "text", "text": "17 C"}}},
		map[string]any{"type": "text", "text": "And the time?"}}})
	names, data := anthropicEvents(t, c, ask(`"stream": true, "tool_choice": {"type": "tool", "name": "clock"}`))
	input := ""
	for i, name := range names {
		switch name {
		case "content_block_start":
			b := data[i]["content_block"].(map[string]any)
			wantKeys(t, "the block", b, "type", "id", "name", "input", "caller")
			if b["type"] != "tool_use" || b["name"] != "clock" || len(b["input"].(map[string]any)) != 0 {
				t.Errorf("%v", b)
			}
		case "content_block_delta":
			d := data[i]["delta"].(map[string]any)
			wantKeys(t, "the delta", d, "type", "partial_json")
			input += d["partial_json"].(string)
		case "message_delta":
			if d := data[i]["delta"].(map[string]any); d["stop_reason"] != "tool_use" {
				t.Errorf("%v", d)
			}
		}
	}
	if input != `{"zone": "UTC"}` {
		t.Errorf("input is %s", input)
	}
}

// Ollama's clients cannot demand a call: what the model does not begin, does not come. A conversation with calls and results goes on.
func TestOllamaTools(t *testing.T) {
	c := start(t, Options{Models: []string{templated(t, "qwen2.5")}})
	result := []string{
		`{"role": "user", "content": "How is Oslo?"}`,
		`{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo", "days": 1}}}]}`,
		`{"role": "tool", "tool_name": "weather", "content": "17 C"}`,
	}
	a := get[ollamaAnswer](t, c, "/api/chat", `{"messages": [`+strings.Join(result, ", ")+`], "tools": `+openAITools+`, "stream": false, "options": {"num_predict": 12, "temperature": 0}}`)
	if !a.Done || a.Message == nil || a.Message.Content == "" || a.PromptEvalCount < 100 {
		t.Errorf("%+v", a)
	}
}

// clockPrompt returns a model with Qwen3's template, and a prompt of it with a tool.
func clockPrompt(t *testing.T) (*runtime.Model, *runtime.ChatPrompt) {
	t.Helper()
	m, err := runtime.Open(t.Context(), templated(t, "qwen3"), runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	p, err := m.ChatPrompt(t.Context(), []runtime.Message{{Role: "user", Content: "x"}}, runtime.Tools(runtime.Tool{Name: "clock"}))
	if err != nil {
		t.Fatal(err)
	}
	return m, p
}

// The writer of Ollama's answers hands out calls when they are whole, and those that are no JSON as text.
func TestOllamaCalls(t *testing.T) {
	_, p := clockPrompt(t)
	for _, tt := range []struct {
		text, says, thinks string
		calls              []string
	}{
		{"<think>\nHm\n</think>\n\nYes.", "Yes.", "Hm", nil},
		{"<tool_call>\n{\"name\": \"clock\", \"arguments\": {\"zone\": \"UTC\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>", "", "",
			[]string{`{"zone": "UTC"}`, "{}"}},
		{`<tool_call>{"name": "clock", "arguments": {"zone": `, "<tool_call>\n{\"name\": \"clock\", \"arguments\": {\"zone\": }\n</tool_call>", "", nil},
	} {
		var o ollamaWriter
		var got ollamaPart
		pieces := func(yield func(runtime.Piece, error) bool) {
			for _, r := range tt.text {
				if !yield(runtime.Piece{Text: string(r)}, nil) {
					return
				}
			}
			yield(runtime.Piece{Token: -1, Done: &runtime.Result{}}, nil)
		}
		for piece := range p.Read(pieces) {
			part := o.read(piece.Deltas)
			got.add(&part)
		}
		var calls []string
		for i, c := range got.calls {
			if calls = append(calls, string(c.Function.Arguments)); c.Function.Index != i || c.Function.Name != "clock" {
				t.Errorf("%+v", c)
			}
		}
		if got.text != tt.says || got.thinking != tt.thinks || !reflect.DeepEqual(calls, tt.calls) {
			t.Errorf("%q: %q, %q, %q", tt.text, got.text, got.thinking, calls)
		}
	}
}

// A message of a response has the probabilities of its own tokens, not of those that reason, call, or stand between.
func TestResponsesLogProbsOfText(t *testing.T) {
	m, p := clockPrompt(t)
	const text = "<think>\nHm\n</think>\n\nYes.<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>\nIt is 3 <"
	pieces := func(yield func(runtime.Piece, error) bool) {
		for _, r := range text {
			if !yield(runtime.Piece{Token: m.Tokenizer().Encode(string(r), false)[0], Text: string(r)}, nil) {
				return
			}
		}
		yield(runtime.Piece{Token: -1, Done: &runtime.Result{}}, nil)
	}
	e := responseEvents{silent: true, answer: &response{}}
	for piece := range p.Read(pieces) {
		if err := e.heard(m, &piece); err != nil {
			t.Fatal(err)
		}
		e.piece(&piece)
	}
	var messages []string
	for _, item := range e.answer.Output {
		if item.Type != "message" {
			continue
		}
		said := ""
		for _, l := range item.Content[0].LogProbs {
			said += l.Token
		}
		if messages = append(messages, item.Content[0].Text); said != item.Content[0].Text {
			t.Errorf("the tokens of %q are %q", item.Content[0].Text, said)
		}
	}
	if want := []string{"Yes.", "It is 3 <"}; !slices.Equal(messages, want) {
		t.Errorf("%q, want %q", messages, want)
	}
}

// Arguments are an object, also where the schema of the parameters lets them be something else.
func TestArgumentsAreObjects(t *testing.T) {
	c := start(t, Options{})
	const request = `{"messages": [{"role": "user", "content": "Hi"}], "seed": 1, "max_tokens": 40, "tool_choice": "required", "tools": [{"type": "function", "function": {"name": "f", "parameters": %s}}]}`
	for _, parameters := range []string{`{}`, `{"description": "none"}`, `{"type": ["null", "object"]}`, `{"anyOf": [{"type": "string"}, {"type": "object"}]}`} {
		a := get[chatCompletion](t, c, "/v1/chat/completions", fmt.Sprintf(request, parameters))
		if calls := a.Choices[0].Message.ToolCalls; len(calls) == 0 || !strings.HasPrefix(calls[0].Function.Arguments, "{") {
			t.Errorf("%s: %+v", parameters, calls)
		}
	}
}

func TestToolErrors(t *testing.T) {
	c := start(t, Options{})
	const hi = `"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4`
	const tool = `{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string", "unevaluatedItems": {}}}}}}`
	for _, tt := range []struct{ path, body, param, message string }{
		{"/v1/chat/completions", hi + `, "tools": {}`, "tools", "an array"},
		{"/v1/chat/completions", hi + `, "tools": [1]`, "tools[0]", "an object"},
		{"/v1/chat/completions", hi + `, "tools": [{"type": "custom", "custom": {}}]`, "tools[0].type", `"custom"`},
		{"/v1/chat/completions", hi + `, "tools": [{"type": "function", "function": {}}]`, "tools[0].function.name", "missing"},
		{"/v1/chat/completions", hi + `, "tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]`, "tools[0].function.parameters", "JSON Schema"},
		{"/v1/chat/completions", hi + `, "tools": [` + tool + `, ` + tool + `]`, "tools[1]", `the name "f"`},
		{"/v1/chat/completions", hi + `, "tool_choice": "required"`, "tool_choice", "tools has none"},
		{"/v1/chat/completions", hi + `, "tools": [` + tool + `], "tool_choice": "maybe"`, "tool_choice", `"maybe"`},
		{"/v1/chat/completions", hi + `, "tools": [` + tool + `], "tool_choice": {"type": "function", "function": {"name": "g"}}`, "tool_choice", `"g"`},
		{"/v1/chat/completions", hi + `, "tools": [` + tool + `], "tool_choice": {"type": "function"}`, "tool_choice", "name a function"},
		{"/v1/chat/completions", hi + `, "tools": [` + tool + `], "tool_choice": {"type": "custom"}`, "tool_choice.type", `"custom"`},
		{"/v1/chat/completions", hi + `, "tools": [` + tool + `], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]}}`, "tool_choice", `"g"`},
		{"/v1/chat/completions", hi + `, "functions": [{"name": "f"}]`, "functions", "use tools"},
		{"/v1/chat/completions", hi + `, "function_call": "auto"`, "function_call", "use tool_choice"},
		{"/v1/chat/completions", `"messages": [{"role": "assistant", "tool_calls": [{"type": "custom"}]}]`, "messages[0].tool_calls[0].type", `"custom"`},
		{"/v1/chat/completions", `"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]`, "messages[0].tool_calls[0].function.name", "missing"},
		{"/v1/chat/completions", `"messages": [{"role": "assistant", "function_call": {}}]`, "messages[0].function_call", "use tool_calls"},
		{"/v1/chat/completions", hi + `, "response_format": {"type": "json_schema"}`, "response_format.schema", "missing"},
		{"/v1/chat/completions", hi + `, "response_format": {"type": "json_schema", "json_schema": {"name": "x"}}`, "response_format.json_schema.schema", "missing"},
		{"/v1/chat/completions", hi + `, "response_format": {"type": "json_object"}, "grammar": "root ::= \"a\""`, "response_format", "another field"},
		{"/v1/completions", `"prompt": "x", "json_schema": {"type": "string"}, "grammar": "root ::= \"a\""`, "json_schema", "another field"},
		{"/v1/chat/completions", hi + `, "tools": [` + tool + `], "tool_choice": "required"`, "", `tool "f"`},
		{"/v1/chat/completions", hi + `, "tools": [` + strings.Replace(tool, `"object"`, `"string"`, 1) + `], "tool_choice": "required"`, "", `tool "f": JSON Schema, at #: no object is valid`},
		{"/v1/chat/completions", hi + `, "tools": [{"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {"a": false}, "required": ["a"]}}}], "tool_choice": "required"`, "", `tool "g": no object is valid`},
		{"/v1/chat/completions", hi + `, "tools": [` + strings.Replace(tool, `"name"`, `"strict": true, "name"`, 1) + `]`, "", "#/properties/a"},
		{"/v1/chat/completions", hi + `, "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object", "properties": {"a": {"unevaluatedItems": {}}}}}}`,
			"response_format.json_schema.schema", "#/properties/a"},
		{"/v1/completions", `"prompt": "x", "grammar": "root = 1"`, "grammar", "line 1"},
		{"/v1/responses", `"input": [{"type": "function_call", "call_id": "a"}]`, "input[0].name", "missing"},
		{"/v1/responses", `"input": "x", "tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "g"}`, "tool_choice", `"g"`},
	} {
		status, e := getError(t, c, tt.path, "{"+tt.body+"}")
		if status != http.StatusBadRequest || *cmpText(e.Error.Param) != tt.param || !strings.Contains(e.Error.Message, tt.message) {
			t.Errorf("%s: %d, %+v, field %s", tt.body, status, e.Error, *cmpText(e.Error.Param))
		}
	}
	for _, tt := range []struct{ body, message string }{
		{`"tools": [{"type": "bash_20250124", "name": "bash"}]`, "tools.0.type"},
		{`"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "m"}]`, "mcp_servers: it is not supported"},
		{`"tools": [{"name": "f", "input_schema": []}]`, "tools.0.input_schema: it must be a JSON Schema"},
		{`"tools": [{"name": "f"}], "tool_choice": {"type": "tool"}`, "tool_choice.name: Field required"},
		{`"tools": [{"name": "f"}], "tool_choice": {"type": "tool", "name": "g"}`, `tool_choice: tools has none of the name "g"`},
		{`"tool_choice": {"type": "any"}`, "tools has none"},
		{`"tool_choice": {"type": "all"}`, `tool_choice.type: it is "all"`},
		{`"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}]`, "messages.0.content.0.type"},
		{`"messages": [{"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "a"}]}]`, "messages.0.content.0.type"},
		{`"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]`, "messages.0.content.0.tool_use_id"},
		{`"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]`, "messages.0.content.0.name"},
		{`"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image"}]}]}]`, `"image"`},
	} {
		body := `{"max_tokens": 4, ` + tt.body
		if !strings.Contains(body, `"messages"`) {
			body += `, "messages": [{"role": "user", "content": "x"}]`
		}
		r := c.request(t, "/v1/messages", body+"}")
		var e anthropicError
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.StatusCode != http.StatusBadRequest || !strings.Contains(e.Error.Message, tt.message) {
			t.Errorf("%s: %d, %+v, %v", tt.body, r.StatusCode, e.Error, err)
		}
	}
}
