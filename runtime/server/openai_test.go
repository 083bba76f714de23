package server

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"st/convert/checkpoint/ckpttest"
	"st/runtime"
)

// chatText is what an answer says.
func chatText(c chatCompletion) string { return *c.Choices[0].Message.Content }

func TestModels(t *testing.T) {
	c := start(t, Options{Models: []string{modelPath, otherPath}})
	for _, path := range []string{"/v1/models", "/v1/models/"} {
		list := get[struct{ Data []openAIModelObject }](t, c, path, "")
		if len(list.Data) != 2 || list.Data[0].ID != "tiny" || list.Data[1].ID != "other" || list.Data[0].Object != "model" {
			t.Errorf("%s: %+v", path, list)
		}
	}
	if m := get[openAIModelObject](t, c, "/v1/models/other", ""); m.ID != "other" || m.Created == 0 {
		t.Errorf("%+v", m)
	}
	if status, e := getError(t, c, "/v1/models/none", ""); status != http.StatusNotFound || *e.Error.Code != "model_not_found" {
		t.Errorf("%d, %+v", status, e)
	}
}

// A chat answers what the library does, whole and streamed.
func TestChatCompletions(t *testing.T) {
	c := start(t, Options{})
	body := `{"model": "tiny", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "text", "text": "Who is "},
		{"type": "text", "text": "there?"}]}], "seed": 5, "max_completion_tokens": 20, "user": "u", "unknown_field": [1]%s}`
	m := openModel(t)
	chat := m.NewChat(runtime.System("S"))
	defer chat.Close()
	want := ""
	var done *runtime.Result
	for p, err := range chat.Send(t.Context(), "Who is there?", runtime.Generate{MaxTokens: 20, Seed: new(uint64(5))}) {
		if err != nil {
			t.Fatal(err)
		}
		want += p.Text
		done = p.Done
	}
	got := get[chatCompletion](t, c, "/v1/chat/completions", fmt.Sprintf(body, ""))
	if got.Object != "chat.completion" || got.Model != "tiny" || !strings.HasPrefix(got.ID, "chatcmpl-") || got.Created == 0 {
		t.Errorf("%+v", got)
	}
	if len(got.Choices) != 1 || chatText(got) != want || got.Choices[0].Message.Role != "assistant" || *got.Choices[0].FinishReason != finishReason(done) {
		t.Errorf("%q, want %q", chatText(got), want)
	}
	if u := got.Usage; u.PromptTokens != done.PromptTokens || u.CompletionTokens != len(done.Tokens) || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		t.Errorf("%+v", u)
	}
	events := stream(t, c, "/v1/chat/completions", fmt.Sprintf(body, `, "stream": true, "stream_options": {"include_usage": true}`))
	if n := len(events); events[n-1] != "[DONE]" {
		t.Fatalf("the last event is %s", events[n-1])
	}
	text, finish := "", ""
	for i, data := range events[:len(events)-1] {
		var chunk chatCompletion
		if err := json.Unmarshal([]byte(data), &chunk); err != nil || chunk.Object != "chat.completion.chunk" {
			t.Fatalf("%s: %v", data, err)
		}
		if i == len(events)-2 {
			if u := chunk.Usage; len(chunk.Choices) != 0 || u.CompletionTokens != len(done.Tokens) || u.Details.CachedTokens != u.PromptTokens-1 {
				t.Errorf("usage comes with %s", data)
			}
			continue
		}
		d := chunk.Choices[0]
		if (d.Delta.Role == "assistant") != (i == 0) {
			t.Errorf("event %d is %s", i, data)
		}
		if d.Delta.Content != nil {
			text += *d.Delta.Content
		}
		if d.FinishReason != nil {
			finish = *d.FinishReason
		}
	}
	if text != want || finish != finishReason(done) {
		t.Errorf("streamed: %q, %s", text, finish)
	}
}

