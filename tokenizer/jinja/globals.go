package jinja

import "time"

// globals are the functions that every template can call.
var globals = functions(
	variadic("range", func(in *interp, _ any, a callArgs) any {
		if len(a.names) > 0 || len(a.positional) < 1 || len(a.positional) > 3 {
			in.fail("range takes one to three integers")
		}
		var n [3]int64
		for i, v := range a.positional {
			switch v := v.(type) {
			case int64:
				n[i] = v
			case bool:
				if v {
					n[i] = 1
				}
			default:
				in.failOn(v, "range takes integers, not a %s", typeName(v))
			}
			if n[i] > 1<<60 || n[i] < -1<<60 {
				fail(in.line, ErrLimit, "range has more than %d items", maxRange)
			}
		}
		r := &rangeValue{n[0], n[1], n[2]}
		switch len(a.positional) {
		case 1:
			r = &rangeValue{0, n[0], 1}
		case 2:
			r.step = 1
		}
		if r.step == 0 {
			in.fail("the step of range is zero")
		}
		if r.len() > maxRange {
			fail(in.line, ErrLimit, "range has more than %d items", maxRange)
		}
		return r
	}),
	variadic("dict", func(in *interp, _ any, a callArgs) any { return in.newDict("dict", a) }),
	variadic("namespace", func(in *interp, _ any, a callArgs) any { return &namespace{in.newDict("namespace", a)} }),
	variadic("cycler", func(in *interp, _ any, a callArgs) any {
		if len(a.positional) == 0 || len(a.names) > 0 {
			in.fail("cycler takes the items to cycle through")
		}
		return &cycler{items: a.positional}
	}),
	joinerClass,
	variadic("lipsum", func(in *interp, _ any, _ callArgs) any {
		fail(in.line, ErrUnsupported, "the function lipsum is not supported")
		return nil
	}),
	define("raise_exception", "message", func(in *interp, a []any) any {
		fail(in.line, ErrRaised, "%s", in.str(a[0]))
		return nil
	}),
	define("strftime_now", "format", func(in *interp, a []any) any {
		return in.strftime(time.Now(), in.argString("strftime_now", a[0]))
	}),
)

func functions(all ...*builtin) map[string]any {
	m := map[string]any{}
	for _, b := range all {
		m[b.name] = &function{builtin: b}
	}
	return m
}

// newDict is dict(pairs, **named).
func (in *interp) newDict(who string, a callArgs) *dict {
	d := &dict{}
	if len(a.positional) > 1 {
		in.fail("%s takes one dict or sequence of pairs", who)
	}
	for _, v := range a.positional {
		if given, ok := v.(*dict); ok {
			v = &view{given, "items"}
		}
		next := in.iterate(v)
		for pair, ok := next(); ok; pair, ok = next() {
			kv := in.list(pair)
			if len(kv) != 2 {
				in.fail("%s needs pairs", who)
			}
			in.set(d, kv[0], kv[1])
		}
	}
	for i, name := range a.names {
		in.set(d, name, a.named[i])
	}
	return d
}

var joinerClass = &builtin{
	name:   "joiner",
	params: []param{{name: "sep", value: ", "}},
	f:      func(_ *interp, a []any) any { return &joiner{sep: a[0]} },
}
