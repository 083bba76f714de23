package jsonschema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// field is a field of a struct as encoding/json knows it.
type field struct {
	name     string
	of       reflect.Type
	optional bool
	tag      string
	depth    int
	tagged   bool // the name is a tag's
}

// fieldsOf returns the fields of a struct, those of embedded structs included.
func fieldsOf(t reflect.Type, path string) ([]field, error) {
	all, err := collect(t, path, 0, nil)
	if err != nil {
		return nil, err
	}
	var fields []field
	for i, f := range all {
		if !hidden(all, i) {
			fields = append(fields, f)
		}
	}
	return fields, nil
}

// hidden reports whether encoding/json leaves out a field: of those with one name the one at the least depth counts, and of several at that depth the
// only one with a tag. If there is none such, none counts.
func hidden(all []field, i int) bool {
	f := all[i]
	for j, g := range all {
		if j != i && g.name == f.name && (g.depth < f.depth || g.depth == f.depth && (g.tagged || !f.tagged)) {
			return true
		}
	}
	return false
}

func collect(t reflect.Type, path string, depth int, within []reflect.Type) (fields []field, err error) {
	if slices.Contains(within, t) {
		return nil, nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if strings.ContainsFunc(name, isOddInName) {
			name = ""
		}
		embedded := f.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		if f.Anonymous && name == "" && embedded.Kind() == reflect.Struct {
			if !f.IsExported() && f.Type.Kind() == reflect.Pointer {
				return nil, fmt.Errorf("%w: %s embeds a pointer to %s, which encoding/json cannot set", ErrType, path, embedded)
			}
			more, err := collect(embedded, path, depth+1, append(within, t))
			if err != nil {
				return nil, err
			}
			fields = append(fields, more...)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name, tagged = f.Name, false
		}
		list := strings.Split(options, ",")
		if slices.Contains(list, "string") {
			return nil, fmt.Errorf("%w: %s.%s has the option string", ErrType, path, name)
		}
		fields = append(fields, field{name, f.Type, slices.Contains(list, "omitempty") || slices.Contains(list, "omitzero"), f.Tag.Get("jsonschema"), depth, tagged})
	}
	return fields, nil
}

// isOddInName reports whether encoding/json does not take a name with this character from a tag: the field has its own name then.
func isOddInName(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r)
}

// keywordsOfTag is what a tag jsonschema says.
type keywordsOfTag struct{ values []member }

// tagKinds are the keywords of a tag: whether their value is a number.
var tagKinds = map[string]bool{
	"enum": false, "minimum": true, "maximum": true, "exclusiveMinimum": true, "exclusiveMaximum": true, "minLength": true, "maxLength": true,
	"minItems": true, "maxItems": true, "format": false, "pattern": false, "title": false, "description": false,
}

func parseTag(tag, path string) (k keywordsOfTag, err error) {
	for tag != "" {
		name, rest, ok := strings.Cut(tag, "=")
		isNumber, known := tagKinds[name]
		if !ok || !known {
			return k, fmt.Errorf("%w: %s: the tag jsonschema:%q is not a list of keywords such as enum=a|b or minimum=1", ErrType, path, tag)
		}
		value := rest
		if tag = ""; name != "pattern" && name != "description" {
			value, tag, _ = strings.Cut(rest, ",")
		}
		switch _, err := number(value); {
		case isNumber && (err != nil || !json.Valid([]byte(value))):
			return k, fmt.Errorf("%w: %s: %s=%s in the tag jsonschema is no number", ErrType, path, name, value)
		case isNumber:
			k.values = append(k.values, member{name, json.Number(value)})
		default:
			k.values = append(k.values, member{name, value})
		}
	}
	return k, nil
}

// tellsText reports whether the tag says what texts are read.
func (k keywordsOfTag) tellsText() bool {
	return slices.ContainsFunc(k.values, func(m member) bool { return m.key == "enum" || m.key == "pattern" || m.key == "format" })
}

func (k keywordsOfTag) without(names ...string) (out keywordsOfTag) {
	for _, m := range k.values {
		if !slices.Contains(names, m.key) {
			out.values = append(out.values, m)
		}
	}
	return out
}

func (k keywordsOfTag) only(names ...string) (out keywordsOfTag) {
	for _, m := range k.values {
		if slices.Contains(names, m.key) {
			out.values = append(out.values, m)
		}
	}
	return out
}

// told returns the schema of a type about which a tag can say no more than what it is called: another keyword would be ignored.
func (k keywordsOfTag) told(s ordered, path string) (ordered, error) {
	if more := k.without("title", "description"); len(more.values) > 0 {
		return nil, fmt.Errorf("%w: %s: the tag jsonschema has %s, which says nothing of a value of this type", ErrType, path, more.values[0].key)
	}
	return append(s, k.values...), nil
}

// add adds the tag's keywords to a schema. Limits stand beside those of the type: both hold.
func (k keywordsOfTag) add(s ordered, of reflect.Kind, path string) (ordered, error) {
	var more ordered
	for _, m := range k.values {
		if m.key != "enum" {
			more = append(more, m)
			continue
		}
		var values []any
		for _, text := range strings.Split(m.value.(string), "|") {
			switch {
			case of == reflect.String:
				values = append(values, text)
			case of == reflect.Bool && (text == "true" || text == "false"):
				values = append(values, text == "true")
			default:
				if _, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) {
					return nil, fmt.Errorf("%w: %s: %q in the tag's enum is no %s", ErrType, path, text, of)
				}
				values = append(values, json.Number(text))
			}
		}
		more = append(more, member{"enum", values})
	}
	for _, m := range more {
		if slices.ContainsFunc(s, func(x member) bool { return x.key == m.key }) {
			return append(s, member{"allOf", []any{more}}), nil
		}
	}
	return append(s, more...), nil
}