func TestChatOptions(t *testing.T) {
	c := start(t, Options{})
	ask := func(fields string) chatCompletion {
		return get[chatCompletion](t, c, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "Speak"}], "temperature": 0, "max_tokens": 12`+fields+`}`)
	}
	plain := ask("")
	stop := strings.Fields(chatText(plain))[1]
	for _, tt := range []struct {
		name, fields string
		ok           func(chatCompletion) bool
	}{
		{"a stop text", fmt.Sprintf(`, "stop": %q`, stop), func(a chatCompletion) bool {
			return *a.Choices[0].FinishReason == "stop" && !strings.Contains(chatText(a), stop) && strings.HasPrefix(chatText(plain), chatText(a))
		}},
		{"stop texts", fmt.Sprintf(`, "stop": ["never", %q]`, stop), func(a chatCompletion) bool { return !strings.Contains(chatText(a), stop) }},
		{"no stop text", `, "stop": null`, func(a chatCompletion) bool { return chatText(a) == chatText(plain) }},
		{"choices", `, "n": 3, "temperature": 2, "seed": 1`, func(a chatCompletion) bool {
			return len(a.Choices) == 3 && a.Choices[2].Index == 2 && *a.Choices[0].Message.Content != *a.Choices[1].Message.Content &&
				a.Usage.PromptTokens == plain.Usage.PromptTokens && a.Usage.CompletionTokens > 12
		}},
		{"the likeliest token", `, "temperature": 9, "top_p": 0`, func(a chatCompletion) bool { return chatText(a) == chatText(plain) }},
		{"top-k", `, "temperature": 9, "top_k": 1`, func(a chatCompletion) bool { return chatText(a) == chatText(plain) }},
		{"a penalty", `, "frequency_penalty": 2, "presence_penalty": 2`, func(a chatCompletion) bool { return chatText(a) != chatText(plain) }},
		{"a repetition penalty", `, "repetition_penalty": 3`, func(a chatCompletion) bool { return chatText(a) != chatText(plain) }},
		{"repetition penalty and top-k are off", `, "repetition_penalty": 1, "top_k": -1`, func(a chatCompletion) bool { return chatText(a) == chatText(plain) }},
		{"one token", `, "max_completion_tokens": 1`, func(a chatCompletion) bool { return a.Usage.CompletionTokens == 1 }},
		{"no token", `, "max_completion_tokens": 0`, func(a chatCompletion) bool {
			return a.Usage.CompletionTokens == 0 && *a.Choices[0].FinishReason == "length"
		}},
		{"what is off", `, "top_logprobs": 0, "functions": [], "function_call": null, "web_search_options": null`, func(a chatCompletion) bool {
			return chatText(a) == chatText(plain) && a.Choices[0].LogProbs == nil
		}},
		{"probabilities", `, "logprobs": true, "top_logprobs": 2`, func(a chatCompletion) bool {
			l := a.Choices[0].LogProbs.Content
			text := ""
			for _, p := range l {
				if len(p.Top) != 2 || p.Top[0].LogProb != p.LogProb || p.LogProb > 0 || len(p.Bytes) != len(p.Token) {
					return false
				}
				text += p.Token
			}
			return text == chatText(a) && len(l) == a.Usage.CompletionTokens
		}},
	} {
		if a := ask(tt.fields); !tt.ok(a) {
			got, _ := json.Marshal(a)
			t.Errorf("%s: %s; without it %q", tt.name, got, chatText(plain))
		}
	}
	// A bias that lets only one token come.
	comma := openModel(t).Tokenizer().Encode(",", false)[0]
	if a := ask(fmt.Sprintf(`, "logit_bias": {"%d": 100}`, comma)); chatText(a) != strings.Repeat(",", 12) {
		t.Errorf("with a bias: %q", chatText(a))
	}
}

// A message has a text or parts, of which an answer that was refused has one of its own type.
func TestMessageParts(t *testing.T) {
	for _, tt := range []struct{ content, want string }{
		{`"No."`, "No."},
		{`null`, ""},
		{`[{"type": "text", "text": "I "}, {"type": "output_text", "text": "say: "}, {"type": "refusal", "refusal": "No."}]`, "I say: No."},
	} {
		var said transcript
		if err := said.add([]byte(`{"role": "assistant", "content": `+tt.content+`}`), "message"); err != nil || said.messages[0].Content != tt.want {
			t.Errorf("%s: %+v, %v; want %q", tt.content, said.messages, err, tt.want)
		}
	}
	var refused transcript
	if err := refused.add([]byte(`{"role": "assistant", "content": null, "refusal": "No."}`), "message"); err != nil || refused.messages[0].Content != "No." {
		t.Errorf("a refusal beside the content: %+v, %v", refused.messages, err)
	}
	for content, want := range map[string]string{
		`[{"type": "refusal", "text": "No."}]`:              "message.content: it must be parts with a text",
		`[{"type": "image_url", "image_url": {"url": ""}}]`: "message.content: it must be text: the models read no part of type \"image_url\"",
	} {
		var said transcript
		if err := said.add([]byte(`{"role": "assistant", "content": `+content+`}`), "message"); err == nil || err.Error() != want {
			t.Errorf("%s: %v; want %q", content, err, want)
		}
	}
}

// What is wrong is told with the name of the field.
func TestChatRefuses(t *testing.T) {
	c := start(t, Options{})
	const hi = `"messages": [{"role": "user", "content": "Hi"}]`
	for _, tt := range []struct{ body, param, message string }{
		{`{`, "", "not JSON"},
		{"{\"messages\": [{\"role\": \"user\", \"content\": \"caf\xe9\"}]}", "", "not UTF-8"},
		{`[]`, "", "must be a JSON object"},
		{`null`, "", "must be a JSON object"},
		{`{}`, "messages", "a message at least"},
		{`{"messages": "Hi"}`, "messages", "an array"},
		{`{"messages": [1]}`, "messages[0]", "an object"},
		{`{"messages": [{"role": "user", "content": "a"}, {"role": "king", "content": "b"}]}`, "messages[1].role", `"king"`},
		{`{"messages": [{"role": "user", "content": 5}]}`, "messages[0].content", "a string or an array of parts"},
		{`{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}`, "messages[0].content", `"image_url"`},
		{`{"messages": [{"role": "user", "contents": "Hi"}]}`, "messages[0].content", "missing"},
		{`{"messages": [{"role": "developer", "content": null}, {"role": "user", "content": "Hi"}]}`, "messages[0].content", "missing"},
		{`{"messages": [{"role": "user", "content": [{"type": "text"}]}]}`, "messages[0].content", "parts with a text"},
		{`{` + hi + `, "temperature": "hot"}`, "temperature", "a number"},
		{`{` + hi + `, "temperature": -1}`, "temperature", "0 or more"},
		{`{` + hi + `, "top_p": 1.5}`, "top_p", "between 0 and 1"},
		{`{` + hi + `, "max_tokens": 1.5}`, "max_tokens", "a whole number, not 1.5"},
		{`{` + hi + `, "max_tokens": -2}`, "max_tokens", "0 or more"},
		{`{` + hi + `, "n": 0}`, "n", "between 1 and 128"},
		{`{` + hi + `, "presence_penalty": 3}`, "presence_penalty", "between -2 and 2"},
		{`{` + hi + `, "logit_bias": {"x": 1}}`, "logit_bias", "id of a token"},
		{`{` + hi + `, "logit_bias": {"1": 101}}`, "logit_bias", "between -100 and 100"},
		{`{` + hi + `, "logit_bias": {"99999999": 1}}`, "logit_bias", "the vocabulary has ids"},
		{`{` + hi + `, "temperature": -1}`, "temperature", "it is -1 and must be 0 or more"},
		{`{` + hi + `, "temperature": 1e39}`, "temperature", "it is 1e+39 and must be between 0 and 3.4"},
		{`{` + hi + `, "repetition_penalty": 1e39}`, "repetition_penalty", "it is 1e+39 and must be at most 3.4"},
		{`{` + hi + `, "repeat_penalty": 0, "repetition_penalty": 0}`, "repetition_penalty", "it is 0 and must be more than 0; 1 is off"}, // the first that is wrong
		{`{` + hi + `, "repetition_penalty": 0}`, "repetition_penalty", "it is 0 and must be more than 0; 1 is off"},
		{`{` + hi + `, "repeat_penalty": -1}`, "repeat_penalty", "it is -1 and must be more than 0; 1 is off"},
		{`{` + hi + `, "top_k": -5}`, "top_k", "it is -5 and must be between -1 and"},
		{`{` + hi + `, "top_k": 99999999999}`, "top_k", "must be between -1 and"},
		{`{` + hi + `, "stop": ["x", ""]}`, "stop", "a text is empty"},
		{`{` + hi + `, "stop": ""}`, "stop", "a text is empty"},
		{`{` + hi + `, "stop": [1]}`, "stop", "a string or an array of strings"},
		{`{` + hi + `, "stream": "yes"}`, "stream", "true or false"},
		{`{` + hi + `, "stream_options": {"include_usage": 1}}`, "stream_options.include_usage", "true or false"},
		{`{` + hi + `, "top_logprobs": 2}`, "top_logprobs", "needs logprobs"},
		{`{` + hi + `, "logprobs": true, "top_logprobs": 21}`, "top_logprobs", "between 0 and 20"},
		{`{` + hi + `, "response_format": {"type": "xml"}}`, "response_format.type", `"xml"`},
		{`{` + hi + `, "modalities": ["text", "audio"]}`, "modalities", "text only"},
		{`{` + hi + `, "web_search_options": {}}`, "web_search_options", "not supported"},
		{`{` + hi + `, "tools": [{"type": "function"}]}`, "tools[0].function", "missing"},
		{`{"messages": [{"role": "user", "content": "` + strings.Repeat("word ", 2000) + `"}]}`, "", "this model's maximum context length is 1024 tokens"},
	} {
		status, e := getError(t, c, "/v1/chat/completions", tt.body)
		param := ""
		if e.Error.Param != nil {
			param = *e.Error.Param
		}
		if status != http.StatusBadRequest || e.Error.Type != "invalid_request_error" || param != tt.param || !strings.Contains(e.Error.Message, tt.message) {
			t.Errorf("%.100s: %d, field %q, %+v", tt.body, status, param, e.Error)
		}
	}
	if status, e := getError(t, c, "/v1/chat/completions", `{"model": "gpt", `+hi+`}`); status != http.StatusNotFound || *e.Error.Code != "model_not_found" {
		t.Errorf("%d, %+v", status, e)
	}
	if r := c.request(t, "/v1/chat/completions", ""); r.StatusCode != http.StatusMethodNotAllowed && r.StatusCode != http.StatusNotFound {
		t.Errorf("GET: %d", r.StatusCode)
	}
}

func TestCompletions(t *testing.T) {
	c := start(t, Options{})
	ask := func(fields string) completion {
		return get[completion](t, c, "/v1/completions", `{"model": "tiny", "temperature": 0, "max_tokens": 6, `+fields+`}`)
	}
	ids := encode(t, "The LORD")
	list, _ := json.Marshal(ids)
	plain := ask(`"prompt": "The LORD"`)
	text := plain.Choices[0].Text
	if plain.Object != "text_completion" || text == "" || plain.Usage.PromptTokens != len(ids) || plain.Usage.CompletionTokens != 6 ||
		*plain.Choices[0].FinishReason != "length" || plain.Choices[0].LogProbs != nil {
		t.Errorf("%+v", plain)
	}
	if a := ask(`"prompt": ` + string(list)); a.Choices[0].Text != text {
		t.Errorf("of tokens: %q, want %q", a.Choices[0].Text, text)
	}
	if a := ask(`"prompt": "The LORD", "echo": true`); a.Choices[0].Text != "The LORD"+text {
		t.Errorf("with echo: %q", a.Choices[0].Text)
	}
	if a := ask(`"prompt": ["To be", "The LORD"], "n": 2`); len(a.Choices) != 4 || a.Choices[2].Text != text || a.Choices[3].Text != text || a.Choices[3].Index != 3 {
		t.Errorf("of two texts: %+v", a)
	}
	if a := ask(`"prompt": [` + string(list) + `, [1, 2]]`); len(a.Choices) != 2 || a.Choices[0].Text != text || a.Usage.PromptTokens != len(ids)+2 {
		t.Errorf("of two lists: %+v", a)
	}
	if a := get[completion](t, c, "/v1/completions", `{"prompt": "The LORD", "temperature": 0, "n_predict": 6}`); a.Choices[0].Text != text {
		t.Errorf("with n_predict: %q, want %q", a.Choices[0].Text, text)
	}
	for limits, want := range map[string]int{
		`"n_predict": 2, "max_tokens": 3`:                             3,
		`"n_predict": 2, "max_completion_tokens": 4`:                  4,
		`"n_predict": 2, "max_tokens": 3, "max_completion_tokens": 4`: 4,
		`"n_predict": 2, "max_tokens": null`:                          2,
	} {
		a := get[chatCompletion](t, c, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "Speak"}], "ignore_eos": true, `+limits+`}`)
		if a.Usage.CompletionTokens != want {
			t.Errorf("with %s there are %d tokens, want %d", limits, a.Usage.CompletionTokens, want)
		}
	}
	if a := get[completion](t, c, "/v1/completions", `{"prompt": "The LORD", "n_predict": -1, "ignore_eos": true}`); a.Usage.TotalTokens < 1000 {
		t.Errorf("with an n_predict of -1: %+v", a.Usage)
	}
	if a := get[completion](t, c, "/v1/completions", `{"prompt": "The LORD"}`); a.Usage.CompletionTokens > defaultMaxTokens {
		t.Errorf("without max_tokens: %+v", a.Usage)
	}
	streamed, finish := "", ""
	for _, data := range stream(t, c, "/v1/completions", `{"prompt": "The LORD", "temperature": 0, "max_tokens": 6, "stream": true, "echo": true}`) {
		var chunk completion
		if data == "[DONE]" {
			break
		} else if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			t.Fatal(err)
		}
		streamed += chunk.Choices[0].Text
		if f := chunk.Choices[0].FinishReason; f != nil {
			finish = *f
		}
	}
	if streamed != "The LORD"+text || finish != "length" {
		t.Errorf("streamed: %q, %q", streamed, finish)
	}
	for _, tt := range []struct{ body, param, message string }{
		{`{}`, "prompt", "missing"},
		{`{"prompt": []}`, "prompt", "an array of token ids"},
		{`{"prompt": [[]]}`, "prompt", "a token at least"},
		{`{"prompt": [1, -1]}`, "prompt", "token 1 is -1"},
		{`{"prompt": {"a": 1}}`, "prompt", "an array of token ids"},
		{`{"prompt": ["x", null]}`, "prompt", "none of them empty"},
		{`{"prompt": [1, null]}`, "prompt", "an array of token ids"},
		{`{"prompt": [[1, null]]}`, "prompt", "an array of token ids"},
		{`{"prompt": "x", "logprobs": -1}`, "logprobs", "between 0 and 20"},
		{`{"prompt": "x", "n_predict": -2}`, "n_predict", "0 or more"},
		{`{"prompt": "x", "suffix": "y"}`, "suffix", "the model cannot fill a gap in a text"},
		{`{"prompt": [1], "suffix": "y"}`, "suffix", "the prompt must be a text"},
		{`{"prompt": "x", "suffix": "y", "echo": true, "logprobs": 1}`, "echo", "does not go together with logprobs"},
		{`{"prompt": "x", "best_of": 3}`, "best_of", "not supported"},
		{`{"prompt": "x", "n": 129}`, "n", "between 1 and 128"},
		{`{"n": 128, "prompt": ["x"` + strings.Repeat(`, "x"`, 16) + `]}`, "prompt", "17 prompts with n 128 are more than 2048 texts"},
		{`{"prompt": ["x"` + strings.Repeat(`, "x"`, 2048) + `]}`, "prompt", "2049 prompts with n 1 are more"},
	} {
		if status, e := getError(t, c, "/v1/completions", tt.body); status != http.StatusBadRequest || e.Error.Param == nil || *e.Error.Param != tt.param ||
			!strings.Contains(e.Error.Message, tt.message) {
			t.Errorf("%s: %d, %+v", tt.body, status, e.Error)
		}
	}
}

