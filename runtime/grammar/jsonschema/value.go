package jsonschema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// value is a JSON value whose members are in order, and which knows its place.
type value struct {
	kind kind
	text string // a string; a number as it is written
	list []*value
	keys []string // of an object's members, in order
	by   map[string]*value

	id     int
	parent *value
	name   string // its key or index there

	made   bool // see compiler.made
	others bool // strings that are none of its enum, or do not match its pattern
}

type kind uint8

const (
	isNull kind = iota
	isFalse
	isTrue
	isNumber
	isString
	isArray
	isObject
)

// Limits of a schema. A value takes some hundred bytes in memory.
const (
	maxDepth  = 1000
	maxSize   = 4 << 20 // bytes
	maxValues = 1 << 16
)

// pollValues is how many values are read, or looked at, between two looks at the context.
const pollValues = 1 << 8

// parser reads a document.
type parser struct {
	ctx   context.Context
	dec   *json.Decoder
	count int
}

// parse reads a document of one value.
func parse(ctx context.Context, data []byte) (*value, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("it has %d bytes, and at most %d are read", len(data), maxSize)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8 text")
	}
	p := &parser{ctx: ctx, dec: json.NewDecoder(bytes.NewReader(data))}
	p.dec.UseNumber()
	v, err := p.value(nil, "", 0)
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

// token reads one token of a document that is not at its end.
func (p *parser) token() (json.Token, error) {
	t, err := p.dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	return t, nil
}

func (p *parser) value(parent *value, name string, depth int) (*value, error) {
	t, err := p.token()
	if err != nil {
		return nil, err
	}
	v := &value{id: p.count, parent: parent, name: name}
	if p.count++; p.count > maxValues {
		return nil, fmt.Errorf("it has more than %d values", maxValues)
	}
	if p.count%pollValues == 0 && p.ctx.Err() != nil {
		return nil, context.Cause(p.ctx)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	switch t := t.(type) {
	case nil:
	case bool:
		if v.kind = isFalse; t {
			v.kind = isTrue
		}
	case json.Number:
		v.kind, v.text = isNumber, t.String()
		if _, err := number(v.text); err != nil {
			return nil, err
		}
	case string:
		v.kind, v.text = isString, t
	case json.Delim:
		if t == '[' {
			err = p.array(v, depth)
		} else {
			err = p.object(v, depth)
		}
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (p *parser) array(v *value, depth int) error {
	v.kind = isArray
	for p.dec.More() {
		e, err := p.value(v, strconv.Itoa(len(v.list)), depth+1)
		if err != nil {
			return err
		}
		v.list = append(v.list, e)
	}
	_, err := p.token()
	return err
}

func (p *parser) object(v *value, depth int) error {
	v.kind, v.by = isObject, map[string]*value{}
	for p.dec.More() {
		t, err := p.token()
		if err != nil {
			return err
		}
		key := t.(string)
		if v.by[key] != nil {
			return fmt.Errorf("%s has the key %q twice", pointer(v), key)
		}
		e, err := p.value(v, key, depth+1)
		if err != nil {
			return err
		}
		v.keys = append(v.keys, key)
		v.by[key] = e
	}
	_, err := p.token()
	return err
}

// escapePointer escapes a name of a JSON Pointer.
var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// pointer returns the place of a value as a JSON Pointer in a URI fragment, RFC 6901.
func pointer(v *value) string {
	var names []string
	for ; v.parent != nil; v = v.parent {
		names = append(names, v.name)
	}
	var p strings.Builder
	p.WriteByte('#')
	for i := len(names) - 1; i >= 0; i-- {
		p.WriteByte('/')
		p.WriteString(escapePointer.Replace(names[i]))
	}
	return p.String()
}

// get returns a member; nil: there is none.
func (v *value) get(key string) *value { return v.by[key] }

// mentions reports whether an object within a value has a member of that name.
func (v *value) mentions(name string) bool {
	within := func(e *value) bool { return e.mentions(name) }
	return v.by[name] != nil || slices.ContainsFunc(v.list, within) || slices.ContainsFunc(v.keys, func(k string) bool { return within(v.by[k]) })
}

// maxExponent bounds the exponents of numbers in a schema.
const maxExponent = 400

// number returns the value of a number as it is written.
func number(text string) (*big.Rat, error) {
	if _, e, ok := strings.Cut(strings.ToLower(text), "e"); ok {
		if n, err := strconv.Atoi(e); err != nil || n > maxExponent || n < -maxExponent {
			return nil, fmt.Errorf("the number %.40s is too large or too small", text)
		}
	}
	if len(text) > 2*maxExponent {
		return nil, fmt.Errorf("the number %.40s… has too many digits", text)
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, fmt.Errorf("%.40s is no number", text)
	}
	return r, nil
}

// write appends a value as models write it: with a space after a colon and a comma.
func (v *value) write(b *strings.Builder) {
	switch v.kind {
	case isNull:
		b.WriteString("null")
	case isFalse:
		b.WriteString("false")
	case isTrue:
		b.WriteString("true")
	case isNumber:
		b.WriteString(v.text)
	case isString:
		b.WriteString(quote(v.text))
	case isArray:
		b.WriteByte('[')
		for i, e := range v.list {
			if i > 0 {
				b.WriteString(", ")
			}
			e.write(b)
		}
		b.WriteByte(']')
	default:
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(quote(k) + ": ")
			v.by[k].write(b)
		}
		b.WriteByte('}')
	}
}

func (v *value) String() string {
	var b strings.Builder
	v.write(&b)
	return b.String()
}

// quote returns a JSON string, with escapes only where they are needed.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		if e, ok := escapes[c]; ok {
			b.WriteString(e)
		} else if c < ' ' {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// escapes are the characters that are written with a backslash.
var escapes = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

// equal reports whether two values are the same, as JSON Schema has it: 1 and 1.0 are.
func equal(a, b *value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case isNumber:
		x, _ := number(a.text)
		y, _ := number(b.text)
		return x.Cmp(y) == 0
	case isString:
		return a.text == b.text
	case isArray:
		if len(a.list) != len(b.list) {
			return false
		}
		for i := range a.list {
			if !equal(a.list[i], b.list[i]) {
				return false
			}
		}
	case isObject:
		if len(a.keys) != len(b.keys) {
			return false
		}
		for k, x := range a.by {
			if y := b.by[k]; y == nil || !equal(x, y) {
				return false
			}
		}
	}
	return true
}
