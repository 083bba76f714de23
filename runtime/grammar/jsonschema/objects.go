package jsonschema

import (
	"slices"

	"st/runtime/grammar"
	"st/runtime/grammar/automaton"
)

// members is the objects that schemas allow.
type members struct {
	least, most int      // most < 0: any number
	names       []string // in the order of the schemas
	schemas     map[string]all
	required    map[string]bool
	patterns    []*value        // of patternProperties, whose names they are
	others      all             // of members with names that are not listed and match no pattern
	open        bool            // there may be such
	unevaluated map[string]bool // listed ones of which no schema speaks where unevaluatedProperties refuses those
	keys        all             // of propertyNames, for their names
	bounds      *value
}

// addMembers joins what schemas say about objects.
func (c *compiler) addMembers(m *merged) error {
	o := &m.members
	o.schemas, o.required, o.unevaluated = map[string]all{}, map[string]bool{}, map[string]bool{}
	listed, unevaluated, said, shut := false, false, false, false
	for _, e := range m.all {
		listed = o.addListed(e.at) || listed
		unevaluated = unevaluated || refusesUnevaluated(e.at)
	}
	for _, e := range m.all {
		o.addLimits(e.at)
		if v := e.at.get("additionalProperties"); v != nil {
			said, shut = true, shut || v.kind == isFalse
			o.others = o.others.with(element{v, whole})
		}
	}
	o.open = !shut && (said || !listed && !unevaluated)
	return c.addMemberSchemas(m, unevaluated)
}

// addListed takes in the names and patterns that a schema lists, and reports whether it has a list of them.
func (o *members) addListed(at *value) bool {
	properties, patterns := at.get("properties"), at.get("patternProperties")
	if properties != nil {
		for _, k := range properties.keys {
			o.list(k)
		}
	}
	if patterns != nil {
		for _, k := range patterns.keys {
			if !slices.ContainsFunc(o.patterns, func(v *value) bool { return v.name == k }) {
				o.patterns = append(o.patterns, patterns.get(k))
			}
		}
	}
	return properties != nil || patterns != nil
}

// addLimits takes in which members a schema requires, how many, and what their names are.
func (o *members) addLimits(at *value) {
	if r := at.get("required"); r != nil {
		for _, k := range r.list {
			o.list(k.text)
			o.required[k.text] = true
		}
	}
	if v := at.get("minProperties"); v != nil && countOf(v) > o.least {
		o.least, o.bounds = countOf(v), v
	}
	if v := at.get("maxProperties"); v != nil && (o.most < 0 || countOf(v) < o.most) {
		o.most, o.bounds = countOf(v), v
	}
	if v := at.get("propertyNames"); v != nil {
		o.keys = o.keys.with(element{v, whole})
	}
}

// addMemberSchemas takes in what schemas say about each listed member; where one refuses unevaluated members, nothing is a value of those of which none speaks.
func (c *compiler) addMemberSchemas(m *merged, unevaluated bool) error {
	o := &m.members
	if len(m.all) > 0 {
		if err := c.spend(m.all[0].at, len(o.names)*len(m.all)/memberWork); err != nil {
			return err
		}
	}
	for _, n := range o.names {
		evaluated := false
		for _, e := range m.all {
			schemas, err := c.memberSchemas(e.at, n)
			if err != nil {
				return err
			}
			for _, s := range schemas {
				o.schemas[n] = o.schemas[n].with(element{s, whole})
			}
			evaluated = evaluated || len(schemas) > 0 && !e.at.made
		}
		if unevaluated && !evaluated {
			o.schemas[n], o.unevaluated[n] = all{{c.constant(m.all[0].at, isFalse), whole}}, true
		}
	}
	return nil
}

// refusesUnevaluated reports whether a schema allows no members besides those that it, or one within it for the same object, speaks of.
func refusesUnevaluated(at *value) bool {
	u := at.get("unevaluatedProperties")
	return u != nil && u.kind == isFalse
}

