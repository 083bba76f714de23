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

// containing returns the grammar of arrays with contains, of which most < 0 is any number of items. Without a greatest number of those that it is about, one
// that counts may also be written where any item is.
func (c *compiler) containing(a *items, most int) (*grammar.Grammar, error) {
	at := a.contains[0].get("contains")
	switch {
	case len(a.contains) > 1:
		return nil, errorf(a.contains[1].get("contains"), "contains is supported once for an array")
	case a.unique != nil:
		return nil, errorf(at, "contains is not supported with uniqueItems")
	}
	counted, uncounted := all{{at, whole}}, all(nil)
	least, mostCounted := c.containedBounds(a.contains[0])
	if mostCounted >= 0 && mostCounted < least {
		return grammar.Choice(), nil
	}
	if mostCounted >= 0 {
		n, err := c.negate(at, 0)
		if err != nil {
			return nil, err
		}
		uncounted = all{{n, whole}}
	}
	type place struct{ items, counted int } // exact as far as they matter
	end := place{max(1, len(a.prefix), a.least, most), max(least, mostCounted)}
	var states []grammar.State
	index, todo := map[place]int{{}: 0}, []place{{}}
	for i := 0; i < len(todo); i++ {
		if err := c.spend(at, 1); err != nil {
			return nil, err
		}
		if i > maxItemStates {
			return nil, errorf(at, "counting the items takes more than %d states", maxItemStates)
		}
		p, s := todo[i], grammar.State{}
		s.Final = p.items >= a.least && p.counted >= least
		edge := func(more all, next place) error {
			item, err := c.value(a.at(p.items).with(more...))
			if p.items > 0 {
				item = grammar.Sequence(grammar.Literal(", "), item)
			}
			next = place{min(next.items, end.items), min(next.counted, end.counted)}
			to, ok := index[next]
			if !ok {
				to = len(todo)
				index[next], todo = to, append(todo, next)
			}
			s.Edges = append(s.Edges, grammar.Edge{Label: item, Next: to})
			return err
		}
		var err error
		if most < 0 || p.items < most {
			err = edge(uncounted, place{p.items + 1, p.counted})
			if p.counted < end.counted && err == nil {
				err = edge(counted, place{p.items + 1, p.counted + 1})
			}
		}
		if err != nil {
			return nil, err
		}
		states = append(states, s)
	}
	return grammar.Sequence(grammar.Literal("["), grammar.FromStates(states), grammar.Literal("]")), nil
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
