package server

import (
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"st/runtime"
	"st/runtime/toolcall"
)

// ollamaPart is a part of an answer, or the whole.
type ollamaPart struct {
	text, thinking string
	calls          []ollamaCall
}

// ollamaWriter writes an answer.
type ollamaWriter struct {
	lines   lines
	request *ollamaRequest
	begun   time.Time
	set     func(a *ollamaAnswer, p *ollamaPart) // sets the fields of the protocol
	context []int32                              // nil: the answer has no tokens; else those of the prompt

	call ollamaCall // that is being read
	args string     // its arguments
}

func (o *ollamaWriter) answer(p *ollamaPart) *ollamaAnswer {
	a := &ollamaAnswer{Model: o.request.Model, CreatedAt: time.Now().UTC()}
	o.set(a, p)
	return a
}

// begin begins a job for the request. From then on a stream tells from time to time that the server lives: NDJSON has no comments, so a part without text
// does. The caller ends the lines.
func (o *ollamaWriter) begin(s *Server, r *http.Request) (*job, error) {
	q := o.request
	sv, err := s.ollamaFind(q.Model)
	if err != nil {
		return nil, err
	}
	if q.Model == "" {
		q.Model = sv.Name // which the answer has
	}
	if q.streams() {
		o.lines.whileSilent(s.pingAfter, typeLines, func() []byte {
			line, _ := jsonLine(o.answer(&ollamaPart{})) // which has nothing that JSON cannot hold
			return line
		})
	}
	return s.begin(r.Context(), sv.Name, (*time.Duration)(q.KeepAlive))
}

// load answers a request without a prompt: it loads the model, or with keep_alive 0 unloads it if nobody uses it.
func (o *ollamaWriter) load(s *Server, r *http.Request) (reason string, err error) {
	if k := o.request.KeepAlive; k != nil && *k == 0 {
		sv, err := s.ollamaFind(o.request.Model)
		if err == nil {
			s.models.retire(sv)
		}
		return "unload", err
	}
	j, err := o.begin(s, r)
	if err == nil {
		j.end()
	}
	return "load", err
}

// write writes what comes, as it comes or as a whole.
func (o *ollamaWriter) write(r *http.Request, j *job, pieces iter.Seq2[runtime.Piece, error], g runtime.Generate) error {
	l := &o.lines
	var probs chatChoice
	var count logProbs
	var whole ollamaPart
	var answer *ollamaAnswer // that is no stream
	for p, err := range pieces {
		if err == nil && g.LogProbs && !o.request.streams() {
			err = count.add(&p, "logprobs")
		}
		if err != nil {
			return l.fail(r, err)
		}
		if g.LogProbs && p.Done == nil {
			probs.add(j.model, &p)
		}
		part := o.read(p.Deltas)
		if !o.request.streams() {
			whole.add(&part)
		} else if part.text != "" || part.thinking != "" || len(part.calls) > 0 || probs.LogProbs != nil {
			a := o.answer(&part)
			a.addLogProbs(&probs)
			if !l.send(a) {
				return nil
			}
		}
		if p.Done == nil {
			continue
		}
		a := o.answer(&whole)
		a.addLogProbs(&probs)
		a.finish(p.Done, j, time.Since(o.begun))
		if o.context != nil {
			a.Context = append(append(a.Context, o.context...), p.Done.Tokens...)
			if id := p.Done.EndToken; id >= 0 {
				a.Context = append(a.Context, id)
			}
		}
		if !o.request.streams() {
			answer = a
		} else if !l.send(a) {
			return nil
		}
	}
	if answer != nil {
		j.end()
		writeJSON(l.w, http.StatusOK, answer)
	}
	return nil
}

// read returns what deltas tell. Calls come when they are whole; one whose arguments are no JSON object is text.
func (o *ollamaWriter) read(deltas []toolcall.Delta) (p ollamaPart) {
	for _, d := range deltas {
		switch d.Kind {
		case toolcall.Content:
			p.text += d.Text
		case toolcall.Reasoning:
			p.thinking += d.Text
		case toolcall.Begin:
			o.call, o.args = ollamaCall{ID: d.ID}, ""
			o.call.Function.Index, o.call.Function.Name = d.Call, d.Text
		case toolcall.Arguments:
			o.args += d.Text
		case toolcall.End:
			if !isObject(o.args) {
				p.text += toolcall.Hermes.Write([]toolcall.Call{{Name: o.call.Function.Name, Arguments: o.args}})
				continue
			}
			o.call.Function.Arguments = json.RawMessage(o.args)
			p.calls = append(p.calls, o.call)
		}
	}
	return p
}

// add adds a part to the whole.
func (p *ollamaPart) add(q *ollamaPart) {
	p.text, p.thinking, p.calls = p.text+q.text, p.thinking+q.thinking, append(p.calls, q.calls...)
}

// isObject reports whether a text is a JSON object.
func isObject(text string) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &object) == nil && object != nil
}

// unread returns pieces whose text is content, of a prompt that is no chat.
func unread(pieces iter.Seq2[runtime.Piece, error]) iter.Seq2[runtime.Piece, error] {
	return func(yield func(runtime.Piece, error) bool) {
		for p, err := range pieces {
			if p.Text != "" {
				p.Deltas = []toolcall.Delta{{Text: p.Text}}
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// addLogProbs moves what is known of tokens to an answer.
func (a *ollamaAnswer) addLogProbs(c *chatChoice) {
	if c.LogProbs != nil {
		a.LogProbs, c.LogProbs = c.LogProbs.Content, nil
	}
}

// finish makes an answer the last one.
func (a *ollamaAnswer) finish(r *runtime.Result, j *job, total time.Duration) {
	a.Done, a.DoneReason = true, finishReason(r)
	a.ollamaMetrics = ollamaMetrics{TotalDuration: total, LoadDuration: j.queueTime + j.loadTime, PromptEvalCount: r.PromptTokens + r.CachedTokens,
		PromptEvalDuration: r.PromptTime, EvalCount: len(r.Tokens), EvalDuration: r.DecodeTime}
}
