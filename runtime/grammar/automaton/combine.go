package automaton

import (
	"fmt"
	"slices"
)

// pair is a state of a product; -1 is one that has no way on.
type pair struct{ a, b int32 }

// product returns the texts that final says are in both, or in one and not the other.
func product(a, b *DFA, final func(a, b bool) bool) (*DFA, error) {
	out := &DFA{}
	var pairs Numbering[pair]
	first := func(d *DFA) int32 {
		if len(d.States) == 0 {
			return -1
		}
		return 0
	}
	pairs.Of(pair{first(a), first(b)})
	none := &State{}
	at := func(d *DFA, i int32) *State {
		if i < 0 {
			return none
		}
		return &d.States[i]
	}
	for i := 0; i < len(pairs.Keys); i++ {
		if len(pairs.Keys) > MaxStates {
			return nil, ErrTooLarge
		}
		s, t := at(a, pairs.Keys[i].a), at(b, pairs.Keys[i].b)
		state := State{Final: final(s.Final, t.Final)}
		each(s.Edges, t.Edges, func(r Range, x, y int32) {
			state.Edges = append(state.Edges, Edge{r, pairs.Of(pair{x, y})})
		})
		state.sort()
		out.States = append(out.States, state)
	}
	return out.trim(), nil
}

// each calls f with ranges of characters and where they lead in both states; −1: nowhere.
func each(s, t []Edge, f func(r Range, x, y int32)) {
	cuts := make([]rune, 0, 2*(len(s)+len(t)))
	for _, e := range s {
		cuts = append(cuts, e.Lo, e.Hi+1)
	}
	for _, e := range t {
		cuts = append(cuts, e.Lo, e.Hi+1)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	to := func(edges *[]Edge, c rune) int32 {
		for len(*edges) > 0 && (*edges)[0].Hi < c {
			*edges = (*edges)[1:]
		}
		if len(*edges) > 0 && (*edges)[0].Lo <= c {
			return (*edges)[0].Next
		}
		return -1
	}
	for i := range max(0, len(cuts)-1) {
		x, y := to(&s, cuts[i]), to(&t, cuts[i])
		if x >= 0 || y >= 0 {
			f(Range{cuts[i], cuts[i+1] - 1}, x, y)
		}
	}
}

// Intersect returns the texts that are in both.
func Intersect(a, b *DFA) (*DFA, error) {
	return product(a, b, func(a, b bool) bool { return a && b })
}

// Subtract returns the texts of a that are not in b.
func Subtract(a, b *DFA) (*DFA, error) {
	return product(a, b, func(a, b bool) bool { return a && !b })
}

// Join returns the texts that are in either.
func Join(a, b *DFA) (*DFA, error) {
	return product(a, b, func(a, b bool) bool { return a || b })
}

// Any returns all texts.
func Any() *DFA {
	d := &DFA{States: []State{{Final: true}}}
	for _, r := range All() {
		d.States[0].Edges = append(d.States[0].Edges, Edge{r, 0})
	}
	return d
}

// Length returns the texts of least to most characters; most < 0: of any greater number.
func Length(least, most int) (*DFA, error) {
	n := max(least, most)
	if n >= MaxStates {
		return nil, ErrTooLarge
	}
	d := &DFA{States: make([]State, n+1)}
	for i := range d.States {
		s := &d.States[i]
		s.Final = i >= least
		next := i + 1
		if i == n {
			if most >= 0 {
				break
			}
			next = i
		}
		for _, r := range All() {
			s.Edges = append(s.Edges, Edge{r, int32(next)})
		}
	}
	return d, nil
}

// Words returns the texts that are listed.
func Words(words ...string) *DFA {
	words = slices.Sorted(slices.Values(words))
	d := &DFA{States: []State{{}}}
	for _, w := range words {
		at := int32(0)
		for _, c := range w {
			next := d.States[at].step(c)
			if next < 0 {
				next = int32(len(d.States))
				d.States = append(d.States, State{})
				d.States[at].Edges = append(d.States[at].Edges, Edge{Range{c, c}, next}) // in ascending order, as the words are
			}
			at = next
		}
		d.States[at].Final = true
	}
	return d
}

// Empty reports whether there is no text.
func (d *DFA) Empty() bool { return len(d.trim().States) == 0 }

// trim leaves out states from which no text ends.
func (d *DFA) trim() *DFA {
	before := make([][]int32, len(d.States))
	var todo []int32
	live := make([]bool, len(d.States))
	for i, s := range d.States {
		for _, e := range s.Edges {
			before[e.Next] = append(before[e.Next], int32(i))
		}
		if s.Final {
			live[i] = true
			todo = append(todo, int32(i))
		}
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, b := range before[i] {
			if !live[b] {
				live[b] = true
				todo = append(todo, b)
			}
		}
	}
	if len(d.States) == 0 || !live[0] {
		return &DFA{}
	}
	number := make([]int32, len(d.States))
	out := &DFA{}
	for i := range d.States {
		if live[i] {
			number[i] = int32(len(out.States))
			out.States = append(out.States, State{Final: d.States[i].Final})
		}
	}
	for i, s := range d.States {
		if !live[i] {
			continue
		}
		t := &out.States[number[i]]
		for _, e := range s.Edges {
			if live[e.Next] {
				t.Edges = append(t.Edges, Edge{e.Range, number[e.Next]})
			}
		}
	}
	return out
}

// Minimize returns the same texts with as few states as there can be: states that no text tells apart are one.
func (d *DFA) Minimize() *DFA {
	d = d.trim()
	class := make([]int32, len(d.States)) // of each state: those in one class are not told apart so far
	for n := 0; ; {
		index := map[string]int32{}
		next := make([]int32, len(d.States))
		for i, s := range d.States {
			key := fmt.Sprint(class[i], s.Final)
			for _, e := range s.merged(class) {
				key += fmt.Sprint(e)
			}
			id, ok := index[key]
			if !ok {
				id = int32(len(index))
				index[key] = id
			}
			next[i] = id
		}
		class = next
		if len(index) == n {
			break
		}
		n = len(index)
	}
	out := &DFA{}
	for i, s := range d.States {
		if int(class[i]) == len(out.States) { // classes are numbered in the order of their first states
			out.States = append(out.States, State{Edges: s.merged(class), Final: s.Final})
		}
	}
	return out
}

// merged returns the edges of a state with other numbers of states.
func (s *State) merged(number []int32) []Edge {
	t := State{}
	for _, e := range s.Edges {
		t.Edges = append(t.Edges, Edge{e.Range, number[e.Next]})
	}
	t.sort()
	return t.Edges
}
