package runtime

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"st/runtime/toolcall"
)

// ChatPrompt is a conversation the way that the model's chat template has it, up to where the answer begins, and knows how the answer is to be
// generated and read.
type ChatPrompt struct {
	Tokens []int32

	model *Model
	tools toolset
	// reading says what a parser of the answer looks for.
	reading toolcall.Options
}

// ChatPrompt returns the prompt of a conversation: for [Model.GenerateTokens] or [Sequence.Generate], with the options that [ChatPrompt.Options]
// returns. Messages are those of opts and after them the given ones.
func (m *Model) ChatPrompt(ctx context.Context, messages []Message, opts ...ChatOption) (*ChatPrompt, error) {
	c := m.NewChat(opts...)
	said := c.conversation(append(c.messages, messages...))
	r, err := m.render(ctx, said)
	if err != nil {
		return nil, err
	}
	p := m.newChatPrompt(r, &said.tools)
	p.Tokens = m.encodeChat(r)
	return p, nil
}

// newChatPrompt returns a prompt without tokens.
func (m *Model) newChatPrompt(r rendering, tools *toolset) *ChatPrompt {
	p := &ChatPrompt{model: m, tools: *tools}
	tags := reasoningTags(m.file.ChatTemplate)
	p.reading = toolcall.Options{Reasoning: tags, Thinking: strings.HasSuffix(strings.TrimSpace(r.text), tags.Open)}
	if names := tools.names(); len(names) > 0 {
		p.reading.Form, p.reading.Functions = m.dialect().form, names
	}
	return p
}

// Continue has the answer begin with a text, which is plain text.
func (p *ChatPrompt) Continue(text string) {
	p.Tokens = append(p.Tokens, p.model.tok.Encode(text, false)...)
	if strings.Contains(text, p.reading.Reasoning.Close) {
		p.reading.Thinking = false
	} else if strings.HasPrefix(strings.TrimSpace(text), p.reading.Reasoning.Open) {
		p.reading.Thinking = true
	}
}

// Thinking reports whether the prompt has opened the model's reasoning: the answer begins within it.
func (p *ChatPrompt) Thinking() bool { return p.reading.Thinking }

// Options returns the options with which an answer is generated that [ChatPrompt.NewParser] reads: special tokens that stand around calls and
// reasoning become part of the text.
func (p *ChatPrompt) Options(g Generate) Generate {
	g.markers = nil
	tags, form := p.reading.Reasoning, p.reading.Form
	texts := []string{tags.Open, tags.Close}
	if form != nil {
		texts = append(texts, form.Begin, form.End)
	}
	for _, text := range texts {
		if id, ok := p.model.tok.ID(text); ok && p.model.tok.IsSpecial(id) && !slices.Contains(p.model.end, id) {
			g.markers = append(g.markers, id)
		}
	}
	return g
}

// NewParser returns a parser of one answer, which takes the texts of its pieces.
func (p *ChatPrompt) NewParser() *toolcall.Parser { return toolcall.NewParser(p.reading) }

// NewCallID returns a new id for a call of a tool.
func NewCallID() string { return "call_" + rand.Text() }

// answerReader reads the answer of a chat.
type answerReader struct {
	parser *toolcall.Parser
	answer toolcall.Answer
	ids    []string // of calls
	closed bool
}

// push takes a piece, and completes it.
func (a *answerReader) push(p *Piece) {
	p.Deltas = a.parser.Push(p.Text)
	a.answer.Add(p.Deltas...)
	if p.Done != nil {
		p.Deltas = append(p.Deltas, a.close()...)
		p.Done.Message = new(a.message())
	}
}

// close reads the rest.
func (a *answerReader) close() (rest []toolcall.Delta) {
	if !a.closed {
		a.closed = true
		rest = a.parser.Close()
		a.answer.Add(rest...)
	}
	return rest
}

// wrap has pieces read before they are yielded.
func (a *answerReader) wrap(yield func(Piece, error) bool) func(Piece, error) bool {
	return func(p Piece, err error) bool {
		a.push(&p)
		return yield(p, err)
	}
}

// message returns what the answer is by now.
func (a *answerReader) message() Message {
	m := Message{Role: "assistant", Content: a.answer.Content, Reasoning: a.answer.Reasoning}
	for i, c := range a.answer.Calls {
		if i == len(a.ids) {
			a.ids = append(a.ids, NewCallID())
		}
		m.ToolCalls = append(m.ToolCalls, ToolCall{ID: a.ids[i], Name: c.Name, Arguments: c.Arguments})
	}
	return m
}

// calls returns calls as package toolcall has them.
func calls(list []ToolCall) []toolcall.Call {
	out := make([]toolcall.Call, len(list))
	for i, c := range list {
		out[i] = toolcall.Call{Name: c.Name, Arguments: c.Arguments}
	}
	return out
}
