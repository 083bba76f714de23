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

// maxContains bounds the schemas with contains for one array: an item may count for any set of them.
const maxContains = 4

// contained is what an array is to contain.
type contained struct {
	counted, uncounted all // what items that count are valid against, and others
	least, counts      int // how many count at least, and how many numbers of them matter
}

// contained returns what a schema with contains says; never: no array is valid. Without a greatest number of the items that count, such a one may also be
// written where any item is.
func (c *compiler) contained(schema *value) (p contained, never bool, err error) {
	at := schema.get("contains")
	least, most := c.containedBounds(schema)
	p = contained{counted: all{{at, whole}}, least: least, counts: 1 + max(least, most)}
	if most < 0 || most < least {
		return p, most >= 0, nil
	}
	n, err := c.negate(at, 0)
	p.uncounted = all{{n, whole}}
	return p, false, err
}

// containing returns the grammar of arrays with contains, of at most so many items; most < 0: any number. A state of the automaton is how many items there
// are, and how many count for each schema, as far as it matters.
func (c *compiler) containing(a *items, most int) (*grammar.Grammar, error) {
	at := a.contains[0].get("contains")
	switch {
	case len(a.contains) > maxContains:
		return nil, errorf(a.contains[maxContains].get("contains"), "contains is supported at most %d times for an array", maxContains)
	case a.unique != nil:
		return nil, errorf(at, "contains is not supported with uniqueItems")
	}
	var parts []contained
	rows, columns := 1+max(1, len(a.prefix), a.least, most), 1
	for _, schema := range a.contains {
		p, never, err := c.contained(schema)
		if err != nil || never {
			return grammar.Choice(), err
		}
		parts = append(parts, p)
		if columns *= p.counts; rows*columns > maxItemStates {
			return nil, errorf(at, "counting the items takes more than %d states", maxItemStates)
		}
	}
	if err := c.spend(at, rows*columns<<(len(parts)-1)); err != nil {
		return nil, err
	}
	states := make([]grammar.State, rows*columns)
	for i := range states {
		n := i / columns
		states[i].Final = n >= a.least
		for k, m := range countsOf(parts, i%columns) {
			states[i].Final = states[i].Final && m >= parts[k].least
		}
		if n == most {
			continue
		}
		for set := range 1 << len(parts) {
			if err := c.addItem(&states[i], a, n, parts, i%columns, set, min(n+1, rows-1)*columns); err != nil {
				return nil, err
			}
		}
	}
	return grammar.Sequence(grammar.Literal("["), grammar.FromStates(states), grammar.Literal("]")), nil
}

// countsOf returns how many items count for each part, of a column of states.
func countsOf(parts []contained, column int) (counts []int) {
	for _, p := range parts {
		counts, column = append(counts, column%p.counts), column/p.counts
	}
	return counts
}

// addItem adds an edge with an item that comes after n others, and counts for a set of parts, from a column of states to one in the row that begins at next.
// None is added where enough count for a part, or as many as may be.
func (c *compiler) addItem(s *grammar.State, a *items, n int, parts []contained, column, set, next int) error {
	schemas, step := a.at(n), 1
	for k, m := range countsOf(parts, column) {
		p := &parts[k]
		switch counts := set>>k&1 == 1; {
		case counts && m+1 == p.counts:
			return nil
		case counts:
			schemas, column = schemas.with(p.counted...), column+step
		default:
			schemas = schemas.with(p.uncounted...)
		}
		step *= p.counts
	}
	item, err := c.value(schemas)
	if n > 0 {
		item = grammar.Sequence(grammar.Literal(", "), item)
	}
	s.Edges = append(s.Edges, grammar.Edge{Label: item, Next: next + column})
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
