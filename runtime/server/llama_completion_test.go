package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"st/runtime"
)

// A text is the same as that of /v1/completions, and the answer tells how it came to its end, in llama.cpp's words.
func TestLlamaCompletion(t *testing.T) {
	c := start(t, Options{Context: 64})
	const king = "The king said"
	want := get[completion](t, c, "/v1/completions", `{"prompt": "`+king+`", "max_tokens": 12, "temperature": 0, "cache_prompt": false}`).Choices[0].Text
	tokens, _ := json.Marshal(tokensOf(t, c, king, `, "add_special": true`))
	word := strings.Fields(want)[1]
	for _, tt := range []struct {
		path, prompt, fields string
		text, stop, word     string
		truncated            bool
	}{
		{"/completion", `"` + king + `"`, `"n_predict": 12`, want, "limit", "", false},
		{"/completions", `"` + king + `"`, `"n_predict": 12, "logit_bias": [], "stop": [], "seed": -1, "grammar": "", "id_slot": -1, "image_data": []`, want, "limit", "", false},
		{"/completion", string(tokens), `"n_predict": 12`, want, "limit", "", false},
		{"/completion", `"` + king + `"`, fmt.Sprintf(`"n_predict": 12, "stop": [%q]`, word), want[:strings.Index(want, word)], "word", word, false},
		{"/completion", `"` + king + `"`, `"json_schema": {"const": 5}`, "5", "eos", "", false},
		{"/completion", `"` + king + `"`, `"response_format": {"type": "json_schema", "json_schema": {"schema": {"const": 6}}}`, "6", "eos", "", false},
		{"/completion", `"` + king + `"`, `"response_format": {"type": "text"}, "n_predict": 12`, want, "limit", "", false},
		{"/completion", `"` + king + `"`, `"grammar": "root ::= \"a b\"", "n_predict": -1`, "a b", "eos", "", false},
		{"/completion", `"` + king + `"`, `"ignore_eos": true`, "", "limit", "", true},
	} {
		body := `{"temperature": 0, "cache_prompt": false, "prompt": ` + tt.prompt + `, ` + tt.fields
		a := get[llamaCompletion](t, c, tt.path, body+`}`)
		if tt.text != "" && a.Content != tt.text || !a.Stop || a.StopType != tt.stop || a.StoppingWord != tt.word || a.Truncated != tt.truncated {
			t.Errorf("%s: %q, %+v; want %q", tt.fields, a.Content, a, tt.text)
		}
		if a.Model != "tiny" || a.Prompt != king || a.Evaluated == 0 || a.Timings.PromptN != a.Evaluated || a.Timings.PredictedN != a.Predicted || len(a.Tokens) != 0 {
			t.Errorf("%s: %+v", tt.fields, a)
		}
		// The same as a stream: parts of the text, and then the end, which has none.
		text, ended := "", false
		for _, data := range stream(t, c, tt.path, body+`, "stream": true}`) {
			var part llamaCompletion
			if err := json.Unmarshal([]byte(data), &part); err != nil || ended {
				t.Fatalf("%s, %v", data, err)
			}
			if ended = part.Stop; ended != (part.StopType != "") || ended && (part.Content != "" || part.StopType != tt.stop) {
				t.Errorf("%s: %s", tt.fields, data)
			}
			text += part.Content
		}
		if text != a.Content || !ended {
			t.Errorf("%s: streamed %q, ended %v; want %q", tt.fields, text, ended, a.Content)
		}
	}
}

// Tokens and their probabilities come if they are asked for. Several prompts get a list of answers.
func TestLlamaCompletionTokens(t *testing.T) {
	c := start(t, Options{})
	list := get[[]llamaCompletion](t, c, "/completion", `{"prompt": ["The king", "The queen"], "n_predict": 4, "ignore_eos": true, "temperature": 0, "n_probs": 3, "return_tokens": true}`)
	if len(list) != 2 || list[1].Index != 1 || list[0].Content == list[1].Content {
		t.Fatalf("%+v", list)
	}
	for _, a := range list {
		text := ""
		for i, p := range a.Probs {
			text += p.Token
			if p.ID != a.Tokens[i] || len(p.Top) != 3 || p.Top[0].ID != p.ID || p.Top[0].LogProb != p.LogProb || p.LogProb > 0 {
				t.Errorf("token %d: %+v", i, p)
			}
		}
		if text != a.Content || len(a.Tokens) != 4 {
			t.Errorf("%q, %v; the content is %q", text, a.Tokens, a.Content)
		}
	}
	var ids []int32
	for _, data := range stream(t, c, "/completion", `{"prompt": "The king", "n_predict": 4, "ignore_eos": true, "temperature": 0, "stream": true}`) {
		var part llamaCompletion
		if err := json.Unmarshal([]byte(data), &part); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, part.Tokens...)
	}
	if fmt.Sprint(ids) != fmt.Sprint(list[0].Tokens) {
		t.Errorf("streamed: %v, want %v", ids, list[0].Tokens)
	}
}

func TestLlamaCompletionErrors(t *testing.T) {
	c := start(t, Options{})
	for _, tt := range []struct{ body, param string }{
		{`{}`, "prompt"},
		{`{"prompt": [1, "a"]}`, "prompt"},
		{`{"prompt": [1000000], "stream": true}`, "prompt"},
		{`{"prompt": "x", "n_predict": -3}`, "n_predict"},
		{`{"prompt": "x", "n_probs": 21}`, "n_probs"},
		{`{"prompt": "x", "n_probs": 1, "post_sampling_probs": true}`, "post_sampling_probs"},
		{`{"prompt": "x", "n": 2}`, "n"},
		{`{"prompt": "x", "grammar": "root ::= ("}`, "grammar"},
		{`{"prompt": "x", "image_data": [{"id": 1, "data": "iVBORw0KGgo="}]}`, "image_data"},
		{`{"prompt": "x", "response_format": {"type": "json_schema"}}`, "response_format.schema"},
		{`{"prompt": "x", "response_format": {"type": "json_object"}, "json_schema": {}}`, "response_format"},
	} {
		if status, e := getError(t, c, "/completion", tt.body); status != http.StatusBadRequest || *cmpText(e.Error.Param) != tt.param {
			t.Errorf("%s: %d, %+v", tt.body, status, e.Error)
		}
	}
}

// Too many probabilities of an answer that is no stream are an error of the field that asks for them here.
func TestLlamaManyProbs(t *testing.T) {
	c := start(t, Options{})
	j, err := c.begin(t.Context(), "tiny", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.end()
	l := llamaCompleter{q: &llamaCompletionRequest{}, j: j, g: runtime.Generate{LogProbs: true, MaxTokens: 1}, probs: maxLogProbs}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/completion", nil)
	if e := asError(l.complete(r, 0, prompt{text: "The king"})); e.Status != http.StatusBadRequest || e.Param != "n_probs" {
		t.Error(e)
	}
}
