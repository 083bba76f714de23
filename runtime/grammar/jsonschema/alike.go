package jsonschema

import (
	"cmp"
	"slices"
	"sync"

	"st/runtime/grammar"
	"st/runtime/grammar/automaton"
)

// Items that are to be different are written so that equal ones are alike: numbers without needless digits, strings with escapes only where they are
// needed, listed members in their order. Then items are different whose texts are, where members that are not listed may come in any order.

var (
	alikeString = sync.OnceValue(func() *grammar.Grammar {
		r := grammar.NewRule("string")
		r.Define(quoted(grammar.Repeat(canonicalClass(automaton.All()), 0, grammar.Unbounded)))
		return r.Grammar()
	})

	alikeNumber = sync.OnceValue(func() *grammar.Grammar {
		number, err := (&interval{}).grammar(true, true)
		if err != nil {
			panic(err)
		}
		return number
	})
)

// alikeValueOf returns the grammar of any value, of whose members the names are given.
func alikeValueOf(name *grammar.Grammar) *grammar.Grammar {
	r := grammar.NewRule("value")
	r.Define(grammar.Choice(alikeObjectOf(name, r.Grammar()), listOf("[", r.Grammar(), "]"), alikeString(), alikeNumber(),
		grammar.Literal("true"), grammar.Literal("false"), grammar.Literal("null")))
	return r.Grammar()
}

// alikeObjectOf returns the grammar of objects of any members with some values.
func alikeObjectOf(name, value *grammar.Grammar) *grammar.Grammar {
	member := grammar.Sequence(name, grammar.Key(), grammar.Literal(": "), value)
	return grammar.Sequence(grammar.Literal("{"), grammar.Optional(grammar.Unordered(member, ", ")), grammar.Literal("}"))
}

// alikeName returns the grammar of names that are not listed.
func (c *compiler) alikeName() (*grammar.Grammar, error) {
	if !c.strict {
		return alikeString(), nil
	}
	const key = "alike name" // one for all objects: the automaton may be large
	if r := c.rules[key]; r != nil {
		return r.Grammar(), nil
	}
	d, err := c.otherNames(&members{})
	if err != nil {
		return nil, err
	}
	r := grammar.NewRule("name")
	r.Define(quoted(grammar.FromDFA(d, c.write)))
	c.rules[key] = r
	return r.Grammar(), nil
}

// alikeObject returns the grammar of any object.
func (c *compiler) alikeObject() (*grammar.Grammar, error) {
	name, err := c.alikeName()
	if err != nil {
		return nil, err
	}
	value, err := c.anything()
	return alikeObjectOf(name, value), err
}

// listedNames returns all names of properties that the schema mentions, in its order. One alternative may list what another one does not, or in another
// order: so those of all come in this order, and no others have these names.
func (c *compiler) listedNames() []string {
	if c.order == nil {
		c.order = map[string]int{}
		c.listNames(c.root)
	}
	return c.mentioned
}

func (c *compiler) listNames(v *value) {
	add := func(name string) {
		if _, ok := c.order[name]; !ok {
			c.order[name] = len(c.mentioned)
			c.mentioned = append(c.mentioned, name)
		}
	}
	for _, k := range v.keys {
		e := v.by[k]
		switch k {
		case "properties", "dependentRequired", "dependentSchemas", "dependencies":
			for _, name := range e.keys {
				add(name)
				for _, needed := range e.by[name].list {
					add(needed.text)
				}
			}
		case "required":
			for _, name := range e.list {
				add(name.text)
			}
		}
		c.listNames(e)
	}
	for _, e := range v.list {
		c.listNames(e)
	}
}

// compareNames compares names of properties by their places in the schema.
func (c *compiler) compareNames(a, b string) int {
	c.listedNames()
	return cmp.Or(cmp.Compare(c.order[a], c.order[b]), cmp.Compare(a, b))
}

// colon returns the grammar of what is between a name that is not listed and its value.
func (c *compiler) colon() *grammar.Grammar {
	if c.alike {
		return grammar.Sequence(grammar.Key(), grammar.Literal(": "))
	}
	return grammar.Literal(": ")
}

// shortest returns the magnitudes of numbers as their fewest digits, of which there are no more than all floating-point numbers tell apart. The states are
// how many digits have come, without a point (3n), with a zero at the end after it or none (3n+1), and with another digit (3n+2).
func shortest(fractions bool) *automaton.DFA {
	d := &automaton.DFA{States: make([]automaton.State, 3*(maxDigits+1)+1)}
	zero := int32(len(d.States) - 1)
	edge := func(from int32, lo, hi rune, to int) {
		s := &d.States[from]
		s.Edges = append(s.Edges, automaton.Edge{Range: automaton.Range{Lo: lo, Hi: hi}, Next: int32(to)})
	}
	point := func(from int32, n int) {
		if d.States[from].Final = true; fractions {
			edge(from, '.', '.', 3*n+1)
		}
	}
	edge(0, '0', '0', int(zero))
	edge(0, '1', '9', 3)
	point(zero, 1)
	for n := 1; n <= maxDigits; n++ {
		at := int32(3 * n)
		point(at, n)
		d.States[at+2].Final = true
		if n < maxDigits {
			edge(at, '0', '9', 3*n+3)
			for _, s := range []int32{at + 1, at + 2} {
				edge(s, '0', '0', 3*n+4)
				edge(s, '1', '9', 3*n+5)
			}
		}
	}
	return d
}

// alikeForm returns a value as what is written alike has it: listed members in their order, and then others in ascending order.
func (c *compiler) alikeForm(v *value) *value {
	w := *v
	if v.kind == isNumber {
		r, _ := number(v.text)
		n, _ := r.FloatPrec()
		w.text = r.FloatString(n)
	}
	w.list, w.keys, w.by = slices.Clone(v.list), slices.Clone(v.keys), map[string]*value{}
	for i, e := range v.list {
		w.list[i] = c.alikeForm(e)
	}
	for k, e := range v.by {
		w.by[k] = c.alikeForm(e)
	}
	c.forked = c.forked || len(v.keys) > 1
	c.listedNames()
	slices.SortFunc(w.keys, func(a, b string) int {
		x, listed := c.order[a]
		y, both := c.order[b]
		switch {
		case listed && both:
			return cmp.Compare(x, y)
		case listed:
			return -1
		case both:
			return 1
		}
		return cmp.Compare(quote(a)+": "+w.by[a].String(), quote(b)+": "+w.by[b].String())
	})
	return &w
}
