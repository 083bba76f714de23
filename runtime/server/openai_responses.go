package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"st/runtime"
)

// responsesRequest is the body of /v1/responses. The server keeps no conversations: each request has all of it.
type responsesRequest struct {
	openAISampling
	Input              responsesInput    `json:"input"`
	Instructions       string            `json:"instructions"`
	MaxOutputTokens    *int              `json:"max_output_tokens"`
	PreviousResponseID string            `json:"previous_response_id"`
	Conversation       json.RawMessage   `json:"conversation"`
	Prompt             json.RawMessage   `json:"prompt"`
	Background         bool              `json:"background"`
	Tools              []json.RawMessage `json:"tools"`
	ToolChoice         json.RawMessage   `json:"tool_choice"`
	ParallelToolCalls  *bool             `json:"parallel_tool_calls"`
	Reasoning          struct {
		Effort string `json:"effort"`
	} `json:"reasoning"`
	Text struct {
		Format responseFormat `json:"format"`
	} `json:"text"`
	Include     []string          `json:"include"`
	TopLogProbs *int              `json:"top_logprobs"`
	Metadata    map[string]string `json:"metadata"`
}

// stateless returns an error if the request needs what the server would have to keep, or what an answer of this form cannot have.
func (q *responsesRequest) stateless() error {
	const stateless = "the server keeps no conversations: send all of it as input"
	switch {
	case q.PreviousResponseID != "":
		return badField("previous_response_id", stateless)
	case len(q.Conversation) > 0:
		return badField("conversation", stateless)
	case len(q.Prompt) > 0:
		return badField("prompt", "the server keeps no prompts: send the text as instructions and input")
	case q.Background:
		return badField("background", "it is not supported")
	case q.N != nil && *q.N > 1:
		return badField("n", "it is not supported here: use /v1/chat/completions, or send the request so many times")
	}
	return nil
}

// generate returns what the request asks for.
func (q *responsesRequest) generate(read formats) (g runtime.Generate, err error) {
	if err := q.stateless(); err != nil {
		return g, err
	}
	if n := q.TopLogProbs; n != nil && (*n < 0 || *n > maxTopLogProbs) {
		return g, badField("top_logprobs", fmt.Sprintf("it is %d and must be between 0 and %d", *n, maxTopLogProbs))
	}
	if g, err = q.openAISampling.generate(read); err != nil {
		return g, err
	}
	if g.MaxTokens, err = maxTokens("max_output_tokens", q.MaxOutputTokens, g.MaxTokens); err != nil {
		return g, err
	}
	if g.LogProbs = slices.Contains(q.Include, "message.output_text.logprobs"); g.LogProbs && q.TopLogProbs != nil {
		g.TopLogProbs = *q.TopLogProbs
	}
	g.Grammar, err = oneGrammar(g.Grammar, read, "text.format", q.Text.Format.grammar)
	return g, err
}

// options returns what the chat template is told besides messages.
func (q *responsesRequest) options(ctx context.Context) ([]runtime.ChatOption, error) {
	tools, err := readTools(q.functions(ctx), true)
	if err != nil {
		return nil, err
	}
	choice, err := readToolChoice(q.ToolChoice, q.ParallelToolCalls, tools, true)
	return []runtime.ChatOption{runtime.Variables(withEffort(q.Reasoning.Effort, nil)), runtime.Tools(tools...), runtime.ChooseTools(choice)}, err
}

// functions returns the tools that are functions. Others are run by OpenAI's servers, or have forms that its own models know; clients such as Codex send some
// with each request, whatever model it is for, so they are left out, and the log tells how many.
func (q *responsesRequest) functions(ctx context.Context) []json.RawMessage {
	all := slices.DeleteFunc(slices.Clone(q.Tools), func(data json.RawMessage) bool {
		var tool struct {
			Type string `json:"type"`
		}
		return json.Unmarshal(data, &tool) == nil && noFunction(tool.Type)
	})
	if n := len(q.Tools) - len(all); n > 0 {
		logged(ctx, "ignored_tools", n)
	}
	return all
}

// noFunction reports whether a type of tools is another than function.
func noFunction(kind string) bool { return kind != "" && kind != "function" }

// response is an answer of /v1/responses.
type response struct {
	ID                string             `json:"id"`
	Object            string             `json:"object"`
	CreatedAt         int64              `json:"created_at"`
	Status            string             `json:"status"`
	Error             *responseError     `json:"error"`
	IncompleteDetails *incompleteDetails `json:"incomplete_details"`
	Instructions      *string            `json:"instructions"`
	MaxOutputTokens   *int               `json:"max_output_tokens"`
	Model             string             `json:"model"`
	Output            []*responseItem    `json:"output"`
	ParallelToolCalls bool               `json:"parallel_tool_calls"`
	Temperature       *float64           `json:"temperature"`
	TopP              *float64           `json:"top_p"`
	ToolChoice        json.RawMessage    `json:"tool_choice"`
	Tools             []json.RawMessage  `json:"tools"`
	Store             bool               `json:"store"`
	Usage             *responseUsage     `json:"usage"`
	Metadata          map[string]string  `json:"metadata"`
	Background        bool               `json:"background"`
	Previous          null               `json:"previous_response_id"`
	Reasoning         responseReasoning  `json:"reasoning"`
	Text              json.RawMessage    `json:"text"`
	Truncation        string             `json:"truncation"`
}

