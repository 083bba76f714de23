package grammar

import (
	"fmt"
	"regexp/syntax"
	"unicode"

	"st/runtime/grammar/automaton"
)

// FromRegex is the texts that a regular expression matches as a whole, in the syntax of package regexp (RE2). ^ and $ may stand where they
// change nothing. Word boundaries are not supported. Errors wrap [ErrSyntax].
func FromRegex(expr string) (*Grammar, error) {
	if len(expr) > maxRegex {
		return nil, fmt.Errorf("%w: the expression has %d bytes, and at most %d are read", ErrTooLarge, len(expr), maxRegex)
	}
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return FromSyntax(re, Class)
}

// FromSyntax is FromRegex of an expression that is parsed already, with each character written as a grammar has it.
func FromSyntax(re *syntax.Regexp, write func(automaton.Set) *Grammar) (*Grammar, error) {
	return (&regex{write}).build(re, true, true)
}

// maxRegex bounds the length of an expression.
const maxRegex = 1 << 16

type regex struct {
	write func(automaton.Set) *Grammar
}

// build makes a grammar of an expression. first and last tell whether it is the first and the last of the whole one that can match a character.
func (x *regex) build(re *syntax.Regexp, first, last bool) (*Grammar, error) {
	switch re.Op {
	case syntax.OpNoMatch:
		return Choice(), nil
	case syntax.OpEmptyMatch:
		return Sequence(), nil
	case syntax.OpLiteral:
		var parts []*Grammar
		for _, c := range re.Rune {
			set := automaton.NewSet(c, c)
			if re.Flags&syntax.FoldCase != 0 {
				set = folded(c)
			}
			parts = append(parts, x.write(set))
		}
		return Sequence(parts...), nil
	case syntax.OpCharClass:
		return x.write(automaton.NewSet(re.Rune...)), nil
	case syntax.OpAnyChar:
		return x.write(automaton.All()), nil
	case syntax.OpAnyCharNotNL:
		return x.write(automaton.NewSet('\n', '\n').Negate()), nil
	case syntax.OpCapture:
		return x.build(re.Sub[0], first, last)
	case syntax.OpStar:
		return x.repeat(re.Sub[0], 0, Unbounded)
	case syntax.OpPlus:
		return x.repeat(re.Sub[0], 1, Unbounded)
	case syntax.OpQuest:
		g, err := x.build(re.Sub[0], first, last)
		if err != nil {
			return nil, err
		}
		return Optional(g), nil
	case syntax.OpRepeat:
		return x.repeat(re.Sub[0], re.Min, re.Max)
	case syntax.OpConcat:
		return x.concat(re.Sub, first, last)
	case syntax.OpAlternate:
		var parts []*Grammar
		for _, sub := range re.Sub {
			g, err := x.build(sub, first, last)
			if err != nil {
				return nil, err
			}
			parts = append(parts, g)
		}
		return Choice(parts...), nil
	case syntax.OpBeginText, syntax.OpBeginLine:
		if first {
			return Sequence(), nil
		}
	case syntax.OpEndText, syntax.OpEndLine:
		if last {
			return Sequence(), nil
		}
	case syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return nil, fmt.Errorf("%w: word boundaries (\\b, \\B) are not supported", ErrSyntax)
	}
	return nil, fmt.Errorf("%w: ^ and $ are supported only at the beginning and the end", ErrSyntax)
}

func (x *regex) repeat(re *syntax.Regexp, least, most int) (*Grammar, error) {
	g, err := x.build(re, false, false)
	if err != nil {
		return nil, err
	}
	if most < 0 {
		most = Unbounded
	}
	return Repeat(g, least, most), nil
}

func (x *regex) concat(subs []*syntax.Regexp, first, last bool) (*Grammar, error) {
	lastChar := len(subs) - 1 // what comes after it is anchors
	for lastChar > 0 && isAnchor(subs[lastChar]) {
		lastChar--
	}
	var parts []*Grammar
	for i, sub := range subs {
		g, err := x.build(sub, first, last && i >= lastChar)
		if err != nil {
			return nil, err
		}
		parts = append(parts, g)
		first = first && isAnchor(sub)
	}
	return Sequence(parts...), nil
}

// isAnchor reports whether an expression matches the empty text only.
func isAnchor(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpEmptyMatch:
		return true
	case syntax.OpCapture, syntax.OpConcat:
		for _, s := range re.Sub {
			if !isAnchor(s) {
				return false
			}
		}
		return true
	}
	return false
}

// folded returns a character in upper and lower case.
func folded(c rune) automaton.Set {
	pairs := []rune{c, c}
	for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
		pairs = append(pairs, f, f)
	}
	return automaton.NewSet(pairs...)
}
