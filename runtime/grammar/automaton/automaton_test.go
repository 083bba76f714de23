package automaton

import (
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
)

func parse(t *testing.T, expr string) *DFA {
	t.Helper()
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	d, err := FromSyntax(re)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return d
}

var letters = []string{"a", "b", "c", "A", "é", "日", "0", "."}

func texts(yield func(string) bool) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 400 {
		var text strings.Builder
		for range rng.IntN(7) {
			text.WriteString(letters[rng.IntN(len(letters))])
		}
		if !yield(text.String()) {
			return
		}
	}
}

var exprs = []string{`a`, `^a`, `a$`, `^a$`, `^$`, ``, `^a|b$`, `(^a|b)c`, `(a$|b)*c?`, `a.*b`, `^[^a]+$`, `(?i)^ab`, `^(a|ab)(c|bc)$`, `é|日`, `^a{2,4}$`, `(^)a`, `^.$`, `[^a-c]`, `^(a*)*$`}

func TestFromSyntax(t *testing.T) {
	for _, expr := range exprs {
		d, re := parse(t, expr), regexp.MustCompile(expr)
		for text := range texts {
			if got, want := d.Match(text), re.MatchString(text); got != want {
				t.Errorf("%s: %q: %v, want %v", expr, text, got, want)
			}
		}
	}
}

func TestCombine(t *testing.T) {
	words := Words("a", "ab", "", "é日", "abc")
	short, err := Length(1, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, expr := range exprs {
		d := parse(t, expr)
		both, _ := Intersect(d, short)
		but, _ := Subtract(d, words)
		either, _ := Join(d, words)
		not, _ := Subtract(Any(), d)
		for text := range texts {
			in, n := d.Match(text), len([]rune(text))
			if both.Match(text) != (in && n >= 1 && n <= 3) || but.Match(text) != (in && !words.Match(text)) ||
				either.Match(text) != (in || words.Match(text)) || not.Match(text) == in {
				t.Errorf("%s: %q", expr, text)
			}
		}
	}
	for text := range texts {
		if words.Match(text) != (text == "a" || text == "ab" || text == "" || text == "é日" || text == "abc") {
			t.Errorf("Words: %q", text)
		}
	}
	if none, _ := Intersect(parse(t, `^a`), parse(t, `^b`)); !none.Empty() {
		t.Error("no text begins with a and with b")
	}
}

func TestLimits(t *testing.T) {
	re, err := syntax.Parse(`^(a|b)*a(a|b){30}$`, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FromSyntax(re); err != ErrTooLarge {
		t.Errorf("determinizing an exponential pattern: %v", err)
	}
	if _, err := Length(0, 1<<30); err != ErrTooLarge {
		t.Errorf("counting to 2^30: %v", err)
	}
}

func TestSet(t *testing.T) {
	s := NewSet('z', 'z', 'a', 'c', 'b', 'f', 0xD000, 0xE010, 'g', 'g')
	if got := s.Negate().Negate(); len(got) != len(s) || len(s) != 4 {
		t.Errorf("%v, negated twice %v", s, got)
	}
	for c, want := range map[rune]bool{'a': true, 'g': true, 'h': false, 'z': true, 0xD7FF: true, 0xD800: false, 0xE000: true, 0xE011: false} {
		if s.Has(c) != want || s.Negate().Has(c) == want && c != 0xD800 {
			t.Errorf("%U: %v", c, s.Has(c))
		}
	}
	if got := s.Intersect(NewSet('e', 'y')); len(got) != 1 || got[0] != (Range{'e', 'g'}) {
		t.Errorf("intersection %v", got)
	}
}

// TestMinimize: a smaller automaton has the same texts.
func TestMinimize(t *testing.T) {
	for _, expr := range exprs {
		d := parse(t, expr)
		small := d.Minimize()
		if len(small.States) > len(d.States) {
			t.Errorf("%s: %d states become %d", expr, len(d.States), len(small.States))
		}
		for text := range texts {
			if got, want := small.Match(text), d.Match(text); got != want {
				t.Errorf("%s: %q: %v, want %v", expr, text, got, want)
			}
		}
	}
	if n := len(parse(t, `^(?:a|b)(?:[ab]{2}|[ab]c)*$`).Minimize().States); n != 3 {
		t.Errorf("%d states, want 3", n)
	}
	if n := len((&DFA{}).Minimize().States); n != 0 {
		t.Errorf("%d states of no text", n)
	}
}
