package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// split cuts s at white space or at a separator, n times at most if n >= 0.
func split(s string, sep string, space bool, n int) []string {
	var parts []string
	if !space {
		if n < 0 {
			return strings.Split(s, sep)
		}
		return strings.SplitN(s, sep, n+1)
	}
	s = strings.TrimLeftFunc(s, isSpace)
	for s != "" {
		end := strings.IndexFunc(s, isSpace)
		if n >= 0 && len(parts) == n || end < 0 {
			return append(parts, s)
		}
		parts = append(parts, s[:end])
		s = strings.TrimLeftFunc(s[end:], isSpace)
	}
	return parts
}

// splitRight is split from the right.
func splitRight(s string, sep string, space bool, n int) []string {
	if n < 0 {
		return split(s, sep, space, n)
	}
	var parts []string
	for {
		if space {
			s = strings.TrimRightFunc(s, isSpace)
		}
		at, next := strings.LastIndex(s, sep), 0
		if space {
			if s == "" {
				break
			}
			at = strings.LastIndexFunc(s, isSpace)
			if at >= 0 {
				_, size := utf8.DecodeRuneInString(s[at:])
				next = at + size
			}
		} else {
			next = at + len(sep)
		}
		if at < 0 || len(parts) == n {
			parts = append(parts, s)
			break
		}
		parts = append(parts, s[next:])
		s = s[:at]
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return parts
}

// replace is s.replace(old, with, n), counted before it is made.
func (b *budget) replace(s, old, with string, n int) string {
	count := strings.Count(s, old)
	b.scan(len(s))
	if n >= 0 {
		count = min(count, n)
	}
	b.alloc(len(s) + b.product(count, max(len(with)-len(old), 0)))
	return strings.Replace(s, old, with, n)
}

// stringList makes a list of strings that are like v.
func (b *budget) stringList(v any, parts []string) any {
	b.items(len(parts))
	items := make([]any, len(parts))
	for i, s := range parts {
		items[i] = like(v, s)
	}
	return &list{items}
}

func (b *budget) stringTuple(v any, parts ...string) any {
	l := b.stringList(v, parts).(*list)
	return &tuple{items: l.items}
}

// trimChars trims s at its ends: white space, or the characters in chars.
func (in *interp) trimChars(who string, s string, chars any, left, right bool) string {
	cut := isSpace
	if chars != nil {
		set := in.argString(who, chars)
		in.scan(len(set))
		cut = func(r rune) bool { return strings.ContainsRune(set, r) }
	}
	in.scan(len(s))
	if left {
		s = strings.TrimLeftFunc(s, func(r rune) bool { in.step(1); return cut(r) })
	}
	if right {
		s = strings.TrimRightFunc(s, func(r rune) bool { in.step(1); return cut(r) })
	}
	return s
}

// find returns the index in code points of sub in s[start:end], or -1.
func (in *interp) find(who string, a []any, last bool) int {
	s, sub := in.argString(who, a[0]), in.argString(who, a[1])
	part, before, ok := in.part(s, a[2], a[3])
	if !ok {
		return -1
	}
	i := strings.Index(part, sub)
	if last {
		i = strings.LastIndex(part, sub)
	}
	if i < 0 {
		return -1
	}
	return before + utf8.RuneCountInString(part[:i])
}

// part is s[start:end], and the number of code points before it. ok is false if
// start lies behind the end of s.
func (in *interp) part(s string, start, end any) (part string, before int, ok bool) {
	in.scan(len(s))
	if start == nil && end == nil {
		return s, 0, true
	}
	runes := []rune(s)
	if n, isInt := index(start); isInt && n > len(runes) {
		return "", 0, false
	}
	lo, hi, _, _ := in.bounds(len(runes), start, end, nil)
	if lo > hi {
		return "", 0, false
	}
	return string(runes[lo:hi]), lo, true
}

// affix tells whether s begins or ends with one of the strings in v.
func (in *interp) affix(who string, a []any, has func(s, affix string) bool) any {
	s, _, ok := in.part(in.argString(who, a[0]), a[2], a[3])
	affixes := []any{a[1]}
	if t, isTuple := a[1].(*tuple); isTuple {
		affixes = t.items
	}
	for _, v := range affixes {
		in.step(1)
		if affix := in.argString(who, v); ok && has(s, affix) {
			return true
		}
	}
	return false
}

// justify pads s to a width.
func (in *interp) justify(who string, a []any, left func(missing, width int) int) any {
	s := in.argString(who, a[0])
	width := in.argInt(who, a[1])
	fill := in.argString(who, a[2])
	if utf8.RuneCountInString(fill) != 1 {
		in.fail("%s: the fill is one character", who)
	}
	if isMarkup(a[0]) {
		fill = in.escape(a[2])
	}
	in.scan(len(s))
	missing := width - utf8.RuneCountInString(s)
	if missing <= 0 {
		return a[0]
	}
	in.alloc(in.product(missing, len(fill)) + len(s))
	n := left(missing, width)
	return like(a[0], strings.Repeat(fill, n)+s+strings.Repeat(fill, missing-n))
}

// join is separator.join(items).
func (in *interp) join(separator string, items []any, toString func(v any) string) string {
	parts := make([]string, len(items))
	n := 0
	for i, v := range items {
		if i > 0 {
			n += len(separator)
		}
		parts[i] = toString(v)
		n += len(parts[i])
		if n > in.value {
			break
		}
	}
	in.alloc(n)
	return strings.Join(parts, separator)
}

// mapped defines a method that maps a string to one like it. A case mapping
// makes at most three characters of one.
func mapped(name string, f func(s string) string) *builtin {
	return define(name, "self", func(in *interp, a []any) any {
		s := in.argString(name, a[0])
		in.alloc(3 * len(s))
		in.step(len(s) / 4)
		return like(a[0], f(s))
	})
}

// asked defines a method that asks something of a string.
func asked(name string, f func(s string) bool) *builtin {
	return define(name, "self", func(in *interp, a []any) any {
		s := in.argString(name, a[0])
		in.step(len(s) / 4)
		return f(s)
	})
}

// every defines a method that asks something of every character.
func every(name string, f func(r rune) bool) *builtin {
	return asked(name, func(s string) bool { return all(s, f) })
}

func trimmed(name string, left, right bool) *builtin {
	return define(name, "self chars=None /", func(in *interp, a []any) any {
		return like(a[0], in.trimChars(name, in.argString(name, a[0]), a[1], left, right))
	})
}

func splitting(name string, f func(s string, sep string, space bool, n int) []string) *builtin {
	return define(name, "self sep=None maxsplit=-1", func(in *interp, a []any) any {
		s := in.argString(name, a[0])
		n := in.argInt(name, a[2])
		in.scan(len(s))
		if a[1] == nil {
			in.step(len(s) / 4)
			return in.stringList(a[0], f(s, "", true, n))
		}
		sep := in.argString(name, a[1])
		if sep == "" {
			in.fail("%s: the separator is empty", name)
		}
		in.items(strings.Count(s, sep) + 1)
		return in.stringList(a[0], f(s, sep, false, n))
	})
}

func partitioning(name string, find func(s, sep string) int) *builtin {
	return define(name, "self sep /", func(in *interp, a []any) any {
		s, sep := in.argString(name, a[0]), in.argString(name, a[1])
		if sep == "" {
			in.fail("%s: the separator is empty", name)
		}
		in.scan(len(s))
		i := find(s, sep)
		switch {
		case i >= 0:
			return in.stringTuple(a[0], s[:i], sep, s[i+len(sep):])
		case name == "partition":
			return in.stringTuple(a[0], s, "", "")
		}
		return in.stringTuple(a[0], "", "", s)
	})
}

func finding(name string, last, must bool) *builtin {
	return define(name, "self sub start=None end=None /", func(in *interp, a []any) any {
		i := in.find(name, a, last)
		if i < 0 && must {
			in.fail("%s: the substring is not found", name)
		}
		return int64(i)
	})
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if !isNameRune(r) || i == 0 && r != '_' && !unicode.IsLetter(r) && !unicode.Is(unicode.Nl, r) {
			return false
		}
	}
	return s != ""
}

