package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An answer of /v1/responses is that of a chat, in another form, whole and streamed.
func TestResponses(t *testing.T) {
	c := start(t, Options{})
	want := chatText(get[chatCompletion](t, c, "/v1/chat/completions",
		`{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Speak"}], "temperature": 0, "max_tokens": 9}`))
	const fields = `"instructions": "S", "temperature": 0, "max_output_tokens": 9, "metadata": {"a": "b"}`
	for _, input := range []string{`"Speak"`, `[{"role": "user", "content": "Speak"}]`,
		`[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Speak"}]}]`} {
		a := get[response](t, c, "/v1/responses", `{"input": `+input+`, `+fields+`}`)
		if a.Object != "response" || a.Status != "incomplete" || a.IncompleteDetails.Reason != "max_output_tokens" || len(a.Output) != 1 || a.Metadata["a"] != "b" ||
			a.Output[0].Role != "assistant" || a.Output[0].Content[0].Type != "output_text" || a.Output[0].Content[0].Text != want || a.Usage.OutputTokens != 9 {
			t.Errorf("%s: %+v", input, a)
		}
	}
	var types []string
	text := ""
	for i, data := range stream(t, c, "/v1/responses", `{"input": "Speak", "stream": true, `+fields+`}`) {
		var e responseEvent
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.Number != i {
			t.Fatalf("event %d is %s: %v", i, data, err)
		}
		if e.Delta != nil {
			text += *e.Delta
		}
		if len(types) == 0 || types[len(types)-1] != e.Type {
			types = append(types, e.Type)
		}
		if e.Type == "response.incomplete" && (e.Response.Output[0].Content[0].Text != want || e.Response.Usage.TotalTokens == 0) {
			t.Errorf("the last event is %s", data)
		}
	}
	if wantTypes := []string{"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
		"response.output_text.done", "response.content_part.done", "response.output_item.done", "response.incomplete"}; text != want || !slices.Equal(types, wantTypes) {
		t.Errorf("%q in %v, want %q in %v", text, types, want, wantTypes)
	}
	for _, tt := range []struct{ body, param, message string }{
		{`{}`, "input", "missing"},
		{`{"input": 1}`, "input", "a string or an array of messages"},
		{`{"input": [{"type": "item_reference"}]}`, "input[0].type", "send the item itself, as clients do with store false"},
		{`{"input": [{"type": "computer_call"}]}`, "input[0].type", "not supported"},
		{`{"input": [{"type": "function_call_output"}]}`, "input[0].call_id", "missing"},
		{`{"input": [{"role": "user", "content": [{"type": "input_image"}]}]}`, "input[0].content", `"input_image"`},
		{`{"input": [{"role": "user"}]}`, "input[0].content", "missing"},
		{`{"input": "x", "prompt": {"id": "pmpt_1"}}`, "prompt", "keeps no prompts"},
		{`{"input": "x", "previous_response_id": "resp_1"}`, "previous_response_id", "keeps no conversations"},
		{`{"input": "x", "text": {"format": {"type": "json_schema"}}}`, "text.format.schema", "missing"},
		{`{"input": "x", "n": 2}`, "n", "not supported here"},
		{`{"input": "x", "top_logprobs": 21}`, "top_logprobs", "between 0 and 20"},
		{`{"input": "x", "tools": [{}]}`, "tools[0].type", "must be function"},
		{`{"input": "x", "tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}`, "tool_choice.type", "must be function"},
		{`{"input": "x", "tools": [{"type": "web_search"}], "tool_choice": "required"}`, "tool_choice", "tools has none"},
	} {
		if status, e := getError(t, c, "/v1/responses", tt.body); status != http.StatusBadRequest || e.Error.Param == nil || *e.Error.Param != tt.param ||
			!strings.Contains(e.Error.Message, tt.message) {
			t.Errorf("%s: %d, %+v", tt.body, status, e.Error)
		}
	}
}

