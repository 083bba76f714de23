package regex

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrSyntax is the error of an expression that is none.
var ErrSyntax = errors.New("regular expression: syntax error")

// ErrUnsupported is the error of an expression with a feature that this
// package lacks; the error around it names the feature.
var ErrUnsupported = errors.New("regular expression: not supported")

// Limits of an expression.
const (
	maxPattern = 1 << 14 // bytes
	maxDepth   = 100     // of groups and classes within each other
	maxRepeat  = 1000    // the largest count
)

type nodeKind uint8

const (
	nodeEmpty  nodeKind = iota
	nodeSet             // one character of set
	nodeCat             // subs in order
	nodeAlt             // the first of subs that leads to a match
	nodeRepeat          // subs[0], min to max times (max < 0: any number)
	nodeAssert          // assert
	nodeLook            // subs[0] matches here (ahead or behind), or, negated, does not
	nodeAtomic          // the first match of subs[0], never reconsidered
)

type node struct {
	kind             nodeKind
	set              set
	subs             []*node
	min, max         int
	lazy, possessive bool
	assert           assertion
	behind, negated  bool
}

type assertion uint8

const (
	lineStart assertion = iota
	lineEnd
	textStart
	textEnd
	textEndOrNewline
	wordBoundary
	noWordBoundary
)

// flags are the options that (?imx) sets.
type flags struct{ ignoreCase, dotAll, extended bool }

type parser struct {
	text  string
	pos   int
	depth int
	flags flags
	cache map[string]set
}

func parse(pattern string) (*node, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("%w: it is %d bytes long, more than %d", ErrUnsupported, len(pattern), maxPattern)
	}
	if !utf8.ValidString(pattern) {
		return nil, fmt.Errorf("%w: it is not UTF-8", ErrSyntax)
	}
	p := &parser{text: pattern, cache: map[string]set{}}
	n, err := p.alternation()
	if err == nil && p.pos < len(p.text) {
		err = p.syntax("an unmatched )")
	}
	return n, err
}

func (p *parser) syntax(what string) error {
	return fmt.Errorf("%w: %s at byte %d of %q", ErrSyntax, what, p.pos, p.text)
}

func (p *parser) unsupported(what string) error {
	return fmt.Errorf("%w: %s at byte %d of %q", ErrUnsupported, what, p.pos, p.text)
}

func (p *parser) more() bool { return p.pos < len(p.text) }

// peek reports whether the text goes on with s; eat also goes past it.
func (p *parser) peek(s string) bool { return strings.HasPrefix(p.text[p.pos:], s) }

func (p *parser) eat(s string) bool {
	if !p.peek(s) {
		return false
	}
	p.pos += len(s)
	return true
}

func (p *parser) rune() rune {
	r, n := utf8.DecodeRuneInString(p.text[p.pos:])
	p.pos += n
	return r
}

// alternation parses up to the end or a ')', which it leaves.
func (p *parser) alternation() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.unsupported("groups nested too deeply")
	}
	defer func() { p.depth-- }()
	outer := p.flags // (?i) holds to the end of the group
	defer func() { p.flags = outer }()
	var alts []*node
	for {
		n, err := p.sequence()
		if err != nil {
			return nil, err
		}
		alts = append(alts, n)
		if !p.eat("|") {
			break
		}
	}
	if len(alts) == 1 {
		return alts[0], nil
	}
	return &node{kind: nodeAlt, subs: alts}, nil
}

func (p *parser) sequence() (*node, error) {
	cat := &node{kind: nodeCat}
	for p.more() && !p.peek("|") && !p.peek(")") {
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n == nil {
			continue
		}
		if n, err = p.quantified(n); err != nil {
			return nil, err
		}
		cat.subs = append(cat.subs, n)
	}
	return cat, nil
}

// quantified applies the quantifiers after an atom, of which there may be several.
func (p *parser) quantified(n *node) (*node, error) {
	for depth := 0; ; depth++ {
		if depth > 8 {
			return nil, p.unsupported("quantifiers nested too deeply")
		}
		p.skipExtended()
		r := &node{kind: nodeRepeat, subs: []*node{n}, max: -1}
		interval := false
		switch {
		case p.eat("*"):
		case p.eat("+"):
			r.min = 1
		case p.eat("?"):
			r.max = 1
		case p.peek("{"):
			ok, err := p.interval(r)
			if err != nil {
				return nil, err
			}
			if !ok {
				return n, nil // a brace that is a character
			}
			interval = true
		default:
			return n, nil
		}
		if n.kind == nodeAssert {
			return nil, p.syntax("an anchor cannot be repeated")
		}
		// In Ruby's dialect + after {n,m} repeats the repetition, and ? after
		// {n} makes it optional.
		switch {
		case interval && r.min == r.max && p.peek("?"):
		case p.eat("?"):
			r.lazy = true
		case !interval && p.eat("+"):
			r.possessive = true
		}
		n = r
	}
}

