package jsonschema

import (
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

	alikeObject = sync.OnceValue(func() *grammar.Grammar { return alikeObjectOf(alikeValue()) })

	alikeValue = sync.OnceValue(func() *grammar.Grammar {
		number, err := (&interval{}).grammar(true, true)
		if err != nil {
			panic(err)
		}
		r := grammar.NewRule("value")
		r.Define(grammar.Choice(alikeObjectOf(r.Grammar()), listOf("[", r.Grammar(), "]"), alikeString(), number, grammar.Literal("true"), grammar.Literal("false"), grammar.Literal("null")))
		return r.Grammar()
	})
)

// alikeObjectOf returns the grammar of objects of any members with some values.
func alikeObjectOf(value *grammar.Grammar) *grammar.Grammar {
	member := grammar.Sequence(alikeString(), grammar.Key(), grammar.Literal(": "), value)
	return grammar.Sequence(grammar.Literal("{"), grammar.Optional(grammar.Unordered(member, ", ")), grammar.Literal("}"))
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

// alikeText returns a value as items that are to be different have it; ok: equal values have equal texts.
func alikeText(v *value) (text string, ok bool) {
	w, ok := alikeNumbers(v)
	return w.String(), ok
}

func alikeNumbers(v *value) (w *value, ok bool) {
	c := *v
	ok = len(v.keys) < 2 // members come in any order
	if v.kind == isNumber {
		r, _ := number(v.text)
		n, _ := r.FloatPrec()
		c.text = r.FloatString(n)
	}
	c.list, c.by = slices.Clone(v.list), map[string]*value{}
	for i, e := range v.list {
		e, same := alikeNumbers(e)
		c.list[i], ok = e, ok && same
	}
	for k, e := range v.by {
		e, same := alikeNumbers(e)
		c.by[k], ok = e, ok && same
	}
	return &c, ok
}
