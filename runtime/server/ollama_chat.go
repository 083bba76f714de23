package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// ollamaChatRequest is the body of /api/chat.
type ollamaChatRequest struct {
	ollamaRequest
	Messages []json.RawMessage `json:"messages"`
	Tools    []json.RawMessage `json:"tools"`
}

// ollamaChat answers /api/chat.
func (s *Server) ollamaChat(w http.ResponseWriter, r *http.Request, body []byte) error {
	out := ollamaWriter{begun: time.Now(), text: func(a *ollamaAnswer, text string) { a.Message = &ollamaMessage{"assistant", text} }}
	var q ollamaChatRequest
	out.request = &q.ollamaRequest
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	g, err := q.generate()
	if err != nil {
		return err
	}
	if len(q.Tools) > 0 {
		return badField("tools", fmt.Sprintf("%q does not support tools", q.Model))
	}
	if len(q.Messages) == 0 {
		return out.writeLoad(w, r, s)
	}
	messages, err := readMessages(q.Messages, "messages")
	if err == nil {
		err = refuseImages(q.Messages)
	}
	if err != nil {
		return err
	}
	j, err := q.begin(s, r)
	if err != nil {
		return err
	}
	defer j.end()
	prompt, err := j.model.EncodeChat(r.Context(), messages, q.variables())
	if err != nil {
		return err
	}
	return out.write(w, r, j, prompt, g)
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
	reason, err := o.request.load(s, r)
	if err != nil {
		return err
	}
	a := o.answer("")
	a.Done, a.DoneReason = true, reason
	if o.request.streams() {
		(&lines{events{w: w}}).send(a)
	} else {
		writeJSON(w, http.StatusOK, a)
	}
	return nil
}
