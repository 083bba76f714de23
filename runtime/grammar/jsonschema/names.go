package jsonschema

import (
	"slices"

	"st/runtime/grammar"
	"st/runtime/grammar/automaton"
)

// namePattern is a pattern of patternProperties: names that match for every reader, and those that may match for one.
type namePattern struct{ sure, wide *automaton.DFA }

// maxNamePatterns bounds the patterns of an object: each set of them is a case.
const maxNamePatterns = 6

// namePattern returns a pattern, which is of a place.
func (c *compiler) namePattern(at *value, expr string) (*namePattern, error) {
	if p := c.names[expr]; p != nil {
		return p, nil
	}
	if err := c.spend(at, 2*patternWork); err != nil {
		return nil, err
	}
	var found [2]*automaton.DFA
	for i, negated := range []bool{false, true} {
		p, err := readPattern(expr, negated, 0)
		if err == nil {
			found[i], err = p.automaton()
		}
		if err != nil {
			return nil, errorf(at, "the pattern %.100q is not supported: %v", expr, err)
		}
	}
	p := &namePattern{found[0], found[1]}
	c.names[expr] = p
	return p, nil
}

// memberSchemas returns what a schema says about a member of that name.
func (c *compiler) memberSchemas(at *value, name string) ([]*value, error) {
	var listed *value
	if p := at.get("properties"); p != nil {
		listed = p.get(name)
	}
	return schemasOf(at, listed, func(pattern *value) (bool, error) {
		p, err := c.namePattern(pattern, pattern.name)
		return err == nil && p.wide.Match(name), err
	})
}

// schemasOf returns what a schema says about a member: what is listed for it, if not nil, and for the patterns that match, else for additional ones.
func schemasOf(at, listed *value, matches func(pattern *value) (bool, error)) (schemas []*value, err error) {
	if listed != nil {
		schemas = append(schemas, listed)
	}
	if p := at.get("patternProperties"); p != nil {
		for _, expr := range p.keys {
			ok, err := matches(p.get(expr))
			if err != nil {
				return nil, err
			}
			if ok {
				schemas = append(schemas, p.get(expr))
			}
		}
	}
	if s := at.get("additionalProperties"); s != nil && len(schemas) == 0 {
		schemas = append(schemas, s)
	}
	return schemas, nil
}

// patternMembers returns the grammar of a member that is not listed, of an object with patterns: for each set of them the names that match just those.
func (c *compiler) patternMembers(m *merged) (*grammar.Grammar, error) {
	o := &m.members
	if len(o.patterns) > maxNamePatterns {
		return nil, errorf(o.patterns[maxNamePatterns], "an object with more than %d patterns in patternProperties is not supported", maxNamePatterns)
	}
	rest, err := c.otherNames(o)
	if err != nil {
		return nil, err
	}
	var parts []*grammar.Grammar
	for set := range 1 << len(o.patterns) {
		if set == 0 && !o.open {
			continue
		}
		names, in, err := c.matching(o.patterns, rest, set)
		if err != nil {
			return nil, err
		}
		if names.Empty() {
			continue
		}
		var schemas all
		for _, e := range m.all {
			found, _ := schemasOf(e.at, nil, func(pattern *value) (bool, error) { return slices.Contains(in, pattern.name), nil })
			for _, s := range found {
				schemas = schemas.with(element{s, whole})
			}
		}
		value, err := c.value(schemas)
		if err != nil {
			return nil, err
		}
		parts = append(parts, grammar.Sequence(quoted(grammar.FromDFA(names, c.write)), c.colon(), value))
	}
	return grammar.Choice(parts...), nil
}

// matching returns the names that match the patterns of a set, and no others, and those.
func (c *compiler) matching(patterns []*value, names *automaton.DFA, set int) (_ *automaton.DFA, in []string, err error) {
	for i, pattern := range patterns {
		p, err := c.namePattern(pattern, pattern.name)
		if err != nil {
			return nil, nil, err
		}
		if set>>i&1 == 1 {
			in = append(in, pattern.name)
			names, err = automaton.Intersect(names, p.sure)
		} else {
			names, err = automaton.Subtract(names, p.wide)
		}
		if err != nil {
			return nil, nil, errorf(pattern, "the patterns of patternProperties are not supported together: %v", err)
		}
		if err := c.spend(pattern, len(names.States)); err != nil {
			return nil, nil, err
		}
	}
	return names, in, nil
}
