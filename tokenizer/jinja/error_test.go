package jinja_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"st/tokenizer/jinja"
)

// TestErrors: an error names the line, says what is wrong, and is of a kind.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		source string
		kind   error
		want   string
	}{
		{"a\n{% if x %}\nb", jinja.ErrSyntax, `line 3: the template ends within "if"`},
		{"{% if x %}\n{% endfor %}", jinja.ErrSyntax, `line 2: unknown tag "endfor" within "if", which needs elif or else or endif`},
		{"\n\n{% nosuch %}", jinja.ErrSyntax, `line 3: unknown tag "nosuch"`},
		{"\n{{ 1 | nosuch }}", jinja.ErrSyntax, `line 2: no filter is named "nosuch"`},
		{"\n{{ 1 is nosuch }}", jinja.ErrSyntax, `line 2: no test is named "nosuch"`},
		{"{% if 1 %}\n{{ 1 | nosuch }}{% endif %}", jinja.ErrSyntax, `line 2: no filter is named "nosuch"`},
		{"\n{{ 1 + }}", jinja.ErrSyntax, "line 2: expected an expression, got '}}'"},
		{"{{ (1 }}", jinja.ErrSyntax, "line 1: unexpected '}', expected ')'"},
		{"\n{{ 'a }}", jinja.ErrSyntax, "line 2: the string"},
		{"{# a", jinja.ErrSyntax, "has no end"},
		{"{% raw %}a", jinja.ErrSyntax, "has no end"},
		{"\n{% break %}", jinja.ErrSyntax, "line 2: break outside of a loop"},
		{"\n{{ nope.a }}", jinja.ErrUndefined, "line 2: 'nope' is undefined"},
		{"{% set d = {} %}\n{{ d.a.b }}", jinja.ErrUndefined, "line 2: a dict has no attribute 'a'"},
		{"{% macro f(a) %}\n{{ a.b }}{% endmacro %}{{ f() }}", jinja.ErrUndefined, "line 2: the parameter 'a' was not provided"},
		{"\n{{ 1 + 'a' }}", jinja.ErrValue, "line 2: the operator + does not fit a int and a str"},
		{"{{ 1 / 0 }}", jinja.ErrValue, "division by zero"},
		{"{{ 'a'.center() }}", jinja.ErrValue, `center: the argument "width" is missing`},
		{"{{ 'a'|indent(wide=1) }}", jinja.ErrValue, `indent takes no argument named "wide"`},
		{"{{ nope|tojson }}", jinja.ErrValue, "'nope' is undefined"},
		{"\n{{ [].append(1) }}", jinja.ErrUnsafe, `line 2: access to the attribute "append" of a list is unsafe`},
		{"{{ ''.__class__.__mro__ }}", jinja.ErrUnsafe, "__class__"},
		{"\n{{ raise_exception('roles') }}", jinja.ErrRaised, "line 2: roles"},
		{"\n{% include '/etc/passwd' %}", jinja.ErrUnsupported, "line 2: the tag include is not supported"},
		{"{% extends '/chat_template' %}", jinja.ErrUnsupported, "the tag extends"},
		{"{% import 'a' as b %}", jinja.ErrUnsupported, "the tag import"},
		{"{{ [1]|random }}", jinja.ErrUnsupported, "random"},
		{"{{ range(10**6) }}", jinja.ErrLimit, "range has more than 100000 items"},
	} {
		_, err := render(context.Background(), tt.source, nil)
		if !errors.Is(err, tt.kind) || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want %q and %v", tt.source, err, tt.want, tt.kind)
		}
	}
}

// TestVariables: Go values as variables.
func TestVariables(t *testing.T) {
	type point struct {
		Y int `json:"y"`
		X int `json:"x"`
	}
	text, err := render(context.Background(),
		`{{ [nil, i, u, f, s, l, m, d, p, n] | tojson }}{{ call(1, 'a', [2.5], {'k': none}) }}{{ strftime_now('%Y') }}`,
		map[string]any{
			"nil": nil, "i": 5, "u": uint8(7), "f": float32(0.5), "s": []string{"a"}, "l": []any{true}, "m": map[string]any{"b": 1, "a": 2},
			"d": jinja.Dict{{Key: "z", Value: 1}, {Key: "y", Value: 2}}, "p": point{1, 2}, "n": 1.0,
			"call": jinja.Func(func(args []any) (any, error) {
				if args[0] != int64(1) || args[1] != "a" || args[2].([]any)[0] != 2.5 || args[3].(jinja.Dict)[0].Key != "k" {
					t.Errorf("the function got %#v", args)
				}
				return "called", nil
			}),
			"strftime_now": jinja.StrftimeNow(goldenTime),
		})
	if want := `[null, 5, 7, 0.5, ["a"], [true], {"a": 2, "b": 1}, {"z": 1, "y": 2}, {"y": 1, "x": 2}, 1.0]called2025`; text != want || err != nil {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
	failed := errors.New("no such thing")
	for name, vars := range map[string]map[string]any{
		"a function that fails": {"f": jinja.Func(func([]any) (any, error) { return nil, failed })},
		"a value without JSON":  {"f": func() {}},
		"a value too deep":      {"f": deep(2000)},
	} {
		if text, err := render(context.Background(), "{{ f() }}", vars); !errors.Is(err, jinja.ErrValue) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

func deep(n int) any {
	var v any = 1
	for range n {
		v = []any{v}
	}
	return v
}
