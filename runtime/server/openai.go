package server

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"st/runtime"
)

// OpenAI's API, as https://platform.openai.com/docs/api-reference describes it, with the sampling options of llama.cpp's and vLLM's servers.

func (s *Server) routesOpenAI(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/models", s.openAIModels)
	mux.HandleFunc("GET /v1/models/{$}", s.openAIModels)
	mux.HandleFunc("GET /v1/models/{id...}", s.openAIModel)
	mux.HandleFunc("POST /v1/chat/completions", s.queued(s.chatCompletions))
	mux.HandleFunc("POST /v1/completions", s.queued(s.completions))
	mux.HandleFunc("POST /v1/responses", s.queued(s.responses))
	mux.HandleFunc("POST /v1/responses/input_tokens", handler(s.responsesInputTokens))
	mux.HandleFunc("POST /v1/embeddings", handler(noEmbeddings))
}

// noEmbeddings refuses requests for embeddings, of OpenAI's, llama.cpp's and Ollama's API. Clients try again after a status of 500 or more, which would be in
// vain.
func noEmbeddings(_ http.ResponseWriter, r *http.Request, _ []byte) error {
	paths := "/v1/chat/completions, /v1/completions, /v1/responses and /v1/messages"
	if strings.HasPrefix(r.URL.Path, "/api/") {
		paths = "/api/chat and /api/generate"
	}
	return &Error{Status: http.StatusBadRequest, Code: "unsupported", Message: "embeddings are not supported: the models of this server generate text, at " + paths +
		"; use an embedding model on another server"}
}

// openAIError is an error in OpenAI's form.
type openAIError struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	} `json:"error"`
}

func newOpenAIError(e *Error) (o openAIError) {
	o.Error.Message = e.Message
	switch {
	case e.Status == http.StatusUnauthorized:
		o.Error.Type = "authentication_error"
	case e.Status == http.StatusForbidden:
		o.Error.Type = "permission_error"
	case e.Status == http.StatusTooManyRequests:
		o.Error.Type = "rate_limit_error"
	case e.Status < 500:
		o.Error.Type = "invalid_request_error"
	default:
		o.Error.Type = "server_error"
	}
	if e.Param != "" {
		o.Error.Param = &e.Param
	}
	if e.Code != "" {
		o.Error.Code = &e.Code
	}
	return o
}

func writeOpenAIError(w http.ResponseWriter, e *Error) {
	writeJSON(w, e.Status, newOpenAIError(e))
}

// openAIModelObject is a model in OpenAI's form.
type openAIModelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func newOpenAIModel(m *ModelInfo) openAIModelObject {
	return openAIModelObject{m.Name, "model", m.Modified.Unix(), "st"}
}

func (s *Server) openAIModels(w http.ResponseWriter, r *http.Request) {
	if isAnthropic(r) {
		s.anthropicModels(w)
		return
	}
	list := struct {
		Object string              `json:"object"`
		Data   []openAIModelObject `json:"data"`
	}{"list", []openAIModelObject{}}
	for _, m := range s.Models() {
		list.Data = append(list.Data, newOpenAIModel(&m))
	}
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) openAIModel(w http.ResponseWriter, r *http.Request) {
	sv, err := s.models.find(r.PathValue("id"))
	if err != nil {
		writeError(w, r, err)
		return
	}
	if isAnthropic(r) {
		writeJSON(w, http.StatusOK, s.newAnthropicModel(&sv.ModelInfo))
		return
	}
	writeJSON(w, http.StatusOK, newOpenAIModel(&sv.ModelInfo))
}

