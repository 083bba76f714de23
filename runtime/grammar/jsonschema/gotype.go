package jsonschema

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// ErrType says that a Go type has no JSON Schema, because encoding/json cannot fill it, or fills it from what it alone knows.
var ErrType = errors.New("the type has no JSON Schema")

// For returns a schema of a Go type: whatever validates against it is read by [json.Unmarshal], without losing a part.
//
// Structs are objects of the fields that encoding/json knows, in their order and by their names there; those with omitempty or omitzero may be
// left out. Pointers may be null. Integers are in the range of their type, floats finite. Maps have keys that are strings or integers. A
// time.Time is a date-time, []byte base64; any and json.RawMessage are any value.
//
// The tag jsonschema says more: a list of keywords with commas between them. enum=red|green lists values; minimum, maximum, minLength,
// maxLength, minItems, maxItems, format, title have one; pattern and description take the rest of the tag. For slices all but minItems and maxItems
// are about the elements.
// Of a struct, a time.Time, []byte, any and json.RawMessage a tag can say a title and a description only.
//
//	type Room struct {
//		Name  string   `json:"name" jsonschema:"minLength=1,description=as on the door"`
//		Floor int      `json:"floor" jsonschema:"minimum=-2,maximum=40"`
//		Use   []string `json:"use,omitempty" jsonschema:"enum=office|storage|lab,maxItems=3"`
//	}
func For(t reflect.Type) ([]byte, error) {
	d := &deriver{names: map[reflect.Type]string{}}
	d.count(t, map[reflect.Type]bool{})
	s, err := d.schema(t, keywordsOfTag{}, t.String())
	if err != nil {
		return nil, err
	}
	if len(d.defs) > 0 {
		s = append(s, member{"$defs", ordered(d.defs)})
	}
	return json.Marshal(s)
}

// member is a member of an object whose order counts.
type member struct {
	key   string
	value any
}

type ordered []member

// MarshalJSON writes the members in their order.
func (o ordered) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.WriteString(quote(m.key) + ":" + string(value))
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// deriver makes schemas of types.
type deriver struct {
	names map[reflect.Type]string // of types that contain themselves
	defs  []member
}

var (
	timeType        = reflect.TypeFor[time.Time]()
	rawType         = reflect.TypeFor[json.RawMessage]()
	numberGoType    = reflect.TypeFor[json.Number]()
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// count finds the structs that contain themselves.
func (d *deriver) count(t reflect.Type, within map[reflect.Type]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		if t.Name() != "" {
			if d.again(t, within) {
				return
			}
			within[t] = true
			defer delete(within, t)
		}
		d.count(t.Elem(), within)
	case reflect.Struct:
		if t == timeType || d.again(t, within) {
			return
		}
		within[t] = true
		for i := range t.NumField() {
			d.count(t.Field(i).Type, within)
		}
		delete(within, t)
	}
}

func (d *deriver) again(t reflect.Type, within map[reflect.Type]bool) bool {
	if within[t] && d.names[t] == "" {
		name, _, _ := strings.Cut(t.Name(), "[") // the arguments of a generic type are paths, whose slashes mean something in a reference
		d.names[t] = fmt.Sprintf("%s_%d", name, len(d.names)+1)
	}
	return within[t]
}

// schema returns the schema of a type. path names it for errors.
func (d *deriver) schema(t reflect.Type, tag keywordsOfTag, path string) (ordered, error) {
	name := d.names[t]
	if name == "" {
		return d.fresh(t, tag, path)
	}
	ref := ordered{{"$ref", "#/$defs/" + name}}
	for _, m := range d.defs {
		if m.key == name {
			return ref, nil
		}
	}
	at := len(d.defs)
	d.defs = append(d.defs, member{name, true}) // until it is known
	s, err := d.fresh(t, tag, path)
	d.defs[at].value = s
	return ref, err
}

