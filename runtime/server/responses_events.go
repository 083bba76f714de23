package server

import (
	"fmt"
	"net/http"

	"st/runtime"
	"st/runtime/toolcall"
)

// responseEvents builds an answer of /v1/responses from what comes, and writes it as it comes. The names of events are their types.
type responseEvents struct {
	events
	silent  bool // only the answer is built
	created bool // the first events were written
	number  int
	answer  *response
	probs   chatChoice // of tokens whose text has not come yet
	count   logProbs
}

// responseEvent is any event: fields that it does not have are left out.
type responseEvent struct {
	Type      string        `json:"type"`
	Number    int           `json:"sequence_number"`
	Response  *response     `json:"response,omitempty"`
	ItemID    string        `json:"item_id,omitempty"`
	Output    *int          `json:"output_index,omitempty"`
	Content   *int          `json:"content_index,omitempty"`
	Item      *responseItem `json:"item,omitempty"`
	Part      *responsePart `json:"part,omitempty"`
	Delta     *string       `json:"delta,omitempty"`
	Text      *string       `json:"text,omitempty"`
	Name      string        `json:"name,omitempty"`
	Arguments *string       `json:"arguments,omitempty"`
	LogProbs  []chatLogProb `json:"logprobs,omitzero"` // of a message's text
}

// emit reports whether the client is still there.
func (e *responseEvents) emit(v responseEvent) bool {
	if e.silent {
		return true
	}
	v.Number = e.number
	e.number++
	return e.send(v.Type, v)
}

// item returns the item that is being written; nil if there is none.
func (e *responseEvents) item() *responseItem {
	if n := len(e.answer.Output); n > 0 && e.answer.Output[n-1].Status == "in_progress" {
		return e.answer.Output[n-1]
	}
	return nil
}

// about is an event about the item.
func (e *responseEvents) about(v responseEvent) bool {
	item := e.item()
	v.Output = new(len(e.answer.Output) - 1)
	if v.Item == nil {
		v.ItemID = item.ID
		if item.Arguments == nil {
			v.Content = new(0)
		}
	}
	return e.emit(v)
}

// heard notes the probabilities of a token, which come with its text. They are kept until the end of the text, also in a stream.
func (e *responseEvents) heard(m *runtime.Model, p *runtime.Piece) error {
	if p.Done != nil {
		return nil
	}
	if e.count.add(p, "top_logprobs") != nil {
		return badField("top_logprobs", fmt.Sprintf("the answer would have more than %d probabilities: ask for fewer", maxLogProbs))
	}
	e.probs.add(m, p)
	return nil
}

// told returns the probabilities of the tokens whose text comes now: the last of those that were heard. Those before ended reasoning or a call.
func (e *responseEvents) told(text string) []chatLogProb {
	if e.probs.LogProbs == nil {
		return []chatLogProb{}
	}
	probs := e.probs.LogProbs.Content
	e.probs.LogProbs = nil
	from := len(probs)
	for n := 0; from > 0 && n < len(text); {
		from--
		n += len(probs[from].Bytes)
	}
	return probs[from:]
}

// create writes the first events, once.
func (e *responseEvents) create() bool {
	if e.created {
		return true
	}
	e.created = true
	return e.emit(responseEvent{Type: "response.created", Response: e.answer}) && e.emit(responseEvent{Type: "response.in_progress", Response: e.answer})
}

// piece takes a piece.
func (e *responseEvents) piece(p *runtime.Piece) bool {
	if !e.create() {
		return false
	}
	for i := range p.Deltas {
		if !e.delta(&p.Deltas[i]) {
			return false
		}
	}
	if p.Done == nil {
		return true
	}
	if len(e.answer.Output) == 0 && !e.open(newMessageItem()) {
		return false
	}
	status := "completed"
	if finishReason(p.Done) == "length" {
		status = "incomplete"
	}
	if e.item() != nil && !e.close(status) {
		return false
	}
	e.answer.end(p.Done)
	return e.emit(responseEvent{Type: "response." + e.answer.Status, Response: e.answer})
}

// delta takes a part of the answer.
func (e *responseEvents) delta(d *toolcall.Delta) bool {
	probs := e.told(d.Text) // of a message only
	switch d.Kind {
	case toolcall.Content:
		return e.text("message", "response.output_text.delta", d.Text, probs)
	case toolcall.Reasoning:
		return e.text("reasoning", "response.reasoning_text.delta", d.Text, nil)
	case toolcall.Begin:
		return (e.item() == nil || e.close("completed")) && e.open(&responseItem{Type: "function_call", ID: answerID("fc_"), CallID: d.ID, Name: d.Text, Arguments: new("")})
	case toolcall.Arguments:
		*e.item().Arguments += d.Text
		return e.about(responseEvent{Type: "response.function_call_arguments.delta", Delta: &d.Text})
	}
	return true // a call is closed when the next item comes, or the end: then it is known whether it is complete
}

// text adds to a message or to reasoning.
func (e *responseEvents) text(kind, event, text string, probs []chatLogProb) bool {
	if item := e.item(); item == nil || item.Type != kind {
		if item != nil && !e.close("completed") {
			return false
		}
		item = newMessageItem()
		if kind == "reasoning" {
			item = &responseItem{Type: kind, ID: answerID("rs_"), Summary: []struct{}{}, Content: []responsePart{{Type: "reasoning_text"}}}
		}
		if !e.open(item) {
			return false
		}
	}
	part := &e.item().Content[0]
	part.Text, part.LogProbs = part.Text+text, append(part.LogProbs, probs...)
	return e.about(responseEvent{Type: event, Delta: &text, LogProbs: probs})
}

func newMessageItem() *responseItem {
	part := responsePart{Type: "output_text", Annotations: []struct{}{}, LogProbs: []chatLogProb{}}
	return &responseItem{Type: "message", ID: answerID("msg_"), Role: "assistant", Content: []responsePart{part}}
}

// open begins an item.
func (e *responseEvents) open(item *responseItem) bool {
	item.Status = "in_progress"
	e.answer.Output = append(e.answer.Output, item)
	empty := *item
	if item.Arguments == nil {
		empty.Content = []responsePart{}
	}
	if !e.about(responseEvent{Type: "response.output_item.added", Item: &empty}) {
		return false
	}
	return item.Arguments != nil || e.about(responseEvent{Type: "response.content_part.added", Part: &item.Content[0]})
}

// close ends the item.
func (e *responseEvents) close(status string) bool {
	item := e.item()
	ok := false
	if item.Arguments != nil {
		ok = e.about(responseEvent{Type: "response.function_call_arguments.done", Name: item.Name, Arguments: item.Arguments})
	} else {
		done := "response.output_text.done"
		if item.Type == "reasoning" {
			done = "response.reasoning_text.done"
		}
		part := &item.Content[0]
		ok = e.about(responseEvent{Type: done, Text: &part.Text, LogProbs: part.LogProbs}) && e.about(responseEvent{Type: "response.content_part.done", Part: part})
	}
	if !ok {
		return false
	}
	at := len(e.answer.Output) - 1
	item.Status = status
	return e.emit(responseEvent{Type: "response.output_item.done", Output: &at, Item: item})
}

// fail ends a stream with an error. One that comes before the stream has begun is returned.
func (e *responseEvents) fail(r *http.Request, err error) error {
	if !e.end() {
		return err
	}
	a := failed(r, err)
	e.create() // clients expect it first
	e.answer.Status, e.answer.Error = "failed", &responseError{a.Code, a.Message}
	e.emit(responseEvent{Type: "response.failed", Response: e.answer})
	return nil
}
