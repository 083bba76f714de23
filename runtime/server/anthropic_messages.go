package server

import (
	"encoding/json"
	"fmt"
	"net/http"

	"st/runtime"
	"st/runtime/toolcall"
)

// anthropicRequest is the body of /v1/messages.
type anthropicRequest struct {
	anthropicPrompt
	MaxTokens     *int     `json:"max_tokens"`
	StopSequences []string `json:"stop_sequences"`
	Temperature   *float64 `json:"temperature"`
	TopP          *float64 `json:"top_p"`
	TopK          *int     `json:"top_k"`
	Stream        bool     `json:"stream"`
	Lookup        lookup   `json:"lookup"`

	OutputFormat responseFormat `json:"output_format"`
	OutputConfig struct {
		Format responseFormat `json:"format"`
	} `json:"output_config"`
}

// generate returns what the request asks for.
func (q *anthropicRequest) generate(read formats) (g runtime.Generate, err error) {
	switch {
	case q.MaxTokens == nil:
		return g, badField("max_tokens", "Field required")
	case *q.MaxTokens < 1:
		return g, badField("max_tokens", fmt.Sprintf("it is %d and must be 1 or more", *q.MaxTokens))
	case len(q.StopSequences) > maxStops:
		return g, badField("stop_sequences", fmt.Sprintf("it has %d texts and may have %d", len(q.StopSequences), maxStops))
	}
	o := openAISampling{MaxTokens: q.MaxTokens, Temperature: q.Temperature, TopP: q.TopP, TopK: q.TopK, Stop: q.StopSequences, Lookup: q.Lookup}
	if g, err = o.generate(read); err != nil {
		return g, withField(err, func(param string) string {
			if param == "stop" {
				return "stop_sequences"
			}
			return param
		})
	}
	if g.Grammar, err = oneGrammar(g.Grammar, read, "output_format", q.OutputFormat.grammar); err != nil {
		return g, err
	}
	g.Grammar, err = oneGrammar(g.Grammar, read, "output_config.format", q.OutputConfig.Format.grammar)
	return g, err
}

// anthropicMessage is an answer.
type anthropicMessage struct {
	ID      string           `json:"id"`
	Type    string           `json:"type"`
	Role    string           `json:"role"`
	Model   string           `json:"model"`
	Content []anthropicBlock `json:"content"`
	anthropicEnd
	Diagnostics null           `json:"diagnostics"`
	Usage       anthropicUsage `json:"usage"`
}

// anthropicEnd is why an answer ended.
type anthropicEnd struct {
	StopReason   *string `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
	StopDetails  null    `json:"stop_details"`
	Container    null    `json:"container"`
}

// anthropicBlock is a part of an answer: text, what the model thinks, or a call of a tool.
type anthropicBlock struct {
	Type      string     `json:"type"`
	Text      *string    `json:"text,omitempty"`
	Citations []struct{} `json:"citations,omitzero"` // of a text: there are none. Anthropic's types require the field, and Vercel's AI SDK refuses null

	Thinking  *string `json:"thinking,omitempty"`
	Signature *string `json:"signature,omitempty"` // of the thinking: it is empty

	ID     string           `json:"id,omitempty"`
	Name   string           `json:"name,omitempty"`
	Input  json.RawMessage  `json:"input,omitempty"`
	Caller *anthropicCaller `json:"caller,omitempty"` // of a call: the model
}

type anthropicCaller struct {
	Type string `json:"type"`
}

func newTextBlock(text string) anthropicBlock {
	return anthropicBlock{Type: "text", Text: &text, Citations: []struct{}{}}
}

func newCallBlock(id, name string, input json.RawMessage) anthropicBlock {
	return anthropicBlock{Type: "tool_use", ID: id, Name: name, Input: input, Caller: &anthropicCaller{"direct"}}
}

// anthropicUsage counts tokens. A prompt's are either those that were run or those that a cache held.
type anthropicUsage struct {
	InputTokens         int `json:"input_tokens"`
	CacheCreationTokens int `json:"cache_creation_input_tokens"` // requests do not choose what is cached
	CacheReadTokens     int `json:"cache_read_input_tokens"`
	OutputTokens        int `json:"output_tokens"`
	OutputDetails       struct {
		ThinkingTokens int `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
	CacheCreation null   `json:"cache_creation"`
	ServerToolUse null   `json:"server_tool_use"`
	InferenceGeo  null   `json:"inference_geo"`
	ServiceTier   string `json:"service_tier"`
	Speed         null   `json:"speed"`
}

