package regex

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escape parses what follows a '\' outside of classes.
func (p *parser) escape() (*node, error) {
	if !p.more() {
		return nil, p.syntax("a backslash at the end")
	}
	switch c := p.text[p.pos]; c {
	case 'b', 'B', 'A', 'z', 'Z':
		p.pos++
		a := map[byte]assertion{'b': wordBoundary, 'B': noWordBoundary, 'A': textStart, 'z': textEnd, 'Z': textEndOrNewline}[c]
		return &node{kind: nodeAssert, assert: a}, nil
	case 'R':
		p.pos++
		crlf := &node{kind: nodeCat, subs: []*node{{kind: nodeSet, set: set{'\r', '\r'}}, {kind: nodeSet, set: set{'\n', '\n'}}}}
		line := &node{kind: nodeSet, set: set{'\n', '\r', 0x85, 0x85, 0x2028, 0x2029}}
		return &node{kind: nodeAtomic, subs: []*node{{kind: nodeAlt, subs: []*node{crlf, line}}}}, nil
	case 'N', 'O':
		p.pos++
		if c == 'O' {
			return &node{kind: nodeSet, set: set{0, unicode.MaxRune}}, nil
		}
		return &node{kind: nodeSet, set: set{'\n', '\n'}.negate()}, nil
	case 'G', 'K', 'X', 'k', 'g', 'y', 'Y', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return nil, p.unsupported(`\` + string(c))
	}
	begin := p.pos
	s, err := p.classEscape()
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(p.text[begin:p.pos]) {
	case "w", "p{word}", "p{^word}":
		if s.contains('_') {
			s = union(s, latinWords)
		} else {
			s = s.minus(latinWords)
		}
	}
	if s.single() {
		return p.literal(s[0]), nil
	}
	return &node{kind: nodeSet, set: s}, nil
}

// The escapes of one character, and those of a class, which negates if its
// letter is upper case.
var (
	controlEscapes = map[rune]rune{'t': '\t', 'n': '\n', 'r': '\r', 'f': '\f', 'v': '\v', 'a': '\a', 'e': 0x1B}
	setEscapes     = map[rune]string{'s': "space", 'd': "digit", 'w': "word", 'h': "xdigit"}
)

// classEscape parses what follows a '\' that stands for a set of characters
// or for one.
func (p *parser) classEscape() (set, error) {
	if !p.more() {
		return nil, p.syntax("a backslash at the end")
	}
	r := p.rune()
	if name, ok := setEscapes[unicode.ToLower(r)]; ok {
		return p.named(name, unicode.IsUpper(r))
	}
	if c, ok := controlEscapes[r]; ok {
		return set{c, c}, nil
	}
	switch r {
	case 'p', 'P':
		return p.propertyEscape(r == 'P')
	case '0':
		x := rune(0)
		for i := 0; i < 2 && p.more() && p.text[p.pos] >= '0' && p.text[p.pos] <= '7'; i++ {
			x = x*8 + rune(p.text[p.pos]-'0')
			p.pos++
		}
		return set{x, x}, nil
	case 'x':
		return p.hexEscape()
	case 'u':
		x, n := p.hex(4)
		if n < 4 {
			return nil, p.syntax(`\u without four digits`)
		}
		return p.character(x)
	case 'c', 'C', 'M':
		return nil, p.unsupported(`\` + string(r))
	}
	return set{r, r}, nil
}

// propertyEscape parses the name of a property and its braces.
func (p *parser) propertyEscape(negated bool) (set, error) {
	if !p.eat("{") {
		return nil, p.unsupported(`\p without braces`)
	}
	name, _, ok := strings.Cut(p.text[p.pos:], "}")
	if !ok {
		return nil, p.syntax(`an open \p{`)
	}
	p.pos += len(name) + 1
	name, not := strings.CutPrefix(name, "^")
	return p.named(name, not != negated)
}

// hexEscape parses what follows \x: two digits, or up to eight in braces.
func (p *parser) hexEscape() (set, error) {
	if p.eat("{") {
		x, n := p.hex(8)
		if n == 0 || !p.eat("}") {
			return nil, p.unsupported(`\x{ of several characters`)
		}
		return p.character(x)
	}
	x, _ := p.hex(2)
	if x > 127 {
		return nil, p.unsupported(`\x of a byte beyond ASCII`)
	}
	return set{x, x}, nil
}

func (p *parser) character(x rune) (set, error) {
	if !utf8.ValidRune(x) {
		return nil, p.syntax("a number that is no character")
	}
	return set{x, x}, nil
}

// hex reads up to n hexadecimal digits and returns their number too.
func (p *parser) hex(n int) (rune, int) {
	x, i := rune(0), 0
	for ; i < n && p.more(); i++ {
		c := p.text[p.pos]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return x, i
		}
		if x = x<<4 | rune(c); x > unicode.MaxRune {
			x = unicode.MaxRune + 1
		}
		p.pos++
	}
	return x, i
}

// named returns a property, or what is not in it.
func (p *parser) named(name string, negated bool) (set, error) {
	key := foldName(name)
	if negated {
		key = "^" + key
	}
	if s, ok := p.cache[key]; ok {
		return s, nil
	}
	s := property(name)
	if s == nil {
		return nil, p.unsupported(fmt.Sprintf(`\p{%s}`, name))
	}
	if negated {
		s = s.negate()
	}
	p.cache[key] = s
	return s, nil
}
