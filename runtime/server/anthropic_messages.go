package server

import (
	"fmt"
	"net/http"

	"st/runtime"
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
}

// generate returns what the request asks for.
func (q *anthropicRequest) generate() (g runtime.Generate, err error) {
	switch {
	case q.MaxTokens == nil:
		return g, badField("max_tokens", "Field required")
	case *q.MaxTokens < 1:
		return g, badField("max_tokens", fmt.Sprintf("it is %d and must be 1 or more", *q.MaxTokens))
	case len(q.StopSequences) > maxStops:
		return g, badField("stop_sequences", fmt.Sprintf("it has %d texts and may have %d", len(q.StopSequences), maxStops))
	}
	o := openAISampling{MaxTokens: q.MaxTokens, Temperature: q.Temperature, TopP: q.TopP, TopK: q.TopK, Stop: q.StopSequences}
	return o.generate()
}

// anthropicMessage is an answer.
type anthropicMessage struct {
	ID           string           `json:"id"`
	Type         string           `json:"type"`
	Role         string           `json:"role"`
	Model        string           `json:"model"`
	Content      []anthropicBlock `json:"content"`
	StopReason   *string          `json:"stop_reason"`
	StopSequence *string          `json:"stop_sequence"`
	Usage        anthropicUsage   `json:"usage"`
}

type anthropicBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// anthropicUsage counts tokens. A prompt's are either those that were run or those that a cache held.
type anthropicUsage struct {
	InputTokens         int `json:"input_tokens"`
	CacheCreationTokens int `json:"cache_creation_input_tokens"` // requests do not choose what is cached
	CacheReadTokens     int `json:"cache_read_input_tokens"`
	OutputTokens        int `json:"output_tokens"`
}

// finish sets what is known when the text has ended.
func (m *anthropicMessage) finish(r *runtime.Result) {
	reason := "max_tokens"
	switch r.Stop {
	case runtime.StopEOS:
		reason = "end_turn"
	case runtime.StopText:
		reason, m.StopSequence = "stop_sequence", &r.StopText
	}
	m.StopReason = &reason
	m.Usage = anthropicUsage{InputTokens: r.PromptTokens, CacheReadTokens: r.CachedTokens, OutputTokens: len(r.Tokens)}
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
	g, err := q.generate()
	if err != nil {
		return err
	}
	j, err := s.begin(r.Context(), q.Model, nil)
	if err != nil {
		return err
	}
	defer j.end()
	prompt, err := encodePrefilled(r, j.model, messages, prefill)
	if err != nil {
		return err
	}
	answer := &anthropicMessage{ID: answerID("msg_"), Type: "message", Role: "assistant", Model: j.name, Content: []anthropicBlock{}}
	if q.Stream {
		return (&anthropicStream{events: events{w: w}, message: answer}).write(r, j, prompt, g)
	}
	for p, err := range j.generate(r.Context(), prompt, g) {
		if err != nil {
			return err
		}
		if p.Done != nil {
			answer.finish(p.Done)
			answer.Content = append(answer.Content, anthropicBlock{"text", p.Done.Text})
		}
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// anthropicStream writes an answer as events.
type anthropicStream struct {
	events
	message *anthropicMessage
}

// anthropicEvent is an event of a stream.
type anthropicEvent struct {
	Type    string            `json:"type"`
	Message *anthropicMessage `json:"message,omitempty"`
	Index   *int              `json:"index,omitempty"`
	Block   *anthropicBlock   `json:"content_block,omitempty"`
	Delta   any               `json:"delta,omitempty"`
	Usage   *anthropicUsage   `json:"usage,omitempty"`
}

// anthropicEnd is the delta of message_delta.
type anthropicEnd struct {
	StopReason   *string `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
}

func (e *anthropicStream) emit(v anthropicEvent) bool { return e.send(v.Type, v) }

// write generates, and sends what comes. The message starts as soon as its prompt is run, and while it is, pings tell that the server lives:
// a long prompt takes longer than clients wait in silence.
func (e *anthropicStream) write(r *http.Request, j *job, prompt []int32, g runtime.Generate) error {
	g.Progress = func(done, total int) {
		if done == 0 {
			e.message.Usage = anthropicUsage{InputTokens: total, CacheReadTokens: len(prompt) - total}
			e.emit(anthropicEvent{Type: "message_start", Message: e.message})
			e.emit(anthropicEvent{Type: "content_block_start", Index: new(0), Block: &anthropicBlock{Type: "text"}})
		}
		e.emit(anthropicEvent{Type: "ping"})
	}
	for p, err := range j.generate(r.Context(), prompt, g) {
		if err != nil {
			return e.fail(r, err)
		}
		if p.Text != "" && !e.emit(anthropicEvent{Type: "content_block_delta", Index: new(0), Delta: anthropicBlock{"text_delta", p.Text}}) {
			return nil
		}
		if p.Done != nil {
			e.message.finish(p.Done)
			e.emit(anthropicEvent{Type: "content_block_stop", Index: new(0)})
			e.emit(anthropicEvent{Type: "message_delta", Delta: anthropicEnd{e.message.StopReason, e.message.StopSequence}, Usage: &e.message.Usage})
			e.emit(anthropicEvent{Type: "message_stop"})
		}
	}
	return nil
}

// fail ends a stream with an error. One that comes before the stream has begun is returned.
func (e *anthropicStream) fail(r *http.Request, err error) error {
	if !e.begun {
		return err
	}
	a := asError(err)
	logged(r.Context(), "error", a.Code)
	e.send("error", newAnthropicError(a))
	return nil
}