// An answer that is no stream has so many probabilities, and no more.
func TestManyLogProbs(t *testing.T) {
	n := logProbs(maxLogProbs - 3)
	piece := &runtime.Piece{Top: make([]runtime.TokenLogProb, 2)}
	if err := n.add(piece, "logprobs"); err != nil {
		t.Error(err)
	}
	if e := asError(n.add(piece, "logprobs")); e.Status != http.StatusBadRequest || e.Param != "logprobs" {
		t.Error(e)
	}
	// A response keeps them in any case: its last events repeat them.
	r := responseEvents{count: maxLogProbs}
	if e := asError(r.heard(nil, piece)); e.Status != http.StatusBadRequest || e.Param != "top_logprobs" {
		t.Error(e)
	}
}

// Offsets count characters, also after those that several tokens write.
func TestTextOffsets(t *testing.T) {
	c := start(t, Options{})
	prompt := "日本, é \U0001F600 the king"
	a := get[completion](t, c, "/v1/completions", `{"model": "tiny", "prompt": "`+prompt+`", "max_tokens": 0, "echo": true, "logprobs": 0}`)
	l, text, compared := a.Choices[0].LogProbs, []rune(prompt), 0
	for i, token := range l.Tokens {
		if strings.HasPrefix(token, "bytes:") {
			continue
		}
		compared++
		if at, n := l.TextOffset[i], utf8.RuneCountInString(token); at+n > len(text) || string(text[at:at+n]) != token {
			t.Errorf("token %d, %q, is not at %d", i, token, at)
		}
	}
	if compared == len(l.Tokens) || compared < 3 {
		t.Errorf("no character has several tokens: %q", l.Tokens)
	}
}

