package grammar

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// follow follows random tokens of a grammar. Only a grammar that is too ambiguous may fail.
func follow(t *testing.T, c *Compiled, n int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	m := c.NewMatcher()
	for range n {
		if m.Done() {
			return
		}
		allowed, err := m.Allowed()
		if errors.Is(err, ErrTooComplex) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var ids []int32
		for id := range allowed.All {
			ids = append(ids, id)
		}
		if err := m.Accept(pick(rng, ids)); err != nil && !errors.Is(err, ErrTooComplex) {
			t.Fatal(err)
		}
	}
}

// allocated returns how many bytes were allocated so far.
func allocated() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.TotalAlloc
}

// TestCompileEnds: a context that has ended ends the compilation, with its cause.
func TestCompileEnds(t *testing.T) {
	gone := errors.New("the client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	g := mustGBNF(t, `root ::= "a"`+strings.Repeat(` | "abcdef"`, 10_000))
	if _, err := testVocabulary().CompileContext(ctx, g); !errors.Is(err, gone) {
		t.Error(err)
	}
}

func TestHostile(t *testing.T) {
	v := testVocabulary()
	for _, test := range []struct {
		name, grammar string
		is            error // nil: it is followed
	}{
		{"a million repetitions", `root ::= "a"{1,1000000}`, nil},
		{"a million repetitions of a million", `root ::= ("a"{1,1000000} "b"?){1,1000000}`, nil},
		{"a million of what may be empty", `root ::= ("a"? "b"?){1,1000000}`, nil},
		{"repetitions of repetitions", `root ::= ((((("a"{0,1000}){0,1000}){0,1000}){0,1000}){0,1000}){0,1000}`, nil},
		{"stars of stars", `root ::= (((((("a"*)*)*)*)*)*)* "b"`, nil},
		{"nested groups", `root ::= ` + strings.Repeat("(", 1500) + `"a"` + strings.Repeat(")", 1500), nil},
		{"empty rules", `root ::= a a a "x" | a
a ::= b | ""
b ::= a2 a2
a2 ::= ""`, nil},
		{"exponentially many readings", `root ::= s
s ::= "a" | "(" s ")" | "(" s s ")" | "((" s "))" | "(" s? s? s? s? ")"`, nil},
		{"rules in a long chain", func() string {
			var g strings.Builder
			g.WriteString("root ::= \"a\" | r0\n")
			for i := range 3000 {
				g.WriteString("r" + strings.Repeat("x", i%7) + string(rune('0'+i%10)) + " ::= \"a\" | root \"b\" | \"c\"\n")
			}
			return g.String()
		}(), ErrLeftRecursion},
		{"a megabyte of rules", strings.Repeat("r ::= \"abc\" [a-z]* (\"x\" | \"y\"){3}\n", 28_000) + "root ::= r", nil},
		{"a megabyte of literal", `root ::= "` + strings.Repeat("a", 1_000_000) + `"`, ErrTooLarge},
		{"a megabyte of one choice", `root ::= "a"` + strings.Repeat(` | "abcdef"`, 90_000), nil},
		{"a megabyte of choices", `root ::= "a"` + words(90_000), ErrTooComplex},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, err := ParseGBNF(test.grammar)
			if err != nil {
				t.Fatal(err)
			}
			before := allocated()
			c, err := v.Compile(g)
			if n := allocated() - before; n > 512<<20 {
				t.Errorf("compiling it has taken %d MiB", n>>20)
			}
			if !errors.Is(err, test.is) {
				t.Fatalf("%v, want %v", err, test.is)
			}
			if err == nil {
				follow(t, c, 30)
			}
		})
	}
	if _, err := ParseGBNF(`root ::= "` + strings.Repeat("a", MaxText) + `"`); !errors.Is(err, ErrTooLarge) {
		t.Errorf("more than MaxText: %v", err)
	}
	if _, err := FromRegex(strings.Repeat("a", maxRegex+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("more than maxRegex: %v", err)
	}
	if _, err := ParseGBNF(`root ::= ` + strings.Repeat("(", 1_000_000)); !errors.Is(err, ErrSyntax) {
		t.Errorf("a million groups: %v", err)
	}
}

// words returns so many choices, each of another word.
func words(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` | "%06d"`, i)
	}
	return b.String()
}

// Ambiguous grammars: the number of readings of a text grows with its length, or much faster.
const (
	palindromes = "root ::= s\ns ::= [a-z ] s [a-z ] | [a-z ] s | [a-z ]"
	tangle      = "root ::= a\na ::= [a-z ] a b | [a-z ] b a | [a-z ]\nb ::= a a a | [a-z ]"
)

