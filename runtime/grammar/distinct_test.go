package grammar_test

import (
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"st/runtime/grammar"
)

// distinctVocabulary has the bytes of the grammars of TestDistinctTexts, and tokens that end items and begin others.
var distinctVocabulary = func() *grammar.Vocabulary {
	var tokens [][]byte
	for _, t := range strings.Fields(`a b c , [ ] ; x ab bc ba aa abc a,b ,a ,b ],[ [a [a, b] b], ,[ a,a b,b,c [[ ]] [a] ];[ c;a a; bc, ab, abc, bc], aaa aa,a aaaa], aab ac,`) {
		tokens = append(tokens, []byte(t))
	}
	tokens = append(tokens, nil)
	return grammar.NewVocabulary(tokens, []int32{int32(len(tokens) - 1)}, nil)
}()

var distinctSeeds = flag.Int("distinct", 500, "number of random grammars of TestDistinctLanguages")

// maxTexts bounds the texts of a grammar, about.
const maxTexts = 10000

// language is texts, with the grammar of them.
type language struct {
	g     *grammar.Grammar
	texts []string
	lists bool
	least int // of its lists
}

func oneOf(all ...string) language {
	var parts []*grammar.Grammar
	for _, t := range all {
		parts = append(parts, grammar.Literal(t))
	}
	return language{g: grammar.Choice(parts...), texts: all}
}

func sequence(a, b language) language {
	if len(a.texts)*len(b.texts) > maxTexts {
		return a
	}
	out := language{g: grammar.Sequence(a.g, b.g), lists: a.lists || b.lists, least: max(a.least, b.least)}
	for _, s := range a.texts {
		for _, t := range b.texts {
			out.texts = append(out.texts, s+t)
		}
	}
	return out
}

func choice(a, b language) language {
	return language{grammar.Choice(a.g, b.g), slices.Concat(a.texts, b.texts), a.lists || b.lists, max(a.least, b.least)}
}

// called is the same language, by way of a rule.
func called(l language) language {
	r := grammar.NewRule("called")
	r.Define(grammar.Choice(l.g, grammar.Literal(strings.Repeat("a", 100))))
	l.texts = append(l.texts, strings.Repeat("a", 100))
	return language{r.Grammar(), l.texts, l.lists, l.least}
}

// counted is so many of a letter: enough to be counted.
func counted(least, most int) language {
	l := language{g: grammar.Repeat(grammar.Literal("a"), least, most)}
	for n := least; n <= most; n++ {
		l.texts = append(l.texts, strings.Repeat("a", n))
	}
	return l
}

// tuple is list with a language of its own for the first items.
func tuple(first, l language, separator string, least, most int) language {
	out := language{g: grammar.DistinctTuple([]*grammar.Grammar{first.g, first.g}, l.g, separator, least, most), lists: true, least: 2}
	var add func(text string, items []string)
	add = func(text string, items []string) {
		if len(items) >= least {
			out.texts = append(out.texts, text)
		}
		from := l
		if len(items) < 2 {
			from = first
		}
		for _, t := range from.texts {
			if len(items) == most || slices.Contains(items, t) {
				continue
			}
			next := text + separator + t
			if len(items) == 0 {
				next = t
			}
			add(next, append(slices.Clip(items), t))
		}
	}
	add("", nil)
	return out
}

func list(l language, separator string, least, most int, distinct bool) language {
	out := language{g: grammar.Distinct(l.g, separator, least, most), lists: true, least: max(least, l.least)}
	if !distinct {
		more := grammar.Repeat(grammar.Sequence(grammar.Literal(separator), l.g), max(0, least-1), max(0, most-1))
		if out.g = grammar.Sequence(l.g, more); least == 0 {
			out.g = grammar.Optional(out.g)
		}
	}
	var add func(text string, items []string)
	add = func(text string, items []string) {
		if len(items) >= least {
			out.texts = append(out.texts, text)
		}
		for _, t := range l.texts {
			if len(items) == most || distinct && slices.Contains(items, t) {
				continue
			}
			next := text + separator + t
			if len(items) == 0 {
				next = t
			}
			add(next, append(slices.Clip(items), t))
		}
	}
	slices.Sort(l.texts)
	l.texts = slices.Compact(l.texts)
	add("", nil)
	return out
}

