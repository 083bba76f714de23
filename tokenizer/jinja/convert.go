package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Dict is a dict as a variable of a template. It keeps the order of its items.
type Dict []Item

// Item is a key of a Dict and its value.
type Item struct {
	Key   string
	Value any
}

// Func is a function as a variable of a template. It gets the values of its
// arguments: nil, bool, int64, float64, string, []any, Dict. The template ends
// with its error.
type Func func(args []any) (any, error)

// converter turns Go values into values of a template and counts their bytes.
type converter struct{ bytes, depth int }

var errNested = fmt.Errorf("it is nested more than %d deep", maxData)

func (c *converter) value(v any) (any, error) {
	c.bytes += 16
	if c.depth++; c.depth > maxData {
		return nil, errNested
	}
	defer func() { c.depth-- }()
	switch v := v.(type) {
	case nil, bool, int64:
		return v, nil
	case string:
		c.bytes += len(v)
		return v, nil
	case int:
		return int64(v), nil
	case float64:
		return v, nil
	case []any:
		l := &list{make([]any, 0, len(v))}
		for _, item := range v {
			value, err := c.value(item)
			if err != nil {
				return nil, err
			}
			l.items = append(l.items, value)
		}
		return l, nil
	case Dict:
		d := &dict{}
		for _, item := range v {
			value, err := c.value(item.Value)
			if err != nil {
				return nil, err
			}
			c.bytes += len(item.Key)
			d.set(item.Key, value)
		}
		return d, nil
	case map[string]any:
		d := make(Dict, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			d = append(d, Item{key, v[key]})
		}
		return c.value(d)
	case json.Number:
		return number(v.String()), nil
	case Func:
		return &function{outside: v}, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	c.bytes += len(data)
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return c.decode(d)
}

// decode reads a JSON value. Objects keep the order of their keys.
func (c *converter) decode(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	c.bytes += 16
	switch token := token.(type) {
	case json.Number:
		return number(token.String()), nil
	case json.Delim:
		if c.depth++; c.depth > maxData {
			return nil, errNested
		}
		defer func() { c.depth-- }()
		if token == '[' {
			return c.decodeList(d)
		}
		return c.decodeDict(d)
	}
	return token, nil // nil, bool or string
}

func (c *converter) decodeList(d *json.Decoder) (any, error) {
	l := &list{}
	for d.More() {
		item, err := c.decode(d)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, item)
	}
	_, err := d.Token()
	return l, err
}

func (c *converter) decodeDict(d *json.Decoder) (any, error) {
	o := &dict{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		value, err := c.decode(d)
		if err != nil {
			return nil, err
		}
		o.set(key, value)
	}
	_, err := d.Token()
	return o, err
}

// number reads a number as Python's json does.
func number(s string) any {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i
	}
	if !strings.ContainsAny(s, ".eE") && len(s) < maxIntBits/4 {
		if n, ok := new(big.Int).SetString(s, 10); ok {
			return n
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return math.NaN()
	}
	return f
}

// callOutside calls a function that is a variable.
func (in *interp) callOutside(f Func, a callArgs) any {
	if len(a.names) > 0 {
		in.fail("a function from outside takes no named arguments")
	}
	args := make([]any, len(a.positional))
	for i, v := range a.positional {
		args[i] = in.goValue(v)
	}
	result, err := f(args)
	if err == nil {
		c := &converter{}
		if result, err = c.value(result); err == nil {
			in.alloc(c.bytes)
			return result
		}
	}
	var known *Error
	if errors.As(err, &known) {
		fail(in.line, known.Kind, "%s", known.Message)
	}
	in.fail("%v", err)
	return nil
}

// goValue turns a value of a template into one for a Func.
func (in *interp) goValue(v any) any {
	in.enterData()
	defer in.leaveData()
	switch v := v.(type) {
	case markup:
		return string(v)
	case *list, *tuple, *rangeValue, *view, *generator:
		items := []any{}
		for _, item := range in.list(v) {
			items = append(items, in.goValue(item))
		}
		return items
	case *dict:
		d := Dict{}
		for _, e := range v.entries {
			d = append(d, Item{in.str(e.key), in.goValue(e.value)})
		}
		return d
	case nil, bool, int64, float64, string:
		return v
	case *undefined:
		return nil
	}
	return in.str(v)
}
