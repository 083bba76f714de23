package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/runtime"
)

// A chat template that never ends, or writes without end, is ended: by a limit, and by Ctrl-C before that. One that writes nothing is told.
func TestHostileTemplates(t *testing.T) {
	for _, tt := range []struct{ name, template, want string }{
		{"endless", "{% for a in range(99999) %}{% for b in range(99999) %}{% set x = a * b %}{% endfor %}{% endfor %}", "the template takes too many steps"},
		{"recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "more than 200 calls, one within the other"},
		{"huge", "{{ 'abc' * 10**10 }}", "the template makes a value of more than"},
		{"an error that is no text", `{{ raise_exception('\x1b[31mred\x07\nagain') }}`, "^[[31mred^G again"},
		{"nothing", "{# nothing #}", "it writes nothing for this conversation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"generate", withTemplate(t, tt.template), "--chat", "-p", "Hello", "-n", "1", "--quiet"}
			if o := st(args...); o.code != exitFailure || o.stdout != "" || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, tt.want) ||
				strings.Contains(o.stderr, "internal error") {
				t.Errorf("%+v", o)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if code := runContext(ctx, args, strings.NewReader(""), io.Discard, io.Discard); code != exitInterrupted {
				t.Errorf("cancelled: exit code %d", code)
			}
		})
	}
}

// withTemplate returns a file of the tiny model with another chat template.
func withTemplate(t *testing.T, template string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "m"), os.DirFS(checkpoint)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "m", "chat_template.jinja"), []byte(template), 0o644); err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(dir, "m.stm")
	must(t, "convert", filepath.Join(dir, "m"), "-o", model, "--quiet")
	return model
}

// A chat template that refuses what a conversation has become does not end it: nothing is lost, and /clear begins anew. One that refuses a first message does.
func TestTalkRefused(t *testing.T) {
	model := withTemplate(t, `{% if messages|length > 1 or messages[0].content == "No" %}{{ raise_exception("one message is enough") }}{% endif %}{{ messages[0].content }}`)
	a, _, stderr := testApp()
	c := newConversationWith(t, a, model, 0, 1, "Hello", "again", "/clear", "Hello")
	if err := c.talk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := c.chat.Messages(); len(all) != 2 || all[0].Content != "Hello" || !strings.HasSuffix(stderr.String(), "one message is enough: /clear begins anew\n") {
		t.Errorf("%v\n%s", all, stderr)
	}
	if err := newConversationWith(t, a, model, 0, 1, "No", "again").talk(t.Context()); !errors.Is(err, runtime.ErrTemplate) {
		t.Errorf("a first message: %v", err)
	}
}
