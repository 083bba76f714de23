package jinja

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
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

func filterAbs(in *interp, a []any) any {
	switch v := a[0].(type) {
	case float64:
		return math.Abs(v)
	}
	n, ok := toInt(a[0])
	if !ok {
		in.failOn(a[0], "abs does not fit a %s", typeName(a[0]))
	}
	return normalizeInt(n.Abs(n))
}

func filterDefault(_ *interp, a []any) any {
	if _, ok := a[0].(*undefined); ok || truth(a[2]) && !truth(a[0]) {
		return a[1]
	}
	return a[0]
}

func filterBatch(in *interp, a []any) any {
	next := in.iterate(a[0])
	n, ok := toFloat(a[1])
	ended := false
	return &generator{kind: "generator", next: func() (any, bool) {
		var items []any
		for !ended && (len(items) == 0 || !ok || float64(len(items)) != n) {
			item, more := next()
			if ended = !more; more {
				in.items(1)
				items = append(items, item)
			}
		}
		if len(items) == 0 {
			return nil, false
		}
		if a[2] != nil && float64(len(items)) < n {
			in.items(in.argInt("batch", a[1]))
			for float64(len(items)) < n {
				items = append(items, a[2])
			}
		}
		return &list{items}, true
	}}
}

func filterSlice(in *interp, a []any) any {
	var items []any
	slice, offset, n := -1, 0, 0
	return &generator{kind: "generator", next: func() (any, bool) {
		if slice < 0 {
			items = in.list(a[0])
			if n = in.argInt("slice", a[1]); n == 0 {
				in.fail("slice: no slices")
			}
			slice = 0
		}
		if slice >= n {
			return nil, false
		}
		in.step(1)
		size, extra := len(items)/n, len(items)%n
		start := offset + slice*size
		if slice < extra {
			offset++
		}
		part := items[start : offset+(slice+1)*size]
		if a[2] != nil && slice >= extra {
			in.items(len(part) + 1)
			part = append(part[:len(part):len(part)], a[2])
		}
		slice++
		return &list{part}, true
	}}
}

func filterDictSort(in *interp, a []any) any {
	d, ok := a[0].(*dict)
	if !ok {
		in.failOn(a[0], "dictsort needs a dict, not a %s", typeName(a[0]))
	}
	by, _ := text(a[2])
	if by != "key" && by != "value" {
		in.fail(`dictsort sorts by "key" or "value"`)
	}
	items := in.list(&view{d, "items"})
	keys := make([]any, len(items))
	for i, item := range items {
		keys[i] = item.(*tuple).items[0]
		if by == "value" {
			keys[i] = item.(*tuple).items[1]
		}
		if !truth(a[1]) {
			keys[i] = in.ignoreCase(keys[i])
		}
	}
	return &list{in.sort(items, keys, truth(a[3]))}
}

func filterSort(in *interp, a []any) any {
	items := in.list(a[0])
	attributes := []any{a[3]}
	if s, ok := text(a[3]); ok {
		attributes = nil
		for _, part := range strings.Split(s, ",") {
			attributes = append(attributes, part)
		}
	}
	var getters []func(item any) any
	for _, attribute := range attributes {
		getters = append(getters, in.key(attribute, nil, a[2]))
	}
	keys := make([]any, len(items))
	for i, item := range items {
		key := &list{make([]any, len(getters))}
		for j, get := range getters {
			key.items[j] = get(item)
		}
		keys[i] = key
	}
	return &list{in.sort(items, keys, truth(a[1]))}
}

func filterGroupBy(in *interp, a []any) any {
	items := in.list(a[0])
	get := in.key(a[1], a[2], a[3])
	keys := make([]any, len(items))
	for i, item := range items {
		keys[i] = get(item)
	}
	order := make([]any, len(items))
	for i := range order {
		order[i] = int64(i)
	}
	show := in.getter(a[1], a[2])
	var groups []any
	var last any
	for _, at := range in.sort(order, keys, false) {
		i := at.(int64)
		if groups == nil || !in.same(last, keys[i]) {
			grouper := keys[i]
			if !truth(a[3]) {
				grouper = show(items[i])
			}
			groups = append(groups, &tuple{[]any{grouper, &list{}}, []string{"grouper", "list"}})
			last = keys[i]
		}
		group := groups[len(groups)-1].(*tuple).items[1].(*list)
		group.items = append(group.items, items[i])
	}
	return &list{groups}
}

