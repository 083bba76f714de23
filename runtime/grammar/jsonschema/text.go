package jsonschema

import (
	"fmt"
	"regexp/syntax"

	"st/runtime/grammar"
	"st/runtime/grammar/automaton"
)

// text is the strings that schemas allow.
type text struct {
	least, most int      // characters; most < 0: any number
	patterns    []*value // of the keyword pattern
	formats     []*value
	others      []*value // schemas that it is others than
	allowed     bool     // it is not written, but what an other text is held against: formats are not shortened
}

func (t *text) add(at *value) {
	if v := at.get("minLength"); v != nil {
		t.least = max(t.least, countOf(v))
	}
	if v := at.get("maxLength"); v != nil && (t.most < 0 || countOf(v) < t.most) {
		t.most = countOf(v)
	}
	if v := at.get("pattern"); v != nil {
		t.patterns = append(t.patterns, v)
	}
	if v := at.get("format"); v != nil {
		if f := formatOf(v.text); f != nil && f.expr != "" {
			t.formats = append(t.formats, v)
		}
	}
}

// Characters that a string may hold as they are, and those that need an escape.
var (
	unescaped = automaton.NewSet(0, 0x1F, '"', '"', '\\', '\\').Negate()
	hex       = automaton.NewSet('0', '9', 'a', 'f', 'A', 'F')
)

