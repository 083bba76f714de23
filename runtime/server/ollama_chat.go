package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"st/runtime"
)

// ollamaChatRequest is the body of /api/chat.
type ollamaChatRequest struct {
	ollamaRequest
	Messages []json.RawMessage `json:"messages"`
	Tools    []json.RawMessage `json:"tools"`

	ToolChoice json.RawMessage `json:"tool_choice"` // which Ollama does not have: as in OpenAI's chats
}

// ollamaChat answers /api/chat.
func (s *Server) ollamaChat(w http.ResponseWriter, r *http.Request, body []byte) error {
	out := ollamaWriter{lines: lines{events{w: w}}, begun: time.Now(), set: func(a *ollamaAnswer, p *ollamaPart) {
		a.Message = &ollamaMessage{"assistant", p.text, p.thinking, p.calls}
	}}
	var q ollamaChatRequest
	out.request = &q.ollamaRequest
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	g, err := q.generate(s.formatsOf(r.Context()))
	if err != nil {
		return err
	}
	tools, err := readTools(q.Tools, false)
	if err != nil {
		return err
	}
	choice, err := readToolChoice(q.ToolChoice, nil, tools, false)
	if err != nil {
		return err
	}
	if len(q.Messages) == 0 {
		return out.writeLoad(w, r, s)
	}
	messages, prefill, err := readMessages(q.Messages, true)
	if err == nil {
		err = refuseImages(q.Messages)
	}
	if err != nil {
		return err
	}
	defer out.lines.end()
	j, err := out.begin(s, r)
	if err != nil {
		return out.lines.fail(r, err)
	}
	defer j.end()
	think, err := q.thinks(j.model)
	if err != nil {
		return out.lines.fail(r, err)
	}
	prompt, err := chatPrompt(r.Context(), j.model, messages, prefill, think, runtime.Tools(tools...), runtime.ChooseTools(choice))
	if err == nil {
		g, err = prompt.OptionsContext(r.Context(), g)
	}
	if err != nil {
		return out.lines.fail(r, err)
	}
	return out.write(r, j, j.answer(r.Context(), prompt, g), g)
}

// refuseImages returns an error if a message has images.
func refuseImages(messages []json.RawMessage) error {
	for i, data := range messages {
		var m struct {
			Images []json.RawMessage `json:"images"`
		}
		path := fmt.Sprintf("messages[%d]", i)
		if err := decode(data, &m, path); err != nil {
			return err
		}
		if len(m.Images) > 0 {
			return badField(path+".images", "images are not supported")
		}
	}
	return nil
}

// writeLoad answers a request without a prompt.
func (o *ollamaWriter) writeLoad(w http.ResponseWriter, r *http.Request, s *Server) error {
	defer o.lines.end()
	reason, err := o.load(s, r)
	if err != nil {
		return o.lines.fail(r, err)
	}
	a := o.answer(&ollamaPart{})
	a.Done, a.DoneReason = true, reason
	if o.request.streams() {
		o.lines.send(a)
	} else {
		writeJSON(w, http.StatusOK, a)
	}
	return nil
}