func filterUnique(in *interp, a []any) any {
	next := in.iterate(a[0])
	get := in.key(a[2], nil, a[1])
	seen := &dict{}
	return &generator{kind: "generator", next: func() (any, bool) {
		for {
			item, ok := next()
			if !ok {
				return nil, false
			}
			n := len(seen.entries)
			if in.set(seen, get(item), nil); len(seen.entries) > n {
				return item, true
			}
		}
	}}
}

// extreme is the filter max or min.
func (in *interp) extreme(a []any, largest bool) any {
	next := in.iterate(a[0])
	best, ok := next()
	if !ok {
		return &undefined{hint: "there is no largest or smallest item: the sequence is empty"}
	}
	get := in.key(a[2], nil, a[1])
	bestKey := get(best)
	for item, ok := next(); ok; item, ok = next() {
		key := get(item)
		x, y := key, bestKey
		if largest {
			x, y = y, x
		}
		if in.less(x, y, "<") {
			best, bestKey = item, key
		}
	}
	return best
}

func filterFileSize(in *interp, a []any) any {
	f, ok := in.parseFloat(a[0])
	if !ok {
		in.failOn(a[0], "filesizeformat needs a number")
	}
	base, suffix := 1000.0, "B"
	prefixes := "kMGTPEZY"
	if truth(a[1]) {
		base, suffix, prefixes = 1024, "iB", "KMGTPEZY"
	}
	switch {
	case f == 1:
		return "1 Byte"
	case f < base:
		return fmt.Sprintf("%.0f Bytes", math.Trunc(f)+0) // + 0: no -0
	}
	unit := base
	for i, prefix := range prefixes {
		unit *= base
		if f < unit || i == len(prefixes)-1 {
			return fmt.Sprintf("%.1f %c%s", base*f/unit, prefix, suffix)
		}
	}
	return nil
}

// parseFloat is float(v); ok is false where Python raises a TypeError or a
// ValueError.
func (in *interp) parseFloat(v any) (float64, bool) {
	if u, ok := v.(*undefined); ok {
		in.failUndefined(u)
	}
	if s, ok := text(v); ok {
		s, ok = cleanNumber(s)
		if !ok || strings.ContainsAny(s, "xXpP") {
			return 0, false
		}
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil || math.IsInf(f, 0)
	}
	f, ok := toFloat(v)
	if _, isBig := v.(*big.Int); isBig && math.IsInf(f, 0) {
		in.fail("the integer is too large for a float")
	}
	return f, ok
}

// cleanNumber strips white space and single underscores between digits, and
// turns the digits of other scripts into those of ASCII.
func cleanNumber(s string) (string, bool) {
	s = strings.Map(func(r rune) rune {
		if r < 0x80 {
			return r
		}
		for _, digits := range unicode.Nd.R16 { // each is one or more decades
			if r >= rune(digits.Lo) && r <= rune(digits.Hi) {
				return '0' + (r-rune(digits.Lo))%10
			}
		}
		return r
	}, strings.TrimFunc(s, isSpace))
	var w strings.Builder
	for i := range len(s) {
		if s[i] == '_' {
			if i == 0 || i+1 == len(s) || !alnumByte(s[i-1]) || !alnumByte(s[i+1]) {
				return "", false
			}
			continue
		}
		w.WriteByte(s[i])
	}
	return w.String(), true
}

func alnumByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func filterInt(in *interp, a []any) any {
	if s, ok := text(a[0]); ok {
		if n, ok := parseInt(s, in.argInt("int", a[2])); ok {
			return n
		}
	} else if n, ok := toInt(a[0]); ok {
		return normalizeInt(n)
	}
	f, ok := in.parseFloat(a[0])
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		if _, isFloat := a[0].(float64); isFloat && math.IsInf(f, 0) {
			in.fail("cannot convert infinity to an integer")
		}
		return a[1]
	}
	n, _ := big.NewFloat(f).Int(nil)
	return normalizeInt(n)
}

