package jsonschema

import (
	"math/bits"
	"slices"

	"st/runtime/grammar"
)

// maxUnique bounds the values of items that are all different and come in any order: each set of them is a state. More come in their order.
const maxUnique = 10

// uniqueItems returns the grammar of arrays whose items are all different: values of an enum.
func (c *compiler) uniqueItems(a *items, most int) (*grammar.Grammar, error) {
	values, listed, err := c.listedValues(a.rest, 0)
	switch {
	case err != nil:
		return nil, err
	case !listed || len(a.prefix) > 0:
		return nil, errorf(a.unique, "uniqueItems is supported only of items that are values of an enum or a const")
	}
	states := c.anyOrder
	if len(values) > maxUnique {
		states = c.inOrder
	}
	machine, err := states(a, most, values)
	if err != nil {
		return nil, err
	}
	return grammar.Sequence(grammar.Literal("["), grammar.FromStates(machine), grammar.Literal("]")), nil
}

// anyOrder returns the automaton of items that are different values.
func (c *compiler) anyOrder(a *items, most int, values []*value) ([]grammar.State, error) {
	if err := c.spend(a.unique, 1<<len(values)); err != nil {
		return nil, err
	}
	states := make([]grammar.State, 1<<len(values))
	for set := range states {
		n := bits.OnesCount(uint(set))
		states[set].Final = n >= a.least
		for i, v := range values {
			if set>>i&1 == 0 && n != most {
				states[set].Edges = append(states[set].Edges, grammar.Edge{Label: itemText(v, n), Next: set | 1<<i})
			}
		}
	}
	return states, nil
}

// inOrder returns the automaton of items that are different values, in their order. Its states are how many values were passed, and, as far as it matters,
// how many of those are items.
func (c *compiler) inOrder(a *items, most int, values []*value) ([]grammar.State, error) {
	counts := 1 + min(max(1, a.least, most), len(values))
	n := (len(values) + 1) * counts
	if n > maxItemStates {
		return nil, errorf(a.unique, "counting the items takes more than %d states", maxItemStates)
	}
	if err := c.spend(a.unique, n); err != nil {
		return nil, err
	}
	states := make([]grammar.State, n)
	for i := range states {
		s, place, count := &states[i], i/counts, i%counts
		if place == len(values) {
			s.Final = count >= a.least
			continue
		}
		s.Edges = append(s.Edges, grammar.Edge{Next: i + counts})
		if most < 0 || count < most {
			s.Edges = append(s.Edges, grammar.Edge{Label: itemText(values[place], count), Next: (place+1)*counts + min(count+1, counts-1)})
		}
	}
	return states, nil
}

// itemText returns the grammar of a value that comes after n items.
func itemText(v *value, n int) *grammar.Grammar {
	if n > 0 {
		return grammar.Literal(", " + v.String())
	}
	return grammar.Literal(v.String())
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
