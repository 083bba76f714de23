package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"st/cmd/internal/editor"
	"st/runtime"
)

// messages reads what the user types: see [editor.Editor].
type messages interface {
	Read(ctx context.Context, prompt string) (string, error)
	Ask(ctx context.Context, prompt string) (string, error) // the answer is no message
}

// conversation is a chat with a person.
type conversation struct {
	app     *app
	model   *runtime.Model
	chat    *session
	options runtime.Generate
	stats   bool
	mark    *runtime.Mark // when the last prompt had run
	in      messages
	next    *string // a message that was read already; nil: none

	interrupted bool // the answer before was stopped, and nothing was entered since
}

const chatPrompt = ">>> "

// converse talks with the user until /bye or Ctrl-D. Ctrl-C ends an answer, not the program.
func (a *app) converse(ctx context.Context, m *runtime.Model, f *generateFlags, g runtime.Generate) error {
	if err := m.CheckChat(); err != nil {
		return err
	}
	chat, err := a.openChat(ctx, m, f)
	if err != nil {
		return err
	}
	defer chat.close()
	a.note("/bye or Ctrl-D ends, /clear begins anew, Ctrl-C stops an answer, /help lists more")
	in, err := editor.New(editor.Options{
		In: a.stdin.(*os.File), Out: a.stdout, History: editor.OpenHistory(editor.HistoryPath("st")), Commands: chatCommands,
		Plain: os.Getenv("TERM") == "dumb",
	})
	if err != nil {
		return fmt.Errorf("the terminal: %w", err)
	}
	defer in.Close()
	a.interrupts.beforeExit(in.Close)
	defer a.interrupts.beforeExit(nil)
	c := &conversation{app: a, model: m, chat: chat, options: g, stats: f.stats, in: in}
	return c.talk(ctx)
}

// talk is the loop of a conversation.
func (c *conversation) talk(ctx context.Context) error {
	for {
		message, err := c.read(ctx)
		switch {
		case errors.Is(err, editor.ErrInterrupt) && c.interrupted: // Ctrl-C once too often
			c.app.note("Ctrl-C once more, or Ctrl-D, ends")
			c.interrupted = false
			continue
		case errors.Is(err, editor.ErrLineCut):
			c.app.fail(err)
			continue
		case errors.Is(err, io.EOF), errors.Is(err, editor.ErrInterrupt):
			return nil
		case err != nil:
			return err
		}
		c.interrupted = false
		switch text := strings.TrimSpace(message); {
		case text == "":
		case isCommand(text):
			if end := c.command(text); end {
				return nil
			}
		default:
			if message = strings.Trim(message, "\n"); strings.HasPrefix(message, "//") {
				message = message[1:]
			}
			if err := c.turn(ctx, message); errors.Is(err, io.EOF) { // instead of an answer to a question
				return nil
			} else if err != nil {
				return err
			}
		}
	}
}

// turn answers one message. Only what ends the conversation is an error.
func (c *conversation) turn(ctx context.Context, text string) error {
	r, err := c.answer(ctx, text)
	if errors.Is(err, runtime.ErrContextFull) {
		if alone := c.tooLong(ctx, text); alone != nil {
			c.app.fail(alone)
			return nil
		}
		c.app.fail(fmt.Errorf("the conversation does not fit in the context of %d tokens any more: /clear begins anew", c.model.Context()))
		if r, err = c.makeRoom(ctx, text); r == nil {
			return c.unlessRefused(err)
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.Is(err, context.Canceled):
		return c.unlessRefused(err)
	case r != nil && r.Stop == runtime.StopContext:
		c.app.note("note: the context of %d tokens is full", c.model.Context())
	}
	c.app.noteUnfinished(r)
	if r != nil {
		c.keep()
	}
	if c.stats && r != nil {
		c.app.printStats(c.model, r, *c.mark)
	}
	return nil
}

// unlessRefused returns an error of a turn. One of the chat template, which refuses the conversation as it is by now, is told and does not end it: what
// was said can be read again, and /clear begins anew. A template that refuses the first message would refuse the others, too.
func (c *conversation) unlessRefused(err error) error {
	if !errors.Is(err, runtime.ErrTemplate) || !hasTurns(c.chat.Messages()) {
		return err
	}
	c.app.fail(fmt.Errorf("%w: /clear begins anew", err))
	return nil
}

// keep keeps the conversation. It goes on if that fails, because of a full disk perhaps.
func (c *conversation) keep() {
	if err := c.chat.save(); err != nil {
		c.app.fail(err)
	}
}

// answer prints the answer to a message. Ctrl-C ends it.
func (c *conversation) answer(ctx context.Context, text string) (*runtime.Result, error) {
	turn, stop := context.WithCancel(ctx)
	defer stop()
	c.app.interrupts.handle(stop)
	defer c.app.interrupts.handle(nil)
	bar := c.app.newPromptProgress()
	defer bar.finish()
	g := c.options
	g.Progress = bar.update
	c.mark = markPrompt(c.model, &g)
	r, err := c.app.printPieces(c.chat.Send(turn, text, g), true)
	c.interrupted = turn.Err() != nil
	if !errors.Is(err, runtime.ErrContextFull) {
		fmt.Fprintln(c.app.stdout)
	}
	return r, err
}

// read returns the next message.
func (c *conversation) read(ctx context.Context) (string, error) {
	if message := c.next; message != nil {
		c.next = nil
		return *message, nil
	}
	return c.in.Read(ctx, chatPrompt)
}
