package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"st/convert/checkpoint/ckpttest"
)

// startFills starts a server of a model that fills gaps.
func startFills(t *testing.T) *client {
	t.Helper()
	return start(t, Options{Models: []string{altered(t, "fills", ckpttest.AddInfill)}})
}

// gap is a prompt that names the tokens itself, as clients write it that know the model's form.
func gap(prefix, suffix string) string {
	text, _ := json.Marshal("<|fim_prefix|>" + prefix + "<|fim_suffix|>" + suffix + "<|fim_middle|>")
	return string(text)
}

// inRepository is what /infill puts before it.
const inRepository = "<|repo_name|>myproject\n<|file_sep|>filename\n"

// The requests of llama.vim and llama.vscode are answered as they read it.
func TestInfillEditors(t *testing.T) {
	c := startFills(t)
	extra := `"input_extra": [{"text": "` + strings.Repeat("Then said the king to him, Go to. ", 8) + `\n", "time": [3, 4], "filename": "kings.txt"}, {"text": "Amen.\n"}]`
	// Both warm the cache with what they are going to send.
	if a := get[map[string]any](t, c, "/infill", `{"id_slot": 0, "input_prefix": "", "input_suffix": "", `+extra+`, "prompt": "", "n_predict": 0, "temperature": 0.0,
		"samplers": [], "stream": false, "cache_prompt": true, "t_max_prompt_ms": 1, "t_max_predict_ms": 1, "response_fields": [""]}`); len(a) != 0 {
		t.Errorf("no field is asked for: %v", a)
	}
	vim := func(prompt string) map[string]any {
		return get[map[string]any](t, c, "/infill", `{"id_slot": 0, "input_prefix": "The LORD is my shepherd;\n", "input_suffix": "\nHe leadeth me.\n", `+extra+`,
			"prompt": "`+prompt+`", "n_predict": 8, "stop": [], "n_indent": 0, "top_k": 1, "top_p": 0.90, "samplers": ["top_k", "top_p", "infill"], "stream": false, "cache_prompt": true,
			"t_max_prompt_ms": 500, "t_max_predict_ms": 100000, "response_fields": ["content", "timings/prompt_n", "timings/prompt_ms", "timings/prompt_per_token_ms",
			"timings/prompt_per_second", "timings/predicted_n", "timings/predicted_ms", "timings/predicted_per_token_ms", "timings/predicted_per_second",
			"truncated", "tokens_cached", "no/such", "content/none"]}`)
	}
	first := vim("I shall")
	if got, want := slices.Sorted(maps.Keys(first)), []string{"content", "timings/predicted_ms", "timings/predicted_n", "timings/predicted_per_second",
		"timings/predicted_per_token_ms", "timings/prompt_ms", "timings/prompt_n", "timings/prompt_per_second", "timings/prompt_per_token_ms", "tokens_cached",
		"truncated"}; !slices.Equal(got, want) {
		t.Errorf("fields %q, want %q", got, want)
	}
	cached := first["tokens_cached"].(float64)
	if cached < 80 || cached < 2*first["timings/prompt_n"].(float64) || first["truncated"] != false {
		t.Errorf("the files were read before: %v", first)
	}
	if next := vim("I shall not"); next["tokens_cached"].(float64) < cached+8 {
		t.Errorf("after another word: %v, and %v before", next, first)
	}
	a := get[llamaCompletion](t, c, "/infill", `{"id_slot": 0, "input_prefix": "The LORD\n", "input_suffix": "\nAmen\n", "input_extra": [], "prompt": "is", "n_predict": 8, "n_cmpl": 3,
		"top_k": 40, "top_p": 0.99, "stream": false, "samplers": ["top_k", "top_p", "infill"], "cache_prompt": true, "t_max_prompt_ms": 500, "t_max_predict_ms": 2500, "seed": 7}`)
	if s := a.Settings; s.Context != 1024 || s.Predict != 8 || s.Seed != 7 || s.TopP != 0.99 || a.Prompt != inRepository+"<|fim_prefix|>The LORD\nis<|fim_suffix|>\nAmen\n<|fim_middle|>" {
		t.Errorf("%+v, %q", s, a.Prompt)
	}
}

