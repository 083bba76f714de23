package automaton

import (
	"cmp"
	"encoding/binary"
	"errors"
	"regexp/syntax"
	"slices"
	"unicode"
)

// ErrBoundary says that a pattern has \b or \B, which are not supported.
var ErrBoundary = errors.New("word boundaries (\\b, \\B) are not supported")

// ErrAhead says that ^ stands in a lookahead that is not at the beginning.
var ErrAhead = errors.New("^ in a lookahead is supported only at the beginning")

// Ahead is a lookahead of an expression: where an empty group of that name stands, the rest of the text is one of those.
type Ahead struct {
	Group string
	Rest  *DFA
	Start bool // that holds for the beginning of a text, where ^ matches
}

// FromSyntax returns the texts in which an expression matches somewhere, as patterns of JSON Schema do: ^ and $ are the ends of the text.
func FromSyntax(re *syntax.Regexp, ahead ...Ahead) (*DFA, error) {
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	s := subsets{prog: prog, index: map[string]int32{}, seen: make([]uint8, len(prog.Inst)), dfa: &DFA{}, ahead: map[uint32]aheadAt{}}
	s.pending.index = map[string]int32{"": 0}
	s.pending.sets = [][]obligation{nil}
	groups := map[string]int{}
	for i, name := range re.CapNames() {
		groups[name] = i
	}
	for i, a := range ahead {
		s.pending.rests = append(s.pending.rests, a.Rest)
		if group, ok := groups[a.Group]; ok { // else no text comes to it
			s.ahead[uint32(2*group)] = aheadAt{int32(i), a.Start}
		}
	}
	for i := range prog.Inst {
		if e := syntax.EmptyOp(prog.Inst[i].Arg); prog.Inst[i].Op == syntax.InstEmptyWidth && e&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0 {
			return nil, ErrBoundary
		}
		s.sets = append(s.sets, instSet(&prog.Inst[i]))
	}
	s.begin()
	s.reach(thread{pc: uint32(prog.Start)}, true)
	s.state()
	for at := 0; at < len(s.members); at++ {
		if err := s.expand(at); err != nil {
			return nil, err
		}
	}
	if s.pending.tooLarge() {
		return nil, ErrTooLarge
	}
	return s.dfa, s.err
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
	case syntax.InstRuneAny, syntax.InstMatch: // what follows a match is any text that lookaheads allow
		return All()
	case syntax.InstRuneAnyNotNL:
		return NewSet('\n', '\n').Negate()
	}
	return nil
}

// maxThreads bounds the instructions of all states, counted once for each set of obligations.
const maxThreads = 1 << 22

// subsets determinizes a program.
type subsets struct {
	prog    *syntax.Prog
	sets    []Set
	ahead   map[uint32]aheadAt // by the argument of the instruction that begins its group
	pending obligations
	dfa     *DFA
	index   map[string]int32
	members [][]thread // of each state: its instructions that take a character
	threads int        // in all states

	seen         []uint8 // by instruction, without obligations: 1 reached, 2 reached after $
	seenPending  map[visit]bool
	out          []thread
	match, ended bool // the expression has matched, or has if the text ends here
	err          error
}

// thread is an instruction that was reached, with what lookaheads want of the rest: a number of obligations.
type thread struct {
	pc      uint32
	pending int32
}

// aheadAt is a lookahead where its group begins.
type aheadAt struct {
	rest  int32 // of obligations.rests
	start bool
}

// visit is a thread, perhaps after $.
type visit struct {
	thread
	end bool
}

func (s *subsets) begin() {
	clear(s.seen)
	s.seenPending = nil
	s.out, s.match, s.ended = s.out[:0], false, false
}

// visited reports whether that was reached already, and notes it.
func (s *subsets) visited(v visit) bool {
	if v.pending != 0 {
		if s.seenPending == nil {
			s.seenPending = map[visit]bool{}
		}
		before := s.seenPending[v]
		s.seenPending[v] = true
		return before
	}
	mark := uint8(1)
	if v.end {
		mark = 2
	}
	before := s.seen[v.pc]&mark != 0
	s.seen[v.pc] |= mark
	return before
}

