package server

import (
	"encoding/json"
	"net/http"

	"st/runtime"
	"st/runtime/toolcall"
)

// anthropicStream writes an answer as events.
type anthropicStream struct {
	events
	message *anthropicMessage
	blocks  int    // that have begun
	open    string // the type of the block that is being written; empty: none is
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

// anthropicDelta is a part of a block: the field that its type has.
type anthropicDelta struct {
	Type      string  `json:"type"`
	Text      *string `json:"text,omitempty"`
	Thinking  *string `json:"thinking,omitempty"`
	Signature *string `json:"signature,omitempty"`
	JSON      *string `json:"partial_json,omitempty"`
}

func (e *anthropicStream) emit(v anthropicEvent) bool { return e.send(v.Type, v) }

// generate generates, and sends what comes. The message starts as soon as its prompt is run, and while it is, pings tell that the server lives:
// a long prompt takes longer than clients wait in silence.
func (e *anthropicStream) generate(r *http.Request, j *job, prompt *runtime.ChatPrompt, g runtime.Generate) error {
	g.Progress = func(done, total int) {
		if done == 0 {
			e.message.Usage = newAnthropicUsage(total, len(prompt.Tokens)-total)
			e.emit(anthropicEvent{Type: "message_start", Message: e.message})
		}
		e.emit(anthropicEvent{Type: "ping"})
	}
	for p, err := range j.answer(r.Context(), prompt, g) {
		if err != nil {
			return e.fail(r, err)
		}
		for i := range p.Deltas {
			if !e.delta(&p.Deltas[i]) {
				return nil
			}
		}
		if p.Done != nil {
			if e.blocks == 0 {
				e.start(newTextBlock(""))
			}
			e.stop()
			e.message.finish(p.Done)
			e.emit(anthropicEvent{Type: "message_delta", Delta: e.message.anthropicEnd, Usage: &e.message.Usage})
			e.emit(anthropicEvent{Type: "message_stop"})
		}
	}
	return nil
}

// delta sends a part of the answer. It reports whether the client is still there.
func (e *anthropicStream) delta(d *toolcall.Delta) bool {
	switch d.Kind {
	case toolcall.Content:
		return e.start(newTextBlock("")) && e.part(anthropicDelta{Type: "text_delta", Text: &d.Text})
	case toolcall.Reasoning:
		return e.start(anthropicBlock{Type: "thinking", Thinking: new(""), Signature: new("")}) &&
			e.part(anthropicDelta{Type: "thinking_delta", Thinking: &d.Text})
	case toolcall.Begin:
		return e.stop() && e.start(newCallBlock(d.ID, d.Text, json.RawMessage("{}")))
	case toolcall.Arguments:
		return e.part(anthropicDelta{Type: "input_json_delta", JSON: &d.Text})
	}
	return e.stop()
}

// start begins a block, unless one of the type is being written.
func (e *anthropicStream) start(b anthropicBlock) bool {
	if e.open == b.Type {
		return true
	}
	if !e.stop() {
		return false
	}
	e.open = b.Type
	e.blocks++
	return e.emit(anthropicEvent{Type: "content_block_start", Index: new(e.blocks - 1), Block: &b})
}

// part sends a part of the block.
func (e *anthropicStream) part(d anthropicDelta) bool {
	return e.emit(anthropicEvent{Type: "content_block_delta", Index: new(e.blocks - 1), Delta: d})
}

// stop ends the block, if one is being written.
func (e *anthropicStream) stop() bool {
	if e.open == "" {
		return true
	}
	if e.open == "thinking" && !e.part(anthropicDelta{Type: "signature_delta", Signature: new("")}) {
		return false
	}
	e.open = ""
	return e.emit(anthropicEvent{Type: "content_block_stop", Index: new(e.blocks - 1)})
}

// fail ends a stream with an error. One that comes before the stream has begun is returned.
func (e *anthropicStream) fail(r *http.Request, err error) error {
	if !e.end() {
		return err
	}
	a := failed(r, err)
	e.send("error", newAnthropicError(a))
	return nil
}