// Fields are as the whole answer has them, to the last digit of a number.
func TestPickFields(t *testing.T) {
	answer := llamaCompletion{Model: "m", Settings: llamaSettings{Seed: 1<<53 + 1, Context: 64}, Timings: llamaTimings{PromptMS: 0.1}}
	got, err := json.Marshal(pickFields(&answer, []string{"model", "generation_settings/seed", "timings/prompt_ms", "generation_settings/no", "model/x", "", "tokens_cached"}))
	if want := `{"generation_settings/seed":9007199254740993,"model":"m","timings/prompt_ms":0.1,"tokens_cached":0}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if pickFields(&answer, nil) != any(&answer) {
		t.Error("without paths it is not the answer")
	}
}

// A word that is typed changes what stands before the gap, so that the next prompt loses what stands after it. It goes on from the one before all the same:
// that has no other use.
func TestInfillTyping(t *testing.T) {
	c := startFills(t)
	after := strings.Repeat("And they went up unto the mountain. ", 12)
	evaluated := 0
	for i, typed := range []string{"Then", "Then said", "Then said the king"} {
		a := get[llamaCompletion](t, c, "/infill", `{"input_prefix": "The king is here. ", "prompt": "`+typed+`", "input_suffix": "`+after+`", "n_predict": 8, "ignore_eos": true}`)
		before := strings.Count(a.Prompt[:strings.Index(a.Prompt, "Then")], " ")
		if i > 0 && a.Timings.CacheN < before || a.Evaluated <= evaluated {
			t.Errorf("%q: %d of %d tokens were there", typed, a.Timings.CacheN, a.Evaluated)
		}
		evaluated = a.Evaluated
	}
	if n := len(c.models.all()[0].cache.idle); n != 1 {
		t.Errorf("%d sequences are kept", n)
	}
}

// Each API gives the text that the same prompt does when a client writes it with its tokens.
func TestInfill(t *testing.T) {
	c := startFills(t)
	const prefix, suffix, rest = "The king said", " to him.", `"n_predict": 9, "temperature": 0, "cache_prompt": false`
	raw := func(prompt string) llamaCompletion {
		return get[llamaCompletion](t, c, "/completion", `{"prompt": `+prompt+`, `+rest+`}`)
	}
	want := raw(gap(prefix, suffix))
	if other := raw(gap(prefix, "")); other.Content == want.Content {
		t.Fatal("the suffix changes nothing")
	}
	texts := `"prompt": "` + prefix + `", "suffix": "` + suffix + `"`
	a := get[completion](t, c, "/v1/completions", `{`+texts+`, `+rest+`, "echo": true, "n": 2}`)
	if len(a.Choices) != 2 || a.Choices[1].Text != prefix+want.Content || a.Usage.PromptTokens != want.Evaluated {
		t.Errorf("completion: %q, %+v; want %q", a.Choices[0].Text, a.Usage, want.Content)
	}
	if a := get[completion](t, c, "/v1/completions", `{`+texts+`, `+rest+`, "logprobs": 0}`); strings.Join(a.Choices[0].LogProbs.Tokens, "") != want.Content {
		t.Errorf("log probabilities: %+v", a.Choices[0])
	}
	list := get[completion](t, c, "/v1/completions", `{"prompt": ["`+prefix+`", "And"], "suffix": "`+suffix+`", `+rest+`}`)
	if list.Choices[0].Text != want.Content || list.Choices[1].Text != raw(gap("And", suffix)).Content {
		t.Errorf("of two prompts: %+v", list)
	}
	in := `"input_prefix": "The king", "prompt": " said", "input_suffix": "` + suffix + `", ` + rest
	inside := raw(strings.Replace(gap(prefix, suffix), `"`, `"`+strings.ReplaceAll(inRepository, "\n", `\n`), 1))
	streamed, ended := "", false
	for _, data := range stream(t, c, "/infill", `{`+in+`, "stream": true}`) {
		var part llamaCompletion
		if err := json.Unmarshal([]byte(data), &part); err != nil {
			t.Fatal(err)
		}
		streamed, ended = streamed+part.Content, part.Stop
	}
	if a := get[llamaCompletion](t, c, "/infill", `{`+in+`}`); a.Content != inside.Content || a.Evaluated != inside.Evaluated || streamed != a.Content || !ended {
		t.Errorf("infill: %+v, streamed %q; want %+v", a, streamed, inside)
	}
	// What the texts name is text.
	if a := get[llamaCompletion](t, c, "/infill", `{"input_prefix": "<|fim_middle|>", "input_suffix": "", "n_predict": 1}`); a.Evaluated < 15 {
		t.Errorf("the name of a token is one: %+v", a)
	}
}

// A text that takes too long ends with its line.
func TestInfillTime(t *testing.T) {
	c := startFills(t)
	const body = `{"input_prefix": "KING", "input_suffix": "", "temperature": 0, "ignore_eos": true, "n_predict": 200, "t_max_predict_ms": `
	whole, short := get[llamaCompletion](t, c, "/infill", body+`-1}`), get[llamaCompletion](t, c, "/infill", body+`0.000001}`)
	if whole.Predicted != 200 || short.Predicted == 200 || !strings.HasPrefix(whole.Content, short.Content) || !short.NewLine || short.StopType != "limit" {
		t.Errorf("%d tokens without a limit, %q with one", whole.Predicted, short.Content)
	}
}

// A prompt that is too long is cut, where one without a gap is refused.
func TestInfillTooLong(t *testing.T) {
	c := startFills(t)
	long := strings.Repeat(" and the king said", 1000)
	a := get[llamaCompletion](t, c, "/infill", `{"input_prefix": "`+long+`", "input_suffix": "`+long+`", "input_extra": [{"text": "`+long+`"}, {"text": "Amen."}], "n_predict": 4}`)
	if a.Evaluated > 1024*7/8 || a.Evaluated < 1024*5/8 || strings.Count(a.Prompt, "Amen.") != 1 || strings.Contains(a.Prompt, "tmp\n and") {
		t.Errorf("%d tokens: %q", a.Evaluated, a.Prompt)
	}
	get[completion](t, c, "/v1/completions", `{"prompt": "`+long+`", "suffix": "x", "max_tokens": 1}`)
}

// Ollama's API lists what a model can do, and needs no chat template for it.
func TestOllamaInsert(t *testing.T) {
	c := startFills(t)
	const prefix, suffix = "The king said", " to him."
	want := get[llamaCompletion](t, c, "/completion", `{"prompt": `+gap(prefix, suffix)+`, "n_predict": 9, "temperature": 0}`)
	body := `{"model": "fills", "prompt": "%s", "suffix": "` + suffix + `", "stream": false, "options": {"num_predict": 9, "temperature": 0}%s}`
	if a := get[ollamaAnswer](t, c, "/api/generate", fmt.Sprintf(body, prefix, `, "system": "Be terse."`)); *a.Response != want.Content || len(a.Context) == 0 {
		t.Errorf("%+v; want %q", a, want.Content)
	}
	// The cursor may be at the beginning; that is no request to load the model.
	begun := get[llamaCompletion](t, c, "/completion", `{"prompt": `+gap("", suffix)+`, "n_predict": 9, "temperature": 0}`)
	if a := get[ollamaAnswer](t, c, "/api/generate", fmt.Sprintf(body, "", "")); *a.Response != begun.Content || a.DoneReason == "load" {
		t.Errorf("%+v; want %q", a, begun.Content)
	}
	// A raw prompt is the whole of it.
	plain := get[llamaCompletion](t, c, "/completion", `{"prompt": "`+prefix+`", "n_predict": 9, "temperature": 0}`)
	if a := get[ollamaAnswer](t, c, "/api/generate", fmt.Sprintf(body, prefix, `, "raw": true`)); *a.Response != plain.Content {
		t.Errorf("raw: %+v; want %q", a, plain.Content)
	}
	for name, can := range map[*client]bool{c: true, start(t, Options{}): false} {
		model := name.Models()[0].Name
		show := get[ollamaShowAnswer](t, name, "/api/show", `{"model": "`+model+`"}`)
		if slices.Contains(show.Capabilities, "insert") != can {
			t.Errorf("%s can do %v", model, show.Capabilities)
		}
	}
}

func TestInfillErrors(t *testing.T) {
	c, none := startFills(t), start(t, Options{})
	for _, tt := range []struct{ body, param string }{
		{`{"input_suffix": "x"}`, "input_prefix"},
		{`{"input_prefix": "x", "prompt": "y"}`, "input_suffix"},
		{`{"input_prefix": 5, "input_suffix": ""}`, "input_prefix"},
		{`{"input_prefix": "x", "input_suffix": "", "prompt": ["a", "b"]}`, "prompt"},
		{`{"input_prefix": "x", "input_suffix": "", "prompt": [5]}`, "prompt"},
		{`{"input_prefix": "x", "input_suffix": "", "input_extra": "a"}`, "input_extra"},
		{`{"input_prefix": "x", "input_suffix": "", "input_extra": [{"filename": "a"}]}`, "input_extra[0].text"},
		{`{"input_prefix": "x", "input_suffix": "", "input_extra": [{"text": "a", "filename": 5}]}`, "input_extra.filename"},
		{`{"input_prefix": "x", "input_suffix": "", "n_predict": -3}`, "n_predict"},
		{`{"input_prefix": "x", "input_suffix": "", "t_max_predict_ms": "1"}`, "t_max_predict_ms"},
		{`{"input_prefix": "x", "input_suffix": "", "response_fields": "content"}`, "response_fields"},
	} {
		if status, e := getError(t, c, "/infill", tt.body); status != http.StatusBadRequest || *cmpText(e.Error.Param) != tt.param {
			t.Errorf("%s: %d, %s, %s", tt.body, status, *cmpText(e.Error.Param), e.Error.Message)
		}
	}
	for path, body := range map[string]string{"/infill": `{"input_prefix": "x", "input_suffix": "y"}`, "/v1/completions": `{"prompt": "x", "suffix": "y"}`} {
		if status, e := getError(t, none, path, body); status != http.StatusBadRequest || *e.Error.Code != "no_infill" ||
			!strings.HasPrefix(e.Error.Message, "tiny: the model cannot fill a gap") {
			t.Errorf("%s: %d, %+v", path, status, e.Error)
		}
	}
}
