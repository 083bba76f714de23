package grammar

import (
	"context"
	"fmt"
)

// analysis knows what a grammar's parts are like, before automata are made of them.
type analysis struct {
	ctx        context.Context
	empty      map[*Rule]bool // rules that have the empty text
	inline     map[*Rule]bool // rules to copy; in work: false
	sizes      map[*Grammar]int
	nonEmpties map[*Rule]*Rule
	found      []*Rule // by depth-first search, those that others need first
}

func newAnalysis(ctx context.Context) analysis {
	return analysis{ctx: ctx, empty: map[*Rule]bool{}, inline: map[*Rule]bool{}, sizes: map[*Grammar]int{}, nonEmpties: map[*Rule]*Rule{}}
}

// analyze checks a grammar and finds the rules with the empty text: the least fixed point.
func (a *analysis) analyze(g *Grammar) error {
	steps := 0
	if err := a.visit(g, map[*Rule]bool{}, &steps, 0); err != nil {
		return err
	}
	for changed := true; changed; {
		changed = false
		for _, r := range a.found {
			if !a.empty[r] && a.nullable(r.body) {
				a.empty[r], changed = true, true
			}
		}
		if a.ctx.Err() != nil {
			return context.Cause(a.ctx)
		}
		if steps += len(a.found); steps > maxSteps {
			return fmt.Errorf("%w: rules that need each other", ErrTooLarge)
		}
	}
	return nil
}

