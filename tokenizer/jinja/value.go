package jinja

import (
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"
)

// A value of a template is one of
//
//	nil                     None
//	bool
//	int64, *big.Int         int; a *big.Int only beyond int64
//	float64
//	string, markup          str; markup is text that is escaped for HTML
//	*list, *tuple, *dict
//	*rangeValue             what range() returns
//	*view                   keys(), values() and items() of a dict
//	*generator              what map, select and their like return
//	*undefined
//	*namespace, *cycler, *joiner, *loopState, *selfValue
//	*macro, *function, *blockRef
//
// No value but a namespace, a cycler, a joiner and a generator changes once it
// is made.
type (
	markup string

	list struct{ items []any }

	// tuple is a tuple; of a namedtuple it has the names of its items.
	tuple struct {
		items []any
		names []string
	}

	rangeValue struct{ start, stop, step int64 }

	// view is a view of a dict.
	view struct {
		d    *dict
		kind string // keys, values or items
	}

	// generator yields its items once.
	generator struct {
		next iterator
		kind string // as Python names it
	}

	// undefined is what a name or an attribute that does not exist is.
	undefined struct {
		hint   string // instead of the below
		name   any
		of     string // type of the value that lacks an attribute; "" for a variable
		unsafe bool   // the sandbox forbids the attribute
	}

	namespace struct{ attrs *dict }

	cycler struct {
		items []any
		pos   int
	}

	joiner struct {
		sep  any
		used bool
	}

	// selfValue is the variable self, whose attributes are the blocks.
	selfValue struct{}

	blockRef struct{ block *blockStmt }

	// function is a function, a method with the value it belongs to, or a
	// class that can be called.
	function struct {
		*builtin
		self    any
		method  bool
		outside Func
	}
)

// missing is a parameter that has no value yet.
type missing struct{}

func (u *undefined) message() string {
	switch {
	case u.hint != "":
		return u.hint
	case u.unsafe:
		return fmt.Sprintf("access to the attribute %q of a %s is unsafe", u.name, u.of)
	case u.of == "":
		return fmt.Sprintf("'%v' is undefined", u.name)
	}
	if s, ok := u.name.(string); ok {
		return fmt.Sprintf("a %s has no attribute '%s'", u.of, s)
	}
	return fmt.Sprintf("a %s has no element %v", u.of, u.name)
}

func (b *budget) failUndefined(u *undefined) {
	if u.unsafe {
		fail(b.line, ErrUnsafe, "%s", u.message())
	}
	fail(b.line, ErrUndefined, "%s", u.message())
}

// fail reports that an operation does not fit its value.
func (b *budget) fail(format string, args ...any) { fail(b.line, ErrValue, format, args...) }

// failOn reports that an operation does not fit v, or that v is undefined.
func (b *budget) failOn(v any, format string, args ...any) {
	if u, ok := v.(*undefined); ok {
		b.failUndefined(u)
	}
	b.fail(format, args...)
}

// typeName is the name of the type of v in Python.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case markup:
		return "Markup"
	case *list:
		return "list"
	case *tuple:
		return "tuple"
	case *dict:
		return "dict"
	case *rangeValue:
		return "range"
	case *view:
		return "dict_" + v.kind
	case *generator:
		return v.kind
	case *undefined:
		return "Undefined"
	case *namespace:
		return "Namespace"
	case *cycler:
		return "Cycler"
	case *joiner:
		return "Joiner"
	case *loopState:
		return "LoopContext"
	case *selfValue:
		return "TemplateReference"
	case *blockRef:
		return "BlockReference"
	case *macro:
		return "Macro"
	case *function:
		if v.method {
			return "builtin_function_or_method"
		}
		return "function"
	}
	return fmt.Sprintf("%T", v)
}

// text returns the string that v is.
func text(v any) (s string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case markup:
		return string(v), true
	}
	return "", false
}

// like returns s as markup if v is markup.
func like(v any, s string) any {
	if _, ok := v.(markup); ok {
		return markup(s)
	}
	return s
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case markup:
		return v != ""
	case *undefined:
		return false
	}
	if n, ok := length(v); ok {
		return n > 0
	}
	return true
}

// length is len(v), if v has one.
func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case markup:
		return utf8.RuneCountInString(string(v)), true
	case *list:
		return len(v.items), true
	case *tuple:
		return len(v.items), true
	case *dict:
		return len(v.entries), true
	case *rangeValue:
		return v.len(), true
	case *view:
		return len(v.d.entries), true
	case *undefined:
		return 0, true
	case *loopState:
		return v.length(), true
	}
	return 0, false
}

func (r *rangeValue) len() int {
	switch {
	case r.step > 0 && r.start < r.stop:
		return int((r.stop-r.start-1)/r.step + 1)
	case r.step < 0 && r.start > r.stop:
		return int((r.start-r.stop-1)/-r.step + 1)
	}
	return 0
}

func (r *rangeValue) at(i int) any { return r.start + int64(i)*r.step }

// iterator returns the next item, or false at the end.
type iterator func() (any, bool)

func sliceIterator(items []any) iterator {
	i := 0
	return func() (any, bool) {
		if i == len(items) {
			return nil, false
		}
		i++
		return items[i-1], true
	}
}