// parseInt is int(s, base).
func parseInt(s string, base int) (any, bool) {
	if base != 0 && (base < 2 || base > 36) {
		return nil, false
	}
	s = strings.TrimFunc(s, isSpace)
	sign := ""
	if strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") {
		sign, s = s[:1], s[1:]
	}
	if base == 0 && len(s) > 1 && s[0] == '0' && alnumByte(s[1]) && s[1] <= '9' && strings.Trim(s, "0_") != "" {
		return nil, false
	}
	for prefix, b := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
		if (base == b || base == 0) && len(s) > 2 && strings.EqualFold(s[:2], prefix) {
			s, base = strings.TrimPrefix(s[2:], "_"), b
			break
		}
	}
	if base == 0 {
		base = 10
	}
	s, ok := cleanNumber(s)
	if !ok || s == "" || len(s) > maxIntBits/4 || !alnumByte(s[0]) {
		return nil, false
	}
	n, ok := new(big.Int).SetString(sign+s, base)
	if !ok {
		return nil, false
	}
	return normalizeInt(n), true
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

func filterItems(in *interp, a []any) any {
	var next iterator
	return &generator{kind: "generator", next: func() (any, bool) {
		if next == nil {
			switch v := a[0].(type) {
			case *undefined:
				next = sliceIterator(nil)
			case *dict:
				next = dictIterator(v, "items")
			default:
				in.fail("items needs a dict, not a %s", typeName(v))
			}
		}
		return next()
	}}
}

func filterJoin(in *interp, a []any) any {
	items := in.list(a[0])
	get := in.getter(a[2], nil)
	return in.join(in.str(a[1]), items, func(v any) string { return in.str(get(v)) })
}

func filterLast(in *interp, a []any) any {
	v := reversed(in, a[0])
	if v == nil {
		in.failOn(a[0], "a %s has no last item", typeName(a[0]))
	}
	if last, ok := v.next(); ok {
		return last
	}
	return &undefined{hint: "there is no last item: the sequence is empty"}
}

// reversed is reversed(v), or nil if v cannot be reversed.
func reversed(in *interp, v any) *generator {
	var items []any
	kind := "reversed"
	switch v := v.(type) {
	case *undefined:
	case *list:
		items, kind = v.items, "list_reverseiterator"
	case *tuple:
		items = v.items
	case string, markup, *dict, *rangeValue, *view:
		items = in.list(v)
	default:
		return nil
	}
	i := len(items)
	return &generator{kind: kind, next: func() (any, bool) {
		if i == 0 {
			return nil, false
		}
		i--
		in.step(1)
		return items[i], true
	}}
}

func filterReverse(in *interp, a []any) any {
	if s, ok := text(a[0]); ok {
		in.alloc(4 * len(s))
		runes := []rune(s)
		slices.Reverse(runes)
		return like(a[0], string(runes))
	}
	if g := reversed(in, a[0]); g != nil {
		return g
	}
	items := slices.Clone(in.list(a[0]))
	slices.Reverse(items)
	return &list{items}
}

func filterMap(in *interp, value any, a callArgs) any {
	var next iterator
	var f func(item any) any
	return &generator{kind: "generator", next: func() (any, bool) {
		if next == nil {
			if !truth(value) {
				return nil, false
			}
			f = in.mapper(a)
			next = in.iterate(value)
		}
		item, ok := next()
		if !ok {
			return nil, false
		}
		return f(item), true
	}}
}

// mapper returns what the filter map does with an item.
func (in *interp) mapper(a callArgs) func(item any) any {
	if len(a.positional) == 0 && slices.Contains(a.names, "attribute") {
		var attribute, fallback any
		for i, name := range a.names {
			switch name {
			case "attribute":
				attribute = a.named[i]
			case "default":
				fallback = a.named[i]
			default:
				in.fail("map takes no argument named %q", name)
			}
		}
		return in.getter(attribute, fallback)
	}
	if len(a.positional) == 0 {
		in.fail("map needs a filter or an attribute")
	}
	name := in.argString("map", a.positional[0])
	f := filters[name]
	if f == nil {
		in.fail("%s", unknown("filter", name))
	}
	rest := callArgs{a.positional[1:], a.names, a.named}
	return func(item any) any { return f.call(in, item, true, rest) }
}

