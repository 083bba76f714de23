package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"strings"

	"st/runtime"
)

// readLines sends a request and returns the answer's lines.
func readLines(t *testing.T, c *client, path, body string) (all []ollamaAnswer) {
	t.Helper()
	r := c.request(t, path, body)
	if got := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || got != "application/x-ndjson" {
		t.Fatalf("%s %s: status %d, %s", path, body, r.StatusCode, got)
	}
	in := bufio.NewScanner(r.Body)
	for in.Scan() {
		var a ollamaAnswer
		if err := json.Unmarshal(in.Bytes(), &a); err != nil {
			t.Fatalf("%s: %v", in.Text(), err)
		}
		all = append(all, a)
	}
	if in.Err() != nil || len(all) == 0 {
		t.Fatalf("%d lines, %v", len(all), in.Err())
	}
	return all
}

// wantKeys checks which fields a JSON object has.
func wantKeys(t *testing.T, what string, v map[string]any, keys ...string) {
	t.Helper()
	got := slices.Sorted(maps.Keys(v))
	slices.Sort(keys)
	if !slices.Equal(got, keys) {
		t.Errorf("%s has the fields %q, want %q", what, got, keys)
	}
}

// say returns what the library answers to messages.
func say(t *testing.T, g runtime.Generate, messages ...runtime.Message) *runtime.Result {
	t.Helper()
	m := openModel(t)
	ids, err := m.EncodeChat(t.Context(), messages)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, m, ids, g)
}

// run continues tokens.
func run(t *testing.T, m *runtime.Model, ids []int32, g runtime.Generate) (done *runtime.Result) {
	t.Helper()
	for p, err := range m.GenerateTokens(t.Context(), ids, g) {
		if err != nil {
			t.Fatal(err)
		}
		done = p.Done
	}
	return done
}

// A chat answers what the library does, streamed and whole.
func TestOllamaChat(t *testing.T) {
	c := start(t, Options{})
	body := `{"model": "tiny:latest", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Who is there?"}],
		"options": {"seed": 5.0, "num_predict": 20, "num_ctx": 4096, "top_k": 30.0, "mirostat": 0}%s}`
	want := say(t, runtime.Generate{MaxTokens: 20, TopK: new(30), Seed: new(uint64(5))}, runtime.Message{Role: "system", Content: "S"}, runtime.Message{Role: "user", Content: "Who is there?"})
	begin := time.Now()
	all := readLines(t, c, "/api/chat", fmt.Sprintf(body, ""))
	text := ""
	for i, a := range all {
		last := i == len(all)-1
		if a.Message == nil || a.Message.Role != "assistant" || a.Response != nil || a.Model != "tiny:latest" || a.CreatedAt.Before(begin) || a.Done != last || (a.ollamaMetrics != (ollamaMetrics{})) != last {
			t.Errorf("line %d of %d is %+v", i+1, len(all), a)
		}
		text += a.Message.Content
	}
	m := all[len(all)-1]
	if text != want.Text || len(all) < 3 || m.DoneReason != finishReason(want) {
		t.Errorf("%d lines with %q, %s; want %q", len(all), text, m.DoneReason, want.Text)
	}
	if m.PromptEvalCount != want.PromptTokens || m.EvalCount != len(want.Tokens) || m.LoadDuration <= 0 || m.PromptEvalDuration <= 0 || m.EvalDuration <= 0 ||
		m.TotalDuration < m.LoadDuration+m.PromptEvalDuration+m.EvalDuration || m.TotalDuration > time.Since(begin) {
		t.Errorf("metrics are %+v", m.ollamaMetrics)
	}
	a := get[map[string]any](t, c, "/api/chat", fmt.Sprintf(body, `, "stream": false`))
	wantKeys(t, "the answer", a, "model", "created_at", "message", "done", "done_reason", "total_duration", "load_duration", "prompt_eval_count",
		"prompt_eval_duration", "eval_count", "eval_duration")
	if got := a["message"].(map[string]any)["content"]; got != want.Text || a["done"] != true || a["prompt_eval_count"] != float64(want.PromptTokens) {
		t.Errorf("whole: %v; want %q", a, want.Text)
	}
}

