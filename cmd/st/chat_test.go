package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"st/cmd/internal/editor"
	"st/runtime"
)

// script is a user who enters these messages.
type script []string

// lineCut is a message of a script that the terminal cuts.
const lineCut = "…"

func (s *script) Read(ctx context.Context, _ string) (string, error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if len(*s) == 0 {
		return "", io.EOF
	}
	line := (*s)[0]
	*s = (*s)[1:]
	if line == lineCut {
		return "", editor.ErrLineCut
	}
	return line, nil
}

func testApp() (a *app, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &app{stdout: &output{w: stdout, onError: func() {}}, stderr: stderr, interrupts: &interrupts{}}, stdout, stderr
}

func (s *script) Ask(ctx context.Context, prompt string) (string, error) { return s.Read(ctx, prompt) }

// newConversation begins a conversation with the tiny model in which a user types lines.
func newConversation(t *testing.T, a *app, contextTokens, limit int, lines ...string) *conversation {
	t.Helper()
	return newConversationWith(t, a, tiny(t), contextTokens, limit, lines...)
}

// newConversationWith is newConversation with the model of a file.
func newConversationWith(t *testing.T, a *app, file string, contextTokens, limit int, lines ...string) *conversation {
	t.Helper()
	m, err := a.openTextModel(t.Context(), file, engineFlags{Options: runtime.Options{Context: contextTokens}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.close(&err) })
	c := &conversation{app: a, model: m.Model, chat: &session{Chat: m.NewChat()}, in: (*script)(&lines),
		options: runtime.Generate{MaxTokens: limit, Temperature: new(0.7), Seed: new(uint64(1))}}
	t.Cleanup(func() { c.chat.Close() })
	return c
}

func TestTalk(t *testing.T) {
	a, stdout, stderr := testApp()
	c := newConversation(t, a, 64, 10, "Hello", "", "/clear", strings.Repeat("word ", 100), "/clear", "/help", "Hello", "/etc/hosts and /clear", "/frob now", "/bye", "never read")
	c.stats = true
	if err := c.talk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := *c.in.(*script); len(left) != 1 {
		t.Errorf("%d lines are left", len(left))
	}
	if n := len(c.chat.Messages()); n != 4 {
		t.Errorf("%d messages: %v", n, c.chat.Messages())
	}
	if !strings.Contains(stdout.String(), chatHelp) || strings.Contains(stdout.String(), "leave out") {
		t.Error(stdout.String())
	}
	for _, want := range []string{"st: the message has 102 tokens, and the context of 64 has room for 38: shorten it, or give a larger --ctx\n", "tokens/s", "st: /frob is unknown: /help lists"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("%q is missing in\n%s", want, stderr.String())
		}
	}
}

