package jsonschema

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"st/runtime/grammar/automaton"
)

// pattern is a regular expression of a schema, which is ECMAScript's, as RE2 reads it (see translator). RE2 has no lookaheads: where one stands, an
// empty group does that has its name.
type pattern struct {
	at    *value // its keyword
	most  int    // characters of a format as it is written; < 0: any number
	re    *syntax.Regexp
	ahead []lookahead
	dfa   *automaton.DFA
}

type lookahead struct {
	*pattern
	name    string
	negated bool
}

var errTooLong = errors.New("the length is too large")

// parsePattern reads a pattern.
func parsePattern(expr string) (*pattern, error) {
	if len(expr) > maxPattern {
		return nil, fmt.Errorf("it is longer than %d bytes", maxPattern)
	}
	return readPattern(expr, false, 0)
}

// ECMAScript has no flags in a pattern, but RE2 and Python do. Those at the beginning are for the lookaheads, too.
var (
	firstFlags = regexp.MustCompile(`^\(\?[is]+\)`)
	flags      = regexp.MustCompile(`\(\?[imsU-]+[:)]`)
)

// maxAhead bounds how deep lookaheads are nested.
const maxAhead = 20

// readPattern reads a pattern, or what a lookahead has. negated says that texts are those that it does not match.
func readPattern(expr string, negated bool, depth int) (*pattern, error) {
	if depth > maxAhead {
		return nil, fmt.Errorf("lookaheads are nested deeper than %d", maxAhead)
	}
	p := &pattern{most: -1}
	var rest strings.Builder
	first := firstFlags.FindString(expr)
	rest.WriteString(first)
	expr = expr[len(first):]
	for len(expr) > 0 {
		open := group(expr)
		rest.WriteString(expr[:open])
		expr = expr[open:]
		switch {
		case strings.HasPrefix(expr, "(?<=") || strings.HasPrefix(expr, "(?<!"):
			return nil, errors.New("lookbehinds are not supported")
		case !strings.HasPrefix(expr, "(?=") && !strings.HasPrefix(expr, "(?!"):
			n := min(len("("), len(expr))
			rest.WriteString(expr[:n])
			expr = expr[n:]
			continue
		}
		end := groupEnd(expr)
		if end < 0 {
			return nil, errors.New("a lookahead lacks its )")
		}
		a := lookahead{name: fmt.Sprintf("ahead%d", len(p.ahead)), negated: expr[2] == '!'}
		var err error
		if a.pattern, err = readPattern(first+"^(?:"+expr[3:end]+")", negated != a.negated, depth+1); err != nil {
			return nil, err
		}
		p.ahead = append(p.ahead, a)
		rest.WriteString("(?P<" + a.name + ">)")
		expr = expr[end+1:]
	}
	if len(p.ahead) > 0 && flags.MatchString(rest.String()[len(first):]) {
		return nil, errors.New("flags are supported with lookaheads only as (?i) or (?s) at the beginning")
	}
	var err error
	p.re, err = parseRE2(rest.String(), negated)
	return p, err
}

// group returns where the first group of an expression begins; at its end if there is none.
func group(expr string) int {
	if i, ok := parenthesis(expr, func(c byte) bool { return c == '(' }); ok {
		return i
	}
	return len(expr)
}

// groupEnd returns the index of the ) that belongs to the group with which an expression begins; −1: there is none.
func groupEnd(expr string) int {
	depth := 0
	i, ok := parenthesis(expr, func(c byte) bool {
		if c == '(' {
			depth++
		} else {
			depth--
		}
		return depth == 0
	})
	if !ok {
		return -1
	}
	return i
}

// parenthesis returns the index of the first parenthesis of a group that is what is wanted.
func parenthesis(expr string, wanted func(c byte) bool) (int, bool) {
	class := false
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case (c == '(' || c == ')') && wanted(c):
			return i, true
		}
	}
	return 0, false
}

// maxPattern bounds the length of patterns.
const maxPattern = 1 << 16

// parseRE2 reads an expression of ECMAScript's as RE2 has it. negated says that texts are those that it does not match.
func parseRE2(expr string, negated bool) (*syntax.Regexp, error) {
	re, err := syntax.Parse((&translator{rest: expr, negated: negated}).translate(), syntax.Perl)
	if err != nil {
		var e *syntax.Error
		if errors.As(err, &e) {
			return nil, fmt.Errorf("%s: %.60q", e.Code, e.Expr)
		}
		return nil, err
	}
	return re, nil
}

// automaton returns the texts in which the pattern matches somewhere.
func (p *pattern) automaton() (*automaton.DFA, error) {
	if p.dfa != nil {
		return p.dfa, nil
	}
	var ahead []automaton.Ahead
	for _, a := range p.ahead {
		rest, err := a.automaton()
		if err == nil && a.negated {
			rest, err = automaton.Subtract(automaton.Any(), rest)
		}
		if err != nil {
			return nil, err
		}
		ahead = append(ahead, automaton.Ahead{Group: a.name, Rest: rest, Start: a.startsText()})
	}
	d, err := automaton.FromSyntax(p.re, ahead...)
	if err == nil {
		p.dfa = d
	}
	return d, err
}

// startsText reports whether a lookahead has a ^ besides the one that it is read with, also in lookaheads within it.
func (a *lookahead) startsText() bool {
	return begins(a.re) > 1 || slices.ContainsFunc(a.ahead, func(within lookahead) bool { return within.startsText() })
}

// begins returns how many ^ an expression has.
func begins(re *syntax.Regexp) (n int) {
	if re.Op == syntax.OpBeginText {
		n++
	}
	for _, sub := range re.Sub {
		n += begins(sub)
	}
	return n
}

// endless is the length of matches that have no greatest one: more than any bound.
const endless = 2 * maxCount

// lengths returns how many characters a match has at least and at most.
func lengths(re *syntax.Regexp) (least, most int) {
	repeated := func(from, to int) (int, int) {
		l, m := lengths(re.Sub[0])
		if to < 0 {
			to = endless
		}
		return min(l*from, endless), min(m*to, endless)
	}
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune), len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, 1
	case syntax.OpStar:
		return repeated(0, -1)
	case syntax.OpPlus:
		return repeated(1, -1)
	case syntax.OpQuest:
		return repeated(0, 1)
	case syntax.OpRepeat:
		return repeated(re.Min, re.Max)
	case syntax.OpCapture:
		return lengths(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			l, m := lengths(sub)
			least, most = min(least+l, endless), min(most+m, endless)
		}
	case syntax.OpAlternate:
		least = endless
		for _, sub := range re.Sub {
			l, m := lengths(sub)
			least, most = min(least, l), max(most, m)
		}
	}
	return least, most // of an anchor: none
}
