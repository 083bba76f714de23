package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"strings"

	"st/runtime"
	"st/runtime/engine"
	"st/tokenizer"
)

// script is a user who types these lines.
type script []string

func (s *script) ReadLine() (string, error) {
	if len(*s) == 0 {
		return "", io.EOF
	}
	line := (*s)[0]
	*s = (*s)[1:]
	return line, nil
}

// newConversation begins a conversation with the tiny model.
func newConversation(t *testing.T, a *app, opts engine.Options, limit int) *conversation {
	t.Helper()
	m, err := a.openTextModel(tiny(t), engineFlags{Options: opts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.close(&err) })
	f, err := chatTemplate(m)
	if err != nil {
		t.Fatal(err)
	}
	sampler, err := runtime.NewSampler(runtime.SamplerOptions{Temperature: 0.7, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{model: m, session: newSession(m.engine), sampler: sampler, limit: limit, progress: func() *progress { return nil }}
	c := &conversation{generator: g, format: f}
	c.clear()
	return c
}

func testApp() (a *app, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &app{stdout: &output{w: stdout, onError: func() {}}, stderr: stderr, interrupts: &interrupts{}}, stdout, stderr
}

// Of a new turn only what is new is run, and it gives what the whole conversation gives.
func TestConversationKeepsSession(t *testing.T) {
	a, _, _ := testApp()
	c := newConversation(t, a, engine.Options{KVType: engine.KVF32}, 8)
	var first, second *completion
	for i, out := range []**completion{&first, &second} {
		var err error
		if *out, err = c.answer(t.Context(), []string{"Hello", "And you?"}[i], func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := c.format.render(t.Context(), c.messages[:3])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.said, whole) {
		t.Errorf("the session holds %q, the template writes %q", c.said, whole)
	}
	if n := len(c.generator.model.tok.Encode(whole, true)); second.promptTokens >= n/2 {
		t.Errorf("%d tokens were run for the second turn of a conversation of %d", second.promptTokens, n)
	}
	c.clear()
	if c.generator.session.Len() != 0 || len(c.messages) != 0 {
		t.Error("clear leaves something")
	}
}

// When the past is written otherwise than it was generated, the session begins anew.
func TestConversationResets(t *testing.T) {
	a, _, _ := testApp()
	c := newConversation(t, a, engine.Options{}, 4)
	if _, err := c.answer(t.Context(), "Hello", func(string) {}); err != nil {
		t.Fatal(err)
	}
	c.messages[1].Content = "something else"
	whole, err := c.format.render(t.Context(), append(c.messages, tokenizer.Message{Role: "user", Content: "And you?"}))
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.answer(t.Context(), "And you?", func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if want := len(c.generator.model.tok.Encode(whole, true)); out.promptTokens != want {
		t.Errorf("%d tokens were run, the conversation has %d", out.promptTokens, want)
	}
}

func TestConversationInterrupted(t *testing.T) {
	a, _, _ := testApp()
	c := newConversation(t, a, engine.Options{}, -1)
	ctx, cancel := context.WithCancel(t.Context())
	pieces := 0
	out, err := c.answer(ctx, "Hello", func(string) {
		if pieces++; pieces == 5 {
			cancel()
		}
	})
	if err != nil || out.stopReason != stopInterrupted || len(out.ids) != 5 {
		t.Fatalf("%+v, %v", out, err)
	}
	// The conversation goes on from there.
	c.generator.limit = 2
	if out, err = c.answer(t.Context(), "Go on", func(string) {}); err != nil || out.promptTokens > 20 {
		t.Errorf("%+v, %v", out, err)
	}
	// Within the prompt nothing is kept.
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	messages := len(c.messages)
	if out, err = c.answer(ctx, "Hello", func(string) {}); err != nil || out.stopReason != stopInterrupted || len(c.messages) != messages {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err = c.answer(t.Context(), "Hello", func(string) {}); err != nil {
		t.Error(err)
	}
}

func TestTalk(t *testing.T) {
	a, stdout, stderr := testApp()
	c := newConversation(t, a, engine.Options{Context: 64}, 10)
	lines := script{"Hello", "", "/clear", strings.Repeat("word ", 100), "/clear", "Hello", "/bye", "never read"}
	if err := a.talk(t.Context(), c, &lines, &generateFlags{stats: true}); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1 || len(c.messages) != 2 || stdout.Len() == 0 {
		t.Errorf("%d lines are left, messages are %v", len(lines), c.messages)
	}
	if !strings.Contains(stderr.String(), "st: the conversation does not fit in the context of 64 tokens any more") || !strings.Contains(stderr.String(), "tokens/s") {
		t.Error(stderr.String())
	}
	if err := a.talk(t.Context(), c, &script{}, &generateFlags{}); err != nil {
		t.Errorf("the end of the input: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.talk(ctx, c, &script{"Hello"}, &generateFlags{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
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

func TestInterruptClears(t *testing.T) {
	got, err := io.ReadAll(interruptClears{strings.NewReader("ab\x03c\r")})
	if err != nil || string(got) != "ab\x15c\r" {
		t.Errorf("%q, %v", got, err)
	}
}