// reach follows the empty steps from an instruction.
func (s *subsets) reach(from thread, first bool) {
	todo := []visit{{from, false}}
	for len(todo) > 0 && !s.pending.tooLarge() {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s.visited(v) {
			continue
		}
		i := &s.prog.Inst[v.pc]
		next := func(pc uint32) { todo = append(todo, visit{thread{pc, v.pending}, v.end}) }
		switch i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			next(i.Arg)
			next(i.Out)
		case syntax.InstCapture:
			if a, ok := s.ahead[i.Arg]; ok {
				if a.start && !first {
					s.err = ErrAhead
				}
				if v.pending, ok = s.pending.with(v.pending, a.rest); !ok {
					continue
				}
			}
			next(i.Out)
		case syntax.InstNop:
			next(i.Out)
		case syntax.InstEmptyWidth:
			e := syntax.EmptyOp(i.Arg)
			if e&(syntax.EmptyBeginText|syntax.EmptyBeginLine) != 0 && !first {
				continue
			}
			v.end = v.end || e&(syntax.EmptyEndText|syntax.EmptyEndLine) != 0
			next(i.Out)
		case syntax.InstMatch:
			s.match = s.match || !v.end && v.pending == 0
			s.ended = s.ended || s.pending.final(v.pending)
			if !v.end {
				s.out = append(s.out, v.thread)
			}
		case syntax.InstFail:
		default:
			if !v.end {
				s.out = append(s.out, v.thread)
			}
		}
	}
}

// state returns the state of what was reached.
func (s *subsets) state() int32 {
	if s.match { // whatever comes
		s.out = s.out[:0]
	}
	slices.SortFunc(s.out, func(a, b thread) int { return cmp.Or(cmp.Compare(a.pc, b.pc), cmp.Compare(a.pending, b.pending)) })
	s.out = slices.Compact(s.out)
	var key []byte
	for _, t := range s.out {
		key = binary.LittleEndian.AppendUint32(key, t.pc)
		key = binary.LittleEndian.AppendUint32(key, uint32(t.pending))
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
		s.threads += len(s.out)
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
	switch {
	case s.err != nil:
		return s.err
	case len(s.members) > MaxStates || s.pending.tooLarge() || s.threads > maxThreads:
		return ErrTooLarge
	}
	if len(s.dfa.States[at].Edges) > 0 {
		return nil // it has matched
	}
	members := s.members[at]
	cuts := []rune{0, surrogateMin, surrogateMax + 1, unicode.MaxRune + 1}
	for _, t := range members {
		for _, r := range s.sets[t.pc] {
			cuts = append(cuts, r.Lo, r.Hi+1)
		}
		cuts = s.pending.cuts(t.pending, cuts)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	state := State{Final: s.dfa.States[at].Final}
	for i := range len(cuts) - 1 {
		switch {
		case cuts[i] == surrogateMin:
			continue
		case s.pending.tooLarge():
			return ErrTooLarge
		}
		s.begin()
		for _, t := range members {
			if !s.sets[t.pc].Has(cuts[i]) {
				continue
			}
			if pending, ok := s.pending.step(t.pending, cuts[i]); ok {
				s.reach(thread{s.after(t.pc), pending}, false)
			}
		}
		s.reach(thread{pc: uint32(s.prog.Start)}, false) // it may begin to match here
		state.Edges = append(state.Edges, Edge{Range{cuts[i], cuts[i+1] - 1}, s.state()})
	}
	state.sort()
	s.dfa.States[at] = state
	return nil
}

// after returns the instruction after one that takes a character.
func (s *subsets) after(pc uint32) uint32 {
	if s.prog.Inst[pc].Op == syntax.InstMatch {
		return pc
	}
	return s.prog.Inst[pc].Out
}
