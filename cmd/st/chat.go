package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"st/cmd/internal/textfile"
	"st/runtime"
)

// lineReader reads what the user types; io.EOF ends the conversation.
type lineReader interface{ ReadLine() (string, error) }

// conversation is a chat with a person.
type conversation struct {
	app     *app
	model   *runtime.Model
	chat    *runtime.Chat
	options runtime.Generate
	stats   bool
	in      lineReader
	next    *string // a line that was read already; nil: none
}

const chatHelp = `/clear    begin anew
/bye      end; so does Ctrl-D
/help     this
Ctrl-C stops an answer.`

// converse talks with the user until /bye or Ctrl-D. Ctrl-C ends an answer, not the program.
func (a *app) converse(ctx context.Context, m *runtime.Model, f *generateFlags, g runtime.Generate) error {
	if err := m.CheckChat(); err != nil {
		return err
	}
	a.note("/bye or Ctrl-D ends, /clear begins anew, Ctrl-C stops an answer, /help lists more")
	in := newConsole(a.stdin.(*os.File), a.stdout)
	defer in.restore()
	c := &conversation{app: a, model: m, chat: m.NewChat(runtime.System(f.system)), options: g, stats: f.stats, in: in}
	defer c.chat.Close()
	return c.talk(ctx)
}

// talk is the loop of a conversation.
func (c *conversation) talk(ctx context.Context) error {
	for {
		line, err := c.readLine(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch text := strings.TrimSpace(line); {
		case text == "":
		case text == "/bye", text == "/exit", text == "/quit":
			return nil
		case text == "/clear":
			c.chat.Reset()
		case text == "/help", text == "/?":
			fmt.Fprintln(c.app.stdout, chatHelp)
		case isCommand(text):
			c.app.fail(fmt.Errorf("%s is unknown: /help lists what there is", strings.Fields(text)[0]))
		default:
			if err := c.turn(ctx, text); errors.Is(err, io.EOF) { // instead of an answer to a question
				return nil
			} else if err != nil {
				return err
			}
		}
	}
}

// isCommand reports whether a line looks like a command, and not like a path.
func isCommand(line string) bool {
	name, ok := strings.CutPrefix(strings.Fields(line)[0], "/")
	return ok && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r < 'a' || r > 'z' })
}

// turn answers one message. Only what ends the conversation is an error.
func (c *conversation) turn(ctx context.Context, text string) error {
	r, err := c.answer(ctx, text)
	if errors.Is(err, runtime.ErrContextFull) {
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
	if c.stats && r != nil {
		c.app.printStats(c.model, r)
	}
	return nil
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
	r, err := c.app.printPieces(c.chat.Send(turn, text, g), true)
	if !errors.Is(err, runtime.ErrContextFull) {
		fmt.Fprintln(c.app.stdout)
	}
	return r, err
}

// makeRoom offers to leave out the oldest turns, as many as it takes, and answers then. There is no result if it is not wanted, or no
// help.
func (c *conversation) makeRoom(ctx context.Context, text string) (r *runtime.Result, err error) {
	before := c.chat.Messages()
	if !slices.ContainsFunc(before, func(m runtime.Message) bool { return m.Role != "system" }) {
		return nil, nil
	}
	fmt.Fprint(c.app.stdout, "leave out the oldest turns, and go on? [y/N]\n")
	line, err := c.readLine(ctx)
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
	case "", "n", "no":
		return nil, err
	default: // the next message
		c.next = &line
		return nil, err
	}
	dropped := 0
	for n := c.chat.DropOldest(); n > 0; n = c.chat.DropOldest() {
		dropped += n
		if r, err = c.answer(ctx, text); !errors.Is(err, runtime.ErrContextFull) {
			c.app.note("note: the oldest %s left out", wereLeft(dropped))
			return r, err
		}
	}
	c.chat.SetMessages(before...)
	c.app.fail(errors.New("the message alone does not fit"))
	return nil, nil
}

func wereLeft(n int) string {
	if n == 1 {
		return "message was"
	}
	return fmt.Sprintf("%d messages were", n)
}

// readLine reads a line, unless ctx ends first.
func (c *conversation) readLine(ctx context.Context) (string, error) {
	if line := c.next; line != nil {
		c.next = nil
		return *line, nil
	}
	return textfile.Wait(ctx, c.in.ReadLine)
}
