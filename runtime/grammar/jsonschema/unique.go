package jsonschema

import (
	"slices"

	"st/runtime/grammar"
)

// uniqueItems returns the grammar of arrays whose items are all different. Their texts are: equal items are written alike.
func (c *compiler) uniqueItems(a *items, most int) (*grammar.Grammar, error) {
	if len(a.prefix) > 0 {
		return nil, errorf(a.unique, "uniqueItems is not supported with prefixItems, or a list of items")
	}
	least := a.least
	item, values, err := c.differentItem(a)
	if err != nil {
		return nil, err
	}
	if values >= 0 && values < least {
		return grammar.Choice(), nil
	}
	return grammar.Sequence(grammar.Literal("["), grammar.Distinct(item, ", ", least, most), grammar.Literal("]")), nil
}

// differentItem returns the grammar of an item that is to be different from others, and how many there are if schemas list them, else −1.
func (c *compiler) differentItem(a *items) (*grammar.Grammar, int, error) {
	values, listed, err := c.listedValues(a.rest, 0)
	if err != nil {
		return nil, 0, err
	}
	if !listed {
		before := c.alike
		c.alike = true
		defer func() { c.alike = before }()
		item, err := c.value(a.rest)
		return item, -1, err
	}
	var texts []string
	for _, v := range values {
		texts = append(texts, v.String())
	}
	return literals(texts), len(values), nil
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
	for _, sub := range cases {
		found, listed, err := c.listedValues(sub, depth+1)
		if err != nil || !listed {
			return nil, false, err
		}
		if values, err = c.withNew(values, found); err != nil {
			return nil, false, err
		}
	}
	return values, true, nil
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
	for _, v := range m.enum {
		ok, err := c.validAll(v, m.all)
		if err != nil {
			return nil, false, err
		}
		if ok {
			values = append(values, v)
		}
	}
	values, err = c.withNew(nil, values)
	return values, m.hasEnum, err
}

// withNew returns values and those of others that none of them is equal to.
func (c *compiler) withNew(values, others []*value) ([]*value, error) {
	for _, v := range others {
		if err := c.spend(c.root, len(values)/memberWork); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(values, func(w *value) bool { return equal(v, w) }) {
			values = append(values, v)
		}
	}
	return values, nil
}

// different reports whether all values are.
func (c *compiler) different(at *value, values []*value) (bool, error) {
	for i, v := range values {
		if err := c.spend(at, i); err != nil {
			return false, err
		}
		if slices.ContainsFunc(values[:i], func(w *value) bool { return equal(v, w) }) {
			return false, nil
		}
	}
	return true, nil
}
