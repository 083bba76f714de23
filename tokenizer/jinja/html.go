package jinja

import (
	"html"
	"strings"
)

var htmlEscapes = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")

// escape returns str(v) escaped for HTML, unless it is markup.
func (b *budget) escape(v any) string {
	if m, ok := v.(markup); ok {
		return string(m)
	}
	s := b.str(v)
	b.alloc(5 * len(s))
	return htmlEscapes.Replace(s)
}

// stripTags removes comments and tags, and joins what white space separates.
func stripTags(s string) string {
	s = removeBetween(s, "<!--", "-->")
	s = removeBetween(s, "<", ">")
	return html.UnescapeString(strings.Join(strings.FieldsFunc(s, isSpace), " "))
}

func removeBetween(s, opening, closing string) string {
	var w strings.Builder
	for {
		i := strings.Index(s, opening)
		if i < 0 {
			break
		}
		n := strings.Index(s[i:], closing)
		if n < 0 {
			break
		}
		w.WriteString(s[:i])
		s = s[i+n+len(closing):]
	}
	w.WriteString(s)
	return w.String()
}
