package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"st/runtime/toolcall"
	"st/tokenizer"
)

// parseTemplate reads the model's chat template.
func (m *Model) parseTemplate() (*tokenizer.Template, error) {
	if err := m.needTokenizer(); err != nil {
		return nil, err
	}
	if m.file.ChatTemplate == "" {
		return nil, fmt.Errorf("%s: %w", m.file.Path(), ErrNoTemplate)
	}
	t, err := tokenizer.ParseTemplate(m.file.ChatTemplate)
	if err != nil {
		return nil, as(ErrTemplate, fmt.Errorf("%s: %w", m.file.Path(), err))
	}
	return t, nil
}

// CheckChat returns the error that every chat with the model would give: [ErrNoTokenizer], [ErrNoTemplate] or [ErrTemplate]; nil if the
// model can chat.
func (m *Model) CheckChat() error {
	_, err := m.template()
	return err
}

// rendering is a conversation as the model reads it.
type rendering struct {
	text   string
	breaks []int // where in text no special token is: messages name them as text
}

// cut returns what follows a beginning, if the conversation has it.
func (r rendering) cut(beginning rendering) (rest rendering, ok bool) {
	n := len(beginning.text)
	if n == 0 || !strings.HasPrefix(r.text, beginning.text) {
		return rest, false
	}
	at := slices.IndexFunc(r.breaks, func(i int) bool { return i > n })
	if at < 0 {
		at = len(r.breaks)
	}
	if !slices.Equal(r.breaks[:at], beginning.breaks) {
		return rest, false
	}
	rest.text = r.text[n:]
	for _, i := range r.breaks[at:] {
		rest.breaks = append(rest.breaks, i-n)
	}
	return rest, true
}

// add appends text that was generated.
func (r rendering) add(text string) rendering { return rendering{r.text + text, r.breaks} }

// render writes a conversation the way that the model was trained to read it, up to where the answer begins. What messages and tools hold is text:
// names of special tokens in them are no tokens.
func (m *Model) render(ctx context.Context, c *conversation) (r rendering, err error) {
	t, err := m.template()
	if err != nil {
		return r, err
	}
	if err := c.tools.check(); err != nil {
		return r, err
	}
	texts, err := c.texts()
	if err != nil {
		return r, err
	}
	guard := m.tok.NewGuard(texts...)
	messages, tools, err := c.marked(guard.Mark)
	if err != nil {
		return r, err
	}
	opts := m.templateOptions()
	opts.Extra = c.variables
	if c.usesTools() {
		messages = m.dialect().adapt(messages, tools, &opts)
	}
	text, err := t.Render(ctx, messages, opts)
	switch {
	case errors.Is(err, ErrTemplateEmpty), err != nil && ctx.Err() != nil:
		return r, fmt.Errorf("%s: %w", m.file.Path(), err)
	case err != nil:
		return r, as(ErrTemplate, fmt.Errorf("%s: %w", m.file.Path(), err))
	}
	r.text, r.breaks = guard.Unmark(text)
	return r, nil
}

// templateOptions returns what every conversation gives the template.
func (m *Model) templateOptions() tokenizer.TemplateOptions {
	opts := tokenizer.TemplateOptions{AddGenerationPrompt: true}
	if id, ok := m.tok.BOS(); ok {
		opts.BOSToken, _ = m.tok.Token(id)
	}
	if id, ok := m.tok.EOS(); ok {
		opts.EOSToken, _ = m.tok.Token(id)
	}
	return opts
}

// findDialect tries how the template writes tools. The template is known to be there.
func (m *Model) findDialect() *dialect {
	t, err := m.template()
	if err != nil {
		return &dialect{form: toolcall.Hermes}
	}
	return newDialect(t, m.templateOptions())
}

// EncodeChat returns the tokens of a conversation, the way that the model's chat template has it, up to where the answer begins: a prompt for
// [Model.GenerateTokens] or [Sequence.Generate]. Messages are those of opts and after them the given ones.
func (m *Model) EncodeChat(ctx context.Context, messages []Message, opts ...ChatOption) ([]int32, error) {
	p, err := m.ChatPrompt(ctx, messages, opts...)
	if err != nil {
		return nil, err
	}
	return p.Tokens, nil
}

// encodeChat returns the tokens of a conversation or of a part of one.
func (m *Model) encodeChat(r rendering) []int32 {
	return m.tok.EncodeOptions(r.text, tokenizer.EncodeOptions{ParseSpecial: true, Breaks: r.breaks})
}

// Beginnings returns what texts of the model begin with, as tokens: the token that begins a text, or one that ends the text before; and what the
// chat template writes before a user's first message. There may be none; those with tokens that the tokenizer has and the model lacks are left out.
func (m *Model) Beginnings(ctx context.Context) ([][]int32, error) {
	all, err := m.beginnings(ctx)
	lacking := func(tokens []int32) bool { return int(slices.Max(tokens)) >= m.Config().Vocab }
	return slices.DeleteFunc(all, lacking), err
}

func (m *Model) beginnings(ctx context.Context) ([][]int32, error) {
	var all [][]int32
	if id, ok := m.beginning(); ok {
		all = append(all, []int32{id})
	} else if len(m.end) > 0 {
		all = append(all, m.end[:1:1])
	}
	const message = "what-the-user-says" // which no system message has
	if m.CheckChat() != nil {
		return all, nil
	}
	r, err := m.render(ctx, &conversation{messages: []Message{{Role: "user", Content: message}}})
	if err != nil {
		return all, ctx.Err() // a template that refuses this is of no use here
	}
	at := strings.Index(r.text, message)
	if at < 0 {
		return all, nil
	}
	breaks := slices.DeleteFunc(slices.Clone(r.breaks), func(i int) bool { return i > at })
	if tokens := m.encodeChat(rendering{r.text[:at], breaks}); len(tokens) > 0 {
		all = append(all, tokens)
	}
	return all, nil
}