// iterate is iter(v), if v can be iterated.
func iterate(v any) (iterator, bool) {
	switch v := v.(type) {
	case *list:
		return sliceIterator(v.items), true
	case *tuple:
		return sliceIterator(v.items), true
	case string:
		return runeIterator(v), true
	case markup:
		return runeIterator(string(v)), true
	case *dict:
		return dictIterator(v, "keys"), true
	case *view:
		return dictIterator(v.d, v.kind), true
	case *generator:
		return v.next, true
	case *undefined:
		return sliceIterator(nil), true
	case *rangeValue:
		i, n := 0, v.len()
		return func() (any, bool) {
			if i == n {
				return nil, false
			}
			i++
			return v.at(i - 1), true
		}, true
	}
	return nil, false
}

func runeIterator(s string) iterator {
	return func() (any, bool) {
		if s == "" {
			return nil, false
		}
		_, n := utf8.DecodeRuneInString(s)
		first := s[:n]
		s = s[n:]
		return first, true
	}
}

func dictIterator(d *dict, kind string) iterator {
	i := 0
	return func() (any, bool) {
		if i == len(d.entries) {
			return nil, false
		}
		e := d.entries[i]
		i++
		switch kind {
		case "keys":
			return e.key, true
		case "values":
			return e.value, true
		}
		return &tuple{items: []any{e.key, e.value}}, true
	}
}

// iterate is iter(v), or the error that v cannot be iterated.
func (b *budget) iterate(v any) iterator {
	next, ok := iterate(v)
	if !ok {
		b.fail("a %s cannot be iterated", typeName(v))
	}
	return func() (any, bool) {
		b.enter() // a generator may iterate over another, and so on
		v, ok := next()
		b.leave()
		return v, ok
	}
}

// list is list(v).
func (b *budget) list(v any) []any {
	var known []any
	switch v := v.(type) {
	case *list:
		known = v.items
	case *tuple:
		known = v.items
	default:
		next := b.iterate(v)
		var items []any
		for item, ok := next(); ok; item, ok = next() {
			if len(items) == cap(items) {
				b.items(2*len(items) + 1)
			}
			items = append(items, item)
		}
		return items
	}
	b.items(len(known))
	return known[:len(known):len(known)]
}

// dict keeps the order in which its keys were first set.
type dict struct {
	entries []entry
	index   map[any]int // by hash key; nil for few entries with string keys
}

type entry struct{ key, value any }

const smallDict = 8

// Hash keys of values that are not comparable in Go as they are in Python.
type (
	tupleKey     string
	bigKey       string
	noneKey      struct{}
	undefinedKey struct{}
)

// hashKey returns what equal keys have in common, or false if v cannot be a key.
func hashKey(v any) (any, bool) {
	switch v := v.(type) {
	case nil:
		return noneKey{}, true
	case bool:
		if v {
			return int64(1), true
		}
		return int64(0), true
	case markup:
		return string(v), true
	case float64:
		if i := int64(v); float64(i) == v && v < 1<<63 {
			return i, true
		}
		return v, true
	case *big.Int:
		return bigKey(v.String()), true
	case *undefined:
		return undefinedKey{}, true
	case *list, *dict, *view:
		return nil, false
	case *tuple:
		return tupleHash(v, 0)
	}
	return v, true
}

func tupleHash(t *tuple, depth int) (any, bool) {
	if depth > maxNesting {
		return nil, false
	}
	var b strings.Builder
	for _, item := range t.items {
		var key any
		var ok bool
		if inner, isTuple := item.(*tuple); isTuple {
			key, ok = tupleHash(inner, depth+1)
		} else {
			key, ok = hashKey(item)
		}
		if !ok {
			return nil, false
		}
		part := fmt.Sprintf("%T %#v", key, key)
		fmt.Fprintf(&b, "%d:%s", len(part), part)
	}
	return tupleKey(b.String()), true
}

func (d *dict) find(key any) int {
	if d.index == nil {
		if s, ok := key.(string); ok {
			for i := range d.entries {
				if k, _ := text(d.entries[i].key); k == s {
					return i
				}
			}
		}
		return -1
	}
	if i, ok := d.index[key]; ok {
		return i
	}
	return -1
}

// get returns the value of a key; hashable tells whether v can be a key.
func (d *dict) get(v any) (value any, found, hashable bool) {
	key, ok := hashKey(v)
	if !ok {
		return nil, false, false
	}
	if i := d.find(key); i >= 0 {
		return d.entries[i].value, true, true
	}
	return nil, false, true
}

func (d *dict) getString(key string) (any, bool) {
	if i := d.find(key); i >= 0 {
		return d.entries[i].value, true
	}
	return nil, false
}

// set sets the value of a key; it returns false if v cannot be a key.
func (d *dict) set(v, value any) bool {
	key, ok := hashKey(v)
	if !ok {
		return false
	}
	if i := d.find(key); i >= 0 {
		d.entries[i].value = value
		return true
	}
	_, isString := key.(string)
	if d.index == nil && (!isString || len(d.entries) == smallDict) {
		d.index = make(map[any]int, 2*smallDict)
		for i, e := range d.entries {
			k, _ := hashKey(e.key)
			d.index[k] = i
		}
	}
	if d.index != nil {
		d.index[key] = len(d.entries)
	}
	d.entries = append(d.entries, entry{v, value})
	return true
}

func (b *budget) set(d *dict, key, value any) {
	b.alloc(48)
	if !d.set(key, value) {
		b.fail("a %s cannot be the key of a dict", typeName(key))
	}
}
