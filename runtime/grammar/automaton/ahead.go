package automaton

import (
	"fmt"
	"slices"
	"unicode"
)

// obligation is what a lookahead wants of the rest of a text: that an automaton takes it from a state on.
type obligation struct {
	rest  *DFA
	state int32
}

// obligations numbers sets of them. 0 is none.
type obligations struct {
	sets  [][]obligation
	index map[string]int32
	total int // obligations in all sets
}

// maxObligations bounds the obligations of all sets: texts can have exponentially many.
const maxObligations = 1 << 18

// number returns the number of a set.
func (o *obligations) number(set []obligation) int32 {
	keys := make([]string, len(set))
	for i, x := range set {
		keys[i] = fmt.Sprintf("%p %d", x.rest, x.state)
	}
	slices.Sort(keys)
	key := fmt.Sprint(slices.Compact(keys))
	if len(set) == 0 {
		key = ""
	}
	n, ok := o.index[key]
	if !ok {
		n = int32(len(o.sets))
		o.index[key] = n
		o.sets = append(o.sets, set)
		o.total += len(set)
	}
	return n
}

// add adds an obligation to a set. It reports whether it can be met.
func add(set []obligation, x obligation) ([]obligation, bool) {
	switch {
	case x.state < 0 || len(x.rest.States) == 0:
		return nil, false
	case x.rest.takesAll(x.state) || slices.Contains(set, x):
		return set, true
	}
	return append(set, x), true
}

// with returns a set and what a lookahead wants.
func (o *obligations) with(n int32, rest *DFA) (int32, bool) {
	set, ok := add(slices.Clone(o.sets[n]), obligation{rest, 0})
	return o.number(set), ok
}

// step returns a set after a character.
func (o *obligations) step(n int32, c rune) (int32, bool) {
	if n == 0 {
		return 0, true
	}
	var set []obligation
	for _, x := range o.sets[n] {
		var ok bool
		if set, ok = add(set, obligation{x.rest, x.rest.States[x.state].step(c)}); !ok {
			return 0, false
		}
	}
	return o.number(set), true
}

// final reports whether a text may end here.
func (o *obligations) final(n int32) bool {
	return !slices.ContainsFunc(o.sets[n], func(x obligation) bool { return !x.rest.States[x.state].Final })
}

// cuts adds where the ranges of characters begin that a set tells apart.
func (o *obligations) cuts(n int32, cuts []rune) []rune {
	for _, x := range o.sets[n] {
		for _, e := range x.rest.States[x.state].Edges {
			cuts = append(cuts, e.Lo, e.Hi+1)
		}
	}
	return cuts
}

// takesAll reports whether any text is taken from a state on, as far as the state itself tells.
func (d *DFA) takesAll(state int32) bool {
	s := &d.States[state]
	next := rune(0)
	for _, e := range s.Edges {
		if e.Next != state || e.Lo != next && !(next == surrogateMin && e.Lo == surrogateMax+1) {
			return false
		}
		next = e.Hi + 1
	}
	return s.Final && next == unicode.MaxRune+1
}
