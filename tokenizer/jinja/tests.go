package jinja

// tests are the tests by name.
var tests map[string]*builtin

func init() {
	about := func(name string, f func(in *interp, v any) bool) *builtin {
		return define(name, "value", func(in *interp, a []any) any { return f(in, a[0]) })
	}
	comparing := func(op string, names ...string) []*builtin {
		var all []*builtin
		for _, name := range names {
			all = append(all, define(name, "a b /", func(in *interp, a []any) any { return in.compare(op, a[0], a[1]) }))
		}
		return all
	}
	isBool := func(v any) bool { _, ok := v.(bool); return ok }
	isUndefined := func(v any) bool { _, ok := v.(*undefined); return ok }
	known := func(name string, table map[string]*builtin) *builtin {
		return about(name, func(in *interp, v any) bool {
			s, ok := text(v)
			if _, hashable := hashKey(v); !hashable {
				in.fail("the test %s needs a name", name)
			}
			return ok && table[s] != nil
		})
	}
	all := []*builtin{
		about("odd", func(in *interp, v any) bool { return in.equal(in.binary("%", v, int64(2)), int64(1)) }),
		about("even", func(in *interp, v any) bool { return in.equal(in.binary("%", v, int64(2)), int64(0)) }),
		define("divisibleby", "value num", func(in *interp, a []any) any {
			return in.equal(in.binary("%", a[0], a[1]), int64(0))
		}),
		about("defined", func(_ *interp, v any) bool { return !isUndefined(v) }),
		about("undefined", func(_ *interp, v any) bool { return isUndefined(v) }),
		about("none", func(_ *interp, v any) bool { return v == nil }),
		about("boolean", func(_ *interp, v any) bool { return isBool(v) }),
		about("true", func(_ *interp, v any) bool { return v == true }),
		about("false", func(_ *interp, v any) bool { return v == false }),
		about("integer", func(_ *interp, v any) bool { return isInt(v) && !isBool(v) }),
		about("float", func(_ *interp, v any) bool { _, ok := v.(float64); return ok }),
		about("number", func(_ *interp, v any) bool { _, ok := v.(float64); return ok || isInt(v) }),
		about("string", func(_ *interp, v any) bool { return isText(v) }),
		about("mapping", func(_ *interp, v any) bool { _, ok := v.(*dict); return ok }),
		about("lower", func(in *interp, v any) bool { return stringMethods["islower"].f(in, []any{in.str(v)}).(bool) }),
		about("upper", func(in *interp, v any) bool { return stringMethods["isupper"].f(in, []any{in.str(v)}).(bool) }),
		about("iterable", func(_ *interp, v any) bool { _, ok := iterate(v); return ok }),
		about("sequence", func(_ *interp, v any) bool {
			switch v.(type) {
			case string, markup, *list, *tuple, *dict, *rangeValue, *undefined:
				return true
			}
			return false
		}),
		about("callable", func(_ *interp, v any) bool {
			switch v.(type) {
			case *function, *macro, *joiner, *blockRef, *loopState, *undefined:
				return true
			}
			return false
		}),
		about("escaped", func(_ *interp, v any) bool { return isMarkup(v) }),
		define("sameas", "value other", func(_ *interp, a []any) any { return identicalTypes(a[0], a[1]) }),
		define("in", "value seq", func(in *interp, a []any) any { return in.contains(a[1], a[0]) }),
	}
	all = append(all, comparing("==", "==", "eq", "equalto")...)
	all = append(all, comparing("!=", "!=", "ne")...)
	all = append(all, comparing(">", ">", "gt", "greaterthan")...)
	all = append(all, comparing(">=", ">=", "ge")...)
	all = append(all, comparing("<", "<", "lt", "lessthan")...)
	all = append(all, comparing("<=", "<=", "le")...)
	tests = table(all...)
	for _, b := range []*builtin{known("filter", filters), known("test", tests)} {
		tests[b.name] = b
	}
}

// identicalTypes is x is y.
func identicalTypes(x, y any) bool { return typeName(x) == typeName(y) && identical(x, y) }
