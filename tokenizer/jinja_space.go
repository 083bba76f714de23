package tokenizer

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// resolveSpace rewrites a Jinja template into one that renders the same with
// no white space control at all: it carries out '-' and '+' in tags, the
// options trim_blocks and lstrip_blocks, with which Transformers renders chat
// templates, drops comments and the last newline, and turns every line end
// into \n. The engine's own handling of these differs from Jinja's in corners
// that chat templates visit.
func resolveSpace(src string) (string, error) {
	src = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(src)
	l := spaceLexer{rest: strings.TrimSuffix(src, "\n"), lineStart: true}
	for {
		i := strings.Index(l.rest, "{")
		for i >= 0 && (i+1 == len(l.rest) || !strings.Contains("{%#", l.rest[i+1:i+2])) {
			if next := strings.Index(l.rest[i+1:], "{"); next >= 0 {
				i += 1 + next
			} else {
				i = -1
			}
		}
		if i < 0 {
			l.text.WriteString(l.rest)
			l.flush()
			return l.out.String(), nil
		}
		if err := l.tag(i); err != nil {
			return "", err
		}
	}
}

type spaceLexer struct {
	rest      string // of the source
	lineStart bool   // whether what was read last ended a line
	text      strings.Builder
	out       strings.Builder
}

// flush writes the text collected. What was apart in the source must not come
// together as the start of a tag.
func (l *spaceLexer) flush() {
	text := l.text.String()
	l.text.Reset()
	for i := range len(text) {
		if text[i] == '{' && (i+1 == len(text) || strings.Contains("{%#", text[i+1:i+2])) {
			l.out.WriteString("{{ '{' }}")
		} else {
			l.out.WriteByte(text[i])
		}
	}
}

var (
	rawBegin = regexp.MustCompile(`^\s*raw\s*(-?)%\}`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*([-+]?)%\}`)
)

// tag reads the text before position i and the tag that begins there.
func (l *spaceLexer) tag(i int) error {
	kind := l.rest[i+1]
	before, body := l.rest[:i], l.rest[i+2:]
	body = l.before(before, body, kind)
	switch kind {
	case '#':
		n := strings.Index(body, "#}")
		if n < 0 {
			return fmt.Errorf("the comment %.40q has no end", "{#"+body)
		}
		l.after(body[:n], body[n+2:], true)
		return nil
	case '%':
		if m := rawBegin.FindStringSubmatch(body); m != nil {
			return l.raw(body[len(m[0]):], m[1])
		}
	}
	n := tagEnd(body, kind)
	if n < 0 {
		return fmt.Errorf("the tag %.40q has no end", "{"+string(kind)+body)
	}
	inner := l.after(body[:n], body[n+2:], kind == '%')
	l.flush()
	if kind == '{' {
		l.out.WriteString("{{ " + inner + " }}")
	} else {
		l.out.WriteString("{% " + inner + " %}")
	}
	return nil
}

// before collects the text before a tag, less what the tag strips, and
// returns the body of the tag without its sign.
func (l *spaceLexer) before(text, body string, kind byte) string {
	switch {
	case strings.HasPrefix(body, "-"):
		text, body = strings.TrimRightFunc(text, unicode.IsSpace), body[1:]
	case strings.HasPrefix(body, "+") && kind != '{':
		body = body[1:]
	case kind != '{': // lstrip_blocks
		line := strings.LastIndexByte(text, '\n') + 1
		if (line > 0 || l.lineStart && line == 0) && strings.TrimSpace(text[line:]) == "" {
			text = text[:line]
		}
	}
	l.text.WriteString(text)
	return body
}

// after drops the sign at the end of a tag's body and what the end of the tag
// strips from the source after it. It returns the body without the sign.
func (l *spaceLexer) after(body, rest string, block bool) string {
	end := rest
	switch {
	case strings.HasSuffix(body, "-"):
		body, end = body[:len(body)-1], strings.TrimLeftFunc(rest, unicode.IsSpace)
	case strings.HasSuffix(body, "+") && block:
		body = body[:len(body)-1]
	case block: // trim_blocks
		end = strings.TrimPrefix(rest, "\n")
	}
	l.lineStart = strings.HasSuffix(rest[:len(rest)-len(end)], "\n")
	l.rest = end
	return body
}

// raw collects the text of a raw block as it is; sign is the one at the end of
// its first tag, after which trim_blocks has no effect.
func (l *spaceLexer) raw(content, sign string) error {
	if sign == "-" {
		content = strings.TrimLeftFunc(content, unicode.IsSpace)
	}
	m := rawEnd.FindStringSubmatchIndex(content)
	if m == nil {
		return fmt.Errorf("the raw block %.40q has no end", content)
	}
	l.lineStart = false
	l.before(content[:m[0]], content[m[2]:m[3]]+" ", '%')
	l.after(content[m[4]:m[5]], content[m[1]:], true)
	return nil
}

// tagEnd returns the position in body of the }} or %} that ends a tag: outside
// strings and brackets.
func tagEnd(body string, kind byte) int {
	end := byte('}')
	if kind == '%' {
		end = '%'
	}
	depth := 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case depth == 0 && c == end && i+1 < len(body) && body[i+1] == '}':
			return i
		case c == '\'' || c == '"':
			for i++; i < len(body) && body[i] != c; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		}
	}
	return -1
}
