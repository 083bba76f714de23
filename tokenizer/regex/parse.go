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
		if _, ok := sub.width(); !ok {
			alts := sub
			if sub.kind != nodeAlt {
				alts = &node{kind: nodeAlt, subs: []*node{sub}}
			}
			for _, a := range alts.subs {
				if _, ok := a.width(); !ok {
					return nil, p.unsupported("a lookbehind of variable length")
				}
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
	if len(s) == 2 && s[0] == s[1] {
		return p.literal(s[0]), nil
	}
	return &node{kind: nodeSet, set: s}, nil
}

// classEscape parses what follows a '\' that stands for a set of characters
// or for one.
func (p *parser) classEscape() (set, error) {
	if !p.more() {
		return nil, p.syntax("a backslash at the end")
	}
	one := func(r rune) (set, error) { return set{r, r}, nil }
	switch r := p.rune(); r {
	case 's':
		return p.named("space", false)
	case 'S':
		return p.named("space", true)
	case 'd':
		return p.named("digit", false)
	case 'D':
		return p.named("digit", true)
	case 'w':
		return p.named("word", false)
	case 'W':
		return p.named("word", true)
	case 'h':
		return p.named("xdigit", false)
	case 'H':
		return p.named("xdigit", true)
	case 'p', 'P':
		if !p.eat("{") {
			return nil, p.unsupported(`\p without braces`)
		}
		end := strings.IndexByte(p.text[p.pos:], '}')
		if end < 0 {
			return nil, p.syntax(`an open \p{`)
		}
		name := p.text[p.pos : p.pos+end]
		p.pos += end + 1
		name, negated := strings.CutPrefix(name, "^")
		return p.named(name, negated != (r == 'P'))
	case 't':
		return one('\t')
	case 'n':
		return one('\n')
	case 'r':
		return one('\r')
	case 'f':
		return one('\f')
	case 'v':
		return one('\v')
	case 'a':
		return one('\a')
	case 'e':
		return one(0x1B)
	case '0':
		x := rune(0)
		for i := 0; i < 2 && p.more() && p.text[p.pos] >= '0' && p.text[p.pos] <= '7'; i++ {
			x = x*8 + rune(p.text[p.pos]-'0')
			p.pos++
		}
		return one(x)
	case 'x':
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
		return one(x)
	case 'u':
		x, n := p.hex(4)
		if n < 4 {
			return nil, p.syntax(`\u without four digits`)
		}
		return p.character(x)
	case 'c', 'C', 'M':
		return nil, p.unsupported(`\` + string(r))
	default:
		return one(r)
	}
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
