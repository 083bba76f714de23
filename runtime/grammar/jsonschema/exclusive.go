package jsonschema

import (
	"slices"

	"st/runtime/grammar/automaton"
)

// exclusive returns the cases of a oneOf, so that what is written for one validates against no other: without what is valid for the others, where they are
// not told apart anyway.
func (c *compiler) exclusive(at *value, cases []all) ([]all, error) {
	if ok, err := c.discriminated(at.get("oneOf").list); ok || err != nil {
		return cases, err
	}
	var alone []all
	for i := range cases {
		a, err := c.exclusiveOf(at, cases, i)
		if err != nil {
			return nil, err
		}
		alone = append(alone, a)
	}
	return alone, nil
}

// exclusiveOf returns a case of a oneOf without what is valid for others. Where it is told apart from one by what is never written for it, that is looked at
// again once something is left out: members may be listed by what is not valid for a third.
func (c *compiler) exclusiveOf(at *value, cases []all, i int) (all, error) {
	alone, apart := cases[i], make([]bool, len(cases))
	apart[i] = true
	for again := true; again; {
		again = false
		a := alone
		for j, b := range cases {
			if apart[j] {
				continue
			}
			c.unwritten = false
			ok, err := c.excludes(a, b, 0)
			if err != nil {
				return nil, err
			}
			if ok {
				apart[j] = !c.unwritten
				continue
			}
			n, err := c.negate(at.get("oneOf").list[j], 0)
			switch {
			case c.ctx.Err() != nil:
				return nil, err
			case err != nil:
				return nil, errorf(at.get("oneOf"), "alternatives %d and %d may both be valid for the same value: use anyOf, or tell them apart by "+
					"their types, or by a required property with a const or an enum", min(i, j), max(i, j))
			}
			alone, apart[j], again = alone.with(element{n, whole}), true, true
		}
	}
	return alone, nil
}

// discriminated reports whether alternatives are objects that a required property tells apart, whose values each of them lists: to find that is quicker than
// to compare any two of many.
func (c *compiler) discriminated(alternatives []*value) (bool, error) {
	values := map[string]map[string]bool{} // of each property that tells all alternatives so far apart
	for i, alternative := range alternatives {
		found, err := c.requiredValues(all{{alternative, whole}})
		if err != nil {
			return false, err
		}
		if i == 0 {
			for name := range found {
				values[name] = map[string]bool{}
			}
		}
		for name, seen := range values {
			apart := len(found[name]) > 0
			for _, v := range found[name] {
				apart = apart && v.kind == isString && !seen[v.text]
			}
			if !apart {
				delete(values, name)
				continue
			}
			for _, v := range found[name] {
				seen[v.text] = true
			}
		}
		if len(values) == 0 {
			return false, nil
		}
	}
	return true, nil
}

// requiredValues returns the required properties of objects whose values are listed, and those.
func (c *compiler) requiredValues(a all) (map[string][]*value, error) {
	m, err := c.mergeAlone(a)
	if err != nil || m == nil || m.allowed != objectType {
		return nil, err
	}
	found := map[string][]*value{}
	for name := range m.members.required {
		n, err := c.mergeAlone(m.members.schemas[name])
		if err != nil {
			return nil, err
		}
		if n != nil {
			found[name] = n.enum
		}
	}
	return found, nil
}

// mergeAlone returns what schemas say together; nil: there is a choice, or nothing validates, or readers differ about what counts.
func (c *compiler) mergeAlone(a all) (*merged, error) {
	f, err := c.flattenWith(a, false)
	if err != nil || f.never || len(f.choices) > 0 || c.refAlone && slices.ContainsFunc(f.plain, besideReference) {
		return nil, err
	}
	return c.merge(f)
}

// contradicts reports whether nothing validates against schemas, some of which were made, because no type or value of an enum does, or none of a
// required property. It keeps the cases few that conditions come to.
func (c *compiler) contradicts(f flat) (bool, error) {
	if !slices.ContainsFunc(f.plain, func(e element) bool { return e.at.made }) {
		return false, nil
	}
	m, err := c.merge(f)
	if err != nil || m.types == 0 {
		return true, err
	}
	if ok, err := c.anyValid(m); !ok || err != nil {
		return true, err
	}
	if m.types != objectType {
		return false, nil
	}
	for name := range m.members.required {
		g, err := c.flatten(m.members.schemas[name])
		if err != nil || g.never {
			return true, err
		}
		if len(g.choices) > 0 || len(g.plain) == 0 {
			continue
		}
		n, err := c.merge(g)
		if err != nil || n.types == 0 {
			return true, err
		}
		if ok, err := c.anyValid(n); !ok || err != nil {
			return true, err
		}
	}
	return false, nil
}

// anyValid reports whether an enum, if there is one, has a value that validates.
func (c *compiler) anyValid(m *merged) (bool, error) {
	for _, v := range m.enum {
		if ok, err := c.validAll(v, m.all); ok || err != nil {
			return ok, err
		}
	}
	return !m.hasEnum, nil
}

// Limits of the search for what tells schemas apart.
const maxExclusive = 6

