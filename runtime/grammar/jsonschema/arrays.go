package jsonschema

import "st/runtime/grammar"

// items is the arrays that schemas allow.
type items struct {
	least, most int   // most < 0: any number
	prefix      []all // of the first items
	rest        all   // of the others
	closed      bool  // there are no others, because no schema says what they would be
	unique      *value
	contains    []*value // schemas with contains
}

// itemsOf returns the schemas of the first items and of the others; nil: the schema does not say. A list of items is draft 7's prefixItems.
func itemsOf(at *value) (prefix []*value, rest *value) {
	rest = at.get("items")
	if p := at.get("prefixItems"); p != nil {
		return p.list, rest
	}
	if rest != nil && rest.kind == isArray {
		return rest.list, at.get("additionalItems")
	}
	return nil, rest
}

// addItems joins what schemas say about arrays.
func (c *compiler) addItems(m *merged) {
	a := &m.items
	said := false
	for _, e := range m.all {
		at := e.at
		if v := at.get("minItems"); v != nil {
			a.least = max(a.least, countOf(v))
		}
		if v := at.get("maxItems"); v != nil && (a.most < 0 || countOf(v) < a.most) {
			a.most = countOf(v)
		}
		if v := at.get("uniqueItems"); v != nil && v.kind == isTrue {
			a.unique = v
		}
		if at.get("contains") != nil {
			a.contains = append(a.contains, at)
		}
		prefix, rest := itemsOf(at)
		for len(a.prefix) < len(prefix) {
			a.prefix = append(a.prefix, a.rest)
		}
		for i := range a.prefix {
			if i < len(prefix) {
				a.prefix[i] = a.prefix[i].with(element{prefix[i], whole})
			} else if rest != nil {
				a.prefix[i] = a.prefix[i].with(element{rest, whole})
			}
		}
		if rest != nil {
			a.rest = a.rest.with(element{rest, whole})
			said = true
		}
	}
	a.closed = len(a.prefix) > 0 && !said && a.least <= len(a.prefix) && len(a.contains) == 0
}

// at returns the schemas of an item.
func (a *items) at(i int) all {
	if i < len(a.prefix) {
		return a.prefix[i]
	}
	return a.rest
}

// value returns the grammar of what validates against schemas, which may be none.
func (c *compiler) value(a all) (*grammar.Grammar, error) {
	if len(a) == 0 {
		return c.anything()
	}
	if c.depth++; c.depth > maxDepth {
		return nil, errorf(a[0].at, "schemas are nested deeper than %d", maxDepth)
	}
	defer func() { c.depth-- }()
	return c.compile(a)
}

// array returns the grammar of arrays.
func (c *compiler) array(m *merged) (*grammar.Grammar, error) {
	c.variants.arrays++
	c.forked = c.forked || c.alike && c.variants.arrays > 1
	a := &m.items
	most := a.most
	if a.closed && (most < 0 || most > len(a.prefix)) {
		most = len(a.prefix)
	}
	if most >= 0 && most < a.least {
		return grammar.Choice(), nil
	}
	if len(a.contains) > 0 {
		return c.containing(a, most)
	}
	if a.unique != nil && (most < 0 || most > 1) {
		return c.uniqueItems(a, most)
	}
	tail, err := c.tail(a, most)
	if err != nil {
		return nil, err
	}
	for i := len(a.prefix) - 1; i >= 0; i-- {
		if most >= 0 && i >= most {
			continue
		}
		item, err := c.value(a.prefix[i])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			item = grammar.Sequence(grammar.Literal(", "), item)
		}
		tail = grammar.Sequence(item, tail)
		if i >= a.least {
			tail = grammar.Optional(tail)
		}
	}
	return grammar.Sequence(grammar.Literal("["), tail, grammar.Literal("]")), nil
}

// tail returns the grammar of the items after the first ones.
func (c *compiler) tail(a *items, most int) (*grammar.Grammar, error) {
	n := len(a.prefix)
	if most >= 0 && most <= n {
		return grammar.Sequence(), nil
	}
	least := max(0, a.least-n)
	if most >= 0 {
		most -= n
	}
	item, err := c.value(a.rest)
	if err != nil {
		return nil, err
	}
	more := grammar.Sequence(grammar.Literal(", "), item)
	if n > 0 {
		return grammar.Repeat(more, least, most), nil
	}
	if most > 0 {
		most--
	}
	tail := grammar.Sequence(item, grammar.Repeat(more, max(0, least-1), most))
	if least == 0 {
		tail = grammar.Optional(tail)
	}
	return tail, nil
}
