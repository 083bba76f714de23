package jsonschema

import "st/runtime/grammar"

// maxItemStates bounds the automaton of an array whose items are counted.
const maxItemStates = 20_000

// containedBounds returns how many items that validate against contains an array has at least, and at most; most < 0: any number.
func (c *compiler) containedBounds(at *value) (least, most int) {
	least, most = 1, -1
	if v := at.get("minContains"); v != nil {
		least = countOf(v)
	}
	if c.refAlone { // drafts 6 and 7 have contains alone
		least = max(1, least)
	}
	if v := at.get("maxContains"); v != nil {
		most = countOf(v)
	}
	return least, most
}

// containing returns the grammar of arrays with contains, of at most so many items; most < 0: any number. Without a greatest number of those that it is about,
// one that counts may also be written where any item is. A state of the automaton is how many items there are, and how many that count, as far as it matters.
func (c *compiler) containing(a *items, most int) (*grammar.Grammar, error) {
	at := a.contains[0].get("contains")
	switch {
	case len(a.contains) > 1:
		return nil, errorf(a.contains[1].get("contains"), "contains is supported once for an array")
	case a.unique != nil:
		return nil, errorf(at, "contains is not supported with uniqueItems")
	}
	least, mostCounted := c.containedBounds(a.contains[0])
	counted, uncounted := all{{at, whole}}, all(nil)
	switch {
	case mostCounted >= 0 && mostCounted < least:
		return grammar.Choice(), nil
	case mostCounted >= 0:
		n, err := c.negate(at, 0)
		if err != nil {
			return nil, err
		}
		uncounted = all{{n, whole}}
	}
	rows, columns := 1+max(1, len(a.prefix), a.least, most), 1+max(least, mostCounted)
	if rows*columns > maxItemStates {
		return nil, errorf(at, "counting the items takes more than %d states", maxItemStates)
	}
	if err := c.spend(at, rows*columns); err != nil {
		return nil, err
	}
	states := make([]grammar.State, rows*columns)
	for i := range states {
		s, n, m := &states[i], i/columns, i%columns
		s.Final = n >= a.least && m >= least
		if n == most {
			continue
		}
		next := min(n+1, rows-1)*columns + m
		if err := c.addItem(s, a, n, uncounted, next); err != nil {
			return nil, err
		}
		if m+1 == columns { // enough, or as many as may be
			continue
		}
		if err := c.addItem(s, a, n, counted, next+1); err != nil {
			return nil, err
		}
	}
	return grammar.Sequence(grammar.Literal("["), grammar.FromStates(states), grammar.Literal("]")), nil
}

// addItem adds an edge with an item that comes after n others and that validates against more schemas.
func (c *compiler) addItem(s *grammar.State, a *items, n int, more all, next int) error {
	item, err := c.value(a.at(n).with(more...))
	if n > 0 {
		item = grammar.Sequence(grammar.Literal(", "), item)
	}
	s.Edges = append(s.Edges, grammar.Edge{Label: item, Next: next})
	return err
}

// validContains reports whether an array has as many items as contains asks for.
func (c *compiler) validContains(v, at *value, depth int) (bool, error) {
	s := at.get("contains")
	if s == nil {
		return true, nil
	}
	n := 0
	for _, e := range v.list {
		ok, err := c.valid(e, all{{s, whole}}, depth+1)
		if err != nil {
			return false, err
		}
		if ok {
			n++
		}
	}
	least, most := c.containedBounds(at)
	return n >= least && (most < 0 || n <= most), nil
}
