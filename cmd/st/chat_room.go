package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"st/cmd/internal/editor"
	"st/runtime"
)

// tooLong returns an error if a message does not fit in the context after the system message alone, so that it is no help to leave out what was said.
func (c *conversation) tooLong(ctx context.Context, text string) error {
	system := systemOf(c.chat.Chat)
	tokens := func(system, text string) (n int, err error) {
		ids, err := c.model.EncodeChat(ctx, []runtime.Message{{Role: "user", Content: text}}, runtime.System(system))
		return len(ids), err
	}
	all, err := tokens(system, text)
	switch {
	case errors.Is(err, runtime.ErrContextFull): // by far: the tokens are not counted
		return err
	case err != nil || all <= c.model.Context():
		return nil
	}
	before, _ := tokens(system, "") // a template that refuses an empty message counts as nothing
	if room := c.model.Context() - before; room > 0 || system == "" {
		return fmt.Errorf("the message has %s, and the context of %d has room for %d: shorten it, or give a larger --ctx",
			plural(all-before, "token"), c.model.Context(), max(0, room))
	}
	n := len(c.model.Tokenizer().Encode(system, false))
	return fmt.Errorf("the system message has %s, and the context is %d: shorten it, or give a larger --ctx", plural(n, "token"), c.model.Context())
}

// makeRoom offers to leave out the oldest turns, as many as it takes, and answers then. There is no result if it is not wanted, or no
// help.
func (c *conversation) makeRoom(ctx context.Context, text string) (r *runtime.Result, err error) {
	before := c.chat.Messages()
	if !hasTurns(before) {
		return nil, nil
	}
	fmt.Fprintln(c.app.stdout, "leave out the oldest turns, and go on?")
	reply, err := c.in.Ask(ctx, "[y/N] ")
	switch {
	case errors.Is(err, editor.ErrInterrupt):
		return nil, nil
	case errors.Is(err, editor.ErrLineCut):
		c.app.fail(err)
		return nil, nil
	}
	switch strings.ToLower(strings.TrimSpace(reply)) {
	case "y", "yes":
	case "", "n", "no":
		return nil, err
	default: // the next message
		c.next = &reply
		return nil, err
	}
	dropped := 0
	for n := c.chat.DropOldest(); n > 0; n = c.chat.DropOldest() {
		dropped += n
		if r, err = c.answer(ctx, text); !errors.Is(err, runtime.ErrContextFull) {
			if len(c.chat.Messages()) <= len(before)-dropped { // it was stopped before the message had run
				c.chat.SetMessages(before...)
				return r, err
			}
			c.app.note("note: the oldest %s left out", wereLeft(dropped))
			return r, err
		}
	}
	c.chat.SetMessages(before...)
	c.app.fail(err)
	return nil, nil
}

// hasTurns reports whether there is more than a system message.
func hasTurns(messages []runtime.Message) bool {
	return slices.ContainsFunc(messages, func(m runtime.Message) bool { return m.Role != "system" })
}

func wereLeft(n int) string {
	if n == 1 {
		return "message was"
	}
	return fmt.Sprintf("%d messages were", n)
}
