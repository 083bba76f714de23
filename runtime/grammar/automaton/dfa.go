package automaton

import (
	"errors"
	"slices"
	"unicode/utf8"
)

// DFA is a deterministic automaton. State 0 is the first one; without any there is no text.
type DFA struct{ States []State }

// State is a state of a DFA.
type State struct {
	Edges []Edge // in ascending order of characters, no two of which overlap; other characters have no way on
	Final bool   // a text may end here
}

// Edge leads from a state to the next one, with any of its characters.
type Edge struct {
	Range
	Next int32
}

// ErrTooLarge says that an automaton has more than [MaxStates] states.
var ErrTooLarge = errors.New("the automaton has too many states")

// MaxStates bounds automata: products and determinized patterns can be exponentially large.
const MaxStates = 20000

// step returns the state after a character; -1: there is no way on.
func (s *State) step(c rune) int32 {
	i, found := slices.BinarySearchFunc(s.Edges, c, func(e Edge, c rune) int {
		switch {
		case e.Hi < c:
			return -1
		case e.Lo > c:
			return 1
		}
		return 0
	})
	if !found {
		return -1
	}
	return s.Edges[i].Next
}

// Match reports whether a text is in the language. Text that is not valid UTF-8 is not.
func (d *DFA) Match(text string) bool {
	if len(d.States) == 0 || !utf8.ValidString(text) {
		return false
	}
	at := int32(0)
	for _, c := range text {
		if at = d.States[at].step(c); at < 0 {
			return false
		}
	}
	return d.States[at].Final
}

// Without returns the texts that do not contain a word, which is not empty.
func Without(word string) *DFA { return search(word, false) }

// Until returns the texts that end with a word, which is not empty, and contain it nowhere else.
func Until(word string) *DFA { return search(word, true) }

// search returns the automaton of Knuth, Morris and Pratt: state i has seen i characters of the word.
func search(word string, found bool) *DFA {
	w := []rune(word)
	d := &DFA{States: make([]State, len(w))}
	next := func(i int, c rune) int { // the longest beginning of the word that w[:i]+c ends with
		seen := append(slices.Clone(w[:i]), c)
		for n := i + 1; n > 0; n-- {
			if slices.Equal(seen[i+1-n:], w[:n]) {
				return n
			}
		}
		return 0
	}
	for i := range w {
		s := &d.States[i]
		s.Final = !found
		letters := slices.Compact(slices.Sorted(slices.Values(w[:i+1])))
		var others Set
		for _, c := range letters {
			to := next(i, c)
			others = append(others, Range{c, c})
			if to < len(w) || found {
				s.Edges = append(s.Edges, Edge{Range{c, c}, int32(to)})
			}
		}
		for _, r := range others.Negate() {
			s.Edges = append(s.Edges, Edge{r, 0})
		}
		s.sort()
	}
	if found {
		d.States = append(d.States, State{Final: true})
	}
	return d
}

func (s *State) sort() {
	slices.SortFunc(s.Edges, func(a, b Edge) int { return int(a.Lo - b.Lo) })
	merged := s.Edges[:0]
	for _, e := range s.Edges {
		if n := len(merged); n > 0 && merged[n-1].Next == e.Next && merged[n-1].Hi+1 == e.Lo {
			merged[n-1].Hi = e.Hi
		} else {
			merged = append(merged, e)
		}
	}
	s.Edges = merged
}