// openAISampling are the fields that chat and text completions share.
type openAISampling struct {
	Model         string `json:"model"`
	Stream        bool   `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens         *int            `json:"max_tokens"`
	NPredict          *int            `json:"n_predict"` // llama.cpp's name: max_tokens overrules it
	Temperature       *float64        `json:"temperature"`
	TopP              *float64        `json:"top_p"`
	TopK              *int            `json:"top_k"`
	MinP              *float64        `json:"min_p"`
	Seed              *int64          `json:"seed"`
	Stop              texts           `json:"stop"`
	N                 *int            `json:"n"`
	LogitBias         biases          `json:"logit_bias"`
	PresencePenalty   float64         `json:"presence_penalty"`
	FrequencyPenalty  float64         `json:"frequency_penalty"`
	RepetitionPenalty *float64        `json:"repetition_penalty"` // vLLM's name
	RepeatPenalty     *float64        `json:"repeat_penalty"`     // llama.cpp's
	IgnoreEOS         bool            `json:"ignore_eos"`
	CachePrompt       *bool           `json:"cache_prompt"` // llama.cpp's; as if true
	Lookup            lookup          `json:"lookup"`
	SpeculativeNMax   *int            `json:"speculative.n_max"` // llama.cpp's name
	Grammar           string          `json:"grammar"`           // llama.cpp's
	JSONSchema        json.RawMessage `json:"json_schema"`       // llama.cpp's
	ResponseFormat    responseFormat  `json:"response_format"`
	User              string          `json:"user"`
	Sent              sentFields      `json:"*"`
}

// lookup is "auto", "off" or a number of tokens.
type lookup runtime.Lookup

func (l *lookup) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(data) // a number
	}
	parsed, err := runtime.ParseLookup(text)
	if err != nil {
		return &Error{Status: http.StatusBadRequest, Message: err.Error()}
	}
	*l = lookup(parsed)
	return nil
}

// Limits of OpenAI's API.
const (
	maxChoices     = 128
	maxTexts       = 2048 // of all prompts: its number of prompts
	maxTopLogProbs = 20
	maxBias        = 100
	maxPenalty     = 2
	maxStops       = 16 // 4 there
)

// check returns an error if a field is out of range.
func (o *openAISampling) check() error {
	for _, f := range []struct {
		name     string
		value    *float64
		min, max float64
	}{
		{"temperature", o.Temperature, 0, math.MaxFloat32},
		{"top_p", o.TopP, 0, 1},
		{"min_p", o.MinP, 0, 1},
		{"presence_penalty", &o.PresencePenalty, -maxPenalty, maxPenalty},
		{"frequency_penalty", &o.FrequencyPenalty, -maxPenalty, maxPenalty},
	} {
		if f.value == nil || *f.value >= f.min && *f.value <= f.max {
			continue
		}
		if f.max == math.MaxFloat32 && *f.value < f.min {
			return badField(f.name, fmt.Sprintf("it is %v and must be 0 or more", *f.value))
		}
		return badField(f.name, fmt.Sprintf("it is %v and must be between %v and %v", *f.value, f.min, f.max))
	}
	for _, f := range []struct {
		name  string
		value *float64
	}{{"repetition_penalty", o.RepetitionPenalty}, {"repeat_penalty", o.RepeatPenalty}} {
		switch {
		case f.value == nil:
		case !(*f.value > 0): // logits are divided by it
			return badField(f.name, fmt.Sprintf("it is %v and must be more than 0; 1 is off", *f.value))
		case *f.value > math.MaxFloat32:
			return badField(f.name, fmt.Sprintf("it is %v and must be at most %v; 1 is off", *f.value, math.MaxFloat32))
		}
	}
	switch {
	case o.TopK != nil && (*o.TopK < -1 || *o.TopK > math.MaxInt32):
		return badField("top_k", fmt.Sprintf("it is %d and must be between -1 and %d; 0 and -1 are off", *o.TopK, math.MaxInt32))
	case o.N != nil && (*o.N < 1 || *o.N > maxChoices):
		return badField("n", fmt.Sprintf("it is %d and must be between 1 and %d", *o.N, maxChoices))
	case len(o.Stop) > maxStops:
		return badField("stop", fmt.Sprintf("it has %d texts and may have %d", len(o.Stop), maxStops))
	case slices.Contains(o.Stop, ""):
		return badField("stop", "a text is empty: leave it out if the answer is to end by itself")
	}
	return nil
}

// generate returns what the fields ask for, once they are found to be in range.
func (o *openAISampling) generate(read formats) (g runtime.Generate, err error) {
	if err := o.check(); err != nil {
		return g, err
	}
	g = runtime.Generate{
		Temperature: o.Temperature, TopK: o.TopK, TopP: o.TopP, MinP: o.MinP, RepeatPenalty: cmp.Or(o.RepetitionPenalty, o.RepeatPenalty),
		PresencePenalty: o.PresencePenalty, FrequencyPenalty: o.FrequencyPenalty, Stop: o.Stop, IgnoreEOS: o.IgnoreEOS,
		Lookup: runtime.Lookup(o.Lookup),
	}
	if n := o.SpeculativeNMax; n != nil && g.Lookup == runtime.LookupAuto {
		if *n < 0 {
			return g, badField("speculative.n_max", fmt.Sprintf("it is %d and must be 0 or more", *n))
		}
		g.Lookup = min(runtime.Lookup(*n), runtime.MaxLookup)
		if *n == 0 {
			g.Lookup = runtime.LookupOff
		}
	}
	if o.Seed != nil && *o.Seed != -1 { // which is a new one, as llama.cpp and Ollama have it
		g.Seed = new(uint64(*o.Seed))
	}
	if g.LogitBias, err = logitBias(o.LogitBias); err != nil {
		return g, err
	}
	if g.Grammar, err = o.grammar(read); err != nil {
		return g, err
	}
	logIgnored(read.ctx, o.Sent)
	if g.MaxTokens, err = maxTokens("n_predict", o.NPredict, 0); err == nil {
		g.MaxTokens, err = maxTokens("max_tokens", o.MaxTokens, g.MaxTokens)
	}
	return g, err
}

// maxTokens returns a limit of tokens as runtime.Generate has it. −1 is none, as clients of llama.cpp have it.
func maxTokens(name string, n *int, otherwise int) (int, error) {
	switch {
	case n == nil:
		return otherwise, nil
	case *n < -1:
		return 0, badField(name, fmt.Sprintf("it is %d and must be 0 or more", *n))
	case *n == -1:
		return 0, nil
	case *n == 0:
		return -1, nil
	}
	return *n, nil
}

// fresh reports whether all of the prompt is to be run, whatever is cached.
func (o *openAISampling) fresh() bool { return o.CachePrompt != nil && !*o.CachePrompt }

// choices returns how many texts are generated for a prompt.
func (o *openAISampling) choices() int {
	if o.N == nil {
		return 1
	}
	return *o.N
}

// choice returns the options of choice i. A seed gives each another text.
func choice(g runtime.Generate, i int) runtime.Generate {
	if g.Seed != nil && i > 0 {
		g.Seed = new(*g.Seed + uint64(i))
	}
	return g
}

// maxLogProbs bounds the probabilities of an answer that is kept until it is whole, which takes some hundred bytes for each until it is written.
const maxLogProbs = 1 << 20

// logProbs counts the probabilities of an answer.
type logProbs int

// add counts those of a piece of an answer that is no stream. The field has asked for them.
func (n *logProbs) add(p *runtime.Piece, field string) error {
	if *n += logProbs(1 + len(p.Top)); *n > maxLogProbs {
		return badField(field, fmt.Sprintf("the answer would have more than %d probabilities: ask for fewer, or stream it", maxLogProbs))
	}
	return nil
}

// openAIUsage counts tokens.
type openAIUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	Details          struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// add counts a text. The prompt of several choices counts once.
func (u *openAIUsage) add(r *runtime.Result, choice int) {
	if choice == 0 {
		u.PromptTokens += r.PromptTokens + r.CachedTokens
		u.Details.CachedTokens += r.CachedTokens
	}
	u.CompletionTokens += len(r.Tokens)
	u.CompletionDetails.ReasoningTokens += r.ReasoningTokens
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
}

// finishReason is why a text ended, in OpenAI's words.
func finishReason(r *runtime.Result) string {
	if r.Stop == runtime.StopEOS || r.Stop == runtime.StopText {
		return "stop"
	}
	return "length"
}

// answerID returns a new name of an answer, such as cmpl-….
func answerID(prefix string) string { return prefix + rand.Text() }

func now() int64 { return time.Now().Unix() }

// logProb is a logarithm of a probability as JSON can hold it.
type logProb float64

func (p logProb) MarshalJSON() ([]byte, error) {
	f := float64(p)
	if math.IsNaN(f) || f < leastLogProb {
		f = leastLogProb
	}
	return json.Marshal(f)
}

// leastLogProb is OpenAI's figure for tokens that cannot come.
const leastLogProb = -9999
