package jinja_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"st/tokenizer/jinja"
)

// kinds are the errors of the package.
var kinds = []error{jinja.ErrSyntax, jinja.ErrUndefined, jinja.ErrValue, jinja.ErrUnsafe, jinja.ErrRaised, jinja.ErrLimit, jinja.ErrUnsupported}

func isKind(err error) bool {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// seeds adds the templates of the goldens.
func seeds(f *testing.F, add func(source string)) {
	for _, file := range []string{"testdata/goldens.jsonl", "testdata/language.jsonl"} {
		for _, g := range goldens(f, file) {
			if g.Template != "" {
				add(g.Template)
			}
			for _, source := range g.Templates {
				add(source)
			}
		}
	}
}

// FuzzParse: no source makes the parser panic, and an error is of a known kind.
func FuzzParse(f *testing.F) {
	seeds(f, func(source string) { f.Add(source) })
	f.Fuzz(func(t *testing.T, source string) {
		if _, err := jinja.Parse(source); err != nil && !isKind(err) {
			t.Errorf("error of no kind: %v", err)
		}
	})
}

// FuzzRender: no template makes the interpreter panic, whatever it is given,
// and it writes the same twice.
func FuzzRender(f *testing.F) {
	seeds(f, func(source string) { f.Add(source, `[{"role": "user", "content": "Hi"}]`) })
	f.Fuzz(func(t *testing.T, source, messages string) {
		template, err := jinja.Parse(source)
		if err != nil || !json.Valid([]byte(messages)) {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		vars := map[string]any{"messages": json.RawMessage(messages), "s": "wörld", "strftime_now": jinja.StrftimeNow(goldenTime)}
		text, err := template.Render(ctx, vars)
		if err != nil {
			if !isKind(err) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error of no kind: %v", err)
			}
			return
		}
		if again, err := template.Render(ctx, vars); again != text && ctx.Err() == nil {
			t.Errorf("renders %q, then %q, %v", text, again, err)
		}
	})
}
