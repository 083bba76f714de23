package jinja

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEOF tokenKind = iota
	tokenData
	tokenVariableBegin
	tokenVariableEnd
	tokenBlockBegin
	tokenBlockEnd
	tokenName
	tokenString
	tokenNumber
	tokenOperator
)

type token struct {
	kind  tokenKind
	line  int
	text  string // of data, a name, an operator; the value of a string
	value any    // of a number
}

// describe names a token in an error.
func (t *token) describe() string {
	switch t.kind {
	case tokenEOF:
		return "the end of the template"
	case tokenData:
		return "template text"
	case tokenVariableBegin:
		return "'{{'"
	case tokenVariableEnd:
		return "'}}'"
	case tokenBlockBegin:
		return "'{%'"
	case tokenBlockEnd:
		return "'%}'"
	case tokenString:
		return "a string"
	case tokenNumber:
		return "a number"
	}
	return "'" + t.text + "'"
}

// lexer turns source into tokens. It carries out the white space control: the
// signs - and + in tags, trim_blocks and lstrip_blocks.
type lexer struct {
	src       string
	pos, line int
	lineStart bool // whether what was read last ended a line
	tokens    []token
}

func lex(src string) []token {
	if len(src) > maxSource {
		fail(1, ErrLimit, "the template has %d bytes, more than %d", len(src), maxSource)
	}
	if strings.Contains(src, "\r") {
		src = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(src)
	}
	l := &lexer{src: strings.TrimSuffix(src, "\n"), line: 1, lineStart: true, tokens: make([]token, 0, len(src)/6+1)}
	for l.pos < len(l.src) {
		l.root()
	}
	l.emit(tokenEOF, "")
	return l.tokens
}

func (l *lexer) emit(kind tokenKind, text string) {
	l.tokens = append(l.tokens, token{kind: kind, line: l.line, text: text})
}

// advance moves to position to, counting lines.
func (l *lexer) advance(to int) {
	l.line += strings.Count(l.src[l.pos:to], "\n")
	l.lineStart = to > l.pos && l.src[to-1] == '\n'
	l.pos = to
}

// root reads text and the tag after it.
func (l *lexer) root() {
	open := l.pos
	for {
		i := strings.IndexByte(l.src[open:], '{')
		if i < 0 || open+i+1 >= len(l.src) {
			l.data(l.src[l.pos:])
			l.advance(len(l.src))
			return
		}
		if open += i; strings.IndexByte("{%#", l.src[open+1]) >= 0 {
			break
		}
		open++
	}
	kind, body := l.src[open+1], open+2
	sign := byte(0)
	if body < len(l.src) && (l.src[body] == '-' || l.src[body] == '+') {
		sign = l.src[body]
		body++
	}
	l.data(l.before(l.src[l.pos:open], sign, kind == '{'))
	l.advance(open)
	if kind == '%' {
		if end, ok := matchRaw(l.src[body:], "raw"); ok && l.src[body+end-3] != '+' {
			l.raw(open, body+end)
			return
		}
	}
	switch kind {
	case '#':
		l.comment(body)
	case '{':
		l.emit(tokenVariableBegin, "")
		l.advance(body)
		l.expression('}')
	default:
		l.emit(tokenBlockBegin, "")
		l.advance(body)
		l.expression('%')
	}
}

func (l *lexer) data(text string) {
	if text != "" {
		l.emit(tokenData, text)
	}
}

// before returns the text before a tag, less what the tag strips.
func (l *lexer) before(text string, sign byte, variable bool) string {
	switch {
	case sign == '-':
		return strings.TrimRightFunc(text, isSpace)
	case sign == 0 && !variable: // lstrip_blocks
		line := strings.LastIndexByte(text, '\n') + 1
		if (line > 0 || l.lineStart) && strings.TrimLeftFunc(text[line:], isSpace) == "" {
			return text[:line]
		}
	}
	return text
}

// after returns the position after the end of a tag at position end, at which
// a sign may stand, and what the end strips.
func (l *lexer) after(end int, trimBlocks bool) int {
	switch l.src[end] {
	case '-':
		end += 3
		return end + len(l.src[end:]) - len(strings.TrimLeftFunc(l.src[end:], isSpace))
	case '+':
		return end + 3
	}
	if end += 2; trimBlocks && end < len(l.src) && l.src[end] == '\n' {
		end++
	}
	return end
}

