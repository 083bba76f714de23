package regex

import (
	"strings"
	"unicode"
)

// class parses what follows a '['.
func (p *parser) class() (set, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.unsupported("classes nested too deeply")
	}
	defer func() { p.depth-- }()
	negated := p.eat("^")
	var parts []set
	common := set{0, unicode.MaxRune} // what the parts before && have in common
	fold := func(s set) set {
		if p.flags.ignoreCase {
			return s.fold()
		}
		return s
	}
	for first := true; ; first = false {
		switch {
		case !p.more():
			return nil, p.syntax("an open class")
		case p.peek("]") && first:
			p.pos++
			if !strings.Contains(p.text[p.pos:], "]") {
				return nil, p.syntax("an empty class")
			}
			parts = append(parts, set{']', ']'})
		case p.eat("]"):
			s := common.intersect(fold(union(parts...)))
			if negated {
				s = s.negate()
			}
			return s, nil
		case p.eat("&&"):
			common = common.intersect(fold(union(parts...)))
			parts = nil
		default:
			s, err := p.classItem()
			if err != nil {
				return nil, err
			}
			parts = append(parts, s)
		}
	}
}

// classItem parses a part of a class: a class, a character or a range.
func (p *parser) classItem() (set, error) {
	if p.peek("[:") {
		if s, ok, err := p.posix(); ok || err != nil {
			return s, err
		}
	}
	if p.eat("[") {
		return p.class()
	}
	low, err := p.classCharacter()
	if err != nil || !low.single() || !p.peek("-") || !p.rangeGoesOn() {
		return low, err
	}
	p.pos++
	high, err := p.classCharacter()
	switch {
	case err != nil:
		return nil, err
	case !high.single(): // a-\d is a, - and \d
		return union(low, set{'-', '-'}, high), nil
	case high[0] < low[0]:
		return nil, p.syntax("a range that ends before it begins")
	}
	return set{low[0], high[0]}, nil
}

// rangeGoesOn tells whether a character follows the '-' here, and not the end
// of the class, an operator or a class.
func (p *parser) rangeGoesOn() bool {
	rest := p.text[p.pos+1:]
	return rest != "" && rest[0] != ']' && rest[0] != '[' && !strings.HasPrefix(rest, "&&")
}

func (p *parser) classCharacter() (set, error) {
	r := p.rune()
	if r != '\\' {
		return set{r, r}, nil
	}
	if p.eat("b") {
		return set{'\b', '\b'}, nil
	}
	if p.eat("R") || p.eat("X") {
		return nil, p.unsupported(`\R in a class`)
	}
	return p.classEscape()
}

// posix parses [:name:] in a class, if there is one.
func (p *parser) posix() (set, bool, error) {
	name, _, ok := strings.Cut(p.text[p.pos+2:], ":]")
	if !ok || strings.ContainsAny(name, "[]\\") || len(name) > 20 {
		return nil, false, nil
	}
	p.pos += len(name) + 4
	name, negated := strings.CutPrefix(name, "^")
	if name == "punct" { // wider than \p{Punct}: symbols are in it
		s := union(category("P"), category("S"))
		if negated {
			s = s.negate()
		}
		return s, true, nil
	}
	s, err := p.named(name, negated)
	return s, true, err
}
