package server

import (
	"encoding/json"
	"fmt"
	"net/http"

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
	Background         bool              `json:"background"`
	Tools              []json.RawMessage `json:"tools"`
	Text               struct {
		Format struct {
			Type string `json:"type"`
		} `json:"format"`
	} `json:"text"`
	Metadata map[string]string `json:"metadata"`
}

// responsesInput is what was said: a user's text, or messages.
type responsesInput struct {
	text     string
	messages []json.RawMessage // nil: text
}

func (p *responsesInput) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &p.text) == nil {
		return nil
	}
	if json.Unmarshal(data, &p.messages) != nil || p.messages == nil {
		return wants("a string or an array of messages")
	}
	return nil
}

// conversation returns the conversation of a request.
func (q *responsesRequest) conversation() ([]runtime.Message, error) {
	var said []runtime.Message
	if q.Instructions != "" {
		said = append(said, runtime.Message{Role: "system", Content: q.Instructions})
	}
	if q.Input.messages == nil {
		if q.Input.text == "" {
			return nil, badField("input", "it is missing")
		}
		return append(said, runtime.Message{Role: "user", Content: q.Input.text}), nil
	}
	for i, data := range q.Input.messages {
		var item struct {
			Type string `json:"type"`
		}
		path := fmt.Sprintf("input[%d]", i)
		if err := decode(data, &item, path); err != nil {
			return nil, err
		}
		if item.Type != "" && item.Type != "message" {
			return nil, badField(path+".type", fmt.Sprintf("%q is not supported: input is messages", item.Type))
		}
	}
	messages, err := readMessages(q.Input.messages, "input")
	return append(said, messages...), err
}

// generate returns what the request asks for.
func (q *responsesRequest) generate() (g runtime.Generate, err error) {
	const stateless = "the server keeps no conversations: send all of it as input"
	switch f := q.Text.Format.Type; {
	case q.PreviousResponseID != "":
		return g, badField("previous_response_id", stateless)
	case len(q.Conversation) > 0:
		return g, badField("conversation", stateless)
	case q.Background:
		return g, badField("background", "it is not supported")
	case len(q.Tools) > 0:
		return g, badField("tools", "calls of tools are not supported")
	case f != "" && f != "text":
		return g, badField("text.format", fmt.Sprintf("%q is not supported: answers are text", f))
	}
	if g, err = q.openAISampling.generate(); err == nil {
		g.MaxTokens, err = maxTokens("max_output_tokens", q.MaxOutputTokens, g.MaxTokens)
	}
	return g, err
}

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
	Output            []*responseMessage `json:"output"`
	ParallelToolCalls bool               `json:"parallel_tool_calls"`
	Temperature       *float64           `json:"temperature"`
	TopP              *float64           `json:"top_p"`
	ToolChoice        string             `json:"tool_choice"`
	Tools             []struct{}         `json:"tools"`
	Store             bool               `json:"store"`
	Usage             *responseUsage     `json:"usage"`
	Metadata          map[string]string  `json:"metadata"`
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incompleteDetails struct {
	Reason string `json:"reason"`
}

type responseMessage struct {
	Type    string         `json:"type"`
	ID      string         `json:"id"`
	Status  string         `json:"status"`
	Role    string         `json:"role"`
	Content []responsePart `json:"content"`
}

type responsePart struct {
	Type        string     `json:"type"`
	Text        string     `json:"text"`
	Annotations []struct{} `json:"annotations"`
}

type responseUsage struct {
	InputTokens  int `json:"input_tokens"`
	InputDetails struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens  int `json:"output_tokens"`
	OutputDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int `json:"total_tokens"`
}

func textPart(text string) responsePart { return responsePart{"output_text", text, []struct{}{}} }

// begin returns an answer of which nothing has come.
func (q *responsesRequest) begin(model string) *response {
	r := &response{
		ID: answerID("resp_"), Object: "response", CreatedAt: now(), Status: "in_progress", Model: model, Output: []*responseMessage{},
		MaxOutputTokens: q.MaxOutputTokens, Temperature: q.Temperature, TopP: q.TopP, ToolChoice: "none", Tools: []struct{}{}, Metadata: q.Metadata,
	}
	if q.Instructions != "" {
		r.Instructions = &q.Instructions
	}
	if r.Metadata == nil {
		r.Metadata = map[string]string{}
	}
	return r
}

