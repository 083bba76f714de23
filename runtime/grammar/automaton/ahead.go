package automaton

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unicode"
)

// obligation is what a lookahead wants of the rest of a text: that an automaton takes it from a state on.
type obligation struct {
	rest  int32 // of obligations.rests
	state int32
}

// obligations numbers sets of them. 0 is none.
type obligations struct {
	rests []*DFA
	sets  [][]obligation // each in ascending order
	index map[string]int32
	total int // obligations in all sets
	work  int // obligations that were followed
}

// Bounds of the obligations of all sets, and of the work with them: texts can have exponentially many.
const maxObligations, maxObligationWork = 1 << 18, 1 << 22

// tooLarge reports whether a bound is passed.
func (o *obligations) tooLarge() bool { return o.total > maxObligations || o.work > maxObligationWork }

// number returns the number of a set.
func (o *obligations) number(set []obligation) int32 {
	slices.SortFunc(set, func(a, b obligation) int { return cmp.Or(cmp.Compare(a.rest, b.rest), cmp.Compare(a.state, b.state)) })
	key := make([]byte, 0, 8*len(set))
	for _, x := range set {
		key = binary.LittleEndian.AppendUint32(key, uint32(x.rest))
		key = binary.LittleEndian.AppendUint32(key, uint32(x.state))
	}
	n, ok := o.index[string(key)]
	if !ok {
		n = int32(len(o.sets))
		o.index[string(key)] = n
		o.sets = append(o.sets, set)
		o.total += len(set)
	}
	return n
}

// add adds an obligation to a set. It reports whether it can be met.
func (o *obligations) add(set []obligation, x obligation) ([]obligation, bool) {
	o.work++
	switch {
	case x.state < 0 || len(o.rests[x.rest].States) == 0:
		return nil, false
	case o.rests[x.rest].takesAll(x.state) || slices.Contains(set, x):
		return set, true
	}
	return append(set, x), true
}

// with returns a set and what a lookahead wants.
func (o *obligations) with(n int32, rest int32) (int32, bool) {
	o.work += len(o.sets[n])
	set, ok := o.add(slices.Clone(o.sets[n]), obligation{rest, 0})
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
		if set, ok = o.add(set, obligation{x.rest, o.at(x).step(c)}); !ok {
			return 0, false
		}
	}
	return o.number(set), true
}

// at returns the state of an obligation.
func (o *obligations) at(x obligation) *State { return &o.rests[x.rest].States[x.state] }

// final reports whether a text may end here.
func (o *obligations) final(n int32) bool {
	return !slices.ContainsFunc(o.sets[n], func(x obligation) bool { return !o.at(x).Final })
}

// cuts adds where the ranges of characters begin that a set tells apart.
func (o *obligations) cuts(n int32, cuts []rune) []rune {
	for _, x := range o.sets[n] {
		for _, e := range o.at(x).Edges {
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
