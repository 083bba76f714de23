package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"st/runtime"
)

// llamaCompletionRequest is the body of /completion, and of /completions without /v1.
type llamaCompletionRequest struct {
	openAISampling
	Prompt            *prompts        `json:"prompt"`
	NProbs            int             `json:"n_probs"`
	PostSamplingProbs bool            `json:"post_sampling_probs"`
	ReturnTokens      bool            `json:"return_tokens"`
	MaxPredictMS      float64         `json:"t_max_predict_ms"` // until a text may end with a line
	ResponseFields    []string        `json:"response_fields"`
	Images            json.RawMessage `json:"image_data"`
}

// generate returns what the request asks for. Without a limit of tokens the text ends by itself, or when the context is full.
func (q *llamaCompletionRequest) generate(read formats) (g runtime.Generate, err error) {
	if g, err = q.openAISampling.generate(read); err != nil {
		return g, err
	}
	switch {
	case q.Prompt == nil:
		return g, badField("prompt", "it is missing")
	case len(*q.Prompt) > maxTexts:
		return g, badField("prompt", fmt.Sprintf("there are %d and may be %d", len(*q.Prompt), maxTexts))
	case q.choices() > 1:
		return g, badField("n", "it is not supported here: use /v1/completions, or send the prompt so many times")
	case len(q.Images) > 0 && !isOff(q.Images, 0):
		return g, badField("image_data", "the models read text only")
	case q.NProbs < 0 || q.NProbs > maxTopLogProbs:
		return g, badField("n_probs", fmt.Sprintf("it is %d and must be between 0 and %d", q.NProbs, maxTopLogProbs))
	case q.NProbs > 0 && q.PostSamplingProbs:
		return g, badField("post_sampling_probs", "it is not supported: the probabilities are those of the model")
	}
	g.LogProbs, g.TopLogProbs = q.NProbs > 0, q.NProbs
	g.MaxTime = time.Duration(min(q.MaxPredictMS, 1e9) * float64(time.Millisecond))
	return g, nil
}

// llamaPart is a part of an answer that is streamed.
type llamaPart struct {
	Index     int         `json:"index"` // of the prompt
	Content   string      `json:"content"`
	Tokens    []int32     `json:"tokens"`
	Stop      bool        `json:"stop"`
	Predicted int         `json:"tokens_predicted"` // up to here
	Evaluated int         `json:"tokens_evaluated"` // of the prompt, also those that a cache held
	Probs     []llamaProb `json:"completion_probabilities,omitempty"`
}

// llamaCompletion is a whole answer, or the last part of one.
type llamaCompletion struct {
	llamaPart
	Model        string       `json:"model"`
	Prompt       string       `json:"prompt"`
	NewLine      bool         `json:"has_new_line"`
	Truncated    bool         `json:"truncated"` // the context is full
	StopType     string       `json:"stop_type"`
	StoppingWord string       `json:"stopping_word"`
	Cached       int          `json:"tokens_cached"`
	Timings      llamaTimings `json:"timings"`

	Settings llamaSettings `json:"generation_settings"`
}

// llamaSettings are what a text was generated with.
type llamaSettings struct {
	Context int    `json:"n_ctx"`
	Predict int    `json:"n_predict"` // -1: no limit
	Seed    uint64 `json:"seed"`
	llamaSampling
}

func newLlamaSettings(m *runtime.Model, g *runtime.Generate, seed uint64) llamaSettings {
	s := llamaSettings{m.Context(), max(0, g.MaxTokens), seed, newLlamaSampling(g, &m.File().Generation)}
	if g.MaxTokens == 0 {
		s.Predict = -1
	}
	return s
}

// llamaProb is a token with its probability, and of one that was drawn the likeliest instead of it.
type llamaProb struct {
	ID int32 `json:"id"`
	tokenLogProb
	Top []llamaProb `json:"top_logprobs,omitempty"`
}

// llamaTimings tell how long a text took.
type llamaTimings struct {
	CacheN             int     `json:"cache_n"`
	PromptN            int     `json:"prompt_n"`
	PromptMS           float64 `json:"prompt_ms"`
	PromptPerToken     float64 `json:"prompt_per_token_ms"`
	PromptPerSecond    float64 `json:"prompt_per_second"`
	PredictedN         int     `json:"predicted_n"`
	PredictedMS        float64 `json:"predicted_ms"`
	PredictedPerToken  float64 `json:"predicted_per_token_ms"`
	PredictedPerSecond float64 `json:"predicted_per_second"`
}

func newLlamaTimings(r *runtime.Result) llamaTimings {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return llamaTimings{
		CacheN: r.CachedTokens, PromptN: r.PromptTokens, PromptMS: ms(r.PromptTime), PromptPerSecond: r.PromptSpeed(),
		PromptPerToken: ms(r.PromptTime) / float64(max(1, r.PromptTokens)), PredictedN: len(r.Tokens), PredictedMS: ms(r.DecodeTime),
		PredictedPerToken: ms(r.DecodeTime) / float64(max(1, r.Decoded)), PredictedPerSecond: r.DecodeSpeed(),
	}
}

