package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
			dir := t.TempDir()
			if err := os.CopyFS(filepath.Join(dir, "m"), os.DirFS(checkpoint)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "m", "chat_template.jinja"), []byte(tt.template), 0o644); err != nil {
				t.Fatal(err)
			}
			model := filepath.Join(dir, "m.stm")
			must(t, "convert", filepath.Join(dir, "m"), "-o", model, "--quiet")
			args := []string{"generate", model, "--chat", "-p", "Hello", "-n", "1", "--quiet"}
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
