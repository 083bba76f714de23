package jinja

import (
	"math/big"
	"strings"
)

func (e *constant) eval(*interp, *scope) any { return e.value }

func (e *name) eval(in *interp, s *scope) any { return in.lookup(s, e.name) }

func (in *interp) evalAll(all []expr, s *scope) []any {
	in.items(len(all))
	items := make([]any, len(all))
	for i, e := range all {
		items[i] = in.eval(e, s)
	}
	return items
}

func (e *listExpr) eval(in *interp, s *scope) any { return &list{in.evalAll(e.items, s)} }

func (e *tupleExpr) eval(in *interp, s *scope) any { return &tuple{items: in.evalAll(e.items, s)} }

func (e *dictExpr) eval(in *interp, s *scope) any {
	d := &dict{}
	for i, key := range e.keys {
		k := in.eval(key, s)
		in.set(d, k, in.eval(e.values[i], s))
	}
	return d
}

func (e *notExpr) eval(in *interp, s *scope) any { return !truth(in.eval(e.x, s)) }

func (e *logicExpr) eval(in *interp, s *scope) any {
	x := in.eval(e.x, s)
	if truth(x) != e.and {
		return x
	}
	return in.eval(e.y, s)
}

func (e *condExpr) eval(in *interp, s *scope) any {
	switch {
	case truth(in.eval(e.test, s)):
		return in.eval(e.then, s)
	case e.otherwise == nil:
		return &undefined{hint: "the inline if has no else, and its condition is false"}
	}
	return in.eval(e.otherwise, s)
}

func (e *concatExpr) eval(in *interp, s *scope) any {
	parts := make([]string, len(e.parts))
	n := 0
	for i, part := range e.parts {
		parts[i] = in.str(in.eval(part, s))
		n += len(parts[i])
	}
	in.line = e.line
	in.alloc(n)
	return strings.Join(parts, "")
}

func (e *unaryExpr) eval(in *interp, s *scope) any {
	x := in.eval(e.x, s)
	in.line = e.line
	switch v := x.(type) {
	case float64:
		if e.op == '-' {
			return -v
		}
		return v
	}
	n, ok := toInt(x)
	if !ok {
		in.failOn(x, "the operator %c does not fit a %s", e.op, typeName(x))
	}
	if e.op == '-' {
		return normalizeInt(n.Neg(n))
	}
	return normalizeInt(n)
}

func (e *binaryExpr) eval(in *interp, s *scope) any {
	x := in.eval(e.x, s)
	y := in.eval(e.y, s)
	in.line = e.line
	return in.binary(e.op, x, y)
}

func (e *compareExpr) eval(in *interp, s *scope) any {
	x := in.eval(e.first, s)
	for i, op := range e.ops {
		y := in.eval(e.rest[i], s)
		in.line = e.line
		if !in.compare(op, x, y) {
			return false
		}
		x = y
	}
	return true
}

func (e *attrExpr) eval(in *interp, s *scope) any {
	x := in.eval(e.x, s)
	in.line = e.line
	return in.attr(x, e.name)
}

func (e *itemExpr) eval(in *interp, s *scope) any {
	x := in.eval(e.x, s)
	key := in.eval(e.key, s)
	in.line = e.line
	return in.item(x, key)
}

func (e *sliceExpr) eval(in *interp, s *scope) any {
	if e.x == nil {
		fail(e.line, ErrValue, "a slice within a tuple is no key")
	}
	x := in.eval(e.x, s)
	var bounds [3]any
	for i, b := range []expr{e.start, e.stop, e.step} {
		if b != nil {
			bounds[i] = in.eval(b, s)
		}
	}
	in.line = e.line
	return in.slice(x, bounds[0], bounds[1], bounds[2])
}

// callArgs are the arguments of a call.
type callArgs struct {
	positional []any
	names      []string
	named      []any
}

func (in *interp) arguments(a *arguments, s *scope) callArgs {
	var c callArgs
	if len(a.positional) > 0 {
		c.positional = in.evalAll(a.positional, s)
	}
	if len(a.named) > 0 {
		c.names = a.names[:len(a.names):len(a.names)]
		c.named = in.evalAll(a.named, s)
	}
	if a.list != nil {
		c.positional = append(c.positional, in.list(in.eval(a.list, s))...)
	}
	if a.dict != nil {
		v := in.eval(a.dict, s)
		d, ok := v.(*dict)
		if !ok {
			in.failOn(v, "the argument after ** is a %s, not a dict", typeName(v))
		}
		for _, e := range d.entries {
			key, ok := text(e.key)
			if !ok {
				in.fail("the names of arguments are strings, not a %s", typeName(e.key))
			}
			for _, n := range c.names {
				in.step(1)
				if n == key {
					in.fail("the argument %q is given twice", key)
				}
			}
			c.names, c.named = append(c.names, key), append(c.named, e.value)
		}
	}
	return c
}

