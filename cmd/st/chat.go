package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"strings"

	"st/runtime/engine"
	"st/tokenizer"
)

// chatFormat writes conversations the way that a model was trained to read them.
type chatFormat struct {
	template *tokenizer.Template
	options  tokenizer.TemplateOptions
}

// chatTemplate returns the model's chat format.
func chatTemplate(m *model) (*chatFormat, error) {
	if m.reader.ChatTemplate == "" {
		return nil, fmt.Errorf("%s has no chat template: leave out --chat", m.reader.Path())
	}
	t, err := tokenizer.ParseTemplate(m.reader.ChatTemplate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.reader.Path(), err)
	}
	f := &chatFormat{template: t, options: tokenizer.TemplateOptions{AddGenerationPrompt: true}}
	if id, ok := m.tok.BOS(); ok {
		f.options.BOSToken, _ = m.tok.Token(id)
	}
	if id, ok := m.tok.EOS(); ok {
		f.options.EOSToken, _ = m.tok.Token(id)
	}
	return f, nil
}

func (f *chatFormat) render(ctx context.Context, messages []tokenizer.Message) (string, error) {
	return f.template.Render(ctx, messages, f.options)
}

func systemMessage(text string) []tokenizer.Message {
	if text == "" {
		return nil
	}
	return []tokenizer.Message{{Role: "system", Content: text}}
}

// conversation is a chat of several turns. The session keeps what was said: of a new turn only the new part is run.
type conversation struct {
	generator *generator
	format    *chatFormat
	system    []tokenizer.Message
	messages  []tokenizer.Message
	said      string // the text of the tokens that are in the session
}

// clear begins anew.
func (c *conversation) clear() {
	c.messages = c.system
	c.said = ""
	c.generator.session.Truncate(0)
}

// answer adds a user's message and generates the answer to it.
func (c *conversation) answer(ctx context.Context, text string, emit func(string)) (*completion, error) {
	g := c.generator
	messages := append(c.messages[:len(c.messages):len(c.messages)], tokenizer.Message{Role: "user", Content: text})
	rendered, err := c.format.render(ctx, messages)
	if err != nil && ctx.Err() != nil {
		return &completion{stopReason: stopInterrupted}, nil
	}
	if err != nil {
		return nil, err
	}
	// Many templates write past turns otherwise than they were generated, without the thoughts for example. Then what is in
	// the session is not the beginning of the conversation any more.
	fresh, extends := strings.CutPrefix(rendered, c.said)
	if !extends || fresh == "" {
		g.session.Truncate(0)
		fresh, c.said = rendered, ""
	}
	out, err := g.run(ctx, g.model.tok.Encode(fresh, true), emit)
	if err != nil {
		if !errors.Is(err, engine.ErrContextFull) {
			g.session.Truncate(0)
			c.said = ""
		}
		return nil, err
	}
	if out.stopReason == stopInterrupted && out.firstToken == 0 { // within the prompt, which is in the session in part
		g.session.Truncate(0)
		c.said = ""
		return out, nil
	}
	c.said += fresh + g.model.tok.Decode(out.ids[:out.fed], false)
	c.messages = append(messages, tokenizer.Message{Role: "assistant", Content: out.text})
	return out, nil
}

// lineReader reads what the user types; io.EOF ends the conversation.
type lineReader interface{ ReadLine() (string, error) }

// converse talks with the user until /bye or Ctrl-D. Ctrl-C ends an answer, not the program.
func (a *app) converse(ctx context.Context, g *generator, f *generateFlags) error {
	format, err := chatTemplate(g.model)
	if err != nil {
		return err
	}
	a.note("/bye or Ctrl-D ends, /clear begins anew, Ctrl-C stops an answer")
	c := &conversation{generator: g, format: format, system: systemMessage(f.system)}
	c.clear()
	in := newConsole(a.stdin.(*os.File), a.stdout)
	defer in.restore()
	return a.talk(ctx, c, in, f)
}

// talk is the loop of a conversation.
func (a *app) talk(ctx context.Context, c *conversation, in lineReader, f *generateFlags) error {
	for {
		line, err := readLine(ctx, in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch text := strings.TrimSpace(line); text {
		case "":
		case "/bye", "/exit", "/quit":
			return nil
		case "/clear":
			c.clear()
		default:
			if err := a.turn(ctx, c, text, f); err != nil {
				return err
			}
		}
	}
}

// turn answers one message. Only what ends the conversation is an error.
func (a *app) turn(ctx context.Context, c *conversation, text string, f *generateFlags) error {
	turn, stop := context.WithCancel(ctx)
	defer stop()
	a.interrupts.handle(stop)
	defer a.interrupts.handle(nil)
	out, err := c.answer(turn, text, func(piece string) { fmt.Fprint(a.stdout, piece) })
	fmt.Fprintln(a.stdout)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, engine.ErrContextFull):
		a.fail(fmt.Errorf("the conversation does not fit in the context of %d tokens any more: /clear begins anew", c.generator.model.engine.Context()))
	case err != nil:
		return err
	case out.stopReason == stopContext:
		a.note("note: the context of %d tokens is full: /clear begins anew", c.generator.model.engine.Context())
	}
	if f.stats && out != nil {
		a.printStats(c.generator, out, f)
	}
	return nil
}

// readLine reads a line, unless ctx ends first.
func readLine(ctx context.Context, in lineReader) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := in.ReadLine()
		done <- result{line, err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
