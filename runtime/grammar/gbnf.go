package grammar

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"st/runtime/grammar/automaton"
)

// ParseGBNF reads a grammar in llama.cpp's notation (grammars/README.md there): rules, alternatives, groups, characters and classes of them
// with ranges, negation and the escapes \x, \u, \U, repetitions, comments, and tokens such as <think>, <[1000]> and !<think>. The rule root
// is the whole text. If a rule is defined twice, the last one counts. Errors wrap [ErrSyntax] and give line and column, or [ErrTooLarge] for more
// than [MaxText] bytes.
func ParseGBNF(text string) (*Grammar, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: its text has %d bytes, and at most %d are read", ErrTooLarge, len(text), MaxText)
	}
	p := &gbnf{text: text, rules: map[string]*Rule{}}
	err := p.parse()
	if err != nil {
		return nil, err
	}
	return p.rules["root"].Grammar(), nil
}

// MaxText bounds the text of a grammar in GBNF, in bytes: what it is read into takes some hundred times as much.
const MaxText = 1 << 20

type gbnf struct {
	text  string
	at    int
	depth int
	rules map[string]*Rule
	first map[string]int // where a rule is referred to first
}

func (p *gbnf) errorf(at int, format string, args ...any) error {
	before := p.text[:at]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return fmt.Errorf("%w: line %d, column %d: %s", ErrSyntax, line, column, fmt.Sprintf(format, args...))
}

// peek returns the next byte; 0: there is none.
func (p *gbnf) peek() byte {
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

// accept goes over s if it comes next.
func (p *gbnf) accept(s string) bool {
	if strings.HasPrefix(p.text[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

// next describes what comes next, for errors.
func (p *gbnf) next() string {
	if p.at == len(p.text) {
		return "the end of the grammar"
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.at:])
	return strconv.QuoteRune(r)
}

// space goes over white space and comments.
func (p *gbnf) space(newlines bool) {
	for {
		switch c := p.peek(); {
		case c == ' ', c == '\t', newlines && (c == '\r' || c == '\n'):
			p.at++
		case c == '#':
			if n := strings.IndexAny(p.text[p.at:], "\r\n"); n >= 0 {
				p.at += n
			} else {
				p.at = len(p.text)
			}
		default:
			return
		}
	}
}

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-'
}

func (p *gbnf) name() string {
	from := p.at
	for isName(p.peek()) {
		p.at++
	}
	return p.text[from:p.at]
}

// rule returns the rule of a name.
func (p *gbnf) rule(name string) *Rule {
	r, ok := p.rules[name]
	if !ok {
		r = NewRule(name)
		p.rules[name] = r
	}
	return r
}

func (p *gbnf) parse() error {
	if !utf8.ValidString(p.text) || strings.Contains(p.text, "\x00") {
		return fmt.Errorf("%w: it is not UTF-8 text", ErrSyntax)
	}
	p.first = map[string]int{}
	for p.space(true); p.at < len(p.text); p.space(true) {
		name := p.name()
		if name == "" {
			return p.errorf(p.at, "a rule's name is expected, not %s", p.next())
		}
		if p.space(false); !p.accept("::=") {
			return p.errorf(p.at, "::= is expected after %s, not %s", name, p.next())
		}
		p.space(true)
		body, err := p.alternatives(false)
		if err != nil {
			return err
		}
		if c := p.peek(); c != 0 && c != '\r' && c != '\n' {
			return p.errorf(p.at, "the end of the rule %s is expected, not %s", name, p.next())
		}
		p.rule(name).Define(body)
	}
	undefined, at := "", math.MaxInt
	for name, from := range p.first {
		if p.rules[name].body == nil && from < at {
			undefined, at = name, from
		}
	}
	if undefined != "" {
		return p.errorf(at, "rule %s is not defined", undefined)
	}
	if p.rules["root"] == nil {
		return fmt.Errorf("%w: rule root is not defined", ErrSyntax)
	}
	return nil
}

// maxGroups bounds how deep groups are nested.
const maxGroups = 2000

func (p *gbnf) alternatives(nested bool) (*Grammar, error) {
	if p.depth++; p.depth > maxGroups {
		return nil, p.errorf(p.at, "groups are nested deeper than %d", maxGroups)
	}
	defer func() { p.depth-- }()
	var choices []*Grammar
	for {
		s, err := p.sequence(nested)
		if err != nil {
			return nil, err
		}
		choices = append(choices, s)
		if !p.accept("|") {
			return Choice(choices...), nil
		}
		p.space(true)
	}
}

func (p *gbnf) sequence(nested bool) (*Grammar, error) {
	var parts []*Grammar
	for {
		from := p.at
		part, err := p.item()
		if err != nil {
			return nil, err
		}
		if part != nil {
			parts = append(parts, part)
			p.space(nested)
			continue
		}
		least, most, ok, err := p.repetition(nested)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return Sequence(parts...), nil
		case len(parts) == 0:
			return nil, p.errorf(from, "there is nothing before it to repeat")
		}
		last := &parts[len(parts)-1]
		*last = Repeat(*last, least, most)
		p.space(nested)
	}
}

// item reads what a repetition would repeat; nil: there is none.
func (p *gbnf) item() (*Grammar, error) {
	switch c := p.peek(); {
	case c == '"':
		return p.literal()
	case c == '[':
		return p.class()
	case c == '<', c == '!':
		return p.token()
	case c == '(':
		return p.group()
	case c == '.':
		p.at++
		return Class(automaton.All()), nil
	case isName(c):
		at := p.at
		name := p.name()
		if _, ok := p.first[name]; !ok {
			p.first[name] = at
		}
		return p.rule(name).Grammar(), nil
	}
	return nil, nil
}

func (p *gbnf) group() (*Grammar, error) {
	p.at++
	p.space(true)
	g, err := p.alternatives(true)
	if err != nil {
		return nil, err
	}
	if !p.accept(")") {
		return nil, p.errorf(p.at, "the ) of a group is expected, not %s", p.next())
	}
	return g, nil
}
