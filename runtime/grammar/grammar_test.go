package grammar

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// testVocabulary has all bytes, and texts that cross what grammars tell apart. Its last token ends a text.
func testVocabulary(more ...string) *Vocabulary {
	var tokens [][]byte
	for b := range 256 {
		tokens = append(tokens, []byte{byte(b)})
	}
	for _, t := range append([]string{"ab", "aba", "abc", "aa", "aaa", "aaaa", "aaaaaaaa", "ba", "bb", "b]", "]]", "[[", "[a", "a]", "a,", ",a", ",", ", ", ": ", `{"`, `":`, `"}`, `",`,
		`", "`, `": "`, "true", "tru", "null", "12", "123", "0.", `\"`, `\u00`, "é", "\xc3", "\xa9", "\xa9a", "日本", "日\xe6", "\xe6\x97", "\xa5", "ab", "]]]", "a]]", "]],", " the", "the ", "\n\n"}, more...) {
		tokens = append(tokens, []byte(t))
	}
	tokens = append(tokens, nil, nil) // <tool>, end
	n := int32(len(tokens))
	return NewVocabulary(tokens, []int32{n - 1}, func(text string) (int32, bool) { return n - 2, text == "<tool>" })
}

func mustGBNF(t testing.TB, text string) *Grammar {
	t.Helper()
	g, err := ParseGBNF(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func mustCompile(t testing.TB, v *Vocabulary, g *Grammar) *Compiled {
	t.Helper()
	c, err := v.Compile(g)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// matches reports whether a text is in a grammar.
func matches(c *Compiled, text string) bool {
	m := c.NewMatcher()
	return m.AcceptText(text) == nil && m.CanEnd()
}

var gbnfTexts = []struct {
	name, grammar string
	in, out       []string
}{
	{"literal", `root ::= "yes" | "no"`, []string{"yes", "no"}, []string{"", "y", "yesno", "No"}},
	{"comments and newlines", "# begin\nroot ::= # here\n  a |\n  b\na ::= \"a\" # one\n\nb ::= (\"b\"\n \"b\")", []string{"a", "bb"}, []string{"b", "ab"}},
	{"empty alternative", `root ::= "a" ( | "b") "c"`, []string{"ac", "abc"}, []string{"a", "abbc"}},
	{"class", `root ::= [a-c_x-]+`, []string{"a", "b-_x"}, []string{"", "d", "y"}},
	{"negated class", `root ::= [^a-c\n]`, []string{"d", "é", "日", "\t", "🙂"}, []string{"a", "\n", "dd"}},
	{"escapes", `root ::= "\x41\u00e9\U0001F642\t\"\\\[\]" [\]\[\\\n"]`, []string{"Aé🙂\t\"\\[]]", "Aé🙂\t\"\\[]\n"}, []string{"A"}},
	{"any", `root ::= . .`, []string{"aé", "\n日"}, []string{"a", "abc"}},
	{"repetitions", `root ::= "a"? "b"* "c"+ "d"{2} "e"{1,2} "f"{2,} "g"{0,1}`, []string{"cddeff", "abbccddeefffg"}, []string{"cdeff", "cddeeeff", "cddef", "cddeffgg"}},
	{"repeats a literal as a whole", `root ::= "ab"{2}`, []string{"abab"}, []string{"abb"}},
	{"counted", `root ::= [a-z]{3,200}`, []string{"abc", strings.Repeat("z", 200)}, []string{"ab", strings.Repeat("z", 201)}},
	{"counted groups", `root ::= ("a" | "bc" | "d" [e-z]+){100,120} "."`,
		[]string{strings.Repeat("a", 100) + ".", strings.Repeat("bc", 120) + ".", strings.Repeat("def", 60) + strings.Repeat("a", 40) + "."},
		[]string{strings.Repeat("a", 99) + ".", strings.Repeat("bc", 121) + "."}},
	{"counted in counted", `root ::= (([a-z]{300,400} " "?){2,300}){1,50} "."`, []string{strings.Repeat("a", 601) + ".", strings.Repeat("a", 300) + " " + strings.Repeat("b", 400) + "."},
		[]string{strings.Repeat("a", 599) + ".", "."}},
	{"counted, perhaps empty", `root ::= "<" ("a"? "b"*){2,400} ">"`, []string{"<>", "<a>", "<abba>", "<" + strings.Repeat("a", 400) + ">"}, []string{"<" + strings.Repeat("a", 401) + ">"}},
	{"recursion", `root ::= "[" (root ("," root)*)? "]"`, []string{"[]", "[[],[[]]]", strings.Repeat("[", 3000) + strings.Repeat("]", 3000)}, []string{"[", "[[]", "[]]", "[,]"}},
	{"recursion on the right", `root ::= "a" root | "b"`, []string{"b", strings.Repeat("a", 5000) + "b"}, []string{"a", "ba"}},
	{"ambiguous", `root ::= s
s ::= "a" | "(" s ")" | "(" s s ")" | "(" s s s? ")"`, []string{"a", "(((a)a)(a)(aa))"}, []string{"()", "(aaaa)"}},
	{"two with the same beginning", `root ::= x "1" | y "2"
x ::= "a" x | "a"
y ::= "a" y "b"? | "a"`, []string{"aaa1", "aaa2", "aaabb2"}, []string{"aab1", "1"}},
	{"the last definition counts", "root ::= a\na ::= \"1\"\na ::= \"2\"", []string{"2"}, []string{"1"}},
	{"nullable loops", `root ::= (("a"?)* ("b"*)*)* "."`, []string{".", "abba."}, []string{"c"}},
}

func TestGBNF(t *testing.T) {
	v := testVocabulary()
	for _, test := range gbnfTexts {
		t.Run(test.name, func(t *testing.T) {
			c := mustCompile(t, v, mustGBNF(t, test.grammar))
			for _, text := range test.in {
				if !matches(c, text) {
					t.Errorf("%.60q is not in the grammar", text)
				}
			}
			for _, text := range test.out {
				if matches(c, text) {
					t.Errorf("%.60q is in the grammar", text)
				}
			}
		})
	}
}

func TestGBNFErrors(t *testing.T) {
	v := testVocabulary()
	for _, test := range []struct{ grammar, says string }{
		{``, "rule root is not defined"},
		{`a ::= "a"`, "rule root is not defined"},
		{`root = "a"`, "line 1, column 6: ::= is expected after root, not '='"},
		{`root ::= a`, "line 1, column 10: rule a is not defined"},
		{"root ::= \"a\n", "ends within a literal"},
		{`root ::= [a`, "ends within a literal or a class"},
		{`root ::= [z-a]`, "the range ends before it begins"},
		{`root ::= []`, "has no characters"},
		{`root ::= "\q"`, "column 11: the escape is unknown"},
		{`root ::= "\u12"`, "4 hexadecimal digits"},
		{`root ::= "\ud800"`, "U+D800 is no character"},
		{`root ::= *`, "nothing before it to repeat"},
		{`root ::= "a"{,3}`, "a number of repetitions is expected"},
		{`root ::= "a"{3,2}`, "there is no such number"},
		{`root ::= "a"{99999999}`, "more than 1048576 repetitions"},
		{`root ::= ("a"`, "the ) of a group is expected, not the end"},
		{`root ::= "a")`, "the end of the rule root is expected, not ')'"},
		{`root ::= <think`, "lacks its >"},
		{`root ::= ![a]`, "is expected after !"},
		{"root ::= \"\xff\"", "not UTF-8"},
	} {
		_, err := ParseGBNF(test.grammar)
		if !errors.Is(err, ErrSyntax) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.grammar, err, test.says)
		}
	}
	for _, test := range []struct {
		grammar string
		is      error
	}{
		{`root ::= root "a" | "a"`, ErrLeftRecursion},
		{`root ::= a "x"
a ::= b? c
b ::= "b"
c ::= a | "c"`, ErrLeftRecursion},
		{`root ::= "a" root`, ErrEmpty},
		{`root ::= a
a ::= b
b ::= "x" a`, ErrEmpty},
		{`root ::= <nothing>`, ErrToken},
		{`root ::= <[100000]>`, ErrToken},
		{`root ::= "` + strings.Repeat("x", maxStates+1) + `"`, ErrTooLarge},
	} {
		if _, err := v.Compile(mustGBNF(t, test.grammar)); !errors.Is(err, test.is) {
			t.Errorf("%.80s: %v, want %v", test.grammar, err, test.is)
		}
	}
}

// TestAllowed holds the tokens that are found along the trie against every token by itself, on random texts of each grammar.
func TestAllowed(t *testing.T) {
	v := testVocabulary()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, test := range gbnfTexts {
		t.Run(test.name, func(t *testing.T) {
			c := mustCompile(t, v, mustGBNF(t, test.grammar))
			for range 10 {
				m := c.NewMatcher()
				for n := 0; n < 25 && !m.Done(); n++ {
					allowed := checkAllowed(t, m)
					id := pick(rng, allowed)
					if err := m.Accept(id); err != nil {
						t.Fatal(err)
					}
				}
				if !m.ended {
					if err := m.AcceptText(string(m.Finish())); err != nil || !m.CanEnd() {
						t.Fatalf("the text cannot be finished: %v", err)
					}
				}
			}
		})
	}
}

func checkAllowed(t *testing.T, m *Matcher) []int32 {
	t.Helper()
	allowed, err := m.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	var ids []int32
	for id := range int32(m.compiled.vocabulary.Size()) {
		one := m.Clone()
		if err := one.Accept(id); (err == nil) != allowed.Has(id) {
			t.Fatalf("token %d, %q: allowed %v, but accepting it: %v", id, m.compiled.vocabulary.Bytes(id), allowed.Has(id), err)
		}
		if allowed.Has(id) {
			ids = append(ids, id)
		}
	}
	if forced := m.Forced(); len(forced) > 0 {
		one := m.Clone()
		if err := one.AcceptText(string(forced)); err != nil {
			t.Fatalf("forced %q: %v", forced, err)
		}
	}
	return ids
}

func pick(rng *rand.Rand, ids []int32) int32 { return ids[rng.IntN(len(ids))] }

func TestRegex(t *testing.T) {
	v := testVocabulary()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, expr := range []string{
		`a`, `(a|b)*c`, `[a-c]{2,4}`, `a+b?c*`, `(?i)aBc`, `^a.c$`, `^(abc|[^a]b)$`, `(a|aa)*(b|)`, `(?s).*`, `a{300}b|c`, `(a*)*b`, `(a+a+)+b`, `\d+\.?\w`,
		`([ab]c?){1,3}`, `(?:)`, `(ab|a)(bc|c)`, `x*`, `.{0,300}c`, `([ab]{2}c){0,200}`,
	} {
		g, err := FromRegex(expr)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		c := mustCompile(t, v, g)
		re := regexp.MustCompile(`^(?:` + expr + `)$`)
		for range 300 {
			var text strings.Builder
			for range rng.IntN(7) {
				text.WriteString([]string{"a", "b", "c", "A", "1", ".", "é", "\n"}[rng.IntN(8)])
			}
			if got, want := matches(c, text.String()), re.MatchString(text.String()); got != want {
				t.Errorf("%s: %q: %v, want %v", expr, text.String(), got, want)
			}
		}
		for range 5 {
			m := c.NewMatcher()
			for n := 0; n < 12 && !m.Done(); n++ {
				if err := m.Accept(pick(rng, checkAllowed(t, m))); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, expr := range []string{`(`, `a\b`, `a^b`, `(a$)*`, `(?=a)`} {
		if _, err := FromRegex(expr); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

func TestTokens(t *testing.T) {
	v := testVocabulary()
	tool, end := int32(v.Size()-2), int32(v.Size()-1)
	c := mustCompile(t, v, mustGBNF(t, `root ::= "a" !<tool>* <tool> "b"`))
	m := c.NewMatcher()
	for _, id := range []int32{'a', 'x', 0xFF, tool, 'b', end} {
		checkAllowed(t, m)
		if err := m.Accept(id); err != nil {
			t.Fatal(err)
		}
	}
	if !m.Done() {
		t.Error("the text has not ended")
	}
}

// TestEndOfRepetition has a token end a counted repetition that repeats it more often than any token does that stays within it.
func TestEndOfRepetition(t *testing.T) {
	v := NewVocabulary([][]byte{[]byte("a"), []byte("aaaa]"), []byte("]"), nil}, []int32{3}, nil)
	m := mustCompile(t, v, mustGBNF(t, `root ::= "a"{1,100} "]"`)).NewMatcher()
	if allowed, err := m.Allowed(); err != nil || !allowed.Has(1) {
		t.Errorf("aaaa] is not allowed: %v", err)
	}
}

func TestUntil(t *testing.T) {
	v := testVocabulary()
	for _, word := range []string{"</think>", "aab", "abab", "a", "éé日"} {
		until, without := mustCompile(t, v, Until(word)), mustCompile(t, v, Without(word))
		rng := rand.New(rand.NewPCG(5, 6))
		letters := append(strings.Split(word, ""), "x", "é", word)
		for range 500 {
			text := ""
			for range rng.IntN(8) {
				text += letters[rng.IntN(len(letters))]
			}
			n := strings.Index(text, word)
			if got, want := matches(until, text), n >= 0 && n+len(word) == len(text); got != want {
				t.Errorf("Until(%q) has %q: %v", word, text, got)
			}
			if got, want := matches(without, text), n < 0; got != want {
				t.Errorf("Without(%q) has %q: %v", word, text, got)
			}
		}
	}
}

// TestForget has a matcher go on when what is known is forgotten.
func TestForget(t *testing.T) {
	v := testVocabulary()
	c := mustCompile(t, v, mustGBNF(t, `root ::= "[" (root | [a-z]{100,500})* "]"`))
	m := c.NewMatcher()
	if err := m.AcceptText(strings.Repeat("[", 40) + strings.Repeat("a", 130)); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(checkAllowed(t, m))
	c.table = newTable(c.program, v)
	if got := fmt.Sprint(checkAllowed(t, m)); got != want {
		t.Errorf("allowed %s, before %s", got, want)
	}
	if err := m.AcceptText(string(m.Finish())); err != nil || !m.Done() {
		t.Error("the text does not end", err)
	}
}

// TestForgetItems is TestForget within items that are all different, of which a clone goes on otherwise.
func TestForgetItems(t *testing.T) {
	v := testVocabulary()
	inner := Sequence(Literal("["), Distinct(Repeat(Literal("a"), 1, 3), ",", 1, Unbounded), Literal("]"))
	c := mustCompile(t, v, Sequence(Literal("x"), Distinct(inner, ";", 2, 3), Literal(".")))
	m := c.NewMatcher()
	if err := m.AcceptText("x[a,aa];[a,"); err != nil {
		t.Fatal(err)
	}
	other := m.Clone()
	if err := other.AcceptText("aaa];[aa,"); err != nil {
		t.Fatal(err)
	}
	c.table = newTable(c.program, v)
	for _, test := range []struct {
		m       *Matcher
		in, out string
	}{{m, "aa,aaa].", "aa]."}, {other, "a].", "aa]."}} {
		checkAllowed(t, test.m)
		if test.m.Clone().AcceptText(test.out) == nil {
			t.Errorf("an item comes twice with %s", test.out)
		}
		if err := test.m.AcceptText(test.in); err != nil || !test.m.Done() {
			t.Errorf("%s does not end the text: %v", test.in, err)
		}
	}
}
