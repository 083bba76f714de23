package jinja

import (
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

// attr is x.name: an attribute of the value or, if it has none, an item.
func (in *interp) attr(x any, name string) any {
	if v, ok := in.attribute(x, name); ok {
		return v
	}
	return in.itemOnly(x, name)
}

// item is x[key]: an item or, if there is none, an attribute.
func (in *interp) item(x, key any) any {
	v := in.itemOnly(x, key)
	if u, ok := v.(*undefined); ok && u.of != "" {
		if name, ok := text(key); ok {
			if v, ok := in.attribute(x, name); ok {
				return v
			}
		}
	}
	return v
}

func (in *interp) itemOnly(x, key any) any {
	var items []any
	switch v := x.(type) {
	case *undefined:
		in.failUndefined(v)
	case *dict:
		if value, found, _ := v.get(key); found {
			return value
		}
	case *selfValue:
		if name, ok := text(key); ok && in.blocks[name] != nil {
			return &blockRef{in.blocks[name]}
		}
	case *list:
		items = v.items
	case *tuple:
		items = v.items
	case *rangeValue:
		if i, ok := index(key); ok {
			if i < 0 {
				i += v.len()
			}
			if i >= 0 && i < v.len() {
				return v.at(i)
			}
		}
	case string, markup:
		s, _ := text(v)
		if i, ok := index(key); ok {
			if c, ok := in.char(s, i); ok {
				return like(x, c)
			}
		}
	}
	if i, ok := index(key); ok && items != nil {
		if i < 0 {
			i += len(items)
		}
		if i >= 0 && i < len(items) {
			return items[i]
		}
	}
	return &undefined{name: key, of: typeName(x)}
}

// char is s[i].
func (in *interp) char(s string, i int) (string, bool) {
	if i < 0 {
		in.scan(len(s))
		for ; s != "" && i < -1; i++ {
			_, n := utf8.DecodeLastRuneInString(s)
			s = s[:len(s)-n]
		}
		_, n := utf8.DecodeLastRuneInString(s)
		return s[len(s)-n:], n > 0
	}
	in.scan(min(i, len(s)))
	for ; s != "" && i > 0; i-- {
		_, n := utf8.DecodeRuneInString(s)
		s = s[n:]
	}
	_, n := utf8.DecodeRuneInString(s)
	return s[:n], n > 0
}

// Names of the methods that modify a list or a dict: the sandbox forbids them.
var (
	listModifiers = "append clear pop reverse insert sort extend remove"
	dictModifiers = "clear pop popitem setdefault update"
)

func among(name, names string) bool {
	for _, n := range strings.Fields(names) {
		if n == name {
			return true
		}
	}
	return false
}

// attribute returns the attribute of a value, which is undefined if it is not
// safe to use.
func (in *interp) attribute(x any, name string) (any, bool) {
	if strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__") && len(name) > 4 {
		return in.internalAttribute(x, name)
	}
	var methods map[string]*builtin
	switch v := x.(type) {
	case *undefined:
		in.failUndefined(v)
	case string, markup:
		methods = stringMethods
	case *list:
		if among(name, listModifiers) {
			return &undefined{name: name, of: "list", unsafe: true}, true
		}
		methods = listMethods
	case *tuple:
		for i, n := range v.names {
			if n == name {
				return v.items[i], true
			}
		}
		methods = tupleMethods
	case *dict:
		if among(name, dictModifiers) {
			return &undefined{name: name, of: "dict", unsafe: true}, true
		}
		methods = dictMethods
	case *rangeValue:
		if bound, ok := v.attribute(name); ok {
			return bound, true
		}
		methods = tupleMethods
	case bool, int64, *big.Int:
		return intAttribute(v, name)
	case float64:
		return floatAttribute(v, name)
	case *namespace:
		return v.attrs.getString(name)
	case *cycler:
		return v.attribute(name)
	case *joiner:
		return v.attribute(name)
	case *loopState:
		return v.attribute(name)
	case *macro:
		return v.attribute(name)
	}
	if m := methods[name]; m != nil {
		return &function{builtin: m, self: x, method: true}, true
	}
	return nil, false
}

// internalAttribute is an attribute such as __class__, which is not safe to use
// on any value. A dict may have it as a key.
func (in *interp) internalAttribute(x any, name string) (any, bool) {
	switch v := x.(type) {
	case *undefined:
		in.failUndefined(v)
	case *dict:
		if _, ok := v.getString(name); ok {
			return nil, false
		}
	}
	return &undefined{name: name, of: typeName(x), unsafe: true}, true
}

func intAttribute(v any, name string) (any, bool) {
	n, _ := toInt(v)
	switch name {
	case "real", "numerator":
		return normalizeInt(n), true
	case "imag":
		return int64(0), true
	case "denominator":
		return int64(1), true
	case "bit_length":
		return method(name, func(*interp, []any) any { return int64(n.BitLen()) }), true
	}
	return nil, false
}

func floatAttribute(f float64, name string) (any, bool) {
	switch name {
	case "real":
		return f, true
	case "imag":
		return 0.0, true
	case "is_integer":
		return method(name, func(*interp, []any) any { return f == math.Trunc(f) && !math.IsInf(f, 0) }), true
	}
	return nil, false
}

func (r *rangeValue) attribute(name string) (any, bool) {
	switch name {
	case "start":
		return r.start, true
	case "stop":
		return r.stop, true
	case "step":
		return r.step, true
	}
	return nil, false
}

func (j *joiner) attribute(name string) (any, bool) {
	switch name {
	case "sep":
		return j.sep, true
	case "used":
		return j.used, true
	}
	return nil, false
}

func (m *macro) attribute(name string) (any, bool) {
	switch name {
	case "name":
		return m.def.name, true
	case "arguments":
		t := &tuple{}
		for _, p := range m.def.params {
			t.items = append(t.items, p)
		}
		return t, true
	case "catch_kwargs":
		return m.def.kwargs, true
	case "catch_varargs":
		return m.def.varargs, true
	case "caller":
		return m.def.caller, true
	}
	return nil, false
}

func (c *cycler) attribute(name string) (any, bool) {
	switch name {
	case "current":
		return c.items[c.pos], true
	case "next":
		return method(name, func(*interp, []any) any {
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v
		}), true
	case "reset":
		return method(name, func(*interp, []any) any { c.pos = 0; return nil }), true
	case "items":
		return &tuple{items: c.items}, true
	case "pos":
		return int64(c.pos), true
	}
	return nil, false
}