func (e *callExpr) eval(in *interp, s *scope) any {
	f := in.eval(e.f, s)
	args := in.arguments(&e.args, s)
	in.line = e.line
	return in.call(f, args)
}

func (in *interp) call(f any, args callArgs) any {
	switch f := f.(type) {
	case *function:
		if f.outside != nil {
			return in.callOutside(f.outside, args)
		}
		return f.call(in, f.self, f.method, args)
	case *macro:
		return in.callMacro(f, args)
	case *loopState:
		if f.recurse == nil {
			in.fail("the loop is not marked as recursive")
		}
		if len(args.positional) != 1 || len(args.names) > 0 {
			in.fail("loop takes one argument")
		}
		return f.recurse(args.positional[0])
	case *joiner:
		if len(args.positional)+len(args.names) > 0 {
			in.fail("a joiner takes no arguments")
		}
		if !f.used {
			f.used = true
			return ""
		}
		return f.sep
	case *blockRef:
		if len(args.positional)+len(args.names) > 0 {
			in.fail("a block takes no arguments")
		}
		s, _ := in.capture(func() control { in.block(f.block, in.root); return controlNone })
		return s
	}
	in.failOn(f, "a %s cannot be called", typeName(f))
	return nil
}

func (e *filterExpr) eval(in *interp, s *scope) any { return e.apply(in, in.eval(e.x, s), s) }

func (e *filterExpr) apply(in *interp, v any, s *scope) any {
	if e.f == nil {
		fail(e.line, ErrSyntax, "%s", unknown("filter", e.name))
	}
	args := in.arguments(&e.args, s)
	in.line = e.line
	return e.f.call(in, v, true, args)
}

func (e *testExpr) eval(in *interp, s *scope) any {
	if e.f == nil {
		fail(e.line, ErrSyntax, "%s", unknown("test", e.name))
	}
	x := in.eval(e.x, s)
	args := in.arguments(&e.args, s)
	in.line = e.line
	return truth(e.f.call(in, x, true, args)) != e.negate
}

// index returns the int that v is as a subscript.
func index(v any) (int, bool) {
	switch v := v.(type) {
	case int64:
		return int(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case *big.Int:
		return v.Sign() * (1 << 62), true
	}
	return 0, false
}

// slice is x[start:stop:step].
func (in *interp) slice(x, start, stop, step any) any {
	var runes []rune
	var items []any
	n := 0
	switch v := x.(type) {
	case string, markup:
		s, _ := text(v)
		if step == nil && isASCII(s) {
			lo, hi, _, _ := in.bounds(len(s), start, stop, step)
			return like(x, s[lo:max(lo, hi)])
		}
		in.alloc(4 * len(s))
		runes = []rune(s)
		n = len(runes)
	case *list:
		items, n = v.items, len(v.items)
	case *tuple:
		items, n = v.items, len(v.items)
	case *rangeValue:
		n = v.len()
		lo, _, by, count := in.bounds(n, start, stop, step)
		first := v.start + int64(lo)*v.step
		return &rangeValue{first, first + int64(count)*int64(by)*v.step, int64(by) * v.step}
	default:
		in.failOn(x, "a %s has no slices", typeName(x))
	}
	lo, _, by, count := in.bounds(n, start, stop, step)
	if isText(x) {
		out := make([]rune, 0, count)
		for i := range count {
			out = append(out, runes[lo+i*by])
		}
		return like(x, string(out))
	}
	var out []any
	if by == 1 {
		in.items(0)
		out = items[lo : lo+count : lo+count]
	} else {
		in.items(count)
		out = make([]any, count)
		for i := range out {
			out[i] = items[lo+i*by]
		}
	}
	if _, ok := x.(*tuple); ok {
		return &tuple{items: out}
	}
	return &list{out}
}

func isText(v any) bool { _, ok := text(v); return ok }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// bounds resolves a slice of n items: the first, the end, the step, and how
// many items there are.
func (in *interp) bounds(n int, start, stop, step any) (lo, hi, by, count int) {
	by = 1
	get := func(v any, missing int) int {
		if v == nil {
			return missing
		}
		i, ok := index(v)
		if !ok {
			in.failOn(v, "a slice with a %s", typeName(v))
		}
		return i
	}
	if by = get(step, 1); by == 0 {
		in.fail("the step of a slice is zero")
	}
	clamp := func(i, low, high int) int {
		if i < 0 {
			i = max(i+n, low)
		}
		return min(i, high)
	}
	if by > 0 {
		by = min(by, 1<<40)
		lo, hi = clamp(get(start, 0), 0, n), clamp(get(stop, n), 0, n)
		if lo < hi {
			count = (hi-lo-1)/by + 1
		}
		return
	}
	by = max(by, -1<<40)
	lo, hi = n-1, -1
	if start != nil {
		lo = clamp(get(start, 0), -1, n-1)
	}
	if stop != nil {
		hi = clamp(get(stop, 0), -1, n-1)
	}
	if lo > hi {
		count = (lo-hi-1)/-by + 1
	}
	return
}