type responseReasoning struct {
	Effort  *string `json:"effort"`
	Summary null    `json:"summary"`
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incompleteDetails struct {
	Reason string `json:"reason"`
}

// responseItem is a part of an answer: a message, a call of a function, or reasoning.
type responseItem struct {
	Type    string         `json:"type"`
	ID      string         `json:"id"`
	Status  string         `json:"status"`
	Role    string         `json:"role,omitempty"`
	Content []responsePart `json:"content,omitzero"` // of a message or reasoning
	Summary []struct{}     `json:"summary,omitzero"` // of reasoning: there is none

	CallID    string  `json:"call_id,omitempty"`
	Name      string  `json:"name,omitempty"`
	Arguments *string `json:"arguments,omitempty"` // of a call
}

type responsePart struct {
	Type        string        `json:"type"`
	Text        string        `json:"text"`
	Annotations []struct{}    `json:"annotations,omitzero"`
	LogProbs    []chatLogProb `json:"logprobs,omitzero"` // of a message
}

type responseUsage struct {
	InputTokens  int `json:"input_tokens"`
	InputDetails struct {
		CachedTokens int `json:"cached_tokens"`
		WriteTokens  int `json:"cache_write_tokens"` // requests do not choose what is cached
	} `json:"input_tokens_details"`
	OutputTokens  int `json:"output_tokens"`
	OutputDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int `json:"total_tokens"`
}

// begin returns an answer of which nothing has come.
func (q *responsesRequest) begin() *response {
	r := &response{
		ID: answerID("resp_"), Object: "response", CreatedAt: now(), Status: "in_progress", Model: q.Model, Output: []*responseItem{},
		MaxOutputTokens: q.MaxOutputTokens, Temperature: q.Temperature, TopP: q.TopP, ToolChoice: q.ToolChoice, Tools: q.Tools, Metadata: q.Metadata,
		ParallelToolCalls: q.ParallelToolCalls == nil || *q.ParallelToolCalls, Text: q.Sent["text"], Truncation: "disabled",
	}
	if q.Text.Format.Type == "" {
		r.Text = json.RawMessage(`{"format":{"type":"text"}}`)
	}
	if q.Reasoning.Effort != "" {
		r.Reasoning.Effort = &q.Reasoning.Effort
	}
	if q.Instructions != "" {
		r.Instructions = &q.Instructions
	}
	if r.ToolChoice == nil {
		r.ToolChoice = json.RawMessage(`"auto"`)
	}
	if r.Tools == nil {
		r.Tools = []json.RawMessage{}
	}
	if r.Metadata == nil {
		r.Metadata = map[string]string{}
	}
	return r
}

// end completes an answer.
func (r *response) end(d *runtime.Result) {
	r.Status = "completed"
	if finishReason(d) == "length" {
		r.Status, r.IncompleteDetails = "incomplete", &incompleteDetails{"max_output_tokens"}
	}
	if n := len(r.Output); n > 0 {
		r.Output[n-1].Status = r.Status
	}
	u := &responseUsage{InputTokens: d.PromptTokens + d.CachedTokens, OutputTokens: len(d.Tokens)}
	u.InputDetails.CachedTokens, u.TotalTokens = d.CachedTokens, u.InputTokens+u.OutputTokens
	u.OutputDetails.ReasoningTokens = d.ReasoningTokens
	r.Usage = u
}

// read reads a body, and returns the messages in it and how the template writes them.
func (q *responsesRequest) read(ctx context.Context, body []byte) (messages []runtime.Message, options []runtime.ChatOption, err error) {
	if err := decode(body, q, ""); err != nil {
		return nil, nil, err
	}
	if messages, err = q.conversation(); err != nil {
		return nil, nil, err
	}
	options, err = q.options(ctx)
	return messages, options, err
}

// responses answers /v1/responses.
func (s *Server) responses(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q responsesRequest
	messages, options, err := q.read(r.Context(), body)
	if err != nil {
		return err
	}
	g, err := q.generate(s.formatsOf(r.Context()))
	if err != nil {
		return err
	}
	e := &responseEvents{events: events{w: w}, answer: q.begin(), silent: !q.Stream}
	defer e.end()
	if q.Stream {
		s.keepAwake(&e.events)
	}
	j, err := s.begin(r.Context(), q.Model, nil)
	if err != nil {
		return e.fail(r, err)
	}
	defer j.end()
	j.fresh = q.fresh()
	e.answer.Model = j.name
	prompt, err := j.model.ChatPrompt(r.Context(), messages, options...)
	if err == nil {
		g, err = prompt.OptionsContext(r.Context(), g)
	}
	if err != nil {
		return e.fail(r, err)
	}
	// The first events come before the prompt is run. What is wrong with the request is known by then, and has had its own status.
	g.Progress = func(int, int) { e.create() }
	for p, err := range j.answer(r.Context(), prompt, g) {
		if err == nil && g.LogProbs {
			err = e.heard(j.model, &p)
		}
		if err != nil {
			return e.fail(r, err)
		}
		if !e.piece(&p) {
			return nil
		}
	}
	if !q.Stream {
		j.end()
		writeJSON(w, http.StatusOK, e.answer)
	}
	return nil
}

// responsesInputTokens answers /v1/responses/input_tokens: how many tokens a request has.
func (s *Server) responsesInputTokens(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q responsesRequest
	messages, options, err := q.read(r.Context(), body)
	if err != nil {
		return err
	}
	if err := q.stateless(); err != nil {
		return err
	}
	n, err := s.countPrompt(r, q.Model, func(m *runtime.Model) (*runtime.ChatPrompt, error) {
		return m.ChatPrompt(r.Context(), messages, options...)
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Object      string `json:"object"`
		InputTokens int    `json:"input_tokens"`
	}{"response.input_tokens", n})
	return nil
}
