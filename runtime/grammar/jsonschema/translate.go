package jsonschema

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// translator writes an expression of ECMAScript's as RE2 has it. Readers differ about spaces, letters and digits beyond ASCII, and about the ends of
// lines: what one of them takes for \s is nowhere written in the place of \S, and so for \d, \w and the dot.
type translator struct {
	rest    string
	out     strings.Builder
	negated bool   // texts are those that the expression does not match
	class   string // the class that is being read: none, [ or [^
	members string // what it has
}

// Characters of \s, \d and \w as any reader has them, and all others, as they stand in a class. RE2's are those of ASCII.
var (
	widest = map[byte]string{'s': `\s\v\x1C-\x1F\x{85}\x{FEFF}\p{Z}`, 'd': `\p{Nd}`, 'w': `_\p{L}\p{M}\p{N}\p{Pc}\x{200C}\x{200D}`}
	others = map[byte]string{'S': complement(widest['s']), 'D': complement(widest['d']), 'W': complement(widest['w'])}
)

// propertyName matches what ECMAScript has in \p before the name of a script or of a category, which alone RE2 has.
var propertyName = regexp.MustCompile(`^\{(Script|sc|General_Category|gc)=`)

// pictures are properties of emoji, which RE2 does not know, as characters that have had them for long.
var pictures = map[string]string{
	"Emoji":                 emoji,
	"Emoji_Presentation":    emoji,
	"Extended_Pictographic": emoji,
	"Emoji_Component":       `\x{200D}\x{FE0F}\x{1F3FB}-\x{1F3FF}`,
	"Regional_Indicator":    `\x{1F1E6}-\x{1F1FF}`,
}

const emoji = `\x{1F337}-\x{1F37C}\x{1F3A0}-\x{1F3CA}\x{1F400}-\x{1F43E}\x{1F442}-\x{1F4FC}\x{1F600}-\x{1F64F}\x{1F680}-\x{1F6C5}\x{1F910}-\x{1F93A}`

// propertyOf returns the name of a property with which an expression begins, as in \p{Emoji}; empty: there is none.
func propertyOf(expr string) string {
	name, _, closed := strings.Cut(expr[2:], "}")
	if !closed || name == "" || name[0] != '{' {
		return ""
	}
	return name[1:]
}

// complement returns the characters that a class has not.
func complement(class string) string {
	re, err := syntax.Parse("[^"+class+"]", syntax.Perl)
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	for i := 0; i < len(re.Rune); i += 2 {
		fmt.Fprintf(&b, `\x{%x}-\x{%x}`, re.Rune[i], re.Rune[i+1])
	}
	return b.String()
}

func (t *translator) translate() string {
	for t.rest != "" {
		c := t.rest[0]
		switch {
		case c == '\\' && len(t.rest) > 1:
			t.escape()
			continue
		case t.class != "" && c == ']':
			t.class = ""
		case t.class != "":
		case strings.HasPrefix(t.rest, "[^]"): // any character
			t.write(3, `(?s:.)`)
			continue
		case c == '[':
			t.class = "["
			if strings.HasPrefix(t.rest, "[^") {
				t.class = "[^"
			}
			t.members, _, _ = strings.Cut(t.rest, "]")
			t.write(len(t.class), t.class)
			continue
		case c == '.' && !t.negated:
			t.write(1, `[^\n\r\x{2028}\x{2029}]`)
			continue
		}
		t.write(1, t.rest[:1])
	}
	return t.out.String()
}

// write writes what n bytes of the expression come to.
func (t *translator) write(n int, text string) {
	t.out.WriteString(text)
	t.rest = t.rest[n:]
}

// escape writes a backslash and what belongs to it.
func (t *translator) escape() {
	excluded := t.negated != (t.class == "[^") // what is left out counts
	high, low := unit(t.rest), rune(0)
	if len(t.rest) > 6 {
		low = unit(t.rest[6:])
	}
	switch n := t.rest[1]; {
	case high >= 0xD800 && high < 0xDC00 && low >= 0xDC00 && low < 0xE000: // a pair of surrogates
		t.write(12, fmt.Sprintf(`\x{%x}`, 0x10000+(high-0xD800)<<10+(low-0xDC00)))
	case high >= 0:
		t.write(6, fmt.Sprintf(`\x{%x}`, high))
	case strings.HasPrefix(t.rest, `\u{`):
		t.write(2, `\x`)
	case n == 'p' && !excluded && pictures[propertyOf(t.rest)] != "":
		name := propertyOf(t.rest)
		t.write(len(`\p{}`)+len(name), t.inClass(pictures[name]))
	case n == 'p' || n == 'P':
		name := propertyName.FindString(t.rest[2:])
		t.write(2+len(name), t.rest[:2]+strings.Repeat("{", min(1, len(name))))
	case n == 'c' && len(t.rest) > 2:
		t.write(3, fmt.Sprintf(`\x{%x}`, t.rest[2]&0x1F))
	case excluded && widest[n] != "" && !t.both(n):
		t.write(2, t.inClass(widest[n]))
	case !excluded && others[n] != "" && !t.both(n):
		t.write(2, t.inClass(others[n]))
	default:
		t.write(2, t.rest[:2])
	}
}

// both reports whether a class has \s and \S, which are all characters, or others that are.
func (t *translator) both(n byte) bool {
	return t.class != "" && strings.Contains(t.members, `\`+string(n)) && strings.Contains(t.members, `\`+string(n^0x20))
}

// inClass returns characters of a class as they stand here.
func (t *translator) inClass(characters string) string {
	if t.class != "" {
		return characters
	}
	return "[" + characters + "]"
}

// unit returns the code of an escape with four digits, such as \u00e9, at the beginning of an expression; −1: there is none.
func unit(expr string) rune {
	if len(expr) < 6 || expr[:2] != `\u` {
		return -1
	}
	code, err := strconv.ParseUint(expr[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(code)
}