// A stream begins before its prompt is run. Here its client goes away as soon as it does.
func TestResponsesBegin(t *testing.T) {
	c := start(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	w := &goneWriter{httptest.NewRecorder(), 1, cancel}
	c.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/v1/responses", strings.NewReader(`{"input": "Speak", "stream": true}`)))
	var types []string
	for _, event := range regexp.MustCompile(`event: (\S+)`).FindAllStringSubmatch(w.Body.String(), -1) {
		types = append(types, event[1])
	}
	if !slices.Equal(types, []string{"response.created", "response.in_progress", "response.failed"}) {
		t.Errorf("%v", types)
	}
}

// Tools that are no functions are left out: clients such as Codex send them whatever the model is.
func TestResponsesOtherTools(t *testing.T) {
	var log bytes.Buffer
	c := start(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	const request = `{"input": "Speak", "temperature": 0, "max_output_tokens": 5, "cache_prompt": false, "tools": [{"type": "function", "name": "f"}%s]}`
	want := get[response](t, c, "/v1/responses", fmt.Sprintf(request, ""))
	got := get[response](t, c, "/v1/responses", fmt.Sprintf(request, `, {"type": "web_search", "external_web_access": false}, {"type": "custom", "name": "apply_patch",
		"format": {"type": "grammar"}}, {"type": "namespace", "name": "n", "tools": []}`))
	if got.Output[0].Content[0].Text != want.Output[0].Content[0].Text || got.Usage.InputTokens != want.Usage.InputTokens {
		t.Errorf("%+v, want %+v", got, want)
	}
	c.http.Close() // which waits for the requests' ends
	if lines := log.String(); strings.Count(lines, "ignored_tools") != 1 || !strings.Contains(lines, "ignored_tools=3") {
		t.Errorf("the log: %s", lines)
	}
}

// Tools that are left out may be allowed, too: the functions among those that are allowed stay. If there are none, no tool may be called.
func TestResponsesAllowedOtherTools(t *testing.T) {
	c := start(t, Options{})
	const request = `{"input": "Speak", "temperature": 0, "max_output_tokens": 60, "parallel_tool_calls": false, "tools": [%s, {"type": "web_search"}, {"type": "mcp", "server_label": "m"}],
		"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "mcp", "server_label": "m"}%s]}}`
	tools := strings.Trim(responsesTools, "[]")
	if a := get[response](t, c, "/v1/responses", fmt.Sprintf(request, tools, `, {"type": "web_search"}, {"type": "function", "name": "clock"}`)); a.Output[0].Name != "clock" {
		t.Errorf("clock is allowed: %+v", a.Output[0])
	}
	if a := get[response](t, c, "/v1/responses", fmt.Sprintf(request, tools, "")); a.Output[0].Type != "message" {
		t.Errorf("no function is allowed: %+v", a.Output[0])
	}
}

// A request's tokens can be counted before it is answered.
func TestResponsesInputTokens(t *testing.T) {
	c := start(t, Options{})
	const request = `{"instructions": "S", "input": [{"role": "user", "content": "Speak"}], "tools": [{"type": "function", "name": "f"}], "max_output_tokens": 1}`
	want := get[response](t, c, "/v1/responses", request).Usage.InputTokens
	if n := get[map[string]any](t, c, "/v1/responses/input_tokens", request); n["object"] != "response.input_tokens" || n["input_tokens"] != float64(want) {
		t.Errorf("%v, want %d", n, want)
	}
	for body, param := range map[string]string{`{}`: "input", `{"input": "x", "previous_response_id": "a"}`: "previous_response_id", `{"input": "x", "model": "none"}`: "model"} {
		if _, e := getError(t, c, "/v1/responses/input_tokens", body); e.Error.Param == nil || *e.Error.Param != param {
			t.Errorf("%s: %+v, want one about %s", body, e.Error, param)
		}
	}
}

// The probabilities of a response's tokens are those of a chat. They come with the text of its tokens.
func TestResponsesLogProbs(t *testing.T) {
	c := start(t, Options{})
	chat := get[chatCompletion](t, c, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "Speak"}], "temperature": 0, "cache_prompt": false, "max_tokens": 5, "logprobs": true, "top_logprobs": 2}`)
	want := fmt.Sprint(chat.Choices[0].LogProbs.Content)
	const body = `{"input": "Speak", "temperature": 0, "cache_prompt": false, "max_output_tokens": 5, "top_logprobs": 2, "include": ["message.output_text.logprobs"]%s}`
	if got := fmt.Sprint(get[response](t, c, "/v1/responses", fmt.Sprintf(body, "")).Output[0].Content[0].LogProbs); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var streamed []chatLogProb
	for _, data := range stream(t, c, "/v1/responses", fmt.Sprintf(body, `, "stream": true`)) {
		var e responseEvent
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case "response.output_text.delta":
			streamed = append(streamed, e.LogProbs...)
		case "response.output_text.done":
			if got := fmt.Sprint(e.LogProbs); got != want {
				t.Errorf("at the end of the text: %s, want %s", got, want)
			}
		}
	}
	if got := fmt.Sprint(streamed); got != want {
		t.Errorf("streamed: %s, want %s", got, want)
	}
	// Without being asked for there are none: an empty list, which the types of clients require.
	plain := get[map[string]any](t, c, "/v1/responses", `{"input": "Speak", "max_output_tokens": 5, "top_logprobs": 2}`)
	part := plain["output"].([]any)[0].(map[string]any)["content"].([]any)[0].(map[string]any)
	wantKeys(t, "a text", part, "type", "text", "annotations", "logprobs")
	if list, ok := part["logprobs"].([]any); !ok || len(list) != 0 {
		t.Errorf("%v", part)
	}
}