// newAnthropicUsage counts a prompt.
func newAnthropicUsage(run, cached int) anthropicUsage {
	return anthropicUsage{InputTokens: run, CacheReadTokens: cached, ServiceTier: "standard"}
}

// finish sets what is known when the text has ended.
func (m *anthropicMessage) finish(r *runtime.Result) {
	reason := "max_tokens"
	switch r.Stop {
	case runtime.StopEOS:
		reason = "end_turn"
		if r.Message != nil && len(r.Message.ToolCalls) > 0 {
			reason = "tool_use"
		}
	case runtime.StopContext:
		reason = "model_context_window_exceeded"
	case runtime.StopText:
		reason, m.StopSequence = "stop_sequence", &r.StopText
	}
	m.StopReason = &reason
	m.Usage = newAnthropicUsage(r.PromptTokens, r.CachedTokens)
	m.Usage.OutputTokens, m.Usage.OutputDetails.ThinkingTokens = len(r.Tokens), r.ReasoningTokens
}

// anthropicMessages answers /v1/messages.
func (s *Server) anthropicMessages(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q anthropicRequest
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	messages, prefill, err := q.conversation()
	if err != nil {
		return err
	}
	options, err := q.options()
	if err != nil {
		return err
	}
	g, err := q.generate(s.formatsOf(r.Context()))
	if err != nil {
		return err
	}
	answer := &anthropicMessage{ID: answerID("msg_"), Type: "message", Role: "assistant", Content: []anthropicBlock{}}
	e := &anthropicStream{events: events{w: w}, message: answer}
	defer e.end()
	if q.Stream {
		s.keepAwake(&e.events)
	}
	j, err := s.begin(r.Context(), q.Model, nil)
	if err != nil {
		return e.fail(r, err)
	}
	defer j.end()
	answer.Model = j.name
	prompt, err := chatPrompt(r.Context(), j.model, messages, prefill, options...)
	if err == nil {
		g, err = prompt.OptionsContext(r.Context(), g)
	}
	if err != nil {
		return e.fail(r, err)
	}
	if q.Stream {
		return e.generate(r, j, prompt, g)
	}
	for p, err := range j.answer(r.Context(), prompt, g) {
		if err != nil {
			return err
		}
		if p.Done != nil {
			answer.finish(p.Done)
			answer.Content = newAnthropicBlocks(p.Done.Message)
		}
	}
	j.end()
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// newAnthropicBlocks returns the blocks of an answer: one at least. A call whose arguments are no JSON object is text.
func newAnthropicBlocks(m *runtime.Message) (blocks []anthropicBlock) {
	if m.Reasoning != "" {
		blocks = append(blocks, anthropicBlock{Type: "thinking", Thinking: &m.Reasoning, Signature: new("")})
	}
	if m.Content != "" || m.Reasoning == "" && len(m.ToolCalls) == 0 {
		blocks = append(blocks, newTextBlock(m.Content))
	}
	for _, c := range m.ToolCalls {
		if isObject(c.Arguments) {
			blocks = append(blocks, newCallBlock(c.ID, c.Name, json.RawMessage(c.Arguments)))
		} else {
			blocks = append(blocks, newTextBlock(toolcall.Hermes.Write([]toolcall.Call{{Name: c.Name, Arguments: c.Arguments}})))
		}
	}
	return blocks
}
