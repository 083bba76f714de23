package jsonschema

import (
	"fmt"

	"st/runtime/grammar"
	"st/runtime/grammar/automaton"
)

// types is a set of types of instances.
type types uint8

const (
	nullType types = 1 << iota
	booleanType
	integerType
	fractionType // numbers that are no integers
	stringType
	arrayType
	objectType

	anyType    types = 1<<iota - 1
	numberType       = integerType | fractionType
)

var typeNames = map[string]types{
	"null":    nullType,
	"boolean": booleanType,
	"integer": integerType,
	"number":  numberType,
	"string":  stringType,
	"array":   arrayType,
	"object":  objectType,
}

// typesOf returns what the keyword type allows.
func typesOf(at *value) types {
	v := at.get("type")
	switch {
	case at.others:
		return stringType
	case v == nil:
		return anyType
	}
	t := typeNames[v.text]
	for _, e := range v.list {
		t |= typeNames[e.text]
	}
	if n := at.get("nullable"); n != nil && n.kind == isTrue { // OpenAPI 3.0
		t |= nullType
	}
	return t
}

// merged is what schemas without references and choices say together.
type merged struct {
	all     all
	allowed types    // by the keyword type
	types   types    // that are written: if no schema names a type, those that the keywords are about
	enum    []*value // the only instances, if there are such
	hasEnum bool
	text    text
	numbers interval
	items   items
	members members
}

// merge joins schemas.
func (c *compiler) merge(f flat) (*merged, error) {
	m := &merged{all: f.plain, allowed: anyType, types: anyType, text: text{most: -1}, items: items{most: -1}, members: members{most: -1}}
	about, named := types(0), false
	for _, e := range f.plain {
		at := e.at
		m.allowed &= typesOf(at)
		if at.others {
			m.text.others = append(m.text.others, at)
			continue
		}
		if !at.made {
			named = named || at.get("type") != nil
			for _, k := range at.keys {
				about |= keywords[k].about
			}
		}
		values := at.get("enum")
		if v := at.get("const"); v != nil {
			m.restrict([]*value{v})
		}
		if values != nil {
			m.restrict(values.list)
		}
		if err := m.numbers.add(at); err != nil {
			return nil, err
		}
		m.text.add(at)
	}
	m.types = m.allowed
	if !named && about != 0 && !m.hasEnum {
		m.types &= about
	}
	c.addItems(m)
	return m, c.addMembers(m)
}

// restrict leaves the values that are in the list, too.
func (m *merged) restrict(values []*value) {
	if !m.hasEnum {
		m.hasEnum, m.enum = true, values
		return
	}
	var both []*value
	for _, v := range m.enum {
		for _, w := range values {
			if equal(v, w) {
				both = append(both, v)
				break
			}
		}
	}
	m.enum = both
}

// plain returns the grammar of schemas without references and choices.
func (c *compiler) plain(f flat) (*grammar.Grammar, error) {
	m, err := c.merge(f)
	if err != nil {
		return nil, err
	}
	if m.hasEnum {
		return c.values(m)
	}
	if len(f.plain) == 0 {
		return c.anything()
	}
	var parts []*grammar.Grammar
	add := func(t types, write func(*merged) (*grammar.Grammar, error)) {
		if m.types&t == 0 || err != nil {
			return
		}
		var g *grammar.Grammar
		if g, err = write(m); err == nil {
			parts = append(parts, g)
		}
	}
	add(objectType, c.object)
	add(arrayType, c.array)
	add(stringType, c.string)
	add(numberType, func(m *merged) (*grammar.Grammar, error) {
		if of := m.numbers.multiple; of.step > 1 {
			if err := c.spend(of.at, of.step*stepWork); err != nil {
				return nil, err
			}
		}
		fractions := m.types&fractionType != 0 && !m.numbers.whole
		if fractions && (m.numbers.low != nil || m.numbers.high != nil) {
			if err := c.spend(f.plain[0].at, boundWork); err != nil {
				return nil, err
			}
		}
		return m.numbers.grammar(fractions, c.alike)
	})
	add(booleanType, func(*merged) (*grammar.Grammar, error) {
		return grammar.Choice(grammar.Literal("true"), grammar.Literal("false")), nil
	})
	add(nullType, func(*merged) (*grammar.Grammar, error) { return grammar.Literal("null"), nil })
	return grammar.Choice(parts...), err
}

// maxEnum bounds the values of an enum, as they are written.
const maxEnum = 1 << 18

// values returns the grammar of an enum: its values that validate otherwise, too.
func (c *compiler) values(m *merged) (*grammar.Grammar, error) {
	var texts []string
	size := 0
	seen := map[string]bool{}
	c.listed = true
	defer func() { c.listed = false }()
	for _, v := range m.enum {
		ok, err := c.validAll(v, m.all)
		if err != nil {
			return nil, err
		}
		if size > maxEnum {
			break
		}
		if c.alike {
			v = c.alikeForm(v)
		}
		if text := v.String(); ok && !seen[text] {
			seen[text] = true
			texts = append(texts, text)
			size += len(text)
		}
	}
	switch {
	case len(texts) == 0 && c.depth == 0 && len(c.level) == 1:
		return nil, errorf(m.all[0].at, "no value of the enumeration validates")
	case size > maxEnum:
		return nil, errorf(m.all[0].at, "the values of the enumeration have more than %d bytes", maxEnum)
	}
	return literals(texts), nil
}

// literals returns the grammar of some texts.
func literals(texts []string) *grammar.Grammar {
	if len(texts) > 16 {
		return grammar.FromDFA(automaton.Words(texts...), grammar.Class)
	}
	var parts []*grammar.Grammar
	for _, text := range texts {
		parts = append(parts, grammar.Literal(text))
	}
	return grammar.Choice(parts...)
}

// anything returns the grammar of any value.
func (c *compiler) anything() (*grammar.Grammar, error) {
	if !c.alike {
		return Value(), nil
	}
	key := fmt.Sprint("alike ", c.strict)
	if r := c.rules[key]; r != nil {
		return r.Grammar(), nil
	}
	name, err := c.alikeName()
	if err != nil {
		return nil, err
	}
	r := grammar.NewRule("value")
	r.Define(alikeValueOf(name))
	c.rules[key] = r
	return r.Grammar(), nil
}