// matchRaw matches white space, the name of a tag, and the tag's end, in front
// of which a sign may stand. It returns the length of all.
func matchRaw(s, name string) (int, bool) {
	rest, ok := strings.CutPrefix(strings.TrimLeftFunc(s, isSpace), name)
	if !ok {
		return 0, false
	}
	rest = strings.TrimLeftFunc(rest, isSpace)
	n := 0
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		n = 1
	}
	if !strings.HasPrefix(rest[n:], "%}") {
		return 0, false
	}
	return len(s) - len(rest) + n + 2, true
}

// raw reads a raw block, whose first tag ends at position body.
func (l *lexer) raw(open, body int) {
	if l.src[body-3] == '-' {
		body += len(l.src[body:]) - len(strings.TrimLeftFunc(l.src[body:], isSpace))
	}
	line := l.line
	l.advance(body)
	if body == len(l.src) {
		return
	}
	for at := body; ; at += 2 {
		i := strings.Index(l.src[at:], "{%")
		if i < 0 {
			fail(line, ErrSyntax, "the raw block %.20q has no end", l.src[open:])
		}
		at += i
		tag, sign := at+2, byte(0)
		if tag < len(l.src) && (l.src[tag] == '-' || l.src[tag] == '+') {
			sign = l.src[tag]
			tag++
		}
		if n, ok := matchRaw(l.src[tag:], "endraw"); ok {
			l.data(l.before(l.src[body:at], sign, false))
			end := tag + n - 2
			if c := l.src[end-1]; c == '-' || c == '+' {
				end--
			}
			l.advance(l.after(end, true))
			return
		}
	}
}

func (l *lexer) comment(body int) {
	if body == len(l.src) { // Jinja reads this as an empty comment
		l.advance(body)
		return
	}
	n := strings.Index(l.src[body:], "#}")
	if n < 0 {
		fail(l.line, ErrSyntax, "the comment %.40q has no end", l.src[l.pos:])
	}
	end := body + n
	if n > 0 && (l.src[end-1] == '-' || l.src[end-1] == '+') {
		end--
	}
	l.advance(l.after(end, true))
}

const operators = "+-/*%~[](){}><=.:|,;"

var (
	floatPattern   = regexp.MustCompile(`^(?i:(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+\-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+))`)
	integerPattern = regexp.MustCompile(`^(?i:0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*)`)
)

// expression reads the tokens of a tag up to its end: }} or %}, where closing
// is the first character, outside of brackets.
func (l *lexer) expression(closing byte) {
	var brackets []byte
	begin := l.line
	for {
		rest := l.src[l.pos:]
		trimmed := strings.TrimLeftFunc(rest, isSpace)
		l.advance(len(l.src) - len(trimmed))
		rest = trimmed
		if rest == "" {
			fail(begin, ErrSyntax, "the tag that begins here has no end")
		}
		if len(brackets) == 0 && l.tagEnd(rest, closing) {
			return
		}
		c := rest[0]
		r, _ := utf8.DecodeRuneInString(rest)
		switch {
		case c >= '0' && c <= '9':
			l.number(rest)
		case r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nl, r):
			n := strings.IndexFunc(rest, func(r rune) bool { return !isNameRune(r) })
			if n < 0 {
				n = len(rest)
			}
			l.emit(tokenName, rest[:n])
			l.advance(l.pos + n)
		case c == '"' || c == '\'':
			l.string(rest)
		default:
			brackets = l.operator(rest, brackets)
		}
	}
}

// tagEnd reads the end of a tag, if rest begins with it.
func (l *lexer) tagEnd(rest string, closing byte) bool {
	at := 0
	if rest[0] == '-' || rest[0] == '+' && closing == '%' {
		at = 1
	}
	if len(rest) < at+2 || rest[at] != closing || rest[at+1] != '}' {
		return false
	}
	kind := tokenVariableEnd
	if closing == '%' {
		kind = tokenBlockEnd
	}
	l.emit(kind, "")
	l.advance(l.after(l.pos, closing == '%'))
	return true
}