// lm-evaluation-harness scores a text with a batch of token lists, echo, logprobs and one token more, of which it leaves the last entry out; its
// older versions and others ask for no token. Scores are those of the model's logits, which st eval sums.
func TestScores(t *testing.T) {
	c := start(t, Options{})
	m := openModel(t)
	texts := []string{"In the beginning God created the heaven and the earth.", "To be, or not to be: that is the question", "The king is dead"}
	for _, extra := range []int{1, 0} {
		var lists [][]int32
		for _, text := range texts {
			lists = append(lists, encode(t, text))
		}
		body, _ := json.Marshal(map[string]any{"model": "tiny", "prompt": lists, "temperature": 0, "max_tokens": extra, "logprobs": 1, "seed": 1234, "echo": true})
		a := get[completion](t, c, "/v1/completions", string(body))
		if len(a.Choices) != len(lists) {
			t.Fatalf("%d choices", len(a.Choices))
		}
		for i, ids := range lists {
			l := a.Choices[i].LogProbs
			if n := len(ids) + extra; a.Choices[i].Index != i || len(l.TokenLogProbs) != n || len(l.TopLogProbs) != n || len(l.Tokens) != n || len(l.TextOffset) != n {
				t.Fatalf("choice %d has index %d and %d probabilities for %d tokens", i, a.Choices[i].Index, len(l.TokenLogProbs), len(ids))
			}
			if got := strings.Join(l.Tokens[:len(ids)], ""); got != texts[i] || !strings.HasPrefix(a.Choices[i].Text, texts[i]) {
				t.Errorf("tokens are %q of %q", got, a.Choices[i].Text)
			}
			if l.TokenLogProbs[0] != nil || l.TopLogProbs[0] != nil {
				t.Error("the first token has a probability")
			}
			err := m.Logits(t.Context(), ids[:len(ids)-1], func(k int, logits []float32) error {
				var sum float64
				best := int32(0)
				for id, v := range logits {
					sum += math.Exp(float64(v))
					if v > logits[best] {
						best = int32(id)
					}
				}
				next := ids[k+1]
				want, most := float64(logits[next])-math.Log(sum), float64(logits[best])-math.Log(sum)
				var top []logProb
				for _, p := range l.TopLogProbs[k+1] {
					top = append(top, p)
				}
				got, greatest := *l.TokenLogProbs[k+1], slices.Max(top)
				if math.Abs(float64(got)-want) > 1e-4 || math.Abs(float64(greatest)-most) > 1e-4 || (got == greatest) != (next == best) {
					t.Errorf("text %d, token %d: %v of %v, want %v of %v", i, k+1, got, top, want, most)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The requests of lm-evaluation-harness that generate: local-completions sends batches of token lists, local-chat-completions a conversation.
func TestHarnessGenerates(t *testing.T) {
	c := start(t, Options{})
	texts := []string{"Question: who is the king?\nAnswer:", "To be, or not"}
	var lists [][]int32
	for _, text := range texts {
		lists = append(lists, encode(t, text))
	}
	body, _ := json.Marshal(map[string]any{"prompt": lists, "model": "tiny", "max_tokens": 24, "temperature": 0, "stop": []string{"\n", "\n\n", "</s>"}, "seed": 1234,
		"do_sample": false})
	a := get[completion](t, c, "/v1/completions", string(body))
	for i, choice := range a.Choices {
		if choice.Index != i || strings.Contains(choice.Text, "\n") || choice.Text == "" || strings.HasPrefix(choice.Text, texts[i]) {
			t.Errorf("choice %d is %+v", i, choice)
		}
	}
	want := say(t, runtime.Generate{MaxTokens: 24, Temperature: new(0.0), Stop: []string{"\n\n"}}, runtime.Message{Role: "user", Content: texts[0]})
	for _, message := range []string{`{"role": "user", "content": %q}`, `{"role": "user", "content": %q, "type": "text"}`,
		`{"role": "user", "content": [{"type": "text", "text": %q}]}`} {
		a := get[chatCompletion](t, c, "/v1/chat/completions", `{"messages": [`+fmt.Sprintf(message, texts[0])+`], "model": "tiny", "max_tokens": 24, "temperature": 0,
			"stop": ["\n\n"], "seed": 1234, "do_sample": false, "cache_prompt": false}`)
		if len(a.Choices) != 1 || chatText(a) != want.Text {
			t.Errorf("%s: %+v, want %q", message, a, want.Text)
		}
	}
}

// Scoring a text leaves the sequences of conversations alone.
func TestScoresKeepCache(t *testing.T) {
	c := start(t, Options{})
	const prompt = `{"prompt": "In the beginning God created", "max_tokens": 3, "ignore_eos": true`
	for _, fields := range []string{`}`, `, "echo": true, "logprobs": 1}`, `}`} {
		u := get[completion](t, c, "/v1/completions", prompt+fields).Usage
		if n := len(c.models.served[0].cache.idle); n != 1 {
			t.Errorf("%s: %d sequences are cached", fields, n)
		}
		if scored := fields != "}"; scored && u.Details.CachedTokens != 0 {
			t.Errorf("%+v", u)
		}
	}
	if u := get[completion](t, c, "/v1/completions", prompt+"}").Usage; u.Details.CachedTokens != u.PromptTokens-1 {
		t.Errorf("%+v", u)
	}
}

// The token that ends a text has its probability, too: clients that leave out the last entry must not lose one of the prompt's.
func TestScoreOfEnd(t *testing.T) {
	c := start(t, Options{})
	m := openModel(t)
	end := m.EndTokens()[0]
	ids := encode(t, "The king")
	body, _ := json.Marshal(map[string]any{"prompt": ids, "max_tokens": 1, "logprobs": 1, "echo": true, "logit_bias": map[int32]int{end: 100}, "temperature": 0})
	a := get[completion](t, c, "/v1/completions", string(body)).Choices[0]
	if *a.FinishReason != "stop" || a.Text != "The king" || len(a.LogProbs.TokenLogProbs) != len(ids)+1 || a.LogProbs.Tokens[len(ids)] != m.Tokenizer().Text(end) {
		t.Errorf("%+v %+v", a, a.LogProbs)
	}
}

// openModel opens the tiny model, until the test ends.
func openModel(t *testing.T) *runtime.Model {
	t.Helper()
	m, err := runtime.Open(t.Context(), modelPath, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func encode(t *testing.T, text string) []int32 {
	t.Helper()
	ids, err := openModel(t).EncodePlain(text)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// Answers have all fields that the types of OpenAI's clients require, also those in which there is never anything to say.
func TestOpenAIFields(t *testing.T) {
	c := start(t, Options{})
	a := get[map[string]any](t, c, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "max_tokens": 1, "logprobs": true}`)
	wantKeys(t, "a completion", a, "id", "object", "created", "model", "choices", "usage")
	choice := a["choices"].([]any)[0].(map[string]any)
	wantKeys(t, "its choice", choice, "index", "message", "logprobs", "finish_reason")
	wantKeys(t, "its message", choice["message"].(map[string]any), "role", "content", "refusal")
	wantKeys(t, "its logprobs", choice["logprobs"].(map[string]any), "content", "refusal")

	const text = `{"format": {"type": "json_schema", "name": "a", "schema": {"const": 1}}}`
	r := get[map[string]any](t, c, "/v1/responses", `{"input": "x", "max_output_tokens": 9, "reasoning": {"effort": "low"}, "text": `+text+`}`)
	wantKeys(t, "a response", r, "id", "object", "created_at", "status", "error", "incomplete_details", "instructions", "max_output_tokens", "model", "output",
		"parallel_tool_calls", "temperature", "top_p", "tool_choice", "tools", "store", "usage", "metadata", "background", "previous_response_id", "reasoning", "text", "truncation")
	wantKeys(t, "its input", r["usage"].(map[string]any)["input_tokens_details"].(map[string]any), "cached_tokens", "cache_write_tokens")
	if got := r["reasoning"].(map[string]any); got["effort"] != "low" || r["truncation"] != "disabled" {
		t.Errorf("%v, truncation %v", got, r["truncation"])
	}
	for fields, want := range map[string]string{`, "text": ` + text: text, ``: `{"format": {"type": "text"}}`, `, "text": {"verbosity": "low"}`: `{"format": {"type": "text"}}`} {
		var same any
		if err := json.Unmarshal([]byte(want), &same); err != nil {
			t.Fatal(err)
		}
		if got := get[map[string]any](t, c, "/v1/responses", `{"input": "x", "max_output_tokens": 9`+fields+`}`); !reflect.DeepEqual(got["text"], same) {
			t.Errorf("%s: %v, want %s", fields, got["text"], want)
		}
	}
}

// A stream that is to tell its usage has the field in each event: null, but in the last one.
func TestUsageInStream(t *testing.T) {
	c := start(t, Options{})
	for path, body := range map[string]string{"/v1/chat/completions": `{"messages": [{"role": "user", "content": "x"}], "max_tokens": 2, "stream": true%s}`,
		"/v1/completions": `{"prompt": "x", "max_tokens": 2, "stream": true%s}`} {
		for _, event := range stream(t, c, path, fmt.Sprintf(body, "")) {
			if strings.Contains(event, `"usage"`) {
				t.Errorf("%s: %s", path, event)
			}
		}
		events := stream(t, c, path, fmt.Sprintf(body, `, "stream_options": {"include_usage": true}`))
		for _, event := range events[:len(events)-2] {
			if !strings.Contains(event, `"usage":null`) {
				t.Errorf("%s: %s", path, event)
			}
		}
		if last := events[len(events)-2]; !strings.Contains(last, `"completion_tokens":2`) {
			t.Errorf("%s: %s", path, last)
		}
	}
}

// The variables of a request reach the chat template as they were written: whole numbers stay whole, and keys in their order.
func TestTemplateVariables(t *testing.T) {
	c := start(t, Options{Models: []string{altered(t, "saying", func(dir string) error {
		return ckpttest.SetTemplate(dir, "{{ raise_exception([budget, share, shape, names, none_given is none, enable_thinking] | tojson) }}")
	})}})
	status, e := getError(t, c, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "Hi"}], "reasoning_effort": "none", "chat_template_kwargs":
		{"budget": 512, "share": 0.5, "shape": {"b": 9007199254740993, "a": 1.0}, "names": ["x"], "none_given": null}}`)
	const want = `[512, 0.5, {"b": 9007199254740993, "a": 1.0}, ["x"], true, false]`
	if status != http.StatusBadRequest || !strings.HasSuffix(e.Error.Message, want) {
		t.Errorf("%d, %q; want %s", status, e.Error.Message, want)
	}
}