// randomLanguage returns a language of few texts.
func randomLanguage(rng *rand.Rand, depth int) language {
	words := []string{"a", "b", "ab", "abc", "ba", "c", "bc", "aa"}
	n := rng.IntN(10)
	if depth == 0 {
		n = rng.IntN(2)
	}
	sub := func() language { return randomLanguage(rng, depth-1) }
	switch n {
	case 0, 1:
		rng.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		return oneOf(words[:1+rng.IntN(4)]...)
	case 2:
		return sequence(sub(), sub())
	case 3:
		return choice(sub(), sub())
	case 4:
		return sequence(called(oneOf("a", "b")), sub())
	case 5:
		return counted(rng.IntN(2), 65+rng.IntN(3))
	}
	l := sub()
	slices.Sort(l.texts)
	l.texts = slices.Compact(l.texts)
	most := 1 + rng.IntN(3)
	if l.texts[0] == "" || math.Pow(float64(len(l.texts)), float64(most)) > 6000 {
		return l
	}
	least := rng.IntN(1 + min(most, len(l.texts)))
	if l.lists { // of those with several items it is not known how many there are
		least = min(least, 2-l.least/2)
	}
	if n == 9 {
		first := oneOf(words[:2+rng.IntN(4)]...)
		return sequence(sequence(oneOf("["), tuple(first, l, ",", least, most)), oneOf("]"))
	}
	in := list(l, []string{",", ";"}[rng.IntN(2)], least, most, n > 6)
	return sequence(sequence(oneOf("["), in), oneOf("]"))
}

// TestDistinctLanguages holds what matchers allow against all texts of random grammars with items that are all different: a token is allowed exactly if
// a text goes on with it.
func TestDistinctLanguages(t *testing.T) {
	refused, compared := 0, 0
	for seed := range *distinctSeeds {
		rng := rand.New(rand.NewPCG(3, uint64(seed)))
		l := randomLanguage(rng, 4)
		slices.Sort(l.texts)
		if l.texts = slices.Compact(l.texts); len(l.texts) > maxTexts || len(l.texts) == 0 {
			continue
		}
		c, err := distinctVocabulary.Compile(l.g)
		if errors.Is(err, grammar.ErrEmpty) {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			m, text := c.NewMatcher(), ""
			for !m.Done() && len(text) < 60 {
				allowed, err := m.Allowed()
				if err != nil {
					t.Fatalf("seed %d: after %q: %v", seed, text, err)
				}
				var ids []int32
				for id := range int32(distinctVocabulary.Size() - 1) {
					next := text + string(distinctVocabulary.Bytes(id))
					i, _ := slices.BinarySearch(l.texts, next)
					want := i < len(l.texts) && strings.HasPrefix(l.texts[i], next)
					if allowed.Has(id) != want {
						t.Fatalf("seed %d: after %q: %q is allowed: %v", seed, text, distinctVocabulary.Bytes(id), !want)
					}
					if err := m.Clone().Accept(id); (err == nil) != want {
						t.Fatalf("seed %d: after %q: %q is accepted: %v", seed, text, distinctVocabulary.Bytes(id), err)
					}
					if want {
						ids = append(ids, id)
					}
				}
				compared++
				if _, ends := slices.BinarySearch(l.texts, text); ends != m.CanEnd() {
					t.Fatalf("seed %d: %q may end: %v", seed, text, !ends)
				}
				if rest := text + string(m.Finish()); !slices.Contains(l.texts, rest) {
					t.Fatalf("seed %d: %q ends as %q", seed, text, rest)
				}
				if forced := text + string(m.Forced()); len(forced) > len(text) {
					for _, s := range l.texts {
						if strings.HasPrefix(s, text) && !strings.HasPrefix(s, forced) {
							t.Fatalf("seed %d: after %q: %q is forced, and there is %q", seed, text, forced, s)
						}
					}
				}
				if len(ids) == 0 {
					break
				}
				id := ids[rng.IntN(len(ids))]
				if err := m.Accept(id); err != nil {
					t.Fatal(err)
				}
				text += string(distinctVocabulary.Bytes(id))
			}
		}
	}
	t.Logf("%d texts compared, %d grammars refused", compared, refused)
}

