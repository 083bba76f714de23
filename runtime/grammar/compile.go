package grammar

import (
	"context"
	"fmt"

	"st/runtime/grammar/automaton"
)

// Limits of a compiled grammar.
const (
	maxStates  = 1 << 19
	maxSteps   = 1 << 23 // visits of a grammar's parts
	maxNesting = 10_000
	pollSteps  = 1 << 10 // steps between two looks at the context
	unrollSize = 64      // states of a repetition that is written out; a larger one is counted
	inlineSize = 64      // states of a rule that is copied to where it is referred to
)

// builder compiles. Automata are built backwards: each part gets the state that follows it, and returns its first one.
type builder struct {
	program
	analysis
	vocabulary *Vocabulary
	rules      map[*Rule]int32 // indices of program.rules
	todo       []*Rule
	single     map[byteEdge]int32 // states with one edge
	repeated   map[*Grammar]int32 // rules of what is counted
	items      map[*Grammar]distinct
	ctx        context.Context
	steps      int
	err        error
}

// compile makes a program of a grammar, with the tokens of a vocabulary.
func compile(ctx context.Context, g *Grammar, v *Vocabulary) (*program, error) {
	b := &builder{ctx: ctx, vocabulary: v, rules: map[*Rule]int32{}, single: map[byteEdge]int32{}, repeated: map[*Grammar]int32{}, items: map[*Grammar]distinct{}, analysis: newAnalysis(ctx)}
	if err := b.analyze(g); err != nil {
		return nil, err
	}
	b.states = []state{{kind: kindFinal}}
	root := &Rule{name: "root", body: g}
	if g.op == opRule {
		root = g.rule
	}
	b.call(root)
	for len(b.todo) > 0 && b.err == nil {
		r := b.todo[len(b.todo)-1]
		b.todo = b.todo[:len(b.todo)-1]
		i := b.rules[r]
		start := b.build(r.body, finalState)
		b.program.rules[i].start, b.program.rules[i].nullable = start, b.nullable(r.body)
	}
	if b.err != nil {
		return nil, b.err
	}
	p := &b.program
	p.measure(v)
	if p.distance[p.rules[0].start] == far {
		return nil, b.noText()
	}
	p.findTails()
	p.classify()
	if err := p.rankRules(); err != nil {
		return nil, err
	}
	return p, nil
}

// noText says why a grammar has no text.
func (b *builder) noText() error {
	for c := range 256 {
		if !b.vocabulary.present[c] {
			return fmt.Errorf("%w: a rule needs itself without end, or bytes such as 0x%02X, which no token of the vocabulary has", ErrEmpty, c)
		}
	}
	return fmt.Errorf("%w: a rule needs itself without end, or what is asked for contradicts itself, such as more different items than there are values", ErrEmpty)
}

// call returns the index of a rule, which is built sometime.
func (b *builder) call(r *Rule) int32 {
	i, ok := b.rules[r]
	if !ok {
		i = int32(len(b.program.rules))
		b.rules[r] = i
		b.program.rules = append(b.program.rules, progRule{name: r.name})
		b.todo = append(b.todo, r)
	}
	return i
}

func (b *builder) add(s state) int32 {
	if b.err != nil {
		return finalState
	}
	if len(b.states) >= maxStates {
		b.fail(fmt.Errorf("%w: more than %d states", ErrTooLarge, maxStates))
		return finalState
	}
	b.states = append(b.states, s)
	return int32(len(b.states) - 1)
}