func TestOllamaGenerate(t *testing.T) {
	c := start(t, Options{})
	ask := func(fields string) ollamaAnswer {
		return get[ollamaAnswer](t, c, "/api/generate", `{"model": "tiny", "stream": false, `+fields+`}`)
	}
	m := openModel(t)
	g := runtime.Generate{MaxTokens: 8, Temperature: new(0.0)}
	user := runtime.Message{Role: "user", Content: "Speak"}
	greedy := `, "options": {"temperature": 0, "num_predict": 8}`
	want := say(t, g, user)
	a := ask(`"prompt": "Speak"` + greedy)
	if *a.Response != want.Text || a.Message != nil || !a.Done || a.DoneReason != finishReason(want) || a.EvalCount != len(want.Tokens) {
		t.Errorf("%+v, want %q", a, want.Text)
	}
	if got, want := *ask(`"prompt": "Speak", "system": "S"` + greedy).Response, say(t, g, runtime.Message{Role: "system", Content: "S"}, user).Text; got != want {
		t.Errorf("with a system message: %q, want %q", got, want)
	}
	raw := ask(`"prompt": "The LORD", "raw": true` + greedy)
	if want := run(t, m, encode(t, "The LORD"), g).Text; *raw.Response != want || raw.Context != nil {
		t.Errorf("raw: %q with context %v, want %q", *raw.Response, raw.Context, want)
	}
	// The context of an answer goes before the next prompt.
	context, _ := json.Marshal(a.Context)
	ids, err := m.EncodeChat(t.Context(), []runtime.Message{user})
	if err != nil {
		t.Fatal(err)
	}
	if next := ask(`"prompt": "Speak", "context": ` + string(context) + greedy); *next.Response != run(t, m, append(slices.Clone(a.Context), ids...), g).Text ||
		next.PromptEvalCount != len(a.Context)+len(ids) || !slices.Equal(a.Context[:len(ids)], ids) {
		t.Errorf("with a context: %+v", next)
	}
	text := ""
	all := readLines(t, c, "/api/generate", `{"prompt": "Speak"`+greedy+`}`)
	for _, a := range all {
		text += *a.Response
	}
	if last := all[len(all)-1]; text != want.Text || len(last.Context) == 0 || last.Model != "tiny" {
		t.Errorf("streamed: %q, %+v", text, last)
	}
	stop := strings.Fields(want.Text)[1]
	for _, tt := range []struct {
		name, fields string
		ok           func(a ollamaAnswer) bool
	}{
		{"a stop text", fmt.Sprintf(`"options": {"temperature": 0, "stop": [%q]}`, stop), func(a ollamaAnswer) bool {
			return a.DoneReason == "stop" && !strings.Contains(*a.Response, stop)
		}},
		{"no thinking", `"think": false` + greedy, func(a ollamaAnswer) bool { return *a.Response == want.Text }},
		{"top-k", `"options": {"temperature": 9, "top_k": 1, "num_predict": 8, "seed": -1}`, func(a ollamaAnswer) bool { return *a.Response == want.Text }},
		{"top-p", `"options": {"temperature": 9, "top_p": 0, "num_predict": 8}`, func(a ollamaAnswer) bool { return *a.Response == want.Text }},
		{"min-p", `"options": {"temperature": 9, "min_p": 1, "top_k": 0, "top_p": 1, "num_predict": 8}`, func(a ollamaAnswer) bool { return *a.Response == want.Text }},
		{"a repeat penalty", `"options": {"temperature": 0, "repeat_penalty": 3, "num_predict": 8}`, func(a ollamaAnswer) bool { return *a.Response != want.Text }},
		{"no repeat penalty", `"options": {"temperature": 0, "repeat_penalty": 0, "num_predict": 8}`, func(a ollamaAnswer) bool { return *a.Response == want.Text }},
		{"penalties", `"options": {"temperature": 0, "presence_penalty": 2, "frequency_penalty": 2, "num_predict": 40}`, func(a ollamaAnswer) bool {
			return *a.Response != say(t, runtime.Generate{MaxTokens: 40, Temperature: new(0.0)}, user).Text
		}},
		{"probabilities", `"logprobs": true, "top_logprobs": 2` + greedy, func(a ollamaAnswer) bool {
			text := ""
			for _, p := range a.LogProbs {
				if len(p.Top) != 2 || p.Top[0].LogProb != p.LogProb {
					return false
				}
				text += p.Token
			}
			return text == *a.Response && len(a.LogProbs) == a.EvalCount
		}},
	} {
		if a := ask(`"prompt": "Speak", ` + tt.fields); !tt.ok(a) {
			t.Errorf("%s: %q, %+v", tt.name, *a.Response, a)
		}
	}
}

