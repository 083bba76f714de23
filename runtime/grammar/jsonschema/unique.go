package jsonschema

import (
	"math/bits"
	"slices"

	"st/runtime/grammar"
)

// maxUnique bounds the values of items that are all different: each set of them is a state.
const maxUnique = 10

// uniqueItems returns the grammar of arrays whose items are all different, in any order: values of an enum.
func (c *compiler) uniqueItems(a *items, most int) (*grammar.Grammar, error) {
	values, listed, err := c.listedValues(a.rest)
	switch {
	case err != nil:
		return nil, err
	case !listed || len(a.prefix) > 0 || len(values) > maxUnique:
		return nil, errorf(a.unique, "uniqueItems is supported only of items that are one of up to %d values of an enum", maxUnique)
	}
	if err := c.spend(a.unique, 1<<len(values)); err != nil {
		return nil, err
	}
	states := make([]grammar.State, 1<<len(values))
	for set := range states {
		n := bits.OnesCount(uint(set))
		states[set].Final = n >= a.least
		for i, v := range values {
			if set>>i&1 == 1 || n == most {
				continue
			}
			text := v.String()
			if n > 0 {
				text = ", " + text
			}
			states[set].Edges = append(states[set].Edges, grammar.Edge{Label: grammar.Literal(text), Next: set | 1<<i})
		}
	}
	return grammar.Sequence(grammar.Literal("["), grammar.FromStates(states), grammar.Literal("]")), nil
}

// listedValues returns the values that validate, and whether a schema lists them.
func (c *compiler) listedValues(a all) (values []*value, listed bool, err error) {
	if len(a) == 0 {
		return nil, false, nil
	}
	f, err := c.flatten(a)
	if err != nil || len(f.choices) > 0 {
		return nil, false, err
	}
	m, err := c.merge(f)
	if err != nil {
		return nil, false, err
	}
	if m.types == booleanType && !m.hasEnum {
		return []*value{{kind: isFalse}, {kind: isTrue}}, true, nil
	}
	for _, v := range m.enum {
		ok, err := c.validAll(v, m.all)
		if err != nil {
			return nil, false, err
		}
		if ok && !slices.ContainsFunc(values, func(w *value) bool { return equal(v, w) }) {
			values = append(values, v)
		}
		if len(values) > maxUnique {
			break
		}
	}
	return values, m.hasEnum, nil
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
