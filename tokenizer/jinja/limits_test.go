package jinja_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"st/tokenizer/jinja"
)

// render parses and renders a template.
func render(ctx context.Context, source string, vars map[string]any) (string, error) {
	t, err := jinja.Parse(source)
	if err != nil {
		return "", err
	}
	return t.Render(ctx, vars)
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

// hostile are templates that would overflow the stack, fill the memory, or
// never end.
var hostile = map[string]string{
	"macro recursion":             `{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}`,
	"macro recursion in argument": `{% macro f(a) %}{{ f(f(a)) }}{% endmacro %}{{ f(1) }}`,
	"macro recursion in default":  `{% macro f(a=f()) %}{% endmacro %}{{ f() }}`,
	"mutual macros":               `{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}`,
	"macro recursion by call":     `{% macro f() %}{% call f() %}{% endcall %}{{ caller() }}{% endmacro %}{% call f() %}{% endcall %}`,
	"macro through a filter":      `{% macro f(x) %}{{ [1]|map(attribute=0)|list }}{{ f(x)|upper }}{% endmacro %}{{ f(1) }}`,
	"macro through a namespace":   `{% set ns = namespace() %}{% macro f() %}{{ ns.f() }}{% endmacro %}{% set ns.f = f %}{{ f() }}`,
	"caller that calls itself":    `{% macro f() %}{{ caller() }}{% endmacro %}{% set ns = namespace() %}{% macro g() %}{% call f() %}{{ ns.g() }}{% endcall %}{% endmacro %}{% set ns.g = g %}{{ g() }}`,
	"block recursion":             `{% block a %}{{ self.a() }}{% endblock %}`,
	"mutual blocks":               `{% block a %}{{ self.b() }}{% endblock %}{% block b %}{{ self.a() }}{% endblock %}`,
	"recursive loop":              `{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}`,
	"exponential macros": repeat2(40, func(i string, next string) string {
		return `{% macro f` + i + `() %}{{ f` + next + `() }}{{ f` + next + `() }}{% endmacro %}`
	}) + `{% macro f0() %}{% endmacro %}{{ f40() }}`,

	"sum":                    "{{ 1" + repeat("+1", 400_000) + " }}",
	"short sum":              "{{ 1" + repeat("+1", 1990) + " }}{{ " + repeat("(", 190) + "1" + repeat("+1"+repeat("+1", 1900)+")", 190) + " }}",
	"parentheses":            "{{ " + repeat("(", 400_000),
	"closed parentheses":     "{{ " + repeat("(", 300_000) + repeat(")", 300_000) + " }}",
	"lists":                  "{{ " + repeat("[", 300_000) + repeat("]", 300_000) + " }}",
	"dicts":                  "{{ " + repeat("{1:", 100_000) + "1" + repeat("}", 100_000) + " }}",
	"6 MB of parentheses":    "{{ " + repeat("(", 6<<20),
	"6 MB of text":           repeat("x", 6<<20),
	"not":                    "{{ " + repeat("not ", 200_000) + "1 }}",
	"minus":                  "{{ " + repeat("-", 400_000) + "1 }}",
	"inline if":              "{{ 1" + repeat(" if 1 else 1", 50_000) + " }}",
	"inline if without else": "{{ 1" + repeat(" if 1", 100_000) + " }}",
	"and":                    "{{ 1" + repeat(" and 1", 100_000) + " }}",
	"power":                  "{{ 1" + repeat("**1", 100_000) + " }}",
	"filters":                "{{ 1" + repeat("|abs", 100_000) + " }}",
	"attributes":             "{{ a" + repeat(".a", 200_000) + " }}",
	"subscripts":             "{{ a" + repeat("[0]", 200_000) + " }}",
	"nested subscripts":      "{{ " + repeat("a[", 200_000) + " }}",
	"calls":                  "{{ range" + repeat("()", 200_000) + " }}",
	"nested calls":           "{{ " + repeat("range(", 100_000) + " }}",
	"nested ifs":             repeat("{% if 1 %}", 50_000) + repeat("{% endif %}", 50_000),
	"nested loops":           repeat("{% for x in [1] %}", 30_000) + repeat("{% endfor %}", 30_000),
	"targets":                "{% set " + repeat("(", 300_000) + "a" + repeat(")", 300_000) + " = 1 %}",

	"repeat":                  `{{ 'abc' * 10**9 }}`,
	"repeat a list":           `{{ [0] * 10**9 }}`,
	"repeat by a large int":   `{{ 'abc' * 10**30 }}`,
	"power of integers":       `{{ 10 ** (10 ** 9) }}`,
	"power tower":             `{{ 9 ** (9 ** (9 ** 9)) }}`,
	"squares":                 `{% set ns = namespace(x=3) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}{{ ns.x }}`,
	"a long number":           "{{ " + repeat("9", 500_000) + " }}",
	"center":                  `{{ 'a'|center(10**9) }}`,
	"center of a method":      `{{ 'a'.center(10**10) }}`,
	"ljust":                   `{{ 'a'.ljust(10**9) }}`,
	"zfill":                   `{{ 'a'.zfill(10**9) }}`,
	"expandtabs":              `{{ '\t\t'.expandtabs(10**9) }}`,
	"percent":                 `{{ '%1000000000d' % 1 }}`,
	"percent of a star":       `{{ '%*d' % (10**9, 1) }}`,
	"percent of digits":       `{{ '%.1000000000f' % 1 }}`,
	"format":                  `{{ '{:1000000000}'.format(1) }}`,
	"format of digits":        `{{ '{:.999999999f}'.format(1.5) }}`,
	"format with a width":     `{{ '{:{}}'.format('a', 10**9) }}`,
	"format with many values": "{{ '" + repeat("{0}", 100_000) + "'.format('x' * 1000) }}",
	"indent":                  `{{ 'a'|indent(10**9, true) }}`,
	"indent of many lines":    `{{ ('\n' * 100000)|indent(100000, true, true) }}`,
	"join":                    `{{ range(100000)|join('x' * 100000) }}`,
	"join of a method":        `{{ ('x' * 100000).join(['a'] * 100000) }}`,
	"replace":                 `{{ ('a' * 100000)|replace('a', 'b' * 100000) }}`,
	"replace of a method":     `{{ ('a' * 100000).replace('', 'b' * 100000) }}`,
	"wordwrap":                `{{ ('a ' * 100000)|wordwrap(1, wrapstring='x' * 100000) }}`,
	"tojson with an indent":   `{{ [[[1]]]|tojson(indent=10**9) }}`,
	"tojson of many lines":    `{{ ([1] * 100000)|tojson(indent='x' * 10000) }}`,
	"tojson of much":          `{% set x = ['y' * 1000] * 1000 %}{{ ([x] * 1000)|tojson }}`,
	"print of much":           `{% set x = ['y' * 1000] * 1000 %}{{ [x] * 1000 }}`,
	"print of doublings":      `{% set ns = namespace(x=['y']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}`,
	"equality of doublings":   `{% set ns = namespace(x=['y'], y=['y']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}`,
	"doubling":                `{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`,
	"doubling by ~":           `{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}`,
	"doubling a list":         `{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`,
	"doubling by a block":     `{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set y %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = y %}{% endfor %}`,
	"doubling by format":      `{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set ns.x = '%s%s' % (ns.x, ns.x) %}{% endfor %}`,
	"escape":                  `{% set ns = namespace(x='&') %}{% for i in range(60) %}{% set ns.x = ns.x|e|string ~ ns.x %}{% endfor %}`,
	"many large strings":      `{% set ns = namespace(l=[]) %}{% for i in range(10000) %}{% set ns.l = ns.l + ['x' * 5000000] %}{% endfor %}`,
	"batch":                   `{{ [1]|batch(10**9, 'x')|list }}`,
	"slices":                  `{{ [1]|slice(10**9, 'x')|list }}`,
	"range":                   `{{ range(10**9)|list }}`,
	"range of large ints":     `{{ range(10**18, -(10**18), -1) }}`,
	"list of many":            `{{ (range(100000)|list * 1000)|list }}`,

	"output":           `{% for i in range(100000) %}{% for j in range(100000) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}{% endfor %}`,
	"endless loops":    `{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor %}{% endfor %}`,
	"endless filters":  `{% for a in range(100000) %}{% set x = range(100000)|sum %}{% endfor %}`,
	"endless searches": `{% set s = 'a' * 5000000 %}{% for a in range(100000) %}{% set x = 'b' in s %}{% endfor %}`,
	"endless lengths":  `{% set s = 'ä' * 2000000 %}{% for a in range(100000) %}{% for b in range(100000) %}{% set x = s[-1] ~ s|length %}{% endfor %}{% endfor %}`,
	"endless sorts":    `{% for a in range(100000) %}{% set x = range(100000)|sort|list %}{% endfor %}`,
	"endless tests":    `{% for a in range(100000) if range(100000)|select('odd')|list|length == 0 %}{% endfor %}`,
	"endless uniques":  `{% for a in range(100000) %}{% set x = range(100000)|unique|list %}{% endfor %}`,
	"endless uppers":   `{% set s = 'ä' * 2000000 %}{% for a in range(100000) %}{% set x = s.isupper() %}{% endfor %}`,
	"endless strips":   `{% set s = ' ' * 5000000 %}{% for a in range(100000) %}{% set x = s.strip() %}{% endfor %}`,
	"many variables":   variables(20_000) + `{% for i in range(100000) %}{% for j in range(100000) %}{% set z = a0 %}{% endfor %}{% endfor %}`,

	"deep tojson":           `{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|tojson }}`,
	"deep print":            `{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = {'a': ns.x} %}{% endfor %}{{ ns.x }}`,
	"deep pprint":           `{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|pprint }}`,
	"deep equals":           `{% set ns = namespace(x=[], y=[]) %}{% for i in range(50000) %}{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x == ns.y }}`,
	"deep order":            `{% set ns = namespace(x=[], y=[]) %}{% for i in range(50000) %}{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x < ns.y }}`,
	"deep filters":          `{% set ns = namespace(x=[1]) %}{% for i in range(100000) %}{% set ns.x = ns.x|map('abs') %}{% endfor %}{{ ns.x|list }}`,
	"self-containing print": `{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}`,
	"deep format":           `{% set ns = namespace(x=[]) %}{% for i in range(50000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ '%s' % (ns.x,) }}`,
}

// repeat2 joins what f makes of the numbers n to 1 and the one before each.
func repeat2(n int, f func(i, next string) string) string {
	s := ""
	for ; n > 0; n-- {
		s += f(itoa(n), itoa(n-1))
	}
	return s
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func variables(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("{% set a" + itoa(n-1-i) + " = 1 %}")
	}
	return b.String()
}

// TestHostile: every hostile template ends with ErrLimit, within moments and
// without taking the machine's memory.
func TestHostile(t *testing.T) {
	for name, source := range hostile {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			text, err := render(context.Background(), source, nil)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, jinja.ErrLimit) {
				t.Errorf("%d bytes, %v; want ErrLimit", len(text), err)
			}
			t.Logf("%v, %d MB allocated: %v", time.Since(start).Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, err)
		})
	}
}

// TestContext: a template without end ends with its context.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := render(ctx, hostile["endless loops"], nil)
	var at *jinja.Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &at) {
		t.Errorf("error %v, want the context's", err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	cause := errors.New("the user has left")
	stop(cause)
	if _, err := render(ctx, "x", nil); !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
}

// TestLargeInput: limits grow with the input, so that a long conversation does
// not reach them.
func TestLargeInput(t *testing.T) {
	content := repeat("word ", 4<<20) // 20 MB
	text, err := render(context.Background(), `{% for m in messages %}<{{ m.role }}>{{ m.content|trim ~ '\n' }}{% endfor %}`,
		map[string]any{"messages": []any{jinja.Dict{{Key: "role", Value: "user"}, {Key: "content", Value: content}}}})
	if err != nil || len(text) != len(content)+6 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