// stringMethods are the methods of str. They are set in init, for format reads
// attributes.
var stringMethods map[string]*builtin

func init() {
	stringMethods = table(
		mapped("upper", upper), mapped("lower", lower), mapped("title", title), mapped("capitalize", capitalize),
		mapped("swapcase", swapCase), mapped("casefold", fold),
		trimmed("strip", true, true), trimmed("lstrip", true, false), trimmed("rstrip", false, true),
		splitting("split", split), splitting("rsplit", splitRight),
		partitioning("partition", strings.Index), partitioning("rpartition", strings.LastIndex),
		finding("find", false, false), finding("rfind", true, false), finding("index", false, true), finding("rindex", true, true),
		every("isalpha", unicode.IsLetter), every("isalnum", isAlnum), every("isdecimal", isDecimal), every("isdigit", isDigit),
		every("isnumeric", isNumeric), every("isspace", isSpace),
		asked("isascii", isASCII), asked("isidentifier", isIdentifier), asked("istitle", isTitle),
		asked("isprintable", func(s string) bool { return s == "" || all(s, unicode.IsPrint) }),
		asked("islower", func(s string) bool {
			return strings.ContainsFunc(s, isLower) && !strings.ContainsFunc(s, func(r rune) bool { return isUpper(r) || unicode.Is(unicode.Lt, r) })
		}),
		asked("isupper", func(s string) bool {
			return strings.ContainsFunc(s, isUpper) && !strings.ContainsFunc(s, func(r rune) bool { return isLower(r) || unicode.Is(unicode.Lt, r) })
		}),
		define("startswith", "self prefix start=None end=None /", func(in *interp, a []any) any {
			return in.affix("startswith", a, strings.HasPrefix)
		}),
		define("endswith", "self suffix start=None end=None /", func(in *interp, a []any) any {
			return in.affix("endswith", a, strings.HasSuffix)
		}),
		define("count", "self sub start=None end=None /", func(in *interp, a []any) any {
			s, _, ok := in.part(in.argString("count", a[0]), a[2], a[3])
			sub := in.argString("count", a[1])
			if !ok {
				return int64(0)
			}
			return int64(strings.Count(s, sub))
		}),
		define("replace", "self old new count=-1 /", func(in *interp, a []any) any {
			with := in.argString("replace", a[2])
			if isMarkup(a[0]) {
				with = in.escape(a[2])
			}
			return like(a[0], in.replace(in.argString("replace", a[0]), in.argString("replace", a[1]), with, in.argInt("replace", a[3])))
		}),
		define("splitlines", "self keepends=False", func(in *interp, a []any) any {
			s := in.argString("splitlines", a[0])
			in.step(len(s) / 4)
			return in.stringList(a[0], splitLines(s, truth(a[1])))
		}),
		define("join", "self iterable /", func(in *interp, a []any) any {
			return like(a[0], in.join(in.argString("join", a[0]), in.list(a[1]), func(v any) string {
				if isMarkup(a[0]) {
					return in.escape(v)
				}
				return in.argString("join", v)
			}))
		}),
		define("removeprefix", "self prefix /", func(in *interp, a []any) any {
			return like(a[0], strings.TrimPrefix(in.argString("removeprefix", a[0]), in.argString("removeprefix", a[1])))
		}),
		define("removesuffix", "self suffix /", func(in *interp, a []any) any {
			return like(a[0], strings.TrimSuffix(in.argString("removesuffix", a[0]), in.argString("removesuffix", a[1])))
		}),
		define("center", "self width fillchar=None /", func(in *interp, a []any) any {
			return in.justify("center", withFill(a), func(missing, width int) int { return missing/2 + missing&width&1 })
		}),
		define("ljust", "self width fillchar=None /", func(in *interp, a []any) any {
			return in.justify("ljust", withFill(a), func(int, int) int { return 0 })
		}),
		define("rjust", "self width fillchar=None /", func(in *interp, a []any) any {
			return in.justify("rjust", withFill(a), func(missing, _ int) int { return missing })
		}),
		define("zfill", "self width /", func(in *interp, a []any) any {
			s := in.argString("zfill", a[0])
			missing := in.argInt("zfill", a[1]) - utf8.RuneCountInString(s)
			if missing <= 0 {
				return a[0]
			}
			in.alloc(missing)
			sign := ""
			if s != "" && (s[0] == '-' || s[0] == '+') {
				sign, s = s[:1], s[1:]
			}
			return like(a[0], sign+strings.Repeat("0", missing)+s)
		}),
		define("expandtabs", "self tabsize=8", func(in *interp, a []any) any {
			return like(a[0], in.expandTabs(in.argString("expandtabs", a[0]), in.argInt("expandtabs", a[1])))
		}),
		variadic("format", func(in *interp, self any, a callArgs) any {
			f := &formatter{in: in, args: a.positional, named: &dict{}, escape: isMarkup(self)}
			for i, name := range a.names {
				in.set(f.named, name, a.named[i])
			}
			return like(self, f.format(in.argString("format", self), 0))
		}),
		define("format_map", "self mapping /", func(in *interp, a []any) any {
			d, ok := a[1].(*dict)
			if !ok {
				in.failOn(a[1], "format_map needs a dict, not a %s", typeName(a[1]))
			}
			return like(a[0], (&formatter{in: in, named: d, escape: isMarkup(a[0])}).format(in.argString("format_map", a[0]), 0))
		}),
	)
}