// end returns what a part is when the text has ended.
func (c *llamaPart) end(j *job, prompt string, g *runtime.Generate, r *runtime.Result) *llamaCompletion {
	c.Stop, c.Predicted = true, len(r.Tokens)
	e := &llamaCompletion{llamaPart: *c, Model: j.name, Prompt: prompt, NewLine: strings.Contains(r.Text, "\n"), Truncated: r.Stop == runtime.StopContext, StopType: "limit",
		Cached: r.CachedTokens, Timings: newLlamaTimings(r), Settings: newLlamaSettings(j.model, g, r.Seed)}
	switch r.Stop {
	case runtime.StopEOS:
		e.StopType = "eos"
	case runtime.StopText:
		e.StopType, e.StoppingWord = "word", r.StopText
	}
	return e
}

// add adds a token's probabilities.
func (c *llamaPart) add(m *runtime.Model, p *runtime.Piece) {
	entry := llamaProb{p.Token, newTokenLogProb(m, p.Token, p.LogProb), nil}
	for _, t := range p.Top {
		entry.Top = append(entry.Top, llamaProb{t.Token, newTokenLogProb(m, t.Token, t.LogProb), nil})
	}
	c.Probs = append(c.Probs, entry)
}

// llamaCompleter answers one request.
type llamaCompleter struct {
	events events
	q      *llamaCompletionRequest
	g      runtime.Generate
	j      *job
	probs  logProbs
	whole  []any // answers that are no streams
}

// llamaCompletions answers /completion: as /v1/completions does, in llama.cpp's form.
func (s *Server) llamaCompletions(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q llamaCompletionRequest
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	return s.llamaComplete(w, r, &q)
}

// llamaComplete answers a request with the texts of its prompts.
func (s *Server) llamaComplete(w http.ResponseWriter, r *http.Request, q *llamaCompletionRequest) (err error) {
	c := llamaCompleter{events: events{w: w}, q: q}
	if c.g, err = c.q.generate(s.formatsOf(r.Context())); err != nil {
		return err
	}
	defer c.events.end()
	if c.q.Stream {
		s.keepAwake(&c.events)
	}
	if c.j, err = s.begin(r.Context(), c.q.Model, nil); err != nil {
		return c.events.fail(r, err)
	}
	defer c.j.end()
	c.j.fresh = c.q.fresh()
	if c.g.LogProbs && c.j.model.Tokenizer() == nil {
		return c.events.fail(r, badField("n_probs", "the model has no tokenizer, so its tokens have no text"))
	}
	for i, p := range *c.q.Prompt {
		switch err := c.complete(r, i, p); {
		case err != nil:
			return c.events.fail(r, err)
		case c.events.gone():
			return nil
		}
	}
	if c.q.Stream {
		return nil
	}
	c.j.end()
	if len(c.whole) == 1 {
		writeJSON(w, http.StatusOK, c.whole[0])
	} else {
		writeJSON(w, http.StatusOK, c.whole)
	}
	return nil
}

// complete generates the text of a prompt. A stream has a part for each piece, and then the end.
func (c *llamaCompleter) complete(r *http.Request, index int, p prompt) error {
	tokens, text, err := p.encode(c.j.model)
	if err != nil {
		return err
	}
	if p.infill != nil {
		text = c.j.model.Tokenizer().Decode(tokens, false)
	}
	part := &llamaPart{Index: index, Tokens: []int32{}, Evaluated: len(tokens)}
	for p, err := range c.j.generate(r.Context(), tokens, c.g) {
		if err == nil && c.g.LogProbs && !c.q.Stream {
			err = c.probs.add(&p, "n_probs")
		}
		if err != nil {
			return err
		}
		part.Content += p.Text
		if p.Done == nil {
			part.Predicted++
			if c.q.Stream || c.q.ReturnTokens {
				part.Tokens = append(part.Tokens, p.Token)
			}
			if c.g.LogProbs {
				part.add(c.j.model, &p)
			}
		}
		if c.q.Stream && part.Content != "" {
			if !c.events.send("", part) {
				return nil
			}
			part = &llamaPart{Index: index, Tokens: []int32{}, Predicted: part.Predicted, Evaluated: len(tokens)}
		}
		switch {
		case p.Done == nil:
		case c.q.Stream:
			c.events.send("", pickFields(part.end(c.j, text, &c.g, p.Done), c.q.ResponseFields))
		default:
			c.whole = append(c.whole, pickFields(part.end(c.j, text, &c.g, p.Done), c.q.ResponseFields))
		}
	}
	return nil
}