// deepVocabulary has long tokens, as those of models are.
func deepVocabulary() *Vocabulary {
	var more []string
	for n := range 30 {
		more = append(more, strings.Repeat(" ", n+1), strings.Repeat("ab", n+1))
	}
	return testVocabulary(more...)
}

// What a token takes is bounded: a grammar of which a text has too many readings ends with an error, after as much work as that for any token.
func TestTooAmbiguous(t *testing.T) {
	m := mustCompile(t, deepVocabulary(), mustGBNF(t, tangle)).NewMatcher()
	for range 100 {
		_, err := m.Allowed()
		if m.table.work > maxWork+maxItems {
			t.Fatalf("a token took %d steps", m.table.work)
		}
		if errors.Is(err, ErrTooComplex) {
			return
		}
		if err == nil {
			err = m.AcceptText("and")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("a text with very many readings is followed")
}

// Readings of a text that differ only in what comes later are walked over the vocabulary together: their number makes no token slower by as much.
func TestAmbiguousWalk(t *testing.T) {
	m := mustCompile(t, deepVocabulary(), mustGBNF(t, palindromes)).NewMatcher()
	visits := func(bytes int) int { // by the first token after so many bytes more
		for range bytes {
			if err := m.AcceptText("a"); err != nil {
				t.Fatal(err)
			}
		}
		before := m.table.visits
		if _, err := m.Allowed(); err != nil {
			t.Fatal(err)
		}
		return m.table.visits - before
	}
	visits(40)
	before := visits(40) // after more bytes than any token has
	if after := visits(80); after > before*5/4 {
		t.Errorf("after 80 bytes a token visits %d nodes, after 160 %d", before, after)
	}
}

// A context that ends while the tokens of a text are looked for ends that, with its cause.
func TestMatcherEnds(t *testing.T) {
	gone := errors.New("the client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := mustCompile(t, deepVocabulary(), mustGBNF(t, palindromes))
	m := c.NewMatcherContext(ctx)
	cancel(gone)
	if _, err := m.Allowed(); !errors.Is(err, gone) || m.table.work > 2*pollWork {
		t.Errorf("%v after %d steps", err, m.table.work)
	}
	if len(checkAllowed(t, c.NewMatcher())) == 0 { // another text goes on
		t.Error("nothing is allowed")
	}
}

// A grammar with too many readings before the first byte is refused at once.
func TestTooManyBeginnings(t *testing.T) {
	if _, err := testVocabulary().Compile(mustGBNF(t, `root ::= "a"`+words(maxItems))); !errors.Is(err, ErrTooComplex) {
		t.Error(err)
	}
}

// TestMissingBytes: a vocabulary without the bytes that a grammar needs.
func TestMissingBytes(t *testing.T) {
	v := NewVocabulary([][]byte{[]byte("a"), []byte("b"), []byte("ab"), nil}, []int32{3}, nil)
	if _, err := v.Compile(mustGBNF(t, `root ::= "abc"`)); !errors.Is(err, ErrEmpty) {
		t.Errorf("%v", err)
	}
	c := mustCompile(t, v, mustGBNF(t, `root ::= "a" ("c" | "b")`))
	m := c.NewMatcher()
	if allowed := checkAllowed(t, m); len(allowed) != 2 {
		t.Errorf("allowed %v", allowed)
	}
	// A byte that only a longer token has leads to a dead end.
	v = NewVocabulary([][]byte{[]byte("a"), []byte("cd"), nil}, []int32{2}, nil)
	m = mustCompile(t, v, mustGBNF(t, `root ::= "ac" "x"?`)).NewMatcher()
	if err := m.Accept(0); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Allowed(); !errors.Is(err, ErrDeadEnd) {
		t.Errorf("%v", err)
	}
}

func FuzzParseGBNF(f *testing.F) {
	for _, test := range gbnfTexts {
		f.Add(test.grammar)
	}
	v := testVocabulary()
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ParseGBNF(text)
		if err != nil {
			return
		}
		if c, err := v.Compile(g); err == nil {
			follow(t, c, 10)
		}
	})
}

func FuzzFromRegex(f *testing.F) {
	for _, expr := range []string{`(a|b)*c`, `[a-z]{3,8}`, `(?i)x+$`, `^(a{2,90}){3}`, `\p{Greek}\d`} {
		f.Add(expr)
	}
	v := testVocabulary()
	f.Fuzz(func(t *testing.T, expr string) {
		g, err := FromRegex(expr)
		if err != nil {
			return
		}
		if c, err := v.Compile(g); err == nil {
			follow(t, c, 10)
		}
	})
}
