package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"st/runtime"
	"st/runtime/server/page"
)

// Ollama's API, as https://github.com/ollama/ollama/blob/main/docs/api.md describes it.

// ollamaVersion is the version of Ollama whose API this is. Clients ask for it to learn what they can use.
const ollamaVersion = "0.17.4"

func (s *Server) routesOllama(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.ollamaRoot)
	mux.HandleFunc("GET /api/version", s.ollamaVersion)
	mux.HandleFunc("GET /api/tags", s.ollamaTags)
	mux.HandleFunc("GET /api/ps", s.ollamaPS)
	mux.HandleFunc("POST /api/show", handler(s.ollamaShow))
	mux.HandleFunc("DELETE /api/delete", handler(s.ollamaDelete))
	mux.HandleFunc("POST /api/copy", handler(s.ollamaCopy))
	mux.HandleFunc("POST /api/pull", handler(s.ollamaPull))
	mux.HandleFunc("POST /api/generate", s.queued(s.ollamaGenerate))
	mux.HandleFunc("POST /api/chat", s.queued(s.ollamaChat))
	mux.HandleFunc("POST /api/embed", handler(noEmbeddings))
	mux.HandleFunc("POST /api/embeddings", handler(noEmbeddings))
}

// ollamaRoot tells clients that look for Ollama that they have found it. Browsers get the page.
func (s *Server) ollamaRoot(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		page.Handler().ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Ollama is running")) // a client that went away is told nothing
}

func (s *Server) ollamaVersion(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
	}{ollamaVersion})
}

// ollamaError is an error in Ollama's form.
type ollamaError struct {
	Error string `json:"error"`
}

// ollamaFind returns the model of a request. Clients look for "not found" in the error.
func (s *Server) ollamaFind(name string) (*served, error) {
	sv, err := s.models.find(name)
	if err == nil {
		return sv, nil
	}
	if e := asError(err); e.Status == http.StatusNotFound {
		return nil, &Error{Status: e.Status, Code: e.Code, Param: e.Param, Message: fmt.Sprintf("model '%s' not found: %s", name, e.Message)}
	}
	return nil, err
}

// ollamaRequest are the fields that /api/chat and /api/generate share.
type ollamaRequest struct {
	Model       string          `json:"model"`
	Stream      *bool           `json:"stream"` // true if it is not given
	Format      json.RawMessage `json:"format"`
	KeepAlive   *keepAlive      `json:"keep_alive"`
	Options     json.RawMessage `json:"options"`
	Think       json.RawMessage `json:"think"`
	LogProbs    bool            `json:"logprobs"`
	TopLogProbs int             `json:"top_logprobs"`
}

// ollamaOptions are the options of a request. Others of Ollama's tell how it loads a model, which the server's own options say here: num_ctx is
// one of them.
type ollamaOptions struct {
	NumPredict       *int     `json:"num_predict"`
	Temperature      *float64 `json:"temperature"`
	TopP             *float64 `json:"top_p"`
	TopK             *int     `json:"top_k"`
	MinP             *float64 `json:"min_p"`
	RepeatPenalty    *float64 `json:"repeat_penalty"`
	PresencePenalty  float64  `json:"presence_penalty"`
	FrequencyPenalty float64  `json:"frequency_penalty"`
	Seed             *int64   `json:"seed"`
	Stop             texts    `json:"stop"`
	NumCtx           *int     `json:"num_ctx"`
	Lookup           lookup   `json:"lookup"`

	Sent sentFields `json:"*"`
}

// generate returns what a request asks for.
func (q *ollamaRequest) generate(read formats) (g runtime.Generate, err error) {
	var o ollamaOptions
	if q.Options != nil {
		if err := decode(q.Options, &o, "options"); err != nil {
			return g, err
		}
	}
	sampling := openAISampling{Temperature: o.Temperature, TopP: o.TopP, TopK: o.TopK, MinP: o.MinP, RepeatPenalty: o.RepeatPenalty,
		PresencePenalty: o.PresencePenalty, FrequencyPenalty: o.FrequencyPenalty, Stop: o.Stop, Lookup: o.Lookup, Sent: o.Sent}
	if p := o.RepeatPenalty; p != nil && *p <= 0 { // Ollama takes it for off
		sampling.RepeatPenalty = new(1.0)
	}
	if o.Seed != nil && *o.Seed >= 0 { // -1: a new one
		sampling.Seed = o.Seed
	}
	if g, err = sampling.generate(read); err != nil {
		return g, withField(err, func(param string) string { return "options." + param })
	}
	if o.NumPredict != nil {
		g.MaxTokens = max(0, *o.NumPredict) // 0, -1 and -2: until the text ends
	}
	switch {
	case q.TopLogProbs < 0 || q.TopLogProbs > maxTopLogProbs:
		return g, badField("top_logprobs", fmt.Sprintf("it is %d and must be between 0 and %d", q.TopLogProbs, maxTopLogProbs))
	case q.LogProbs:
		g.LogProbs, g.TopLogProbs = true, q.TopLogProbs
	}
	g.Grammar, err = formatGrammar(read, q.Format)
	return g, err
}