// selecting makes the filters select and reject, and selectattr and rejectattr.
func selecting(keep, attribute bool) func(in *interp, value any, a callArgs) any {
	return func(in *interp, value any, a callArgs) any {
		var next iterator
		var passes func(item any) bool
		return &generator{kind: "generator", next: func() (any, bool) {
			if next == nil {
				if !truth(value) {
					return nil, false
				}
				passes = in.selector(a, attribute)
				next = in.iterate(value)
			}
			for {
				item, ok := next()
				if !ok {
					return nil, false
				}
				if passes(item) == keep {
					return item, true
				}
			}
		}}
	}
}

// selector returns the test of select and its like.
func (in *interp) selector(a callArgs, attribute bool) func(item any) bool {
	get := func(item any) any { return item }
	args := a.positional
	if attribute {
		if len(args) == 0 {
			in.fail("the name of the attribute is missing")
		}
		get = in.getter(args[0], nil)
		args = args[1:]
	}
	if len(args) == 0 {
		return func(item any) bool { return truth(get(item)) }
	}
	name := in.argString("select", args[0])
	test := tests[name]
	if test == nil {
		in.fail("%s", unknown("test", name))
	}
	rest := callArgs{args[1:], a.names, a.named}
	return func(item any) bool { return truth(test.call(in, get(item), true, rest)) }
}

func filterRound(in *interp, a []any) any {
	method, _ := text(a[2])
	f, isFloat := a[0].(float64)
	switch method {
	case "common":
		if isFloat {
			if a[1] == nil {
				return in.floatToInt(math.RoundToEven(f))
			}
			return roundFloat(f, in.argInt("round", a[1]))
		}
		n, ok := toInt(a[0])
		if !ok {
			in.failOn(a[0], "round does not fit a %s", typeName(a[0]))
		}
		if a[1] == nil {
			return normalizeInt(n)
		}
		return roundInt(n, in.argInt("round", a[1]))
	case "ceil", "floor":
		power := in.binary("**", int64(10), a[1])
		v, ok := toFloat(in.binary("*", a[0], power))
		if !ok {
			in.failOn(a[0], "round does not fit a %s", typeName(a[0]))
		}
		if v = math.Floor(v); method == "ceil" {
			scaled, _ := toFloat(in.binary("*", a[0], power))
			v = math.Ceil(scaled)
		}
		return in.binary("/", in.floatToInt(v), power)
	}
	in.fail("round: the method is common, ceil or floor")
	return nil
}

func (in *interp) floatToInt(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		in.fail("cannot convert %v to an integer", f)
	}
	n, _ := big.NewFloat(f).Int(nil)
	return normalizeInt(n)
}

// roundFloat rounds to n digits after the point, half to even, as decimals.
func roundFloat(f float64, n int) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) || f == 0 || n > 323 {
		return f
	}
	if n >= 0 {
		r, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', n, 64), 64)
		return r
	}
	if n < -308 {
		return math.Copysign(0, f)
	}
	whole, _ := new(big.Float).SetFloat64(math.Trunc(f)).Int(nil)
	rounded := roundInt(whole, n)
	if frac := f - math.Trunc(f); frac != 0 { // a fraction breaks a tie
		half := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-n)), nil)
		half.Rsh(half, 1)
		m := new(big.Int).Mod(new(big.Int).Abs(whole), new(big.Int).Lsh(half, 1))
		if m.Cmp(half) == 0 {
			step := big.NewInt(int64(math.Copysign(1, f)))
			rounded = roundInt(whole.Add(whole, step), n)
		}
	}
	r, _ := toFloat(rounded)
	return math.Copysign(r, f)
}

// roundInt rounds to a multiple of 10**-n, half to even.
func roundInt(n *big.Int, digits int) any {
	if digits >= 0 {
		return normalizeInt(n)
	}
	if -digits > maxIntBits/3 {
		return int64(0)
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-digits)), nil)
	q, m := new(big.Int).DivMod(n, unit, new(big.Int))
	if c := m.Lsh(m, 1).Cmp(unit); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return normalizeInt(q.Mul(q, unit))
}

func filterSum(in *interp, a []any) any {
	next := in.iterate(a[0])
	get := in.getter(a[1], nil)
	sum := a[2]
	if isText(sum) {
		in.fail("sum does not add strings: use join")
	}
	for item, ok := next(); ok; item, ok = next() {
		sum = in.binary("+", sum, get(item))
	}
	return sum
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