// TestDistinctTooFew has lists that need more items than there are: no text has them.
func TestDistinctTooFew(t *testing.T) {
	few := grammar.Repeat(grammar.Choice(grammar.Literal("a"), grammar.Literal("b")), 1, 2) // six texts
	if _, err := distinctVocabulary.Compile(grammar.Distinct(few, ",", 7, 9)); !errors.Is(err, grammar.ErrEmpty) {
		t.Errorf("seven of six texts: %v", err)
	}
	c, err := distinctVocabulary.Compile(grammar.Choice(grammar.Literal("c"), grammar.Distinct(few, ",", 7, 9)))
	if err != nil {
		t.Fatal(err)
	}
	if m := c.NewMatcher(); m.AcceptText("a") == nil || m.AcceptText("c") != nil || !m.Done() {
		t.Error("the other choice is not the only text")
	}
	if c, err = distinctVocabulary.Compile(grammar.Distinct(few, ",", 6, 9)); err != nil {
		t.Fatal(err)
	}
	m := c.NewMatcher()
	if err := m.AcceptText("ab,b,bb,aa,ba"); err != nil {
		t.Fatal(err)
	}
	if got := string(m.Forced()); got != ",a" {
		t.Errorf("%q is forced where one text is left", got)
	}
	if err := m.AcceptText(",a"); err != nil || !m.Done() {
		t.Errorf("the list of all texts has not ended: %v", err)
	}
}

// TestUnordered has lists of members that are different if their members are, whatever the order of those.
func TestUnordered(t *testing.T) {
	member := func(key *grammar.Grammar) *grammar.Grammar {
		return grammar.Sequence(key, grammar.Key(), grammar.Choice(grammar.Literal("b"), grammar.Literal("c")))
	}
	items := func(key *grammar.Grammar) *grammar.Grammar {
		in := grammar.Choice(grammar.Literal("x"), grammar.Unordered(member(key), ","))
		return grammar.Distinct(grammar.Sequence(grammar.Literal("["), in, grammar.Literal("]")), ";", 1, grammar.Unbounded)
	}
	c, err := distinctVocabulary.Compile(items(grammar.Repeat(grammar.Literal("a"), 1, grammar.Unbounded)))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"[ab,aab]":                        true,
		"[ab,aab];[ab,aac]":               true,
		"[ab,aab];[aab];[aab,ab,aaab]":    true,
		"[ab,ac]":                         false,
		"[ab,aab];[aab,ab]":               false,
		"[aac,ab];[aab,ab];[aaac,ab,aac]": true,
		"[aac,ab];[x];[ab,aac]":           false,
		"[aac,ab];[x];[x]":                false,
	} {
		m := c.NewMatcher()
		if got := m.AcceptText(text) == nil && m.CanEnd(); got != want {
			t.Errorf("%s is a text: %v", text, got)
		}
	}
	for seed := range 200 {
		rng := rand.New(rand.NewPCG(4, uint64(seed)))
		m, text := c.NewMatcher(), ""
		for range 40 {
			allowed, err := m.Allowed()
			if err != nil {
				t.Fatalf("after %q: %v", text, err)
			}
			var ids []int32
			for id := range int32(distinctVocabulary.Size() - 1) {
				if err := m.Clone().Accept(id); (err == nil) != allowed.Has(id) {
					t.Fatalf("after %q: %q is allowed: %v, but accepting it: %v", text, distinctVocabulary.Bytes(id), allowed.Has(id), err)
				}
				if allowed.Has(id) {
					ids = append(ids, id)
				}
			}
			id := ids[rng.IntN(len(ids))]
			if err := m.Accept(id); err != nil {
				t.Fatal(err)
			}
			text += string(distinctVocabulary.Bytes(id))
		}
		text += string(m.Finish())
		seen := map[string]bool{}
		for _, item := range strings.Split(text, ";") {
			members := strings.Split(strings.Trim(item, "[]"), ",")
			slices.Sort(members)
			if key := strings.Join(members, ","); seen[key] {
				t.Fatalf("%s has an item twice", text)
			} else {
				seen[key] = true
			}
		}
	}
	if c, err = distinctVocabulary.Compile(items(grammar.Choice(grammar.Literal("a"), grammar.Literal("aa")))); err != nil {
		t.Fatal(err)
	}
	if m := c.NewMatcher(); m.AcceptText("[a") == nil || m.AcceptText("[x]") != nil || !m.Done() {
		t.Error("members of two keys are written")
	}
}