// thinks returns what the chat template is told of the field think: whether the model is to think. Some models have levels of it.
func (q *ollamaRequest) thinks(m *runtime.Model) (runtime.ChatOption, error) {
	think := false
	if q.Think == nil {
		return runtime.Variables(nil), nil
	}
	var level string
	switch {
	case json.Unmarshal(q.Think, &think) == nil:
	case json.Unmarshal(q.Think, &level) == nil && slices.Contains([]string{"low", "medium", "high", "max"}, level):
		think = true
	default:
		return nil, badField("think", "it must be true, false, low, medium or high")
	}
	if think && !m.Reasons() {
		return nil, badField("think", fmt.Sprintf("%q does not support thinking", q.Model))
	}
	return runtime.Variables(map[string]any{"enable_thinking": think}), nil
}

func (q *ollamaRequest) streams() bool { return q.Stream == nil || *q.Stream }

// retire unloads a model that nobody uses. One that is used stays as long as the requests that use it say.
func (m *models) retire(sv *served) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if sv.model != nil && sv.users == 0 && !m.closed {
		m.unload(sv, "a request said so")
	}
}

// ollamaAnswer is an answer of /api/chat, which has Message, or /api/generate, which has Response; or a part of one if it is streamed.
type ollamaAnswer struct {
	Model      string         `json:"model"`
	CreatedAt  time.Time      `json:"created_at"`
	Message    *ollamaMessage `json:"message,omitempty"`
	Response   *string        `json:"response,omitempty"`
	Thinking   string         `json:"thinking,omitempty"` // of /api/generate
	Done       bool           `json:"done"`
	DoneReason string         `json:"done_reason,omitempty"`
	Context    []int32        `json:"context,omitempty"`
	ollamaMetrics
	LogProbs []chatLogProb `json:"logprobs,omitempty"`
}

type ollamaMessage struct {
	Role      string       `json:"role"`
	Content   string       `json:"content"`
	Thinking  string       `json:"thinking,omitempty"`
	ToolCalls []ollamaCall `json:"tool_calls,omitempty"`
}

// ollamaCall is a call of a function. It comes whole.
type ollamaCall struct {
	ID       string `json:"id,omitempty"`
	Function struct {
		Index     int             `json:"index"`
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
}

// ollamaMetrics tell how long an answer took, in nanoseconds.
type ollamaMetrics struct {
	TotalDuration      time.Duration `json:"total_duration,omitempty"`
	LoadDuration       time.Duration `json:"load_duration,omitempty"`     // until the request had its place and its model
	PromptEvalCount    int           `json:"prompt_eval_count,omitempty"` // also those that a cache held
	PromptEvalDuration time.Duration `json:"prompt_eval_duration,omitempty"`
	EvalCount          int           `json:"eval_count,omitempty"`
	EvalDuration       time.Duration `json:"eval_duration,omitempty"`
}

// lines writes JSON values, each in a line.
type lines struct{ events }

// send reports whether the client is still there.
func (l *lines) send(v any) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, err := jsonLine(v)
	if l.err == nil {
		l.err = err
	}
	return l.write(typeLines, line)
}

// jsonLine returns a value in a line.
func jsonLine(v any) ([]byte, error) {
	var line bytes.Buffer
	err := encodeJSON(&line, v)
	return line.Bytes(), err
}

// fail ends a stream with an error. One that comes before the stream has begun is returned.
func (l *lines) fail(r *http.Request, err error) error {
	if !l.end() {
		return err
	}
	e := failed(r, err)
	l.send(ollamaError{e.Message})
	return nil
}

// keepAlive is a field that says how long a model stays loaded: see [ParseKeepAlive].
type keepAlive time.Duration

func (k *keepAlive) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(data)
	}
	d, err := ParseKeepAlive(text)
	if err != nil {
		return &Error{Status: http.StatusBadRequest, Message: err.Error()}
	}
	*k = keepAlive(d)
	return nil
}

// ParseKeepAlive reads how long a model stays loaded, as Ollama's clients write it: a number of seconds, or a time such as "5m"; less than 0, or more than
// a time can be, is until its memory is needed, which is returned as −1.
func ParseKeepAlive(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(seconds) {
		d := seconds * float64(time.Second)
		if d < 0 || d >= math.MaxInt64 {
			return -1, nil
		}
		return time.Duration(d), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errKeepAlive
	}
	return max(-1, d), nil
}

var errKeepAlive = errors.New(`it must be a number of seconds or a time such as "5m"`)
