package server

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"

	"st/runtime"
)

// chatRequest is the body of /v1/chat/completions.
type chatRequest struct {
	openAISampling
	Messages            []json.RawMessage `json:"messages"`
	MaxCompletionTokens *int              `json:"max_completion_tokens"`
	LogProbs            bool              `json:"logprobs"`
	TopLogProbs         *int              `json:"top_logprobs"`
	Variables           map[string]any    `json:"chat_template_kwargs"` // vLLM's and llama.cpp's name
	ResponseFormat      struct {
		Type string `json:"type"`
	} `json:"response_format"`
	Tools      []json.RawMessage `json:"tools"`
	ToolChoice json.RawMessage   `json:"tool_choice"`
}

// chatMessage is a message of a request.
type chatMessage struct {
	Role      string            `json:"role"`
	Content   content           `json:"content"`
	ToolCalls []json.RawMessage `json:"tool_calls"`
}

// readMessages reads the messages of a conversation. param is the field that they are in.
func readMessages(list []json.RawMessage, param string) ([]runtime.Message, error) {
	if len(list) == 0 {
		return nil, badField(param, "there must be a message at least")
	}
	messages := make([]runtime.Message, len(list))
	for i, data := range list {
		var m chatMessage
		path := fmt.Sprintf("%s[%d]", param, i)
		if err := decode(data, &m, path); err != nil {
			return nil, err
		}
		switch m.Role {
		case "developer":
			m.Role = "system"
		case "system", "user", "assistant", "tool":
		default:
			return nil, badField(path+".role", fmt.Sprintf("it is %q and must be system, developer, user, assistant or tool", m.Role))
		}
		if len(m.ToolCalls) > 0 {
			return nil, badField(path+".tool_calls", "calls of tools are not supported")
		}
		messages[i] = runtime.Message{Role: m.Role, Content: string(m.Content)}
	}
	return messages, nil
}

// generate returns what the request asks for.
func (q *chatRequest) generate() (g runtime.Generate, err error) {
	if g, err = q.openAISampling.generate(); err != nil {
		return g, err
	}
	if g.MaxTokens, err = maxTokens("max_completion_tokens", q.MaxCompletionTokens, g.MaxTokens); err != nil {
		return g, err
	}
	switch t := q.ResponseFormat.Type; {
	case t != "" && t != "text":
		return g, badField("response_format", fmt.Sprintf("%q is not supported: answers are text", t))
	case len(q.Tools) > 0 && string(q.ToolChoice) != `"none"`:
		return g, badField("tools", "calls of tools are not supported")
	case q.TopLogProbs != nil && !q.LogProbs:
		return g, badField("top_logprobs", "it needs logprobs")
	case q.TopLogProbs != nil && (*q.TopLogProbs < 0 || *q.TopLogProbs > maxTopLogProbs):
		return g, badField("top_logprobs", fmt.Sprintf("it is %d and must be between 0 and %d", *q.TopLogProbs, maxTopLogProbs))
	case q.TopLogProbs != nil:
		g.TopLogProbs = *q.TopLogProbs
	}
	g.LogProbs = q.LogProbs
	return g, nil
}

// chatCompletion is an answer, or a part of one if it is streamed.
type chatCompletion struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Choices []*chatChoice `json:"choices"`
	Usage   *openAIUsage  `json:"usage,omitempty"`
}

type chatChoice struct {
	Index        int           `json:"index"`
	Message      *chatAnswer   `json:"message,omitempty"` // the whole of it
	Delta        *chatAnswer   `json:"delta,omitempty"`   // or a part
	LogProbs     *chatLogProbs `json:"logprobs"`
	FinishReason *string       `json:"finish_reason"`
}

type chatAnswer struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

type chatLogProbs struct {
	Content []chatLogProb `json:"content"`
}

type chatLogProb struct {
	tokenLogProb
	Top []tokenLogProb `json:"top_logprobs"`
}