// operator reads an operator and returns the closing brackets that are still to come.
func (l *lexer) operator(rest string, brackets []byte) []byte {
	n := 1
	c := rest[0]
	switch {
	case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "**"), strings.HasPrefix(rest, "=="),
		strings.HasPrefix(rest, "!="), strings.HasPrefix(rest, ">="), strings.HasPrefix(rest, "<="):
		n = 2
	case strings.IndexByte(operators, c) < 0:
		r, _ := utf8.DecodeRuneInString(rest)
		fail(l.line, ErrSyntax, "unexpected character %q", r)
	}
	switch c {
	case '(':
		brackets = append(brackets, ')')
	case '[':
		brackets = append(brackets, ']')
	case '{':
		brackets = append(brackets, '}')
	case ')', ']', '}':
		if len(brackets) == 0 {
			fail(l.line, ErrSyntax, "unexpected '%c'", c)
		}
		if want := brackets[len(brackets)-1]; want != c {
			fail(l.line, ErrSyntax, "unexpected '%c', expected '%c'", c, want)
		}
		brackets = brackets[:len(brackets)-1]
	}
	if len(brackets) > maxNesting {
		fail(l.line, ErrLimit, "brackets nest more than %d deep", maxNesting)
	}
	l.emit(tokenOperator, rest[:n])
	l.advance(l.pos + n)
	return brackets
}

func isNameRune(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || r > 0x7F && unicode.In(r, unicode.Nl, unicode.Mn, unicode.Mc, unicode.Pc)
}

func (l *lexer) number(rest string) {
	var value any
	text := ""
	if l.src[l.pos-1] != '.' { // a.0.1 are two subscripts
		text = floatPattern.FindString(rest)
	}
	if text != "" {
		f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err != nil {
			f = math.Inf(1)
		}
		value = f
	} else {
		text = integerPattern.FindString(rest)
		if len(text) > maxIntBits/4 {
			fail(l.line, ErrLimit, "a number has too many digits")
		}
		n, ok := new(big.Int).SetString(strings.ReplaceAll(text, "_", ""), 0)
		if !ok {
			fail(l.line, ErrSyntax, "malformed number %q", text)
		}
		value = normalizeInt(n)
	}
	l.tokens = append(l.tokens, token{kind: tokenNumber, line: l.line, text: text, value: value})
	l.advance(l.pos + len(text))
}

func (l *lexer) string(rest string) {
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case rest[0]:
			l.emit(tokenString, l.unescape(rest[1:i]))
			l.advance(l.pos + i + 1)
			return
		}
	}
	fail(l.line, ErrSyntax, "the string %.20q has no end", rest)
}

var simpleEscapes = map[byte]string{
	'\n': "", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
}

// unescape resolves the escapes of Python's string literals.
func (l *lexer) unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	hex := func(i, n int) rune {
		if i+n > len(s) {
			fail(l.line, ErrSyntax, "truncated escape in a string")
		}
		v, err := strconv.ParseUint(s[i:i+n], 16, 32)
		if err != nil || v > unicode.MaxRune {
			fail(l.line, ErrSyntax, "malformed escape %q in a string", s[i-2:i+n])
		}
		return rune(v)
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		c := s[i]
		text, ok := simpleEscapes[c]
		switch {
		case ok:
			b.WriteString(text)
		case c >= '0' && c <= '7':
			v := rune(0)
			n := i
			for ; n < len(s) && n < i+3 && s[n] >= '0' && s[n] <= '7'; n++ {
				v = v*8 + rune(s[n]-'0')
			}
			b.WriteRune(v)
			i = n - 1
		case c == 'x':
			b.WriteRune(hex(i+1, 2))
			i += 2
		case c == 'u':
			r := hex(i+1, 4)
			i += 4
			if r >= 0xD800 && r < 0xDC00 && strings.HasPrefix(s[i+1:], `\u`) {
				if low := hex(i+3, 4); low >= 0xDC00 && low < 0xE000 {
					r = 0x10000 + (r-0xD800)<<10 + (low - 0xDC00)
					i += 6
				}
			}
			b.WriteRune(r)
		case c == 'U':
			b.WriteRune(hex(i+1, 8))
			i += 8
		case c == 'N':
			fail(l.line, ErrUnsupported, "characters by name, \\N{…}, are not supported")
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String()
}
