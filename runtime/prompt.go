package runtime

import (
	"context"
	"crypto/rand"
	"iter"
	"slices"
	"strings"

	"st/runtime/grammar"
	"st/runtime/toolcall"
)

// ChatPrompt is a conversation the way that the model's chat template has it, up to where the answer begins, and knows how the answer is to be
// generated and read.
type ChatPrompt struct {
	Tokens []int32
	Text   string // what the tokens were read from. Tokens of it may not be these: what messages name of special tokens is plain text

	model *Model
	tools toolset
	// reading says what is looked for in the answer.
	reading toolcall.Options
	// mayThink says that the model may open its reasoning itself.
	mayThink bool
	// begun is the text with which the answer begins.
	begun string
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
	if err := m.checkLength(r.text); err != nil {
		return nil, err
	}
	p := m.newChatPrompt(r, &said.tools)
	p.Tokens, p.Text = m.encodeChat(r), r.text
	return p, nil
}

// newChatPrompt returns a prompt without tokens and text.
func (m *Model) newChatPrompt(r rendering, tools *toolset) *ChatPrompt {
	p := &ChatPrompt{model: m, tools: *tools}
	tags := reasoningTags(m.file.ChatTemplate)
	p.reading = toolcall.Options{Reasoning: tags, Thinking: strings.HasSuffix(strings.TrimSpace(r.text), tags.Open)}
	_, known := m.tok.ID(tags.Open)
	p.mayThink = known && m.Reasons() && !p.reading.Thinking && !strings.HasSuffix(strings.TrimSpace(r.text), tags.Close)
	if names := tools.names(); len(names) > 0 {
		p.reading.Form, p.reading.Functions = m.dialect().form, names
		if p.reading.Form.Tagged {
			p.reading.Strings = tools.strings()
		}
	}
	return p
}

// Continue has the answer begin with a text, which is plain text.
func (p *ChatPrompt) Continue(text string) {
	p.Tokens, p.Text, p.begun = append(p.Tokens, p.model.tok.Encode(text, false)...), p.Text+text, p.begun+text
	p.mayThink = p.mayThink && text == ""
	if strings.Contains(text, p.reading.Reasoning.Close) {
		p.reading.Thinking = false
	} else if strings.HasPrefix(strings.TrimSpace(text), p.reading.Reasoning.Open) {
		p.reading.Thinking = true
	}
}

// said returns what of the text with which the answer begins comes after what the model thinks.
func (p *ChatPrompt) said() string {
	if p.reading.Thinking {
		return ""
	}
	if _, after, ok := strings.Cut(p.begun, p.reading.Reasoning.Close); ok {
		return strings.TrimLeft(after, " \n")
	}
	return p.begun
}

// Thinking reports whether the prompt has opened the model's reasoning: the answer begins within it.
func (p *ChatPrompt) Thinking() bool { return p.reading.Thinking }

// Options returns the options with which an answer is generated that [ChatPrompt.Read] reads. Special tokens that stand around calls and reasoning
// become part of the text. A grammar is that of what the model says, after what it thinks, and of what [ChatPrompt.Continue] says before it; with tools
// it is that of calls, too: a call that must come, and one that the model begins, is one of a tool, with arguments that follow its schema.
func (p *ChatPrompt) Options(g Generate) (Generate, error) {
	return p.OptionsContext(context.Background(), g)
}

// OptionsContext is Options that gives up, with the cause, when ctx ends: to make a grammar of large schemas of tools takes time.
func (p *ChatPrompt) OptionsContext(ctx context.Context, g Generate) (Generate, error) {
	g.markers, g.begun = nil, ""
	if g.Grammar != nil {
		g.begun = p.said()
	}
	tags, form := p.reading.Reasoning, p.reading.Form
	texts := []string{tags.Open, tags.Close}
	if form != nil {
		texts = append(texts, form.Markers()...)
	}
	for _, text := range texts {
		if id, ok := p.model.tok.ID(text); ok && p.special(text) {
			g.markers = append(g.markers, id)
		}
	}
	var err error
	if form != nil {
		if g.Grammar, err = p.callGrammar(ctx, g.Grammar); err != nil {
			return g, err
		}
	}
	switch {
	case g.Grammar == nil:
	case p.reading.Thinking:
		g.Grammar = grammar.Sequence(toolcall.ReasoningGrammar(tags, p.special, true), g.Grammar)
	case p.mayThink:
		g.Grammar = grammar.Sequence(grammar.Optional(toolcall.ReasoningGrammar(tags, p.special, false)), g.Grammar)
	}
	return g, nil
}

// special reports whether a text is a special token, and none that ends a text.
func (p *ChatPrompt) special(text string) bool {
	id, ok := p.model.tok.ID(text)
	return ok && p.model.tok.IsSpecial(id) && !slices.Contains(p.model.end, id)
}

// Read reads the pieces of an answer: what comes has Piece.Deltas, and at the end Result.Message.
func (p *ChatPrompt) Read(pieces iter.Seq2[Piece, error]) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) { pieces(p.newReader().wrap(yield)) }
}

func (p *ChatPrompt) newReader() *answerReader {
	r := &answerReader{parser: toolcall.NewParser(p.reading)}
	r.message.Role = "assistant"
	return r
}

// newCallID returns a new id for a call of a tool.
func newCallID() string { return "call_" + rand.Text() }

// answerReader reads an answer.
type answerReader struct {
	parser    *toolcall.Parser
	message   Message
	reasoning int // tokens
	closed    bool
}

// wrap has pieces read before they are yielded.
func (a *answerReader) wrap(yield func(Piece, error) bool) func(Piece, error) bool {
	return func(p Piece, err error) bool {
		a.read(&p)
		return yield(p, err)
	}
}

// read completes a piece.
func (a *answerReader) read(p *Piece) {
	if a.parser.Thinking() && p.Token != noToken {
		a.reasoning++
	}
	p.Deltas = a.add(a.parser.Push(p.Text))
	if p.Done != nil {
		p.Deltas = append(p.Deltas, a.close()...)
		p.Done.Message, p.Done.ReasoningTokens = &a.message, a.reasoning
	}
}

// close reads the rest.
func (a *answerReader) close() (rest []toolcall.Delta) {
	if !a.closed {
		a.closed = true
		rest = a.add(a.parser.Close())
	}
	return rest
}

// add adds to the message, and gives calls ids.
func (a *answerReader) add(deltas []toolcall.Delta) []toolcall.Delta {
	m := &a.message
	for i := range deltas {
		switch d := &deltas[i]; d.Kind {
		case toolcall.Content:
			m.Content += d.Text
		case toolcall.Reasoning:
			m.Reasoning += d.Text
		case toolcall.Begin:
			d.ID = newCallID()
			m.ToolCalls = append(m.ToolCalls, ToolCall{ID: d.ID, Name: d.Text})
		case toolcall.Arguments:
			m.ToolCalls[d.Call].Arguments += d.Text
		}
	}
	return deltas
}

// calls returns calls as package toolcall has them.
func calls(list []ToolCall) []toolcall.Call {
	out := make([]toolcall.Call, len(list))
	for i, c := range list {
		out[i] = toolcall.Call{Name: c.Name, Arguments: c.Arguments}
	}
	return out
}
