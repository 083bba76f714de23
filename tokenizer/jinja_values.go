package tokenizer

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// The template engine has one nil where Jinja tells apart what is None and
// what is undefined, and templates do ask. Here None is a nil of a type of its
// own, and so is what is surely undefined: the engine takes them for nil, our
// tests and filters know them. An untyped nil is what a dict lacks: undefined.
type (
	none      struct{}
	undefined struct{}
)

var (
	noneValue      = (*none)(nil)
	undefinedValue = (*undefined)(nil)
)

func isNone(v *exec.Value) bool {
	_, ok := v.Interface().(*none)
	return ok
}

func isDefined(v *exec.Value) bool { return isNone(v) || !v.IsNil() && !v.IsError() }

// list is a list of which [-n] is its first item too, which the engine misses.
type list []any

func (l list) GetItem(key any) (*exec.Value, bool) {
	if i, ok := key.(int); ok {
		if i < 0 {
			i += len(l)
		}
		if i >= 0 && i < len(l) {
			return exec.ToValue(l[i]), true
		}
	}
	return exec.AsValue(undefinedValue), true
}

// message is a turn of the conversation as a dict that knows what it lacks.
type message map[string]any

func (m message) GetItem(key any) (*exec.Value, bool) {
	if name, ok := key.(string); ok {
		if value, ok := m[name]; ok {
			return exec.ToValue(value), true
		}
	}
	return exec.AsValue(undefinedValue), true
}

func (m message) dict() *exec.Dict {
	d := exec.NewDict()
	for _, name := range []string{"role", "content"} {
		d.Pairs = append(d.Pairs, pair(name, m[name]))
	}
	return d
}

func pair(key string, value any) *exec.Pair {
	return &exec.Pair{Key: exec.AsValue(key), Value: exec.AsValue(value)}
}

// templateValue returns the template's view of a Go value: that of its JSON,
// in which objects keep the order of their keys.
func templateValue(v any) (any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return decodeValue(d)
}

func decodeValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			return decodeList(d)
		}
		return decodeDict(d)
	case json.Number:
		if i, err := strconv.Atoi(token.String()); err == nil {
			return i, nil
		}
		return token.Float64()
	case nil:
		return noneValue, nil
	}
	return token, nil // string or bool
}

func decodeList(d *json.Decoder) (any, error) {
	items := list{}
	for d.More() {
		item, err := decodeValue(d)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := d.Token()
	return items, err
}

func decodeDict(d *json.Decoder) (any, error) {
	dict := exec.NewDict()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		value, err := decodeValue(d)
		if err != nil {
			return nil, err
		}
		dict.Pairs = append(dict.Pairs, pair(key.(string), value))
	}
	_, err := d.Token()
	return dict, err
}

// pairs returns the items of a dict in their order.
func pairs(v *exec.Value) []*exec.Pair {
	switch d := v.Interface().(type) {
	case *exec.Dict:
		return d.Pairs
	case message:
		return d.dict().Pairs
	}
	var all []*exec.Pair
	v.Iterate(func(_, _ int, key, value *exec.Value) bool {
		all = append(all, &exec.Pair{Key: key, Value: value})
		return true
	}, func() {})
	return all
}