// checkUnevaluated checks that a schema with unevaluatedProperties that is reached from schemas stands alone: by itself, as an alternative of one that does
// not speak of members, or by references to it that say nothing else. So all that is said of the members is said within it.
func checkUnevaluated(at *value, from all, open map[element]bool) error {
	alone := true
	for _, e := range from {
		alone = alone && (open[e] || e.part == plain && !speaksOfMembers(e.at))
	}
	for e := range open {
		alone = alone && (e.at == at || !saysMore(e))
	}
	if refusesUnevaluated(at) && !alone {
		return errorf(at.get("unevaluatedProperties"),
			"unevaluatedProperties is supported only of the whole schema of a value, or of an alternative beside which nothing is said of properties")
	}
	return nil
}

// speaksOfMembers reports whether a schema evaluates members by itself.
func speaksOfMembers(at *value) bool {
	evaluating := []string{"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}
	return slices.ContainsFunc(evaluating, func(k string) bool { return at.get(k) != nil })
}

// list adds a name to those that are listed.
func (o *members) list(name string) {
	if _, ok := o.schemas[name]; !ok {
		o.schemas[name] = nil
		o.names = append(o.names, name)
	}
}

// maxMemberStates bounds the automaton of an object whose members are counted.
const maxMemberStates = 100_000

// object returns the grammar of objects: listed members in their order, then others.
func (c *compiler) object(m *merged) (*grammar.Grammar, error) {
	o := &m.members
	c.variants.objects++
	c.forked = c.forked || c.alike && c.variants.objects > 1
	if c.strict {
		slices.SortFunc(o.names, c.compareNames)
	}
	unbounded := len(o.names) == 0 && len(o.patterns) == 0 && len(o.others) == 0 && len(o.keys) == 0 && o.least == 0 && o.most < 0
	if len(m.all) > 0 && unbounded && !slices.ContainsFunc(m.all, func(e element) bool { return refusesUnevaluated(e.at) }) {
		if c.alike {
			return c.alikeObject()
		}
		return Object(), nil
	}
	labels, err := c.listedMembers(o)
	if err != nil {
		return nil, err
	}
	other, err := c.other(m)
	if err != nil {
		return nil, err
	}
	if c.alike && other != nil && o.most >= 0 { // there may be none that is new
		if other = nil; len(o.names) == 0 {
			return nil, errorf(o.bounds, "maxProperties is not supported of objects without properties that are to be different (uniqueItems)")
		}
	}
	if o.least > len(o.names)+1 && other != nil {
		return nil, errorf(o.bounds, "minProperties is supported up to the number of listed properties and one more")
	}
	if other != nil { // which comes in many states
		r := grammar.NewRule(pointer(m.all[0].at) + ", other members")
		if r.Define(other); c.alike {
			r.Define(grammar.Unordered(other, ", "))
		}
		other = r.Grammar()
	}
	states, err := o.automaton(labels, other, c.alike)
	if err != nil {
		return nil, err
	}
	return grammar.Sequence(grammar.Literal("{"), grammar.FromStates(states), grammar.Literal("}")), nil
}

// listedMembers returns the grammars of the listed members.
func (c *compiler) listedMembers(o *members) ([]*grammar.Grammar, error) {
	var labels []*grammar.Grammar
	for _, n := range o.names {
		ok, err := c.validAll(&value{kind: isString, text: n}, o.keys)
		if err != nil {
			return nil, err
		}
		g, err := c.value(o.schemas[n])
		if err != nil {
			return nil, err
		}
		if !ok {
			g = grammar.Choice()
		}
		labels = append(labels, grammar.Sequence(grammar.Literal(quote(n)+": "), g))
	}
	return labels, nil
}

// other returns the grammar of a member that is not listed; nil: there is none.
func (c *compiler) other(m *merged) (*grammar.Grammar, error) {
	o := &m.members
	if len(o.patterns) > 0 {
		return c.patternMembers(m)
	}
	if !o.open {
		return nil, nil
	}
	value, err := c.value(o.others)
	if err != nil {
		return nil, err
	}
	if c.alike && len(o.keys) == 0 && (len(o.names) == 0 || c.strict) {
		name, err := c.alikeName()
		return grammar.Sequence(name, c.colon(), value), err
	}
	if len(o.names) == 0 && len(o.keys) == 0 {
		return grammar.Sequence(stringRule.Grammar(), c.colon(), value), nil
	}
	d, err := c.otherNames(o)
	if err != nil {
		return nil, err
	}
	return grammar.Sequence(quoted(grammar.FromDFA(d, c.write)), c.colon(), value), nil
}

// otherNames returns the names that are not listed.
func (c *compiler) otherNames(o *members) (*automaton.DFA, error) {
	d := automaton.Any()
	if len(o.keys) > 0 {
		var err error
		if d, err = c.keyDFA(o.keys, 0); err != nil {
			return nil, err
		}
	}
	names := o.names
	if c.strict {
		names = slices.Concat(names, c.listedNames())
	}
	d, err := automaton.Subtract(d, automaton.Words(names...))
	if err != nil {
		return nil, errTooLong
	}
	return d, nil
}

// keyDFA returns the strings that validate against schemas.
func (c *compiler) keyDFA(a all, depth int) (*automaton.DFA, error) {
	if depth > maxLevel {
		return nil, errorf(a[0].at, "choices are nested too deep")
	}
	f, err := c.flatten(a)
	if err != nil || f.never {
		return &automaton.DFA{}, err
	}
	cases, err := c.cases(f)
	if err != nil {
		return nil, err
	}
	if cases != nil {
		d := &automaton.DFA{}
		for _, sub := range cases {
			next, err := c.keyDFA(sub, depth+1)
			if err == nil {
				d, err = automaton.Join(d, next)
			}
			if err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	m, err := c.merge(f)
	if err != nil {
		return nil, err
	}
	if m.hasEnum {
		var words []string
		for _, v := range m.enum {
			if ok, err := c.validAll(v, f.plain); err != nil {
				return nil, err
			} else if ok && v.kind == isString {
				words = append(words, v.text)
			}
		}
		return automaton.Words(words...), nil
	}
	if m.allowed&stringType == 0 {
		return &automaton.DFA{}, nil
	}
	return c.textDFA(&m.text)
}

// progress is a state within an object: the next listed member, and how many of those and of others have come. Numbers are exact as far as
// they matter.
type progress struct{ place, listed, others int }

// automaton returns the automaton of an object's members. Others may repeat a name, so only one of them counts for the least number. other is one of them, or
// all.
func (o *members) automaton(labels []*grammar.Grammar, other *grammar.Grammar, all bool) ([]grammar.State, error) {
	n, most := len(labels), o.most
	if most >= n && other == nil {
		most = -1
	}
	listedMost, othersMost := 1, 1
	if o.least > len(o.required) || most >= 0 {
		listedMost = max(1, o.least, most)
	}
	if most >= 0 {
		othersMost = max(1, most)
	}
	var states []grammar.State
	index := map[progress]int{}
	var todo []progress
	id := func(p progress) int {
		p.listed, p.others = min(p.listed, listedMost), min(p.others, othersMost)
		i, ok := index[p]
		if !ok {
			i = len(todo)
			index[p] = i
			todo = append(todo, p)
		}
		return i
	}
	id(progress{})
	for i := 0; i < len(todo); i++ {
		if i > maxMemberStates {
			return nil, errorf(o.bounds, "counting the properties takes more than %d states", maxMemberStates)
		}
		p, s := todo[i], grammar.State{}
		room := most < 0 || p.listed+p.others < most
		edge := func(label *grammar.Grammar, next progress) {
			if p.listed+p.others > 0 {
				label = grammar.Sequence(grammar.Literal(", "), label)
			}
			s.Edges = append(s.Edges, grammar.Edge{Label: label, Next: id(next)})
		}
		if p.place < n {
			if room {
				edge(labels[p.place], progress{p.place + 1, p.listed + 1, 0})
			}
			if !o.required[o.names[p.place]] {
				s.Edges = append(s.Edges, grammar.Edge{Next: id(progress{p.place + 1, p.listed, 0})})
			}
		} else {
			s.Final = o.least <= len(o.required) || p.listed+min(1, p.others) >= o.least
			if other != nil && room && !(all && p.others > 0) {
				edge(other, progress{n, p.listed, p.others + 1})
			}
		}
		states = append(states, s)
	}
	return states, nil
}