// A model without a chat template continues the prompt as it is. A chat with it is an error.
func TestOllamaGenerateText(t *testing.T) {
	c := start(t, Options{Models: []string{withoutTemplate(t, "base")}})
	m := openModel(t)
	ask := func(fields string) ollamaAnswer {
		return get[ollamaAnswer](t, c, "/api/generate", `{"stream": false, "options": {"temperature": 0, "num_predict": 8}, `+fields+`}`)
	}
	g := runtime.Generate{MaxTokens: 8, Temperature: new(0.0)}
	ids := encode(t, "The LORD")
	a := ask(`"prompt": "The LORD"`)
	if want := run(t, m, ids, g).Text; *a.Response != want || *ask(`"prompt": "The LORD", "raw": true`).Response != want {
		t.Errorf("%q, want %q", *a.Response, want)
	}
	context, _ := json.Marshal(a.Context)
	next := ask(`"prompt": " of", "context": ` + string(context))
	if want := run(t, m, append(slices.Clone(a.Context), encode(t, " of")...), g).Text; *next.Response != want || !slices.Equal(a.Context[:len(ids)], ids) {
		t.Errorf("with a context: %q, want %q", *next.Response, want)
	}
	for path, body := range map[string]string{
		"/api/generate": `{"prompt": "The LORD", "system": "S"}`,
		"/api/chat":     `{"messages": [{"role": "user", "content": "Hi"}]}`,
	} {
		r := c.request(t, path, body)
		if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "no chat template") {
			t.Errorf("%s: %d, %s", path, r.StatusCode, text)
		}
	}
}

// A request without a prompt loads the model for as long as it says, and unloads it.
func TestOllamaKeepAlive(t *testing.T) {
	c := start(t, Options{Models: []string{modelPath, otherPath}, KeepAlive: time.Hour})
	type list struct{ Models []ollamaRunning }
	ps := func() []ollamaRunning { return get[list](t, c, "/api/ps", "").Models }
	if got := ps(); len(got) != 0 {
		t.Errorf("at first %+v are loaded", got)
	}
	for _, tt := range []struct {
		path, body, reason string
		stays              time.Duration // 0: not at all
	}{
		{"/api/generate", `{"model": "tiny", "stream": false}`, "load", time.Hour},
		{"/api/chat", `{"model": "tiny", "messages": [], "keep_alive": "5m", "stream": false}`, "load", 5 * time.Minute},
		{"/api/generate", `{"model": "tiny", "keep_alive": 90, "stream": false}`, "load", 90 * time.Second},
		{"/api/generate", `{"model": "tiny", "keep_alive": "120", "stream": false}`, "load", 2 * time.Minute},
		{"/api/generate", `{"model": "tiny", "keep_alive": -1, "stream": false}`, "load", forever},
		{"/api/generate", `{"model": "tiny", "keep_alive": "-1m", "stream": false}`, "load", forever},
		{"/api/generate", `{"model": "tiny", "keep_alive": 1e300, "stream": false}`, "load", forever},
		{"/api/chat", `{"model": "tiny", "keep_alive": 0, "stream": false}`, "unload", 0},
		{"/api/generate", `{"model": "tiny", "keep_alive": "0s", "stream": false}`, "unload", 0},
	} {
		before := time.Now()
		a := get[ollamaAnswer](t, c, tt.path, tt.body)
		if !a.Done || a.DoneReason != tt.reason || a.ollamaMetrics != (ollamaMetrics{}) || (a.Message == nil) != (tt.path == "/api/generate") {
			t.Errorf("%s: %+v", tt.body, a)
		}
		got := ps()
		if (len(got) == 1) != (tt.stays != 0) {
			t.Errorf("%s: %d models are loaded", tt.body, len(got))
		} else if tt.stays != 0 {
			if at := got[0].ExpiresAt; got[0].Name != "tiny:latest" || at.Before(before.Add(tt.stays)) || at.After(time.Now().Add(tt.stays)) {
				t.Errorf("%s: %s expires at %v", tt.body, got[0].Name, at)
			}
		}
	}
	// A request with a prompt, too.
	get[ollamaAnswer](t, c, "/api/generate", `{"model": "other", "prompt": "x", "keep_alive": 0, "stream": false, "options": {"num_predict": 1}}`)
	if got := ps(); len(got) != 0 {
		t.Errorf("after keep_alive 0 %+v are loaded", got)
	}
	if all := readLines(t, c, "/api/chat", `{"model": "other"}`); len(all) != 1 || all[0].DoneReason != "load" {
		t.Errorf("streamed: %+v", all)
	}
	p := get[map[string][]map[string]any](t, c, "/api/ps", "")["models"][0]
	wantKeys(t, "a loaded model", p, "name", "model", "size", "digest", "details", "expires_at", "size_vram", "context_length")
	if p["context_length"] == 0.0 || p["size"] == 0.0 {
		t.Errorf("%v", p)
	}
}