// What is sent is what was entered.
func TestTalkSends(t *testing.T) {
	a, _, _ := testApp()
	c := newConversation(t, a, 0, 1, "//help", "/list\nof lines", "  indented\n\ttext\n", "/usr/bin is what?", "/ is a slash", "/2 is half")
	if err := c.talk(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sent []string
	for _, m := range c.chat.Messages() {
		if m.Role == "user" {
			sent = append(sent, m.Content)
		}
	}
	if want := []string{"/help", "/list\nof lines", "  indented\n\ttext", "/usr/bin is what?", "/ is a slash", "/2 is half"}; !slices.Equal(sent, want) {
		t.Errorf("%q, want %q", sent, want)
	}
}

// A line that the terminal cut is not sent. The conversation goes on.
func TestTalkLineCut(t *testing.T) {
	a, _, stderr := testApp()
	c := newConversation(t, a, 0, 1, lineCut, "Hello")
	if err := c.talk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := c.chat.Messages(); len(all) != 2 || all[0].Content != "Hello" || stderr.String() != "st: "+editor.ErrLineCut.Error()+"\n" {
		t.Errorf("%v\n%s", all, stderr)
	}
}

// A line that begins with a slash and a word is never sent: it is a command, or told what it is not.
func TestTalkCommands(t *testing.T) {
	for _, tt := range []struct {
		line, want string // a part of what is printed; "": the conversation ends
	}{
		{"/HELP", chatHelp},
		{"/?", chatHelp},
		{"/Bye", ""},
		{"/quit ", ""},
		{"/?x", "st: /?x is unknown: /help lists"},
		{"/", "st: / is unknown: /help lists"},
		{"/frob now", "st: /frob is unknown: /help lists"},
		{"/save-as x", "st: /save-as is unknown: /help lists"},
		{"/help me", `st: /help takes no "me": /help lists`},
		{"/Clear all of it", `st: /Clear takes no "all": /help lists`},
	} {
		a, stdout, stderr := testApp()
		c := newConversation(t, a, 0, 1, tt.line, "/bye")
		if err := c.talk(t.Context()); err != nil {
			t.Fatal(err)
		}
		ended := len(*c.in.(*script)) == 1
		printed := stdout.String() + stderr.String()
		if n := len(c.chat.Messages()); n != 0 || ended != (tt.want == "") || !strings.HasPrefix(printed, tt.want) {
			t.Errorf("%s: %d messages, ended %v, prints\n%s", tt.line, n, ended, printed)
		}
	}
	a, _, _ := testApp()
	c := newConversation(t, a, 0, 1, "Hello", "/CLEAR")
	if err := c.talk(t.Context()); err != nil || len(c.chat.Messages()) != 0 {
		t.Errorf("/CLEAR leaves %v, %v", c.chat.Messages(), err)
	}
}

func TestTalkEnds(t *testing.T) {
	a, _, _ := testApp()
	if err := newConversation(t, a, 0, 1).talk(t.Context()); err != nil {
		t.Errorf("the end of the input: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newConversation(t, a, 0, 1, "Hello").talk(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A full context can lose its oldest turns, if the user wants that.
func TestTalkMakesRoom(t *testing.T) {
	long := "Tell me more about the sea, and about the ships that sail on it."
	for _, tt := range []struct {
		name  string
		lines []string // what follows the message that does not fit
		first string   // message of the conversation afterwards
		said  string   // the last one
		asked int
	}{
		{"yes", []string{"y"}, "And ships?", long, 1},
		{"no", []string{"n"}, "Hello", "And ships?", 1},
		{"another message", []string{"Well?"}, "Hello", "Well?", 1}, // which fits
	} {
		a, stdout, stderr := testApp()
		lines := append([]string{"Hello", "And ships?", long}, tt.lines...)
		c := newConversation(t, a, 84, 4, lines...)
		if err := c.talk(t.Context()); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		m := c.chat.Messages()
		if len(m) < 2 || m[0].Content != tt.first || m[len(m)-2].Content != tt.said {
			t.Errorf("%s: %v\n%s", tt.name, m, stderr.String())
		}
		if n := strings.Count(stdout.String(), "leave out the oldest turns, and go on?"); n != tt.asked {
			t.Errorf("%s: asked %d times", tt.name, n)
		}
		if got := strings.Contains(stderr.String(), "note: the oldest 2 messages were left out"); got != (tt.name == "yes") {
			t.Errorf("%s: %s", tt.name, stderr.String())
		}
	}
}

// What does not fit without any turns before it is told to be too long itself: to leave turns out, or to begin anew, would not help.
func TestTalkTooLong(t *testing.T) {
	long := strings.Repeat("word ", 100)
	const message = "st: the message has 102 tokens, and the context of 64 has room for "
	for _, tt := range []struct {
		name, system string
		lines        []string
		want         string
		messages     int // that are left
	}{
		{"first message", "", []string{long}, message + "38: shorten it, or give a larger --ctx\n", 0},
		{"with a system message", "Be terse.", []string{long}, message + "42: shorten it, or give a larger --ctx\n", 1},
		{"later message", "", []string{"Hello", long}, message + "38: shorten it, or give a larger --ctx\n", 2},
		{"system message", long, []string{"Hello"}, "st: the system message has 102 tokens, and the context is 64: shorten it, or give a larger --ctx\n", 1},
		{"by far", "", []string{strings.Repeat("word ", 10000)}, "tokens have ", 0},
	} {
		a, stdout, stderr := testApp()
		c := newConversation(t, a, 64, 4, tt.lines...)
		c.chat = &session{Chat: c.model.NewChat(runtime.System(tt.system))}
		defer c.chat.close()
		if err := c.talk(t.Context()); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if !strings.Contains(stderr.String(), tt.want) || strings.Contains(stderr.String(), "/clear") || strings.Contains(stdout.String(), "leave out") {
			t.Errorf("%s: %s%s, want %q", tt.name, stdout, stderr, tt.want)
		}
		if m := c.chat.Messages(); len(m) != tt.messages {
			t.Errorf("%s: %d messages are left: %v", tt.name, len(m), m)
		}
	}
}

// A handler takes interrupts away from the program, and gives them back.
func TestInterruptsHandled(t *testing.T) {
	i := &interrupts{}
	called := 0
	i.handle(func() { called++ })
	if !i.handled() || called != 1 {
		t.Error("the handler was not called")
	}
	i.handle(nil)
	if i.handled() || called != 1 {
		t.Error("the handler was called after it was taken away")
	}
}

// Ctrl-C ends an answer, and the conversation goes on.
func TestTalkInterrupted(t *testing.T) {
	a, _, _ := testApp()
	var shown bytes.Buffer
	pieces := 0
	a.stdout = &output{w: writerFunc(func(p []byte) (int, error) {
		if pieces++; pieces == 5 {
			a.interrupts.handled() // as SIGINT does
		}
		return shown.Write(p)
	}), onError: func() {}}
	c := newConversation(t, a, 0, 0, "Hello", "/bye")
	c.options.IgnoreEOS = true
	if err := c.talk(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := c.chat.Messages()
	if len(m) != 2 || m[1].Content+"\n" != shown.String() || len(m[1].Content) > 200 {
		t.Errorf("%d pieces: %v, shown is %q", pieces, m, shown.String())
	}
}

// hasty is a user who presses Ctrl-C once more after each answer.
type hasty struct{ script }

func (h *hasty) Read(ctx context.Context, prompt string) (string, error) {
	message, err := h.script.Read(ctx, prompt)
	if message == "Ctrl-C" {
		return "", editor.ErrInterrupt
	}
	return message, err
}

// Ctrl-C without a message ends the conversation, unless an answer was stopped just now.
func TestTalkInterruptedTwice(t *testing.T) {
	a, _, stderr := testApp()
	a.stdout = &output{w: writerFunc(func(p []byte) (int, error) {
		a.interrupts.handled() // as SIGINT does
		return len(p), nil
	}), onError: func() {}}
	c := newConversation(t, a, 0, 0)
	c.options.IgnoreEOS = true
	in := &hasty{script{"Hello", "Ctrl-C", "Ctrl-C", "never read"}}
	c.in = in
	if err := c.talk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(in.script) != 1 || !strings.Contains(stderr.String(), "Ctrl-C once more") {
		t.Errorf("%q is left, %s", in.script, stderr.String())
	}
}