type tokenLogProb struct {
	Token   string  `json:"token"`
	LogProb logProb `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// add adds a token's probabilities, if there are any.
func (c *chatChoice) add(m *runtime.Model, p *runtime.Piece) {
	entry := chatLogProb{newTokenLogProb(m, p.Token, p.LogProb), []tokenLogProb{}}
	for _, t := range p.Top {
		entry.Top = append(entry.Top, newTokenLogProb(m, t.Token, t.LogProb))
	}
	if c.LogProbs == nil {
		c.LogProbs = &chatLogProbs{}
	}
	c.LogProbs.Content = append(c.LogProbs.Content, entry)
}

func newTokenLogProb(m *runtime.Model, id int32, p float64) tokenLogProb {
	text := m.Tokenizer().Text(id)
	bytes := make([]int, len(text))
	for i := range len(text) {
		bytes[i] = int(text[i])
	}
	return tokenLogProb{text, logProb(p), bytes}
}

// chatCompletions answers /v1/chat/completions.
func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q chatRequest
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	messages, err := readMessages(q.Messages, "messages")
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
	prompt, err := j.model.EncodeChat(r.Context(), messages, runtime.Variables(q.Variables))
	if err != nil {
		return err
	}
	each := func(ctx context.Context, i int) iter.Seq2[runtime.Piece, error] {
		return j.generate(ctx, prompt, choice(g, i))
	}
	answer := chatCompletion{ID: answerID("chatcmpl-"), Object: "chat.completion", Created: now(), Model: j.name}
	if q.Stream {
		answer.Object = "chat.completion.chunk"
		return streamChat(w, r, j, &q, g.LogProbs, answer, each)
	}
	answer.Usage = &openAIUsage{}
	for i := range q.choices() {
		answer.Choices = append(answer.Choices, &chatChoice{Index: i, Message: &chatAnswer{Role: "assistant"}})
	}
	for p, err := range j.choices(r.Context(), q.choices(), false, each) {
		if err != nil {
			return err
		}
		switch c := answer.Choices[p.choice]; {
		case p.Done != nil:
			answer.Usage.add(p.Done, p.choice)
			c.Message.Content, c.FinishReason = &p.Done.Text, new(finishReason(p.Done))
		case g.LogProbs:
			c.add(j.model, &p.Piece)
		}
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// streamChat answers with events: each has a part of a choice.
func streamChat(w http.ResponseWriter, r *http.Request, j *job, q *chatRequest, logProbs bool, chunk chatCompletion,
	each func(ctx context.Context, i int) iter.Seq2[runtime.Piece, error]) error {
	e := &events{w: w}
	usage := &openAIUsage{}
	send := func(c *chatChoice) bool {
		chunk.Choices = []*chatChoice{c}
		return e.send("", chunk)
	}
	begun := make([]bool, q.choices())
	for p, err := range j.choices(r.Context(), q.choices(), false, each) {
		if err != nil {
			return e.fail(r, err)
		}
		i := p.choice
		if !begun[i] {
			begun[i] = true
			if !send(&chatChoice{Index: i, Delta: &chatAnswer{Role: "assistant", Content: new("")}}) {
				return nil
			}
		}
		if p.Text != "" || logProbs && p.Done == nil {
			c := &chatChoice{Index: i, Delta: &chatAnswer{Content: &p.Text}}
			if logProbs && p.Done == nil {
				c.add(j.model, &p.Piece)
			}
			if !send(c) {
				return nil
			}
		}
		if p.Done != nil {
			usage.add(p.Done, i)
			if !send(&chatChoice{Index: i, Delta: &chatAnswer{}, FinishReason: new(finishReason(p.Done))}) {
				return nil
			}
		}
	}
	if q.StreamOptions.IncludeUsage {
		chunk.Choices, chunk.Usage = []*chatChoice{}, usage
		if !e.send("", chunk) {
			return nil
		}
	}
	e.done()
	return nil
}

// fail ends a stream with an error of OpenAI's form. One that comes before the stream has begun is returned.
func (e *events) fail(r *http.Request, err error) error {
	if !e.begun {
		return err
	}
	a := asError(err)
	logged(r.Context(), "error", a.Code)
	if e.send("", newOpenAIError(a)) {
		e.done()
	}
	return nil
}