func TestOllamaModels(t *testing.T) {
	c := start(t, Options{Models: []string{modelPath, otherPath}})
	list := get[map[string][]map[string]any](t, c, "/api/tags", "")["models"]
	if len(list) != 2 {
		t.Fatalf("%v", list)
	}
	wantKeys(t, "a model", list[0], "name", "model", "modified_at", "size", "digest", "details")
	d := list[0]["details"].(map[string]any)
	wantKeys(t, "details", d, "parent_model", "format", "family", "families", "parameter_size", "quantization_level")
	info := c.Models()[0]
	if list[0]["name"] != "tiny:latest" || list[0]["size"] != float64(info.Size) || len(list[0]["digest"].(string)) != 64 || list[0]["digest"] == list[1]["digest"] ||
		d["format"] != "stm" || d["family"] != "smallthinker" || d["quantization_level"] != "Q4_0" || !strings.HasSuffix(d["parameter_size"].(string), "M") {
		t.Errorf("%v", list[0])
	}
	if d := list[1]["details"].(map[string]any); d["quantization_level"] != "F32" {
		t.Errorf("%v", list[1])
	}
	for _, body := range []string{`{"model": "tiny"}`, `{"name": "tiny:latest", "verbose": true}`} {
		s := get[map[string]any](t, c, "/api/show", body)
		wantKeys(t, "show", s, "modelfile", "parameters", "template", "details", "model_info", "capabilities", "modified_at")
		m := s["model_info"].(map[string]any)
		if m["general.architecture"] != "smallthinker" || m["smallthinker.context_length"] != float64(info.Config.Context) || m["general.parameter_count"] != float64(info.Parameters) ||
			m["smallthinker.expert_count"] != float64(info.Config.MoE.Experts) || !strings.Contains(s["template"].(string), "messages") ||
			!strings.Contains(s["parameters"].(string), "temperature                    0.7\n") {
			t.Errorf("%v", s)
		}
	}
	if v := get[map[string]string](t, c, "/api/version", ""); v["version"] != ollamaVersion {
		t.Errorf("%v", v)
	}
}

// Clients look at / to learn whether Ollama is there. A browser gets the page.
func TestOllamaRoot(t *testing.T) {
	c := start(t, Options{})
	r := c.request(t, "/", "")
	if text, _ := io.ReadAll(r.Body); string(text) != "Ollama is running" || r.StatusCode != http.StatusOK {
		t.Errorf("%d: %s", r.StatusCode, text)
	}
	if r, err := http.Head(c.url + "/"); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %v, %v", r, err)
	}
	r = c.request(t, "/", "", "Accept", "text/html,*/*")
	if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK || !strings.Contains(string(text), "<!doctype html>") {
		t.Errorf("a browser gets status %d: %s", r.StatusCode, text)
	}
}

