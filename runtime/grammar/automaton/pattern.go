package automaton

import (
	"encoding/binary"
	"errors"
	"regexp/syntax"
	"slices"
	"unicode"
)

// ErrBoundary says that a pattern has \b or \B, which are not supported.
var ErrBoundary = errors.New("word boundaries (\\b, \\B) are not supported")

// FromSyntax returns the texts in which an expression matches somewhere, as patterns of JSON Schema do: ^ and $ are the ends of the text.
func FromSyntax(re *syntax.Regexp) (*DFA, error) {
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	s := subsets{prog: prog, index: map[string]int32{}, seen: make([]uint8, len(prog.Inst)), dfa: &DFA{}}
	for i := range prog.Inst {
		if e := syntax.EmptyOp(prog.Inst[i].Arg); prog.Inst[i].Op == syntax.InstEmptyWidth && e&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0 {
			return nil, ErrBoundary
		}
		s.sets = append(s.sets, instSet(&prog.Inst[i]))
	}
	s.begin()
	s.reach(uint32(prog.Start), true)
	s.state()
	for at := 0; at < len(s.members); at++ {
		if err := s.expand(at); err != nil {
			return nil, err
		}
	}
	return s.dfa, nil
}

// instSet returns the characters that an instruction takes.
func instSet(i *syntax.Inst) Set {
	switch i.Op {
	case syntax.InstRune, syntax.InstRune1:
		if len(i.Rune) != 1 {
			return NewSet(i.Rune...)
		}
		c := i.Rune[0]
		pairs := []rune{c, c}
		if syntax.Flags(i.Arg)&syntax.FoldCase != 0 {
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				pairs = append(pairs, f, f)
			}
		}
		return NewSet(pairs...)
	case syntax.InstRuneAny:
		return All()
	case syntax.InstRuneAnyNotNL:
		return NewSet('\n', '\n').Negate()
	}
	return nil
}

// subsets determinizes a program.
type subsets struct {
	prog    *syntax.Prog
	sets    []Set
	dfa     *DFA
	index   map[string]int32
	members [][]uint32 // of each state: its instructions that take a character

	seen         []uint8 // by instruction: 1 reached, 2 reached after $
	out          []uint32
	match, ended bool // the expression has matched, or has if the text ends here
}

func (s *subsets) begin() {
	clear(s.seen)
	s.out, s.match, s.ended = s.out[:0], false, false
}

// reach follows the empty steps from an instruction.
func (s *subsets) reach(pc uint32, first bool) {
	type visit struct {
		pc  uint32
		end bool
	}
	todo := []visit{{pc, false}}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		mark := uint8(1)
		if v.end {
			mark = 2
		}
		if s.seen[v.pc]&mark != 0 {
			continue
		}
		s.seen[v.pc] |= mark
		i := &s.prog.Inst[v.pc]
		switch i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, visit{i.Arg, v.end}, visit{i.Out, v.end})
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, visit{i.Out, v.end})
		case syntax.InstEmptyWidth:
			e := syntax.EmptyOp(i.Arg)
			if e&(syntax.EmptyBeginText|syntax.EmptyBeginLine) != 0 && !first {
				continue
			}
			todo = append(todo, visit{i.Out, v.end || e&(syntax.EmptyEndText|syntax.EmptyEndLine) != 0})
		case syntax.InstMatch:
			s.match, s.ended = s.match || !v.end, true
		case syntax.InstFail:
		default:
			if !v.end {
				s.out = append(s.out, v.pc)
			}
		}
	}
}

// state returns the state of what was reached.
func (s *subsets) state() int32 {
	if s.match { // whatever comes
		s.out = s.out[:0]
	}
	slices.Sort(s.out)
	s.out = slices.Compact(s.out)
	var key []byte
	for _, pc := range s.out {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	switch {
	case s.match:
		key = append(key, 2)
	case s.ended:
		key = append(key, 1)
	}
	id, ok := s.index[string(key)]
	if !ok {
		id = int32(len(s.members))
		s.index[string(key)] = id
		s.members = append(s.members, slices.Clone(s.out))
		s.dfa.States = append(s.dfa.States, State{Final: s.ended})
		if s.match {
			for _, r := range All() {
				s.dfa.States[id].Edges = append(s.dfa.States[id].Edges, Edge{r, id})
			}
		}
	}
	return id
}

// expand finds the edges of a state.
func (s *subsets) expand(at int) error {
	if len(s.members) > MaxStates {
		return ErrTooLarge
	}
	if len(s.dfa.States[at].Edges) > 0 {
		return nil // it has matched
	}
	members := s.members[at]
	cuts := []rune{0, surrogateMin, surrogateMax + 1, unicode.MaxRune + 1}
	for _, pc := range members {
		for _, r := range s.sets[pc] {
			cuts = append(cuts, r.Lo, r.Hi+1)
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	state := State{Final: s.dfa.States[at].Final}
	for i := range len(cuts) - 1 {
		if cuts[i] == surrogateMin {
			continue
		}
		s.begin()
		for _, pc := range members {
			if s.sets[pc].Has(cuts[i]) {
				s.reach(s.prog.Inst[pc].Out, false)
			}
		}
		s.reach(uint32(s.prog.Start), false) // it may begin to match here
		state.Edges = append(state.Edges, Edge{Range{cuts[i], cuts[i+1] - 1}, s.state()})
	}
	state.sort()
	s.dfa.States[at] = state
	return nil
}
