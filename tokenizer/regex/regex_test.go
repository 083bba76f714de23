package regex

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// golden is testdata/oniguruma.json: expressions with the matches that the
// tokenizers library 0.22.2 finds in each text, empty ones left out. The first
// are published pre-tokenizers, the last are random.
type golden struct {
	Texts []string
	Cases []struct {
		Pattern string
		Matches [][]string
	}
}

func readGolden(tb testing.TB) golden {
	tb.Helper()
	data, err := os.ReadFile("testdata/oniguruma.json")
	if err != nil {
		tb.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		tb.Fatal(err)
	}
	return g
}

func matches(re *Regexp, text string) []string {
	found := []string{}
	for m := range re.All(text) {
		if m.Start < m.End {
			found = append(found, text[m.Start:m.End])
		}
	}
	return found
}

func TestOniguruma(t *testing.T) {
	g := readGolden(t)
	if len(g.Cases) < 300 {
		t.Fatalf("only %d cases", len(g.Cases))
	}
	for _, c := range g.Cases {
		re, err := Compile(c.Pattern)
		if err != nil {
			t.Errorf("%q: %v", c.Pattern, err)
			continue
		}
		for i, text := range g.Texts {
			if got := matches(re, text); !slices.Equal(got, c.Matches[i]) {
				t.Errorf("%q in %q: %q, want %q", c.Pattern, text, got, c.Matches[i])
			}
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, test := range []struct {
		pattern string
		want    error
		what    string
	}{
		{`(a`, ErrSyntax, "an open group"},
		{`a)`, ErrSyntax, "an unmatched )"},
		{`[a`, ErrSyntax, "an open class"},
		{`[]`, ErrSyntax, "an empty class"},
		{`[b-a]`, ErrSyntax, "a range that ends before it begins"},
		{`*`, ErrSyntax, "nothing to repeat"},
		{`^*`, ErrSyntax, "an anchor cannot be repeated"},
		{`a\`, ErrSyntax, "a backslash at the end"},
		{`\p{L`, ErrSyntax, `an open \p{`},
		{`\p{Nope}`, ErrUnsupported, `\p{Nope}`},
		{`(a)\1`, ErrUnsupported, `\1`},
		{`\Ga`, ErrUnsupported, `\G`},
		{`(?<=a+)b`, ErrUnsupported, "a lookbehind of variable length"},
		{`(?(1)a)`, ErrUnsupported, "(?("},
		{`a{5000}`, ErrUnsupported, "a count above"},
		{`((ab){500}){500}`, ErrUnsupported, "too large"},
		{strings.Repeat("(", 200), ErrUnsupported, "nested too deeply"},
		{strings.Repeat("[", 200), ErrUnsupported, "nested too deeply"},
		{strings.Repeat("a", 1<<15), ErrUnsupported, "bytes long"},
		{"\xff", ErrSyntax, "not UTF-8"},
	} {
		_, err := Compile(test.pattern)
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.what) {
			t.Errorf("%.40q: error %v, want %v with %q", test.pattern, err, test.want, test.what)
		}
	}
}

// TestBounded: expressions that take exponential or quadratic time elsewhere
// use no more than the steps allowed, and those of tokenizers far fewer.
func TestBounded(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          int // matches; -1: given up
	}{
		{`(a*)*b`, strings.Repeat("a", 5000), -1},
		{`(?:a|a)*b`, strings.Repeat("a", 5000), -1},
		{`\s?\p{L}+|\s+$`, strings.Repeat(" ", 1<<20) + ".", 0},
		{`\s*[\r\n]+|\s+(?!\S)|\s+`, strings.Repeat(" ", 1<<20) + ".", 2},
		{`\s+$|a`, strings.Repeat(" ", 1<<18) + "\u00a0a", 1},
		{`\w+@`, strings.Repeat("é", 1<<18), 0},
	} {
		re, err := Compile(test.pattern)
		if err != nil {
			t.Fatal(err)
		}
		m := re.machines.New().(*machine)
		m.reset(test.text)
		budget, found := m.steps, 0
		for at := 0; at <= len(test.text) && m.steps >= 0; {
			end, ok := m.run(0, at)
			if ok {
				found++
			}
			_, n := utf8.DecodeRuneInString(test.text[at:])
			at = max(end, at+max(n, 1))
			if !ok {
				at = max(at, 1)
			}
		}
		gaveUp := m.steps < 0
		if gaveUp != (test.want < 0) {
			t.Errorf("%q: gave up: %v", test.pattern, gaveUp)
		}
		if test.want >= 0 && found != test.want {
			t.Errorf("%q: %d matches, want %d", test.pattern, found, test.want)
		}
		if used := budget - m.steps; test.want >= 0 && used > 40*len(test.text) {
			t.Errorf("%q: %d steps for %d bytes", test.pattern, used, len(test.text))
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, c := range readGolden(f).Cases[:80] {
		f.Add(c.Pattern, "Hello  World's 123\n\n é中")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := Compile(pattern)
		if err != nil || !utf8.ValidString(text) || len(text) > 1<<10 {
			return
		}
		last := 0
		for m := range re.All(text) {
			if m.Start < last || m.End < m.Start || m.End > len(text) || !utf8.ValidString(text[m.Start:m.End]) {
				t.Fatalf("%q in %q: match %v after %d", pattern, text, m, last)
			}
			last = m.End
		}
	})
}

func BenchmarkO200k(b *testing.B) {
	re, err := Compile(readGolden(b).Cases[3].Pattern)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("The quick brown fox, and 1234 others' dogs: naïve café.\n", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		for range re.All(text) {
		}
	}
}