func TestOllamaErrors(t *testing.T) {
	c := start(t, Options{Models: []string{modelPath, otherPath}})
	for _, tt := range []struct {
		method, path, body string
		status             int
		message            string
	}{
		{"POST", "/api/chat", `{`, 400, "not JSON"},
		{"POST", "/api/chat", `{"model": "none", "messages": [{"role": "user", "content": "x"}]}`, 404, "model 'none' not found"},
		{"POST", "/api/chat", `{"messages": [{"role": "user", "content": "x"}]}`, 400, "model: it must name one of tiny, other"},
		{"POST", "/api/chat", `{"model": "tiny", "messages": [{"role": "king", "content": "x"}]}`, 400, "messages[0].role"},
		{"POST", "/api/chat", `{"model": "tiny", "messages": [{"role": "user", "content": "x", "images": ["AA=="]}]}`, 400, "messages[0].images: images are not supported"},
		{"POST", "/api/chat", `{"model": "tiny", "messages": [], "tools": [{}]}`, 400, "tools[0].function: it is missing"},
		{"POST", "/api/generate", `{"model": "none", "prompt": "x"}`, 404, "model 'none' not found"},
		{"POST", "/api/generate", `{"model": "none", "keep_alive": 0}`, 404, "model 'none' not found"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": 1}`, 400, "prompt: it must be a string"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "raw": true, "system": "S"}`, 400, "raw mode does not support"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "template": "{{ .Prompt }}"}`, 400, "template: it is not supported"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "suffix": "y"}`, 400, "does not support insert"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "images": ["AA=="]}`, 400, "images are not supported"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "format": "xml"}`, 400, "format: it is \"xml\""},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "think": true}`, 400, "does not support thinking"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "context": [1, -7]}`, 400, "context: token 1 is -7"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "keep_alive": "soon"}`, 400, "keep_alive: it must be a number of seconds"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "keep_alive": true}`, 400, "keep_alive: it must be"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "top_logprobs": 21, "logprobs": true}`, 400, "top_logprobs"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "options": 5}`, 400, "options: it must be an object"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "options": {"top_p": 1.5}}`, 400, "options.top_p: it is 1.5 and must be between 0 and 1"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "options": {"top_k": 1.5}}`, 400, "options.top_k: it must be a whole number"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "options": {"top_k": -5}}`, 400, "options.top_k: it is -5 and must be between -1 and"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "options": {"stop": [""]}}`, 400, "options.stop: a text is empty"},
		{"POST", "/api/generate", `{"model": "tiny", "prompt": "x", "options": {"stop": [1]}}`, 400, "options.stop"},
		{"POST", "/api/show", `{"model": "none"}`, 404, "model 'none' not found"},
		{"DELETE", "/api/delete", `{"model": "none"}`, 404, "model 'none' not found"},
		{"DELETE", "/api/delete", `{"model": "tiny"}`, 405, "does not own the files"},
		{"POST", "/api/copy", `{"source": "tiny", "destination": "b"}`, 405, "does not own the files"},
		{"POST", "/api/copy", `{"source": "none", "destination": "b"}`, 404, "model 'none' not found"},
		{"POST", "/api/pull", `{"model": "tiny"}`, 405, "cannot be pulled here"},
		{"GET", "/api/chat", ``, 405, "the method must be POST"},
		{"GET", "/api/chats", ``, 404, "there is nothing at GET /api/chats"},
	} {
		q, err := http.NewRequestWithContext(t.Context(), tt.method, c.url+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		var e map[string]string
		err = json.NewDecoder(r.Body).Decode(&e)
		r.Body.Close()
		if err != nil || r.StatusCode != tt.status || len(e) != 1 || !strings.Contains(e["error"], tt.message) {
			t.Errorf("%s %s %s: %d, %v, %v; want %d, %q", tt.method, tt.path, tt.body, r.StatusCode, e, err, tt.status, tt.message)
		}
	}
	long, _ := json.Marshal(strings.Repeat("king ", 10000))
	r := c.request(t, "/api/generate", `{"model": "tiny", "prompt": `+string(long)+`}`)
	if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), `"error":"the prompt does not fit`) && !strings.Contains(string(text), "context") {
		t.Errorf("%d: %s", r.StatusCode, text)
	}
}

func TestProtocolOfKeyError(t *testing.T) {
	c := start(t, Options{APIKey: "secret"})
	for path, want := range map[string]string{
		"/api/tags":    `{"error":"the API key is missing or wrong"}`,
		"/v1/models":   `"code":"invalid_api_key"`,
		"/v1/messages": `"type":"authentication_error"`,
	} {
		r := c.request(t, path, "")
		if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusUnauthorized || !strings.Contains(string(text), want) {
			t.Errorf("%s: %d, %s", path, r.StatusCode, text)
		}
	}
}
