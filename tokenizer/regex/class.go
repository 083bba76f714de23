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
	var (
		parts []set
		met   = set{0, unicode.MaxRune} // what the parts before && have in common
		first = true
	)
	fold := func(s set) set {
		if p.flags.ignoreCase {
			return s.fold()
		}
		return s
	}
	for ; ; first = false {
		if !p.more() {
			return nil, p.syntax("an open class")
		}
		switch {
		case p.eat("]"):
			if first {
				if !strings.Contains(p.text[p.pos:], "]") {
					return nil, p.syntax("an empty class")
				}
				parts = append(parts, set{']', ']'})
				continue
			}
			s := met.intersect(fold(union(parts...)))
			if negated {
				s = s.negate()
			}
			return s, nil
		case p.eat("&&"):
			met = met.intersect(fold(union(parts...)))
			parts = nil
			continue
		case p.peek("[:"):
			if s, ok, err := p.posix(); err != nil {
				return nil, err
			} else if ok {
				parts = append(parts, s)
				continue
			}
			fallthrough
		case p.peek("["):
			p.pos++
			s, err := p.class()
			if err != nil {
				return nil, err
			}
			parts = append(parts, s)
			continue
		}
		low, err := p.classCharacter()
		if err != nil {
			return nil, err
		}
		if len(low) == 2 && low[0] == low[1] && p.peek("-") && p.pos+1 < len(p.text) && p.text[p.pos+1] != ']' &&
			!strings.HasPrefix(p.text[p.pos+1:], "&&") && p.text[p.pos+1] != '[' {
			p.pos++
			high, err := p.classCharacter()
			if err != nil {
				return nil, err
			}
			if len(high) != 2 || high[0] != high[1] { // a-\d is a, - and \d
				parts = append(parts, low, set{'-', '-'}, high)
				continue
			}
			if high[0] < low[0] {
				return nil, p.syntax("a range that ends before it begins")
			}
			low = set{low[0], high[0]}
		}
		parts = append(parts, low)
	}
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
