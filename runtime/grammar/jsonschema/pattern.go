package jsonschema

import (
	"errors"
	"fmt"
	"iter"
	"regexp/syntax"
	"strings"

	"st/runtime/grammar/automaton"
)

// pattern is a regular expression of a schema, which is ECMAScript's, as RE2 reads it (see translator). Lookaheads at its beginning are apart.
type pattern struct {
	at    *value // its keyword
	most  int    // characters of a format as it is written; < 0: any number
	re    *syntax.Regexp
	ahead []lookahead
	dfa   *automaton.DFA
}

type lookahead struct {
	re      *syntax.Regexp
	negated bool
}

var errTooLong = errors.New("the length is too large")

// parsePattern reads a pattern.
func parsePattern(expr string) (*pattern, error) {
	p := &pattern{}
	if strings.HasPrefix(expr, "^(?!") || strings.HasPrefix(expr, "^(?=") {
		rest := expr[1:]
		for strings.HasPrefix(rest, "(?!") || strings.HasPrefix(rest, "(?=") {
			end := closing(rest)
			if end < 0 {
				return nil, errors.New("a lookahead lacks its )")
			}
			negated := rest[2] == '!'
			re, err := parseRE2("^(?:"+rest[3:end]+")", negated)
			if err != nil {
				return nil, err
			}
			p.ahead = append(p.ahead, lookahead{re, negated})
			rest = rest[end+1:]
		}
		if alternatives(rest) {
			return nil, errors.New("a lookahead before alternatives")
		}
		expr = "^" + rest
	}
	var err error
	p.re, err = parseRE2(expr, false)
	return p, err
}

// marks yields the indices of (, ) and | that are neither escaped nor in a class, and how many groups are open after each.
func marks(expr string) iter.Seq2[int, int] {
	return func(yield func(i, depth int) bool) {
		depth, class := 0, false
		for i := 0; i < len(expr); i++ {
			switch c := expr[i]; {
			case c == '\\':
				i++
				continue
			case class:
				class = c != ']'
				continue
			case c == '[':
				class = true
				continue
			case c == '(':
				depth++
			case c == ')':
				depth--
			case c != '|':
				continue
			}
			if !yield(i, depth) {
				return
			}
		}
	}
}

// closing returns the index of the ) that belongs to the ( at the beginning; −1: there is none.
func closing(expr string) int {
	for i, depth := range marks(expr) {
		if expr[i] == ')' && depth == 0 {
			return i
		}
	}
	return -1
}

// alternatives reports whether there is a | outside of groups.
func alternatives(expr string) bool {
	for i, depth := range marks(expr) {
		if expr[i] == '|' && depth == 0 {
			return true
		}
	}
	return false
}

// maxPattern bounds the length of patterns.
const maxPattern = 1 << 16

// parseRE2 reads an expression of ECMAScript's as RE2 has it. negated says that texts are those that it does not match.
func parseRE2(expr string, negated bool) (*syntax.Regexp, error) {
	if len(expr) > maxPattern {
		return nil, fmt.Errorf("it is longer than %d bytes", maxPattern)
	}
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
	d, err := automaton.FromSyntax(p.re)
	for _, a := range p.ahead {
		var x *automaton.DFA
		if err == nil {
			x, err = automaton.FromSyntax(a.re)
		}
		switch {
		case err != nil:
		case a.negated:
			d, err = automaton.Subtract(d, x)
		default:
			d, err = automaton.Intersect(d, x)
		}
	}
	if err == nil {
		p.dfa = d
	}
	return d, err
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