// visit finds all rules.
func (a *analysis) visit(g *Grammar, seen map[*Rule]bool, steps *int, depth int) error {
	if *steps++; *steps > maxSteps {
		return fmt.Errorf("%w: more than %d parts", ErrTooLarge, maxSteps)
	}
	if *steps%pollSteps == 0 && a.ctx.Err() != nil {
		return context.Cause(a.ctx)
	}
	if depth > maxNesting {
		return fmt.Errorf("%w: parts are nested deeper than %d", ErrTooLarge, maxNesting)
	}
	for _, part := range g.parts {
		if err := a.visit(part, seen, steps, depth+1); err != nil {
			return err
		}
	}
	switch g.op {
	case opRule:
		if seen[g.rule] {
			return nil
		}
		seen[g.rule] = true
		if g.rule.body == nil {
			return fmt.Errorf("%w: rule %q is not defined", ErrSyntax, g.rule.name)
		}
		if err := a.visit(g.rule.body, seen, steps, depth+1); err != nil {
			return err
		}
		a.found = append(a.found, g.rule)
	case opMachine:
		for _, s := range g.states {
			for _, e := range s.Edges {
				if e.Label == nil {
					continue
				}
				if err := a.visit(e.Label, seen, steps, depth+1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// nullable reports whether the empty text is in a grammar.
func (a *analysis) nullable(g *Grammar) bool {
	switch g.op {
	case opLiteral:
		return g.text == ""
	case opSequence:
		for _, part := range g.parts {
			if !a.nullable(part) {
				return false
			}
		}
		return true
	case opChoice:
		for _, part := range g.parts {
			if a.nullable(part) {
				return true
			}
		}
	case opRepeat:
		return g.min == 0 || a.nullable(g.parts[0])
	case opDistinct:
		return g.min == 0
	case opKey:
		return true
	case opRule:
		return a.empty[g.rule]
	case opMachine:
		return a.machineNullable(g.states)
	}
	return false
}

func (a *analysis) machineNullable(states []State) bool {
	if len(states) == 0 {
		return false
	}
	seen := make([]bool, len(states))
	seen[0] = true
	for todo := []int{0}; len(todo) > 0; {
		s := &states[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		if s.Final {
			return true
		}
		for _, e := range s.Edges {
			if !seen[e.Next] && (e.Label == nil || a.nullable(e.Label)) {
				seen[e.Next] = true
				todo = append(todo, e.Next)
			}
		}
	}
	return false
}

// size estimates the states of a grammar, up to maxStates.
func (a *analysis) size(g *Grammar) int {
	n := 1
	switch g.op {
	case opLiteral:
		return len(g.text)
	case opClass:
		return 1 + 2*len(g.set)
	case opRule:
		if a.inlined(g.rule) {
			return a.size(g.rule.body)
		}
		return 1
	case opToken, opKey:
		return 1
	}
	if n, ok := a.sizes[g]; ok {
		return n
	}
	for _, part := range g.parts {
		n = min(n+a.size(part), maxStates)
	}
	if most := max(g.min, g.max); g.op == opRepeat && most*n <= unrollSize && most <= unrollSize {
		n *= max(1, most)
	}
	if g.op == opMachine {
		for _, s := range g.states {
			for _, e := range s.Edges {
				if e.Label != nil {
					n = min(n+a.size(e.Label), maxStates)
				}
			}
		}
		n += len(g.states)
	}
	a.sizes[g] = n
	return n
}

// inlined reports whether a rule is copied to where it is referred to, instead of being called: it is small and does not contain itself. Most
// tokens then begin and end within one call.
func (a *analysis) inlined(r *Rule) bool {
	if in, ok := a.inline[r]; ok {
		return in
	}
	a.inline[r] = false
	size := inlineSize
	if a.loops(r.body, 0) {
		size = inlineSize / 8
	}
	in := a.size(r.body) <= size && !a.refers(r.body, r, 0)
	a.inline[r] = in
	return in
}

// loops reports whether a small grammar has repetitions without bound.
func (a *analysis) loops(g *Grammar, depth int) bool {
	if g.op == opRepeat && g.max == Unbounded || g.op == opMachine || depth > inlineSize {
		return true
	}
	for _, part := range g.parts {
		if a.loops(part, depth+1) {
			return true
		}
	}
	return g.op == opRule && a.inlined(g.rule) && a.loops(g.rule.body, depth+1)
}

// refers reports whether a small grammar refers to a rule, by way of rules that are copied, too.
func (a *analysis) refers(g *Grammar, r *Rule, depth int) bool {
	if depth > inlineSize || g.op == opRule && g.rule == r {
		return true
	}
	for _, part := range g.parts {
		if a.refers(part, r, depth+1) {
			return true
		}
	}
	return g.op == opRule && a.inline[g.rule] && a.refers(g.rule.body, r, depth+1)
}

// nonEmpty returns the texts of a grammar but the empty one.
func (a *analysis) nonEmpty(g *Grammar) *Grammar {
	if !a.nullable(g) {
		return g
	}
	switch g.op {
	case opSequence: // every part has the empty text
		var choices []*Grammar
		for i, part := range g.parts {
			choices = append(choices, Sequence(append([]*Grammar{a.nonEmpty(part)}, g.parts[i+1:]...)...))
		}
		return Choice(choices...)
	case opChoice:
		var choices []*Grammar
		for _, part := range g.parts {
			choices = append(choices, a.nonEmpty(part))
		}
		return Choice(choices...)
	case opRepeat:
		if g.max == 0 {
			return Choice()
		}
		return Repeat(a.nonEmpty(g.parts[0]), 1, g.max)
	case opDistinct:
		some := *g
		some.min = 1
		return &some
	case opRule:
		r, ok := a.nonEmpties[g.rule]
		if !ok {
			r = NewRule(g.rule.name)
			a.nonEmpties[g.rule], a.inline[r] = r, false
			r.Define(a.nonEmpty(g.rule.body))
		}
		return r.Grammar()
	case opMachine:
		return a.nonEmptyMachine(g.states)
	}
	return Choice() // the empty literal
}

// nonEmptyMachine has each state twice: i before the first byte, and n+i after it.
func (a *analysis) nonEmptyMachine(states []State) *Grammar {
	n := len(states)
	out := make([]State, 2*n)
	for i, s := range states {
		out[n+i].Final = s.Final
		for _, e := range s.Edges {
			out[n+i].Edges = append(out[n+i].Edges, Edge{e.Label, n + e.Next})
			if e.Label == nil || a.nullable(e.Label) {
				out[i].Edges = append(out[i].Edges, Edge{nil, e.Next})
			}
			if e.Label != nil {
				out[i].Edges = append(out[i].Edges, Edge{a.nonEmpty(e.Label), n + e.Next})
			}
		}
	}
	return FromStates(out)
}
