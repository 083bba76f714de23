package jsonschema

import (
	"maps"
	"slices"
	"strings"

	"st/runtime/grammar"
)

// uniqueItems returns the grammar of arrays whose items are all different. Their texts are: equal items are written alike.
func (c *compiler) uniqueItems(a *items, most int) (*grammar.Grammar, error) {
	values, listed, err := c.listedValues(a.rest, 0)
	if err != nil {
		return nil, err
	}
	var first []*grammar.Grammar
	var rest *grammar.Grammar
	if listed && len(a.prefix) == 0 && !c.alike {
		if len(values) < a.least {
			return grammar.Choice(), nil
		}
		var texts []string
		for _, v := range values {
			texts = append(texts, v.String())
		}
		rest = literals(texts)
	} else if first, rest, err = c.alikeItems(a); err != nil {
		return nil, err
	}
	return grammar.Sequence(grammar.Literal("["), grammar.DistinctTuple(first, rest, ", ", a.least, most), grammar.Literal("]")), nil
}

// alikeItems returns the grammars of items of which equal ones are written alike: of the first ones, and of any other.
func (c *compiler) alikeItems(a *items) (first []*grammar.Grammar, rest *grammar.Grammar, err error) {
	alike, strict := c.alike, c.strict
	defer func() { c.alike, c.strict = alike, strict }()
	c.alike, c.strict = true, strict || c.forked || len(a.prefix) > 0
	first, rest, err = c.eachItem(a)
	if err == nil && c.forked && !c.strict {
		c.strict = true
		first, rest, err = c.eachItem(a)
	}
	return first, rest, err
}

func (c *compiler) eachItem(a *items) (first []*grammar.Grammar, rest *grammar.Grammar, err error) {
	for _, schemas := range a.prefix {
		item, err := c.value(schemas)
		if err != nil {
			return nil, nil, err
		}
		first = append(first, item)
	}
	if rest = grammar.Choice(); !a.closed {
		rest, err = c.value(a.rest)
	}
	return first, rest, err
}

// listedValues returns the values that validate, each once, and whether schemas list them.
func (c *compiler) listedValues(a all, depth int) (values []*value, listed bool, err error) {
	switch {
	case len(a) == 0:
		return nil, false, nil
	case depth > maxLevel:
		return nil, false, errorf(a[0].at, "choices are nested too deep")
	}
	f, err := c.flatten(a)
	if err != nil || f.never {
		return nil, f.never, err
	}
	cases, err := c.cases(f)
	if err != nil {
		return nil, false, err
	}
	if cases == nil {
		return c.plainValues(f)
	}
	found := valueSet{}
	for _, sub := range cases {
		values, listed, err := c.listedValues(sub, depth+1)
		if err != nil || !listed {
			return nil, false, err
		}
		for _, v := range values {
			if err := c.spend(c.root, 1); err != nil {
				return nil, false, err
			}
			found.add(v)
		}
	}
	return found.list, true, nil
}

// plainValues is listedValues of schemas without references and choices.
func (c *compiler) plainValues(f flat) (values []*value, listed bool, err error) {
	m, err := c.merge(f)
	switch {
	case err != nil:
		return nil, false, err
	case m.types == booleanType && !m.hasEnum:
		return []*value{{kind: isFalse}, {kind: isTrue}}, true, nil
	}
	c.listed = true
	defer func() { c.listed = false }()
	found := valueSet{}
	for _, v := range m.enum {
		ok, err := c.validAll(v, m.all)
		if err != nil {
			return nil, false, err
		}
		if ok {
			found.add(v)
		}
	}
	return found.list, m.hasEnum, nil
}

// valueSet is values, no two of which are equal.
type valueSet struct {
	list []*value
	keys map[string]bool
}

// add adds a value, unless an equal one is there, and reports whether it did.
func (s *valueSet) add(v *value) bool {
	key := v.key()
	if s.keys[key] {
		return false
	}
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	s.keys[key] = true
	s.list = append(s.list, v)
	return true
}

// key returns a text that a value has in common with those that are equal, and no others.
func (v *value) key() string {
	var b strings.Builder
	v.writeKey(&b)
	return b.String()
}

func (v *value) writeKey(b *strings.Builder) {
	switch v.kind {
	case isNumber:
		r, _ := number(v.text)
		b.WriteString(r.RatString())
	case isArray:
		for _, e := range v.list {
			b.WriteString("[")
			e.writeKey(b)
		}
		b.WriteString("]")
	case isObject:
		b.WriteString("{")
		for _, k := range slices.Sorted(maps.Keys(v.by)) {
			b.WriteString(quote(k))
			v.by[k].writeKey(b)
		}
		b.WriteString("}")
	default:
		v.write(b)
	}
}

// different reports whether all values are.
func (c *compiler) different(at *value, values []*value) (bool, error) {
	found := valueSet{}
	for _, v := range values {
		if err := c.spend(at, 1); err != nil {
			return false, err
		}
		if !found.add(v) {
			return false, nil
		}
	}
	return true, nil
}