// character is one character of a string, in any way to write it.
var character = func() *grammar.Grammar {
	digit := grammar.Class(hex)
	set := func(pairs ...rune) *grammar.Grammar { return grammar.Class(automaton.NewSet(pairs...)) }
	d, high, low := set('d', 'd', 'D', 'D'), set('8', '9', 'a', 'b', 'A', 'B'), set('c', 'f', 'C', 'F')
	unit := grammar.Choice(
		grammar.Sequence(set('0', '9', 'a', 'c', 'A', 'C', 'e', 'f', 'E', 'F'), digit, digit, digit),
		grammar.Sequence(d, set('0', '7'), digit, digit),
		grammar.Sequence(d, high, digit, digit, grammar.Literal(`\u`), d, low, digit, digit), // a pair of surrogates
	)
	short := set('"', '"', '\\', '\\', '/', '/', 'b', 'b', 'f', 'f', 'n', 'n', 'r', 'r', 't', 't')
	escape := grammar.Sequence(grammar.Literal(`\`), grammar.Choice(short, grammar.Sequence(grammar.Literal("u"), unit)))
	return grammar.Choice(grammar.Class(unescaped), escape)
}()

// canonical returns a function that returns the grammar of one character of a set, with an escape only where it is needed: for the same set
// the same grammar, so that repetitions of it share what is known.
func canonical() func(automaton.Set) *grammar.Grammar {
	known := map[string]*grammar.Grammar{}
	return func(set automaton.Set) *grammar.Grammar {
		key := fmt.Sprint(set)
		if known[key] == nil {
			known[key] = canonicalClass(set)
		}
		return known[key]
	}
}

func canonicalClass(set automaton.Set) *grammar.Grammar {
	parts := []*grammar.Grammar{grammar.Class(set.Intersect(unescaped))}
	for c := rune(0); c <= '\\'; c++ {
		if set.Has(c) && !unescaped.Has(c) {
			q := quote(string(c))
			parts = append(parts, grammar.Literal(q[1:len(q)-1]))
		}
	}
	return grammar.Choice(parts...)
}

// quoted puts a grammar in quotes.
func quoted(g *grammar.Grammar) *grammar.Grammar {
	return grammar.Sequence(grammar.Literal(`"`), g, grammar.Literal(`"`))
}

// string returns the grammar of strings.
func (c *compiler) string(m *merged) (*grammar.Grammar, error) {
	t := &m.text
	if len(t.patterns)+len(t.formats)+len(t.others) == 0 {
		if t.most >= 0 && t.most < t.least {
			return grammar.Choice(), nil
		}
		free := t.least == 0 && t.most < 0
		switch {
		case free && c.alike:
			return alikeString(), nil
		case free:
			return stringRule.Grammar(), nil
		case c.alike:
			return quoted(grammar.Repeat(c.write(automaton.All()), t.least, t.most)), nil
		}
		return quoted(grammar.Repeat(character, t.least, t.most)), nil
	}
	all, err := c.expressions(t)
	if err != nil {
		return nil, err
	}
	if least, most := t.bounds(all); least == 0 && most < 0 && len(all) == 1 && len(t.others) == 0 {
		if re := all[0].anchored(); re != nil { // needs no automaton, which may be large
			g, err := grammar.FromSyntax(re, c.write)
			if err == nil {
				return quoted(g), nil
			}
		}
	}
	d, err := c.textDFA(t)
	if err != nil {
		return nil, err
	}
	return quoted(grammar.FromDFA(d, c.write)), nil
}

// expressions returns what formats and patterns say. Formats are written no longer than the text may be.
func (c *compiler) expressions(t *text) (all []*pattern, err error) {
	for _, v := range append(t.formats, t.patterns...) {
		most := t.most
		if t.allowed || t.least > shortName {
			most = -1
		}
		p, err := c.pattern(v, most)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// bounds returns the least and the greatest number of characters, without those that an expression keeps to anyway.
func (t *text) bounds(all []*pattern) (least, most int) {
	least, most = t.least, t.most
	for _, p := range all {
		if p.most >= 0 {
			most = min(most, p.most)
		}
	}
	for _, p := range all {
		if re := p.anchored(); re != nil {
			shortest, longest := lengths(re)
			if shortest >= least {
				least = 0
			}
			if longest <= most {
				most = -1
			}
		}
	}
	return least, most
}

// textDFA returns the automaton of strings.
func (c *compiler) textDFA(t *text) (*automaton.DFA, error) {
	all, err := c.expressions(t)
	if err != nil {
		return nil, err
	}
	var d *automaton.DFA
	for _, p := range all {
		next, err := p.automaton()
		if err == nil && d != nil {
			if next, err = automaton.Intersect(d, next); err == nil {
				if err := c.spend(p.at, len(next.States)/stateWork); err != nil {
					return nil, err
				}
			}
		}
		if err != nil {
			return nil, errorf(p.at, "the %s %.100q is not supported: %v", p.at.name, p.at.text, err)
		}
		d = next
	}
	if d == nil {
		d = automaton.Any()
	}
	if d, err = c.without(d, t.others); err != nil {
		return nil, err
	}
	least, most := t.bounds(all)
	switch {
	case least == 0 && most < 0:
		return d, nil
	case most >= 0 && most < least:
		return &automaton.DFA{}, nil
	}
	n, err := automaton.Length(least, most)
	if err == nil {
		d, err = automaton.Intersect(d, n)
	}
	if err != nil {
		at := append(t.patterns, t.formats...)
		if len(at) == 0 {
			return nil, errTooLong
		}
		return nil, errorf(at[0], "a %s is not supported together with such a length: %v", at[0].name, err)
	}
	return d, nil
}

// without returns the strings that are none of some schemas'.
func (c *compiler) without(d *automaton.DFA, others []*value) (*automaton.DFA, error) {
	for _, at := range others {
		var not *automaton.DFA
		if p := at.get("pattern"); p != nil {
			n, err := c.namePattern(p, p.text)
			if err != nil {
				return nil, err
			}
			not = n.wide
		} else {
			var words []string
			for _, v := range at.get("enum").list {
				words = append(words, v.text)
			}
			not = automaton.Words(words...)
		}
		var err error
		if d, err = automaton.Subtract(d, not); err != nil {
			return nil, errorf(at, "what does not validate is not supported: %v", err)
		}
		if err := c.spend(at, len(d.States)/stateWork); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// hasText reports whether a string is one of the text's.
func (c *compiler) hasText(t *text, s string) (bool, error) {
	if n := len([]rune(s)); n < t.least || t.most >= 0 && n > t.most {
		return false, nil
	}
	for _, v := range append(t.patterns, t.formats...) {
		p, err := c.pattern(v, -1)
		if err != nil {
			return false, err
		}
		d, err := p.automaton()
		if err != nil {
			return false, errorf(v, "the %s %.100q is not supported: %v", v.name, v.text, err)
		}
		if !d.Match(s) {
			return false, nil
		}
	}
	return true, nil
}

// patternKey tells patterns apart: by their keyword, and a format's by the number of characters that it may have.
type patternKey struct {
	at   *value
	most int
}

// pattern returns the pattern of a keyword pattern or format, of at most so many characters if that is a format's; most < 0: of any number.
func (c *compiler) pattern(v *value, most int) (*pattern, error) {
	expr := v.text
	if v.name == "format" {
		expr, most = formatOf(v.text).of(most)
	} else {
		most = -1
	}
	key := patternKey{v, most}
	if p := c.patterns[key]; p != nil {
		return p, nil
	}
	p, err := parsePattern(expr)
	if err != nil {
		return nil, errorf(v, "the pattern %.100q is not supported: %v", expr, err)
	}
	switch err := c.spend(v, patternWork); {
	case c.work > maxWork:
		return nil, errorf(v, "the schema has too many patterns: more than %d", maxWork/patternWork)
	case err != nil:
		return nil, err
	}
	p.at, p.most = v, most
	c.patterns[key] = p
	return p, nil
}

// anchored returns an expression that matches whole strings only, from ^ to $ ; nil: it is not of that form.
func (p *pattern) anchored() *syntax.Regexp {
	re := p.re
	if len(p.ahead) > 0 || re.Op != syntax.OpConcat || len(re.Sub) < 2 ||
		re.Sub[0].Op != syntax.OpBeginText || re.Sub[len(re.Sub)-1].Op != syntax.OpEndText {
		return nil
	}
	return re
}