// TestDistinctOfNone has items with lists within for which there are no items: they may be empty, and nothing else.
func TestDistinctOfNone(t *testing.T) {
	none := grammar.Distinct(grammar.Choice(), ";", 0, grammar.Unbounded)
	items := grammar.Choice(grammar.Literal("a"), grammar.Sequence(grammar.Literal("["), none, grammar.Literal("]")))
	c, err := distinctVocabulary.Compile(grammar.Distinct(items, ",", 2, grammar.Unbounded))
	if err != nil {
		t.Fatal(err)
	}
	if m := c.NewMatcher(); m.AcceptText("[],a") != nil || !m.Done() {
		t.Error("the empty list and the letter are not a text, or not the whole")
	}
}

// TestDistinctWithin has items with a list within that needs several items, after a text of any length: each of those texts makes another item.
func TestDistinctWithin(t *testing.T) {
	free := grammar.Repeat(grammar.Literal("a"), 0, grammar.Unbounded)
	letters := grammar.Choice(grammar.Literal("a"), grammar.Literal("b"))
	pair := func(letters *grammar.Grammar) *grammar.Grammar {
		return grammar.Sequence(grammar.Literal("["), free, grammar.Literal("["), grammar.Distinct(letters, ";", 2, 2), grammar.Literal("]"))
	}
	c, err := distinctVocabulary.Compile(grammar.Distinct(pair(letters), ",", 3, grammar.Unbounded))
	if err != nil {
		t.Fatal(err)
	}
	if m := c.NewMatcher(); m.AcceptText("[[a;b],[aa[a;b]") != nil || m.CanEnd() || m.AcceptText(",[[b;a]") != nil || !m.CanEnd() {
		t.Error("three items are not a text, or two are")
	}
	if _, err = distinctVocabulary.Compile(grammar.Distinct(pair(grammar.Literal("a")), ",", 0, 3)); err != nil {
		t.Fatalf("a list of no items: %v", err)
	}
	if _, err = distinctVocabulary.Compile(grammar.Distinct(pair(grammar.Literal("a")), ",", 1, 3)); !errors.Is(err, grammar.ErrEmpty) {
		t.Errorf("a list within needs two of one letter: %v", err)
	}
	two := func(letters *grammar.Grammar, least int) error {
		list := grammar.Sequence(grammar.Literal("["), grammar.Distinct(letters, ";", 2, 2), grammar.Literal("]"))
		_, err := distinctVocabulary.Compile(grammar.Distinct(list, ",", least, grammar.Unbounded))
		return err
	}
	// One letter is the first item, and the last one another letter, or one of four pairs: of each length, one may be the first.
	if err := two(grammar.Repeat(letters, 1, 2), 3); err != nil {
		t.Errorf("three lists of two: %v", err)
	}
	if err := two(letters, 2); !errors.Is(err, grammar.ErrEmpty) {
		t.Errorf("two lists of two letters, of which one is known: %v", err)
	}
	r := grammar.NewRule("r") // a list of two needs such a list in one of them
	r.Define(grammar.Choice(grammar.Literal("a"), grammar.Sequence(grammar.Literal("["), grammar.Distinct(r.Grammar(), ";", 2, 2), grammar.Literal("]"))))
	if c, err = distinctVocabulary.Compile(r.Grammar()); err != nil {
		t.Fatal(err)
	}
	if m := c.NewMatcher(); m.AcceptText("[") == nil || m.AcceptText("a") != nil || !m.Done() {
		t.Error("a list that needs itself is begun")
	}
}