func (b *builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// empty adds a state that goes on to any of those.
func (b *builder) empty(targets ...int32) int32 {
	first := len(b.targets)
	b.targets = append(b.targets, targets...)
	return b.add(state{kind: kindEmpty, first: int32(first), n: int32(len(targets))})
}

// bytes adds a state that takes a byte.
func (b *builder) bytes(edges ...byteEdge) int32 {
	first := len(b.edges)
	b.edges = append(b.edges, edges...)
	return b.add(state{kind: kindBytes, first: int32(first), n: int32(len(edges))})
}

// one returns the state that takes a byte by that edge alone.
func (b *builder) one(e byteEdge) int32 {
	s, ok := b.single[e]
	if !ok {
		s = b.bytes(e)
		b.single[e] = s
	}
	return s
}

// build returns the first state of a grammar that goes on to next.
func (b *builder) build(g *Grammar, next int32) int32 {
	if b.steps++; b.steps > maxSteps {
		b.fail(fmt.Errorf("%w: more than %d parts", ErrTooLarge, maxSteps))
	} else if b.steps%pollSteps == 0 && b.ctx.Err() != nil {
		b.fail(context.Cause(b.ctx))
	}
	if b.err != nil {
		return finalState
	}
	switch g.op {
	case opLiteral:
		for i := len(g.text) - 1; i >= 0 && b.err == nil; i-- {
			next = b.one(byteEdge{g.text[i], g.text[i], next})
		}
		return next
	case opClass:
		return b.class(g.set, next)
	case opSequence:
		for i := len(g.parts) - 1; i >= 0; i-- {
			next = b.build(g.parts[i], next)
		}
		return next
	case opChoice:
		starts := make([]int32, len(g.parts))
		for i, part := range g.parts {
			starts[i] = b.build(part, next)
		}
		return b.empty(starts...)
	case opRepeat:
		return b.repeat(g, next)
	case opDistinct:
		return b.distinct(g, next)
	case opKey:
		return b.add(state{kind: kindKey, next: next})
	case opRule:
		if b.inlined(g.rule) {
			return b.build(g.rule.body, next)
		}
		return b.add(state{kind: kindCall, first: b.call(g.rule), next: next})
	case opMachine:
		return b.machine(g.states, next)
	default:
		return b.token(g, next)
	}
}

// repeat builds a repetition: written out if that is small, else counted.
func (b *builder) repeat(g *Grammar, next int32) int32 {
	part, size := g.parts[0], b.size(g.parts[0])
	most := max(g.min, g.max)
	if g.max == Unbounded && g.min <= 1 || most*size <= unrollSize && most <= unrollSize {
		if g.max == Unbounded {
			loop := b.empty(0, next)
			first := b.states[loop].first
			start := b.build(part, loop)
			b.targets[first] = start
			if next = loop; g.min > 0 {
				next = start
			}
			for range g.min - 1 {
				next = b.build(part, next)
			}
			return next
		}
		end := next
		for range g.max - g.min {
			next = b.empty(b.build(part, next), end)
		}
		for range g.min {
			next = b.build(part, next)
		}
		return next
	}
	least := g.min
	if b.nullable(part) { // repetitions that are empty need not be counted
		part, least = b.nonEmpty(part), 0
	}
	rule, ok := b.repeated[part]
	if !ok {
		rule = b.call(&Rule{name: "repetition", body: part})
		b.repeated[part] = rule
	}
	r := repeat{rule: rule, min: int32(least), max: int32(g.max), follow: next}
	twin := r
	twin.follow = finalState
	b.repeats = append(b.repeats, r, twin)
	return b.add(state{kind: kindRepeat, first: int32(len(b.repeats) - 2)})
}

// distinct builds items that are all different. A config holds the state as it is: readings go on from there.
func (b *builder) distinct(g *Grammar, next int32) int32 {
	d, ok := b.items[g]
	if !ok {
		d = distinct{separator: g.text, keyed: g.keyed, min: int32(g.min), max: int32(g.max)}
		for i, part := range g.parts {
			item := &Rule{name: "item", body: b.nonEmpty(part)}
			if i == 0 {
				d.items = append(d.items, b.call(item))
			}
			if i > 0 || len(g.parts) == 1 {
				d.items = append(d.items, b.call(&Rule{name: "another item", body: Sequence(Literal(g.text), item.Grammar())}))
			}
		}
		b.items[g] = d
	}
	d.follow = next
	b.lists = append(b.lists, d)
	return b.add(state{kind: kindDistinct, first: int32(len(b.lists) - 1)})
}

// machine builds an automaton whose edges are grammars.
func (b *builder) machine(states []State, next int32) int32 {
	if len(states) == 0 {
		return b.empty()
	}
	starts := make([]int32, len(states))
	for i, s := range states {
		targets := make([]int32, len(s.Edges), len(s.Edges)+1)
		if s.Final {
			targets = append(targets, next)
		}
		starts[i] = b.empty(targets...)
	}
	for i, s := range states {
		if b.err != nil {
			break
		}
		first := b.states[starts[i]].first
		for j, e := range s.Edges {
			to := starts[e.Next]
			if e.Label != nil {
				to = b.build(e.Label, to)
			}
			b.targets[int(first)+j] = to
		}
	}
	return starts[0]
}

// token builds a whole token.
func (b *builder) token(g *Grammar, next int32) int32 {
	id := g.token
	if id < 0 {
		var ok bool
		if id, ok = b.vocabulary.id(g.text); !ok {
			b.fail(fmt.Errorf("%w: %q", ErrToken, g.text))
			return finalState
		}
	}
	if int(id) >= len(b.vocabulary.tokens) {
		b.fail(fmt.Errorf("%w: %d, of %d", ErrToken, id, len(b.vocabulary.tokens)))
		return finalState
	}
	b.tokens = append(b.tokens, tokenEdge{id: id, negated: g.negated, next: next})
	return b.add(state{kind: kindToken, first: int32(len(b.tokens) - 1)})
}

// class builds one character of a set, as UTF-8 writes it.
func (b *builder) class(set automaton.Set, next int32) int32 {
	var edges []byteEdge
	eachUTF8(set, func(seq []byteRange) {
		to := next
		for i := len(seq) - 1; i > 0; i-- {
			to = b.one(byteEdge{seq[i].lo, seq[i].hi, to})
		}
		if n := len(edges); n > 0 && edges[n-1].next == to && edges[n-1].hi+1 == seq[0].lo {
			edges[n-1].hi = seq[0].hi
		} else {
			edges = append(edges, byteEdge{seq[0].lo, seq[0].hi, to})
		}
	})
	return b.bytes(edges...)
}
