package jinja

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"strings"
)

// compare is x op y.
func (in *interp) compare(op string, x, y any) bool {
	switch op {
	case "==":
		return in.equal(x, y)
	case "!=":
		return !in.equal(x, y)
	case "in":
		return in.contains(y, x)
	case "notin":
		return !in.contains(y, x)
	case "<":
		return in.less(x, y, op)
	case ">":
		return in.less(y, x, op)
	case "<=":
		return in.lessOrEqual(x, y, op)
	}
	return in.lessOrEqual(y, x, op)
}

// compareNumbers orders two numbers; ok is false if one is no number, and
// ordered is false if one is NaN.
func compareNumbers(x, y any) (c int, ordered, ok bool) {
	if a, isInt64 := x.(int64); isInt64 {
		if b, isInt64 := y.(int64); isInt64 {
			return cmp.Compare(a, b), true, true
		}
	}
	a, okX := toFloat(x)
	b, okY := toFloat(y)
	if !okX || !okY {
		return 0, false, false
	}
	if math.IsNaN(a) || math.IsNaN(b) {
		return 0, false, true
	}
	if a != b || math.IsInf(a, 0) {
		return cmp.Compare(a, b), true, true
	}
	// Floats this close may be integers that differ.
	return exact(x).Cmp(exact(y)), true, true
}

func exact(v any) *big.Float {
	if n, ok := toInt(v); ok {
		return new(big.Float).SetPrec(uint(max(64, n.BitLen()))).SetInt(n)
	}
	f, _ := toFloat(v)
	return big.NewFloat(f)
}

// equal is x == y.
func (in *interp) equal(x, y any) bool {
	if s, ok := text(x); ok {
		t, ok := text(y)
		in.scan(min(len(s), len(t)))
		return ok && s == t
	}
	if c, ordered, ok := compareNumbers(x, y); ok {
		return ordered && c == 0
	}
	in.enterData()
	defer in.leaveData()
	switch a := x.(type) {
	case *list:
		b, ok := y.(*list)
		return ok && slices.EqualFunc(a.items, b.items, in.same)
	case *tuple:
		b, ok := y.(*tuple)
		return ok && slices.EqualFunc(a.items, b.items, in.same)
	case *dict:
		b, ok := y.(*dict)
		if !ok || len(a.entries) != len(b.entries) {
			return false
		}
		for _, e := range a.entries {
			if v, found, _ := b.get(e.key); !found || !in.same(e.value, v) {
				return false
			}
		}
		return true
	case *rangeValue:
		b, ok := y.(*rangeValue)
		return ok && a.len() == b.len() && (a.len() == 0 || a.start == b.start && (a.len() == 1 || a.step == b.step))
	case *undefined:
		_, ok := y.(*undefined)
		return ok
	case *view:
		b, ok := y.(*view)
		if !ok || a.kind == "values" || b.kind == "values" {
			return x == y
		}
		if len(a.d.entries) != len(b.d.entries) {
			return false
		}
		next := dictIterator(a.d, a.kind)
		for item, ok := next(); ok; item, ok = next() {
			if !in.contains(b, item) {
				return false
			}
		}
		return true
	case *function:
		b, ok := y.(*function)
		return ok && a.builtin != nil && a.builtin == b.builtin && a.self == b.self
	}
	return x == y
}

// same is x is y or x == y, as containers compare.
func (in *interp) same(x, y any) bool {
	in.step(1)
	return identical(x, y) || in.equal(x, y)
}

// identical is x is y. Equal numbers and strings are the same object here.
func identical(x, y any) bool {
	switch a := x.(type) {
	case float64:
		b, ok := y.(float64)
		return ok && (a == b || math.IsNaN(a) && math.IsNaN(b))
	case *big.Int:
		b, ok := y.(*big.Int)
		return ok && a.Cmp(b) == 0
	case *function:
		b, ok := y.(*function)
		return ok && a == b
	}
	return x == y
}

func (in *interp) less(x, y any, op string) bool {
	if c, ordered, ok := compareNumbers(x, y); ok {
		return ordered && c < 0
	}
	c, ok := in.order(x, y, op)
	return ok && c < 0
}

func (in *interp) lessOrEqual(x, y any, op string) bool {
	if c, ordered, ok := compareNumbers(x, y); ok {
		return ordered && c <= 0
	}
	c, ok := in.order(x, y, op)
	return ok && c <= 0
}

// order compares strings, lists and tuples; ok is false if a NaN decides.
func (in *interp) order(x, y any, op string) (c int, ok bool) {
	if s, ok := text(x); ok {
		if t, ok := text(y); ok {
			in.scan(min(len(s), len(t)))
			return strings.Compare(s, t), true
		}
	}
	var a, b []any
	switch v := x.(type) {
	case *list:
		if w, ok := y.(*list); ok {
			a, b = v.items, w.items
			return in.orderItems(a, b, op)
		}
	case *tuple:
		if w, ok := y.(*tuple); ok {
			return in.orderItems(v.items, w.items, op)
		}
	}
	if u, ok := y.(*undefined); ok {
		in.failUndefined(u)
	}
	in.failOn(x, "%s does not fit a %s and a %s", op, typeName(x), typeName(y))
	return 0, false
}

func (in *interp) orderItems(a, b []any, op string) (int, bool) {
	in.enterData()
	defer in.leaveData()
	for i := range min(len(a), len(b)) {
		if in.same(a[i], b[i]) {
			continue
		}
		if c, ordered, ok := compareNumbers(a[i], b[i]); ok {
			return c, ordered
		}
		return in.order(a[i], b[i], op)
	}
	return cmp.Compare(len(a), len(b)), true
}

// contains is item in container.
func (in *interp) contains(container, item any) bool {
	switch c := container.(type) {
	case string, markup:
		s, _ := text(c)
		sub, ok := text(item)
		if !ok {
			in.fail("a %s cannot be in a string", typeName(item))
		}
		in.scan(len(s))
		return strings.Contains(s, sub)
	case *dict:
		_, found, hashable := c.get(item)
		if !hashable {
			in.fail("a %s cannot be the key of a dict", typeName(item))
		}
		return found
	case *view:
		if c.kind == "keys" {
			return in.contains(c.d, item)
		}
	case *rangeValue:
		if n, ok := item.(int64); ok {
			return c.len() > 0 && (n-c.start)%c.step == 0 && (n-c.start)/c.step >= 0 && (n-c.start)/c.step < int64(c.len())
		}
	}
	next := in.iterate(container)
	for v, ok := next(); ok; v, ok = next() {
		if in.same(v, item) {
			return true
		}
	}
	return false
}

// sort sorts items by the keys, keeping the order of equals.
func (in *interp) sort(items, keys []any, reverse bool) []any {
	in.items(2 * len(items))
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		in.step(1)
		x, y := keys[i], keys[j]
		if reverse {
			x, y = y, x
		}
		switch {
		case in.less(x, y, "<"):
			return -1
		case in.less(y, x, "<"):
			return 1
		}
		return 0
	})
	sorted := make([]any, len(items))
	for i, j := range order {
		sorted[i] = items[j]
	}
	return sorted
}