// withFill sets the default of the fill character.
func withFill(a []any) []any {
	if a[2] == nil {
		a[2] = " "
	}
	return a
}

func (in *interp) expandTabs(s string, size int) string {
	size = max(in.clampSize(size), 0)
	in.alloc(len(s) + in.product(strings.Count(s, "\t"), size))
	var w strings.Builder
	column := 0
	for _, r := range s {
		switch r {
		case '\t':
			if size > 0 {
				n := size - column%size
				w.WriteString(strings.Repeat(" ", n))
				column += n
			}
		case '\n', '\r':
			w.WriteRune(r)
			column = 0
		default:
			w.WriteRune(r)
			column++
		}
	}
	return w.String()
}

// indexing and counting define methods of lists, tuples and ranges.
func indexing() *builtin {
	return define("index", "self value start=None stop=None /", func(in *interp, a []any) any {
		items := in.list(a[0])
		lo, hi, _, _ := in.bounds(len(items), a[2], a[3], nil)
		for i := lo; i < hi; i++ {
			if in.same(items[i], a[1]) {
				return int64(i)
			}
		}
		in.fail("index: the value is not in the list")
		return nil
	})
}

func counting() *builtin {
	return define("count", "self value /", func(in *interp, a []any) any {
		n := int64(0)
		for _, item := range in.list(a[0]) {
			if in.same(item, a[1]) {
				n++
			}
		}
		return n
	})
}

var (
	tupleMethods = table(indexing(), counting())

	listMethods = table(indexing(), counting(),
		define("copy", "self /", func(in *interp, a []any) any { return &list{in.list(a[0])} }),
	)

	dictMethods = table(
		define("get", "self key default=None /", func(in *interp, a []any) any {
			v, found, hashable := a[0].(*dict).get(a[1])
			switch {
			case !hashable:
				in.fail("a %s cannot be the key of a dict", typeName(a[1]))
			case !found:
				return a[2]
			}
			return v
		}),
		define("keys", "self /", func(_ *interp, a []any) any { return &view{a[0].(*dict), "keys"} }),
		define("values", "self /", func(_ *interp, a []any) any { return &view{a[0].(*dict), "values"} }),
		define("items", "self /", func(_ *interp, a []any) any { return &view{a[0].(*dict), "items"} }),
		define("copy", "self /", func(_ *interp, a []any) any { return &dict{a[0].(*dict).entries, a[0].(*dict).index} }),
		define("fromkeys", "self iterable value=None /", func(in *interp, a []any) any {
			d := &dict{}
			next := in.iterate(a[1])
			for key, ok := next(); ok; key, ok = next() {
				in.set(d, key, a[2])
			}
			return d
		}),
	)
)