// excludes reports whether nothing that is written for a validates against b, as far as can be told.
func (c *compiler) excludes(a, b all, depth int) (bool, error) {
	if depth > maxExclusive {
		return false, nil
	}
	f, err := c.flatten(a)
	if err != nil || f.never {
		return true, err
	}
	g, err := c.flattenWith(b, false)
	if err != nil || g.never {
		return true, err
	}
	if c.refAlone { // more is valid for b where what stands beside a reference is passed over
		g.plain, g.choices = slices.DeleteFunc(g.plain, besideReference), slices.DeleteFunc(g.choices, besideReference)
	}
	for _, side := range []struct {
		f    flat
		test func(sub all) (bool, error)
	}{
		{f, func(sub all) (bool, error) { return c.excludes(sub, b, depth+1) }},
		{g, func(sub all) (bool, error) { return c.excludes(a, sub, depth+1) }},
	} {
		if len(side.f.choices) == 0 {
			continue
		}
		e := side.f.choices[0]
		keyword := "anyOf"
		if e.part == oneOf {
			keyword = "oneOf"
		}
		rest := append(append(all{}, side.f.plain...), side.f.choices[1:]...)
		for _, alternative := range e.at.get(keyword).list {
			if ok, err := side.test(rest.with(element{alternative, whole})); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return c.plainExcludes(f, g, depth)
}

// besideReference reports whether a schema says something beside its $ref, which readers of draft 7 pass over and others do not.
func besideReference(e element) bool { return e.at.get("$ref") != nil && saysMore(e) }

// saysMore reports whether a schema has keywords that are followed besides $ref.
func saysMore(e element) bool {
	return slices.ContainsFunc(e.at.keys, func(k string) bool { _, followed := keywords[k]; return followed && k != "$ref" })
}

func (c *compiler) plainExcludes(f, g flat, depth int) (bool, error) {
	m, err := c.merge(f)
	if err != nil {
		return false, err
	}
	n, err := c.merge(g)
	if err != nil {
		return false, err
	}
	if m.hasEnum {
		return c.noneValid(m.enum, f.plain, g.plain)
	}
	if n.hasEnum {
		return c.noneValid(n.enum, g.plain, f.plain)
	}
	both := m.types & n.allowed
	if m.types&numberType != 0 && m.types&fractionType != 0 && n.allowed&integerType != 0 {
		both |= integerType
	}
	if len(f.plain) == 0 || len(g.plain) == 0 {
		return false, nil
	}
	for t := nullType; t <= objectType; t <<= 1 {
		if both&t == 0 {
			continue
		}
		ok := false
		switch t {
		case integerType, fractionType:
			ok = m.numbers.apart(&n.numbers)
		case stringType:
			ok = c.textsApart(&m.text, &n.text)
		case arrayType:
			ok, err = c.itemsExclude(&m.items, &n.items, depth)
		case objectType:
			ok, err = c.membersExclude(&m.members, &n.members, depth)
		}
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// noneValid reports whether no value validates against both.
func (c *compiler) noneValid(values []*value, a, b all) (bool, error) {
	for _, v := range values {
		x, err := c.validAll(v, a)
		if err != nil {
			return false, err
		}
		y, err := c.validAll(v, b)
		if err != nil || x && y {
			return false, err
		}
	}
	return true, nil
}

// apart reports whether no number is in both.
func (n *interval) apart(m *interval) bool {
	below := func(a, b *interval) bool { // a ends before b begins
		if a.high == nil || b.low == nil {
			return false
		}
		d := a.high.Cmp(b.low)
		return d < 0 || d == 0 && (a.openHigh || b.openLow)
	}
	return below(n, m) || below(m, n)
}

func (c *compiler) textsApart(t, u *text) bool {
	if t.most >= 0 && t.most < u.least || u.most >= 0 && u.most < t.least {
		return true
	}
	x, err := c.textDFA(t)
	if err != nil {
		return false
	}
	held := *u
	held.allowed, held.others = true, nil
	y, err := c.textDFA(&held)
	if err != nil {
		return false
	}
	both, err := automaton.Intersect(x, y)
	return err == nil && both.Empty()
}

func (c *compiler) itemsExclude(a, b *items, depth int) (bool, error) {
	most := a.most
	if a.closed && (most < 0 || most > len(a.prefix)) {
		most, c.unwritten = len(a.prefix), true
	}
	if most >= 0 && most < b.least || b.most >= 0 && b.most < a.least {
		return true, nil
	}
	for i := range min(a.least, 1+max(len(a.prefix), len(b.prefix))) {
		x, y := a.at(i), b.at(i)
		if len(x) == 0 || len(y) == 0 {
			continue
		}
		if ok, err := c.excludes(x, y, depth+1); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (c *compiler) membersExclude(a, b *members, depth int) (bool, error) {
	for name := range b.required {
		if x := a.schemas[name]; len(x) > 0 && len(b.schemas[name]) > 0 && !a.required[name] && !b.unevaluated[name] {
			if ok, err := c.excludes(x, b.schemas[name], depth+1); ok || err != nil {
				return ok, err
			}
		}
	}
	if b.most >= 0 && len(a.required) > b.most {
		return true, nil
	}
	for _, name := range a.names {
		if !a.required[name] {
			continue
		}
		y, listed := b.schemas[name]
		switch {
		case b.unevaluated[name]: // whether that is refused within the alternative, or beside all of them, is not known
			continue
		case listed:
		case len(b.patterns) > 0:
			continue
		default:
			y = b.others
		}
		if len(y) == 0 {
			continue
		}
		x := a.schemas[name]
		if len(x) == 0 {
			x = all{{&value{kind: isTrue}, whole}}
		}
		if ok, err := c.excludes(x, y, depth+1); ok || err != nil {
			return ok, err
		}
	}
	for name := range b.required {
		if _, listed := a.schemas[name]; !listed && !a.open && len(a.patterns) == 0 {
			c.unwritten = true
			return true, nil
		}
	}
	return false, nil
}