// end completes an answer with its text.
func (r *response) end(m *responseMessage, d *runtime.Result) {
	r.Status = "completed"
	if finishReason(d) == "length" {
		r.Status, r.IncompleteDetails = "incomplete", &incompleteDetails{"max_output_tokens"}
	}
	m.Status, m.Content = r.Status, []responsePart{textPart(d.Text)}
	r.Output = []*responseMessage{m}
	u := &responseUsage{InputTokens: d.PromptTokens + d.CachedTokens, OutputTokens: len(d.Tokens)}
	u.InputDetails.CachedTokens, u.TotalTokens = d.CachedTokens, u.InputTokens+u.OutputTokens
	r.Usage = u
}

// responses answers /v1/responses.
func (s *Server) responses(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q responsesRequest
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	messages, err := q.conversation()
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
	j.fresh = q.fresh()
	prompt, err := j.model.EncodeChat(r.Context(), messages)
	if err != nil {
		return err
	}
	answer := q.begin(j.name)
	message := &responseMessage{Type: "message", ID: answerID("msg_"), Status: "in_progress", Role: "assistant", Content: []responsePart{}}
	var e *responseEvents
	if q.Stream {
		e = &responseEvents{events: events{w: w}, answer: answer, message: message}
	}
	for p, err := range j.generate(r.Context(), prompt, g) {
		switch {
		case err != nil && e != nil:
			return e.fail(r, err)
		case err != nil:
			return err
		case e != nil && !e.piece(&p):
			return nil
		case p.Done != nil:
			answer.end(message, p.Done)
		}
	}
	if e != nil {
		e.finish()
		return nil
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// responseEvents writes an answer as it comes. The names of events are their types.
type responseEvents struct {
	events
	number  int
	answer  *response
	message *responseMessage
}

// responseEvent is any event: fields that it does not have are left out.
type responseEvent struct {
	Type     string           `json:"type"`
	Number   int              `json:"sequence_number"`
	Response *response        `json:"response,omitempty"`
	ItemID   string           `json:"item_id,omitempty"`
	Output   *int             `json:"output_index,omitempty"`
	Content  *int             `json:"content_index,omitempty"`
	Item     *responseMessage `json:"item,omitempty"`
	Part     *responsePart    `json:"part,omitempty"`
	Delta    *string          `json:"delta,omitempty"`
	Text     *string          `json:"text,omitempty"`
}

func (e *responseEvents) emit(v responseEvent) bool {
	v.Number = e.number
	e.number++
	return e.send(v.Type, v)
}

// part is an event about the text.
func (e *responseEvents) part(v responseEvent) bool {
	v.ItemID, v.Output, v.Content = e.message.ID, new(0), new(0)
	return e.emit(v)
}

// piece writes a piece, and before the first one what an answer begins with.
func (e *responseEvents) piece(p *runtime.Piece) bool {
	if !e.begun {
		empty := textPart("")
		if !e.emit(responseEvent{Type: "response.created", Response: e.answer}) || !e.emit(responseEvent{Type: "response.in_progress", Response: e.answer}) ||
			!e.emit(responseEvent{Type: "response.output_item.added", Output: new(0), Item: e.message}) ||
			!e.part(responseEvent{Type: "response.content_part.added", Part: &empty}) {
			return false
		}
	}
	return p.Text == "" || e.part(responseEvent{Type: "response.output_text.delta", Delta: &p.Text})
}

// finish writes the end of an answer that is complete.
func (e *responseEvents) finish() {
	part := &e.message.Content[0]
	if e.part(responseEvent{Type: "response.output_text.done", Text: &part.Text}) && e.part(responseEvent{Type: "response.content_part.done", Part: part}) &&
		e.emit(responseEvent{Type: "response.output_item.done", Output: new(0), Item: e.message}) {
		e.emit(responseEvent{Type: "response." + e.answer.Status, Response: e.answer})
	}
}

// fail ends a stream with an error. One that comes before the stream has begun is returned.
func (e *responseEvents) fail(r *http.Request, err error) error {
	if !e.begun {
		return err
	}
	a := asError(err)
	logged(r.Context(), "error", a.Code)
	e.answer.Status, e.answer.Error = "failed", &responseError{a.Code, a.Message}
	e.emit(responseEvent{Type: "response.failed", Response: e.answer})
	return nil
}