// interval parses {n}, {n,}, {,m} or {n,m}, and reports whether there is one.
func (p *parser) interval(r *node) (bool, error) {
	begin := p.pos
	p.pos++
	number := func() (int, bool) {
		n, from := 0, p.pos
		for p.more() && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
			n = min(n*10+int(p.text[p.pos]-'0'), maxRepeat+1)
			p.pos++
		}
		return n, p.pos > from
	}
	low, haveLow := number()
	high, haveHigh := low, haveLow
	if p.eat(",") {
		high, haveHigh = number()
		if !haveHigh {
			high = -1
		}
	}
	if !p.eat("}") || !haveLow && !haveHigh {
		p.pos = begin
		return false, nil
	}
	switch {
	case low > maxRepeat || high > maxRepeat:
		return false, p.unsupported(fmt.Sprintf("a count above %d", maxRepeat))
	case high >= 0 && low > high:
		return false, p.unsupported("an interval with its ends swapped")
	}
	r.min, r.max = low, high
	return true, nil
}

// skipExtended goes past what (?x) makes no part of the expression.
func (p *parser) skipExtended() {
	for p.flags.extended && p.more() {
		switch c := p.text[p.pos]; {
		case c == ' ' || c >= '\t' && c <= '\r':
			p.pos++
		case c == '#':
			for p.more() && p.text[p.pos] != '\n' {
				p.pos++
			}
		default:
			return
		}
	}
}

// atom parses what a quantifier may follow; nil if it is nothing, as a comment.
func (p *parser) atom() (*node, error) {
	p.skipExtended()
	if !p.more() || p.peek("|") || p.peek(")") {
		return nil, nil
	}
	switch begin := p.pos; p.rune() {
	case '(':
		return p.group()
	case '[':
		s, err := p.class()
		if err != nil {
			return nil, err
		}
		return &node{kind: nodeSet, set: s}, nil
	case '.':
		if p.flags.dotAll {
			return &node{kind: nodeSet, set: set{0, unicode.MaxRune}}, nil
		}
		return &node{kind: nodeSet, set: set{'\n', '\n'}.negate()}, nil
	case '^':
		return &node{kind: nodeAssert, assert: lineStart}, nil
	case '$':
		return &node{kind: nodeAssert, assert: lineEnd}, nil
	case '*', '+', '?':
		p.pos = begin
		return nil, p.syntax("nothing to repeat")
	case '\\':
		return p.escape()
	default:
		p.pos = begin
		return p.literal(p.rune()), nil
	}
}

// literal returns the node of one character, in either case where case is ignored.
func (p *parser) literal(r rune) *node {
	s := set{r, r}
	if p.flags.ignoreCase {
		s = s.fold()
	}
	return &node{kind: nodeSet, set: s}
}

// group parses what follows a '('.
func (p *parser) group() (*node, error) {
	n := &node{kind: nodeCat}
	flags := p.flags
	switch {
	case !p.eat("?"):
	case p.eat("#"):
		end := strings.IndexByte(p.text[p.pos:], ')')
		if end < 0 {
			return nil, p.syntax("an open comment")
		}
		p.pos += end + 1
		return nil, nil
	case p.eat(":"):
	case p.eat(">"):
		n.kind = nodeAtomic
	case p.eat("="):
		n.kind = nodeLook
	case p.eat("!"):
		n.kind, n.negated = nodeLook, true
	case p.eat("<="):
		n.kind, n.behind = nodeLook, true
	case p.eat("<!"):
		n.kind, n.behind, n.negated = nodeLook, true, true
	case p.eat("<"), p.eat("'"):
		end := strings.IndexAny(p.text[p.pos:], ">'")
		if end <= 0 {
			return nil, p.syntax("a group without a name")
		}
		p.pos += end + 1
	default:
		done, err := p.options(&flags)
		if err != nil {
			return nil, err
		}
		if done { // (?i): to the end of the group around, as one more group
			p.flags = flags
			return p.alternation()
		}
	}
	outer := p.flags
	p.flags = flags
	sub, err := p.alternation()
	p.flags = outer
	if err != nil {
		return nil, err
	}
	if !p.eat(")") {
		return nil, p.syntax("an open group")
	}
	n.subs = []*node{sub}
	if n.behind {
		for _, a := range sub.alternatives() {
			if _, ok := a.width(); !ok {
				return nil, p.unsupported("a lookbehind of variable length")
			}
		}
	}
	return n, nil
}

// options parses the letters of (?im-x: or (?im-x) and reports whether it was
// the latter.
func (p *parser) options(f *flags) (bool, error) {
	on := true
	for p.more() {
		switch c := p.text[p.pos]; c {
		case 'i':
			f.ignoreCase = on
		case 'm':
			f.dotAll = on
		case 'x':
			f.extended = on
		case '-':
			on = false
		case ':', ')':
			p.pos++
			return c == ')', nil
		default:
			return false, p.unsupported(fmt.Sprintf("(?%c", c))
		}
		p.pos++
	}
	return false, p.syntax("an open group")
}

// alternatives returns what a node is a choice of: itself, if it is none.
func (n *node) alternatives() []*node {
	if n.kind == nodeAlt {
		return n.subs
	}
	return []*node{n}
}

// width returns the number of characters that a node matches, if it is fixed.
func (n *node) width() (int, bool) {
	switch n.kind {
	case nodeSet:
		return 1, true
	case nodeCat, nodeAtomic:
		sum := 0
		for _, s := range n.subs {
			w, ok := s.width()
			if !ok {
				return 0, false
			}
			sum += w
		}
		return sum, true
	case nodeAlt:
		w, ok := n.subs[0].width()
		for _, s := range n.subs[1:] {
			v, fixed := s.width()
			ok = ok && fixed && v == w
		}
		return w, ok
	case nodeRepeat:
		w, ok := n.subs[0].width()
		return w * n.min, ok && n.min == n.max
	}
	return 0, true
}
