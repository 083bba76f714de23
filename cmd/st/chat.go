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

const (
	chatPrompt = ">>> "
	chatHelp   = `/clear    begin anew: only the system message stays, in a kept session, too
/bye      end; so do /exit, /quit and Ctrl-D
/help     this; so does /?
//TEXT    a message that begins with /

Enter sends a message. Alt+Enter, Ctrl+J, or Enter after a \ begin a new line; so does Enter between
""" at the beginning and """ at the end. What is pasted may have several lines.
Ctrl-C stops an answer, or clears the message. With nothing to stop or to clear it ends, as Ctrl-D does;
right after an answer that it stopped it ends only when it comes once more.
Up and Down recall messages, Ctrl-R looks for one, Tab completes a command.`
)

var chatCommands = []string{"/bye", "/clear", "/exit", "/help", "/quit"}

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
		case errors.Is(err, io.EOF), errors.Is(err, editor.ErrInterrupt):
			return nil
		case err != nil:
			return err
		}
		c.interrupted = false
		switch text := strings.TrimSpace(message); {
		case text == "":
		case text == "/bye", text == "/exit", text == "/quit":
			return nil
		case text == "/clear":
			c.chat.Reset()
			c.keep()
		case text == "/help", text == "/?":
			fmt.Fprintln(c.app.stdout, chatHelp)
		case isCommand(text):
			c.app.fail(fmt.Errorf("%s is unknown: /help lists what there is", strings.Fields(text)[0]))
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

// isCommand reports whether a message looks like a command, and not like a path or a text.
func isCommand(message string) bool {
	name, ok := strings.CutPrefix(strings.Fields(message)[0], "/")
	return ok && !strings.Contains(message, "\n") && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r < 'a' || r > 'z' })
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
			return err
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.Is(err, context.Canceled):
		return err
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
