package jinja

import (
	"slices"

	"strings"
)

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
