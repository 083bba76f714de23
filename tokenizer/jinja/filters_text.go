package jinja

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"strings"
)

// textFilter is a filter that maps str(v).
func textFilter(f func(s string) string) func(in *interp, a []any) any {
	return func(in *interp, a []any) any {
		v := in.soft(a[0])
		s, _ := text(v)
		in.alloc(3 * len(s))
		in.step(len(s) / 4)
		return like(v, f(s))
	}
}

// titleWords is the filter title, which differs from str.title: a word begins
// after a space, a hyphen or an opening bracket.
func titleWords(s string) string {
	var w strings.Builder
	start := 0
	word := func(end int) {
		if start < end {
			r, n := utf8.DecodeRuneInString(s[start:end])
			w.WriteString(upper(string(r)))
			w.WriteString(lower(s[start+n : end]))
		}
		start = end
	}
	separated := false
	for i, r := range s {
		separator := isSpace(r) || strings.ContainsRune("-({[<", r)
		if separator != separated {
			word(i)
			separated = separator
		}
	}
	word(len(s))
	return w.String()
}

func filterFormat(in *interp, self any, a callArgs) any {
	s := in.soft(self)
	t, _ := text(s)
	switch {
	case len(a.positional) > 0 && len(a.names) > 0:
		in.fail("format: positional and named arguments cannot be mixed")
	case len(a.names) > 0:
		d := &dict{}
		for i, name := range a.names {
			in.set(d, name, a.named[i])
		}
		return like(s, in.percent(t, d, isMarkup(s)))
	}
	return like(s, in.percent(t, &tuple{items: a.positional}, isMarkup(s)))
}

func filterIndent(in *interp, a []any) any {
	s, ok := text(a[0])
	if !ok {
		in.failOn(a[0], "indent needs a string, not a %s", typeName(a[0]))
	}
	indention, isText := text(a[1])
	if !isText {
		n := max(in.argInt("indent", a[1]), 0)
		in.alloc(n)
		indention = strings.Repeat(" ", n)
	}
	in.step(len(s) / 4)
	lines := splitLines(s+"\n", false)
	in.alloc(len(s) + in.product(len(lines), len(indention)+1))
	var w strings.Builder
	if truth(a[2]) {
		w.WriteString(indention)
	}
	for i, line := range lines {
		if i > 0 {
			w.WriteByte('\n')
			if line != "" || truth(a[3]) {
				w.WriteString(indention)
			}
		}
		w.WriteString(line)
	}
	return like(a[0], w.String())
}

func filterTruncate(in *interp, a []any) any {
	n, ok := length(a[0])
	if !ok {
		in.failOn(a[0], "truncate needs a string, not a %s", typeName(a[0]))
	}
	limit, end := in.argInt("truncate", a[1]), in.argString("truncate", a[3])
	leeway := 5
	if a[4] != nil {
		leeway = in.argInt("truncate", a[4])
	}
	keep := limit - utf8.RuneCountInString(end)
	if keep < 0 || leeway < 0 {
		in.fail("truncate: a length of %d is less than its end, or the leeway is negative", limit)
	}
	if n <= limit+leeway {
		return a[0]
	}
	s := in.argString("truncate", a[0])
	in.scan(len(s))
	s = firstRunes(s, keep)
	if i := strings.LastIndexByte(s, ' '); i >= 0 && !truth(a[2]) {
		s = s[:i]
	}
	in.alloc(len(s) + len(end))
	return like(a[0], s+end)
}

func filterXMLAttr(in *interp, a []any) any {
	d, ok := a[0].(*dict)
	if !ok {
		in.failOn(a[0], "xmlattr needs a dict, not a %s", typeName(a[0]))
	}
	var w strings.Builder
	for _, e := range d.entries {
		if _, ok := e.value.(*undefined); ok || e.value == nil {
			continue
		}
		key := in.argString("xmlattr", e.key)
		if strings.ContainsFunc(key, func(r rune) bool { return r < 0x80 && unicode.IsSpace(r) || strings.ContainsRune("/>=", r) }) {
			in.fail("xmlattr: %q is no name of an attribute", key)
		}
		in.checkSize(&w)
		if w.Len() > 0 || truth(a[1]) {
			w.WriteByte(' ')
		}
		w.WriteString(in.escape(e.key) + `="` + in.escape(e.value) + `"`)
	}
	return w.String()
}

func filterURLEncode(in *interp, a []any) any {
	if _, ok := iterate(a[0]); !ok || isText(a[0]) {
		return in.quoteURL(a[0], "/")
	}
	var pairs any = a[0]
	if d, ok := a[0].(*dict); ok {
		pairs = &view{d, "items"}
	}
	var parts []any
	for _, pair := range in.list(pairs) {
		kv := in.list(pair)
		if len(kv) != 2 {
			in.fail("urlencode needs pairs")
		}
		parts = append(parts, in.quoteQuery(kv[0])+"="+in.quoteQuery(kv[1]))
	}
	return in.join("&", parts, in.str)
}

func (in *interp) quoteQuery(v any) string {
	return strings.ReplaceAll(in.quoteURL(v, ""), "%20", "+")
}

// quoteURL is urllib.parse.quote.
func (in *interp) quoteURL(v any, safe string) string {
	s := in.str(v)
	in.alloc(3 * len(s))
	var w strings.Builder
	for i := range len(s) {
		if c := s[i]; alnumByte(c) || strings.IndexByte("_.-~", c) >= 0 || strings.IndexByte(safe, c) >= 0 {
			w.WriteByte(c)
		} else {
			fmt.Fprintf(&w, "%%%02X", c)
		}
	}
	return w.String()
}
