package grammar

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"st/runtime/grammar/automaton"
)

func (p *gbnf) literal() (*Grammar, error) {
	var text strings.Builder
	for p.at++; !p.accept(`"`); {
		c, err := p.character()
		if err != nil {
			return nil, err
		}
		text.WriteRune(c)
	}
	return Literal(text.String()), nil
}

func (p *gbnf) class() (*Grammar, error) {
	from := p.at
	p.at++
	negated := p.accept("^")
	var pairs []rune
	for !p.accept("]") {
		lo, err := p.character()
		if err != nil {
			return nil, err
		}
		hi := lo
		if p.peek() == '-' && !strings.HasPrefix(p.text[p.at:], "-]") {
			at := p.at
			p.at++
			if hi, err = p.character(); err != nil {
				return nil, err
			}
			if hi < lo {
				return nil, p.errorf(at, "the range ends before it begins")
			}
		}
		pairs = append(pairs, lo, hi)
	}
	if len(pairs) == 0 {
		return nil, p.errorf(from, "the class has no characters")
	}
	set := automaton.NewSet(pairs...)
	if negated {
		set = set.Negate()
	}
	return Class(set), nil
}

// character reads a character of a literal or a class.
func (p *gbnf) character() (rune, error) {
	if p.at == len(p.text) {
		return 0, p.errorf(p.at, "the grammar ends within a literal or a class")
	}
	c, n := utf8.DecodeRuneInString(p.text[p.at:])
	at := p.at
	if p.at += n; c != '\\' {
		return c, nil
	}
	if p.at == len(p.text) {
		return 0, p.errorf(at, "the grammar ends within an escape")
	}
	digits := 0
	c = rune(p.text[p.at])
	p.at++
	switch c {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case 't':
		return '\t', nil
	case 'r':
		return '\r', nil
	case 'n':
		return '\n', nil
	case '\\', '"', '[', ']':
		return c, nil
	default:
		return 0, p.errorf(at, `the escape is unknown: there are \x, \u, \U, \t, \r, \n, \\, \", \[ and \]`)
	}
	if len(p.text)-p.at < digits {
		return 0, p.errorf(at, `\%c needs %d hexadecimal digits`, c, digits)
	}
	code, err := strconv.ParseUint(p.text[p.at:p.at+digits], 16, 32)
	if err != nil {
		return 0, p.errorf(at, `\%c needs %d hexadecimal digits`, c, digits)
	}
	if p.at += digits; code > utf8.MaxRune || !utf8.ValidRune(rune(code)) {
		return 0, p.errorf(at, "U+%04X is no character", code)
	}
	return rune(code), nil
}

func (p *gbnf) token() (*Grammar, error) {
	from := p.at
	negated := p.accept("!")
	if !p.accept("<") {
		return nil, p.errorf(p.at, "a token such as <think> or <[1000]> is expected after !, not %s", p.next())
	}
	if p.accept("[") {
		end := strings.Index(p.text[p.at:], "]>")
		if end < 0 {
			return nil, p.errorf(from, "the token lacks its ]>")
		}
		id, err := strconv.ParseUint(p.text[p.at:p.at+end], 10, 31)
		if err != nil {
			return nil, p.errorf(from, "the token's number is a whole number of 0 or more")
		}
		p.at += end + len("]>")
		return &Grammar{op: opToken, token: int32(id), negated: negated}, nil
	}
	end := strings.IndexByte(p.text[p.at:], '>')
	if end < 0 {
		return nil, p.errorf(from, "the token lacks its >")
	}
	text := p.text[p.at-1 : p.at+end+1] // with < and >
	p.at += end + 1
	if negated {
		return NotToken(text), nil
	}
	return Token(text), nil
}

// repetition reads *, +, ? or a number of repetitions in braces.
func (p *gbnf) repetition(nested bool) (least, most int, ok bool, err error) {
	from := p.at
	switch {
	case p.accept("*"):
		return 0, Unbounded, true, nil
	case p.accept("+"):
		return 1, Unbounded, true, nil
	case p.accept("?"):
		return 0, 1, true, nil
	case !p.accept("{"):
		return 0, 0, false, nil
	}
	p.space(nested)
	if least, err = p.number(); err != nil {
		return 0, 0, false, err
	}
	p.space(nested)
	if most = least; p.accept(",") {
		p.space(nested)
		if most = Unbounded; p.peek() != '}' {
			if most, err = p.number(); err != nil {
				return 0, 0, false, err
			}
			p.space(nested)
		}
	}
	switch {
	case !p.accept("}"):
		return 0, 0, false, p.errorf(p.at, "} is expected, not %s", p.next())
	case most != Unbounded && most < least:
		return 0, 0, false, p.errorf(from, "at least %d and at most %d repetitions: there is no such number", least, most)
	}
	return least, most, true, nil
}

// maxRepetitions bounds the numbers in braces.
const maxRepetitions = 1 << 20

func (p *gbnf) number() (int, error) {
	from := p.at
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.at++
	}
	if p.at == from {
		return 0, p.errorf(from, "a number of repetitions is expected, not %s", p.next())
	}
	n, err := strconv.Atoi(p.text[from:p.at])
	if err != nil || n > maxRepetitions {
		return 0, p.errorf(from, "more than %d repetitions", maxRepetitions)
	}
	return n, nil
}
