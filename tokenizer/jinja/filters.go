package jinja

import (
	"strconv"
	"strings"
)

// filters are the filters by name. They are set in init, for map and select
// look filters and tests up.
var filters map[string]*builtin

func init() {
	filters = table(
		define("abs", "x /", filterAbs),
		define("attr", "obj name", func(in *interp, a []any) any {
			name := in.argString("attr", a[1])
			if u, ok := a[0].(*undefined); ok {
				in.failUndefined(u)
			}
			if v, ok := in.attribute(a[0], name); ok {
				return v
			}
			return &undefined{name: name, of: typeName(a[0])}
		}),
		define("batch", "value linecount fill_with=None", filterBatch),
		define("capitalize", "s", textFilter(capitalize)),
		define("center", "value width=80", func(in *interp, a []any) any {
			return stringMethods["center"].f(in, []any{in.soft(a[0]), a[1], nil})
		}),
		define("default", "value default_value='' boolean=False", filterDefault),
		define("dictsort", "value case_sensitive=False by=key reverse=False", filterDictSort),
		define("escape", "s /", func(in *interp, a []any) any { return markup(in.escape(a[0])) }),
		define("filesizeformat", "value binary=False", filterFileSize),
		define("first", "seq", func(in *interp, a []any) any {
			if v, ok := in.iterate(a[0])(); ok {
				return v
			}
			return &undefined{hint: "there is no first item: the sequence is empty"}
		}),
		define("float", "value default=0.0", func(in *interp, a []any) any {
			if f, ok := in.parseFloat(a[0]); ok {
				return f
			}
			return a[1]
		}),
		define("forceescape", "value", func(in *interp, a []any) any { return markup(in.escape(in.str(a[0]))) }),
		variadic("format", filterFormat),
		define("groupby", "value attribute default=None case_sensitive=False", filterGroupBy),
		define("indent", "s width=4 first=False blank=False", filterIndent),
		define("int", "value default=0 base=10", filterInt),
		define("items", "value", filterItems),
		define("join", "value d='' attribute=None", filterJoin),
		define("last", "seq", filterLast),
		define("length", "obj /", func(in *interp, a []any) any {
			n, ok := length(a[0])
			if !ok {
				in.fail("a %s has no length", typeName(a[0]))
			}
			if s, ok := text(a[0]); ok {
				in.scan(len(s))
			}
			return int64(n)
		}),
		define("list", "value", func(in *interp, a []any) any { return &list{in.list(a[0])} }),
		define("lower", "s", textFilter(lower)),
		variadic("map", filterMap),
		define("max", "value case_sensitive=False attribute=None", func(in *interp, a []any) any { return in.extreme(a, true) }),
		define("min", "value case_sensitive=False attribute=None", func(in *interp, a []any) any { return in.extreme(a, false) }),
		define("pprint", "value", func(in *interp, a []any) any { return in.pprint(a[0]) }),
		variadic("random", func(in *interp, _ any, _ callArgs) any {
			fail(in.line, ErrUnsupported, "the filter random is not supported")
			return nil
		}),
		variadic("reject", selecting(false, false)),
		variadic("rejectattr", selecting(false, true)),
		define("replace", "s old new count=None", func(in *interp, a []any) any {
			n := -1
			if a[3] != nil {
				n = in.argInt("replace", a[3])
			}
			return in.replace(in.str(a[0]), in.str(a[1]), in.str(a[2]), n)
		}),
		define("reverse", "value", filterReverse),
		define("round", "value precision=0 method=common", filterRound),
		define("safe", "value", func(in *interp, a []any) any { return markup(in.str(a[0])) }),
		variadic("select", selecting(true, false)),
		variadic("selectattr", selecting(true, true)),
		define("slice", "value slices fill_with=None", filterSlice),
		define("sort", "value reverse=False case_sensitive=False attribute=None", filterSort),
		define("string", "object /", func(in *interp, a []any) any { return in.soft(a[0]) }),
		define("striptags", "value", func(in *interp, a []any) any {
			s := in.str(a[0])
			in.alloc(2 * len(s))
			return stripTags(s)
		}),
		define("sum", "iterable attribute=None start=0", filterSum),
		define("title", "s", textFilter(titleWords)),
		define("tojson", "x ensure_ascii=False indent=None separators=None sort_keys=False", filterToJSON),
		define("trim", "value chars=None", func(in *interp, a []any) any {
			v := in.soft(a[0])
			s, _ := text(v)
			return like(v, in.trimChars("trim", s, a[1], true, true))
		}),
		define("truncate", "s length=255 killwords=False end='...' leeway=None", filterTruncate),
		define("unique", "value case_sensitive=False attribute=None", filterUnique),
		define("upper", "s", textFilter(upper)),
		define("urlencode", "value", filterURLEncode),
		variadic("urlize", func(in *interp, _ any, _ callArgs) any {
			fail(in.line, ErrUnsupported, "the filter urlize is not supported")
			return nil
		}),
		define("wordcount", "s", func(in *interp, a []any) any {
			s := in.str(a[0])
			in.step(len(s) / 4)
			return int64(len(strings.FieldsFunc(s, func(r rune) bool { return !isWord(r) })))
		}),
		define("wordwrap", "s width=79 break_long_words=True wrapstring=None break_on_hyphens=True", filterWordWrap),
		define("xmlattr", "d autospace=True", filterXMLAttr),
	)
	for alias, name := range map[string]string{"d": "default", "e": "escape", "count": "length"} {
		filters[alias] = filters[name]
	}
}

// soft is str(v), but leaves markup as it is.
func (in *interp) soft(v any) any {
	if isText(v) {
		return v
	}
	return in.str(v)
}

// ignoreCase is v in lower case if it is a string.
func (in *interp) ignoreCase(v any) any {
	if s, ok := text(v); ok {
		in.alloc(3 * len(s))
		return lower(s)
	}
	return v
}

// getter returns what reads an attribute such as a.b.0 of an item.
func (in *interp) getter(attribute, fallback any) func(item any) any {
	var parts []any
	if s, ok := text(attribute); ok {
		for _, part := range strings.Split(s, ".") {
			if n, err := strconv.ParseInt(part, 10, 64); err == nil && all(part, isDigit) {
				parts = append(parts, n)
			} else {
				parts = append(parts, part)
			}
		}
	} else if attribute != nil {
		parts = []any{attribute}
	}
	return func(item any) any {
		for _, part := range parts {
			item = in.item(item, part)
			if _, ok := item.(*undefined); ok && fallback != nil {
				item = fallback
			}
		}
		return item
	}
}

// key returns what reads the value by which items are compared.
func (in *interp) key(attribute, fallback, caseSensitive any) func(item any) any {
	get := in.getter(attribute, fallback)
	if truth(caseSensitive) {
		return get
	}
	return func(item any) any { return in.ignoreCase(get(item)) }
}

func filterDefault(_ *interp, a []any) any {
	if _, ok := a[0].(*undefined); ok || truth(a[2]) && !truth(a[0]) {
		return a[1]
	}
	return a[0]
}