func (d *deriver) fresh(t reflect.Type, tag keywordsOfTag, path string) (ordered, error) {
	switch t {
	case timeType:
		return tag.told(ordered{{"type", "string"}, {"format", "date-time"}}, path)
	case rawType:
		return tag.told(ordered{}, path)
	case numberGoType:
		return tag.add(ordered{{"type", "number"}}, reflect.Float64, path)
	}
	if readsItself(t) {
		if tag.values == nil || !tag.tellsText() {
			return nil, fmt.Errorf("%w: %s reads itself: a tag with enum, pattern or format says what", ErrType, path)
		}
		return tag.add(ordered{{"type", "string"}}, reflect.String, path)
	}
	switch k := t.Kind(); k {
	case reflect.Bool:
		return tag.add(ordered{{"type", "boolean"}}, k, path)
	case reflect.String:
		return tag.add(ordered{{"type", "string"}}, k, path)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := t.Bits()
		return tag.add(ordered{{"type", "integer"}, {"minimum", int64(-1) << (bits - 1)}, {"maximum", int64(1)<<(bits-1) - 1}}, k, path)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return tag.add(ordered{{"type", "integer"}, {"minimum", 0}, {"maximum", uint64(math.MaxUint64) >> (64 - t.Bits())}}, k, path)
	case reflect.Float32:
		return tag.add(ordered{{"type", "number"}, {"minimum", -1e15}, {"maximum", 1e15}}, k, path)
	case reflect.Float64:
		return tag.add(ordered{{"type", "number"}}, k, path)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return nil, fmt.Errorf("%w: %s is an interface with methods", ErrType, path)
		}
		return tag.told(ordered{}, path)
	case reflect.Pointer:
		s, err := d.schema(t.Elem(), tag, path)
		return ordered{{"anyOf", []any{s, ordered{{"type", "null"}}}}}, err
	case reflect.Slice, reflect.Array:
		return d.list(t, tag, path)
	case reflect.Map:
		return d.dictionary(t, tag, path)
	case reflect.Struct:
		s, err := d.structure(t, path)
		if err != nil {
			return nil, err
		}
		return tag.told(s, path)
	}
	return nil, fmt.Errorf("%w: %s is a %s", ErrType, path, t.Kind())
}

// readsItself reports whether encoding/json leaves it to the type what it reads.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() != reflect.Pointer && (p.Implements(unmarshaler) || p.Implements(textUnmarshaler))
}

func (d *deriver) list(t reflect.Type, tag keywordsOfTag, path string) (ordered, error) {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !readsItself(t.Elem()) {
		return tag.told(ordered{{"type", "string"}, {"pattern", "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"}}, path)
	}
	items, err := d.schema(t.Elem(), tag.without("minItems", "maxItems"), path+"[]")
	if err != nil {
		return nil, err
	}
	s := ordered{{"type", "array"}, {"items", items}}
	if t.Kind() == reflect.Array {
		return append(s, member{"minItems", t.Len()}, member{"maxItems", t.Len()}), nil
	}
	return tag.only("minItems", "maxItems").add(s, reflect.Slice, path)
}

func (d *deriver) dictionary(t reflect.Type, tag keywordsOfTag, path string) (ordered, error) {
	values, err := d.schema(t.Elem(), tag, path+"[]")
	if err != nil {
		return nil, err
	}
	s := ordered{{"type", "object"}, {"additionalProperties", values}}
	key := t.Key()
	switch k := key.Kind(); {
	case key.Implements(textUnmarshaler) || reflect.PointerTo(key).Implements(textUnmarshaler):
	case k == reflect.String:
		return s, nil
	case k >= reflect.Int && k <= reflect.Int64:
		digits := len(strconv.FormatInt(math.MaxInt64>>(64-key.Bits()), 10)) - 1
		return append(s, member{"propertyNames", ordered{{"pattern", fmt.Sprintf(`^(?:0|-?[1-9]\d{0,%d})$`, digits-1)}}}), nil
	case k >= reflect.Uint && k <= reflect.Uintptr:
		digits := len(strconv.FormatUint(math.MaxUint64>>(64-key.Bits()), 10)) - 1
		return append(s, member{"propertyNames", ordered{{"pattern", fmt.Sprintf(`^(?:0|[1-9]\d{0,%d})$`, digits-1)}}}), nil
	}
	return nil, fmt.Errorf("%w: %s has keys of type %s: strings and integers are supported", ErrType, path, key)
}

// structure returns the schema of a struct.
func (d *deriver) structure(t reflect.Type, path string) (ordered, error) {
	fields, err := fieldsOf(t, path)
	if err != nil {
		return nil, err
	}
	properties, required := ordered{}, []string{}
	for _, f := range fields {
		tag, err := parseTag(f.tag, path+"."+f.name)
		if err != nil {
			return nil, err
		}
		s, err := d.schema(f.of, tag, path+"."+f.name)
		if err != nil {
			return nil, err
		}
		properties = append(properties, member{f.name, s})
		if !f.optional {
			required = append(required, f.name)
		}
	}
	return ordered{{"type", "object"}, {"properties", properties}, {"required", required}, {"additionalProperties", false}}, nil
}
