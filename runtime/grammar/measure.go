package grammar

import (
	"container/heap"
	"fmt"
	"slices"
)

// measure finds the distance of every state by Knuth's generalization of Dijkstra's algorithm (1977): a call is as long as what it calls and
// what comes after it. A byte that no token has is no way.
func (p *program) measure(v *Vocabulary) {
	n := len(p.states)
	p.distance = make([]int32, n)
	for i := range p.distance {
		p.distance[i] = far
	}
	before := make([][]int32, n) // the states whose distance depends on it
	depend := func(s int, on int32) { before[on] = append(before[on], int32(s)) }
	for i, s := range p.states {
		switch s.kind {
		case kindBytes:
			for _, e := range p.edges[s.first : s.first+s.n] {
				if v.presentWithin(e.lo, e.hi) {
					depend(i, e.next)
				}
			}
		case kindEmpty:
			for _, t := range p.targets[s.first : s.first+s.n] {
				depend(i, t)
			}
		case kindCall:
			depend(i, p.rules[s.first].start)
			depend(i, s.next)
		case kindRepeat:
			depend(i, p.rules[p.repeats[s.first].rule].start)
			depend(i, p.repeats[s.first].follow)
		case kindToken:
			depend(i, p.tokens[s.first].next)
		case kindDistinct:
			d := &p.lists[s.first]
			for _, rule := range d.items {
				depend(i, p.rules[rule].start)
			}
			depend(i, d.follow)
		case kindKey:
			depend(i, s.next)
		}
	}
	q := &distances{{finalState, 0}}
	for q.Len() > 0 {
		d := heap.Pop(q).(distance)
		if p.distance[d.state] <= d.bytes {
			continue
		}
		p.distance[d.state] = d.bytes
		for _, s := range before[d.state] {
			if p.distance[s] < far {
				continue
			}
			if l := p.length(&p.states[s], d.bytes); l < far {
				heap.Push(q, distance{s, l})
			}
		}
	}
}

// length returns the distance of a state by what is known so far, if one of the states after it has the distance given.
func (p *program) length(s *state, after int32) int32 {
	switch s.kind {
	case kindBytes, kindToken:
		return sum(after, 1)
	case kindCall:
		return sum(p.distance[p.rules[s.first].start], p.distance[s.next])
	case kindRepeat:
		r := &p.repeats[s.first]
		return p.countedDistance(counted{s.first, r.min, r.max})
	case kindDistinct:
		return sum(p.listDistance(s.first, 0), p.distance[p.lists[s.first].follow])
	}
	return after
}

type distance struct{ state, bytes int32 }

type distances []distance

func (d distances) Len() int           { return len(d) }
func (d distances) Less(i, j int) bool { return d[i].bytes < d[j].bytes }
func (d distances) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *distances) Push(x any)        { *d = append(*d, x.(distance)) }
func (d *distances) Pop() any {
	x := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return x
}

// findTails finds the states that are nothing but the end of a rule. A call that goes on there needs no frame of its own: recursion at the
// end of a rule takes no memory. Targets of empty states come before them, but for loops, which are none.
func (p *program) findTails() {
	p.tail = make([]bool, len(p.states))
	p.tail[finalState] = true
	for i, s := range p.states {
		if s.kind != kindEmpty || s.n == 0 {
			continue
		}
		p.tail[i] = true
		for _, t := range p.targets[s.first : s.first+s.n] {
			p.tail[i] = p.tail[i] && int(t) < i && p.tail[t]
		}
	}
}

// classify finds the bytes that no edge tells apart.
func (p *program) classify() {
	var begins [257]bool
	for _, e := range p.edges {
		begins[e.lo], begins[int(e.hi)+1] = true, true
	}
	begins[0] = true
	for b := range 256 {
		if begins[b] {
			p.classBytes, p.classSize = append(p.classBytes, byte(b)), append(p.classSize, 0)
		}
		c := len(p.classBytes) - 1
		p.classes[b] = uint8(c)
		p.classSize[c]++
	}
}

// rankRules orders the rules: one that begins with another, perhaps after what is empty, comes before it.
func (p *program) rankRules() error {
	const inWork = -2
	for i := range p.rules {
		p.rules[i].rank = -1
	}
	next := int32(len(p.rules))
	type visit struct {
		rule  int32
		calls []int32
	}
	seen := make([]int32, len(p.states)) // rule+1 that saw the state last
	for first := range p.rules {
		if p.rules[first].rank != -1 {
			continue
		}
		var path []visit
		enter := func(rule int32) {
			p.rules[rule].rank = inWork
			path = append(path, visit{rule, p.begins(rule, seen)})
		}
		enter(int32(first))
		for len(path) > 0 {
			v := &path[len(path)-1]
			if len(v.calls) == 0 {
				next--
				p.rules[v.rule].rank = next
				path = path[:len(path)-1]
				continue
			}
			call := v.calls[0]
			v.calls = v.calls[1:]
			switch p.rules[call].rank {
			case inWork:
				return fmt.Errorf("%w: rule %q begins with itself", ErrLeftRecursion, p.rules[call].name)
			case -1:
				enter(call)
			}
		}
	}
	return nil
}

// begins returns the rules that a rule may call before it takes a byte.
func (p *program) begins(rule int32, seen []int32) (calls []int32) {
	todo := []int32{p.rules[rule].start}
	push := func(s int32) {
		if seen[s] != rule+1 && p.distance[s] < far {
			seen[s] = rule + 1
			todo = append(todo, s)
		}
	}
	for len(todo) > 0 {
		s := &p.states[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		switch s.kind {
		case kindEmpty:
			for _, t := range p.targets[s.first : s.first+s.n] {
				push(t)
			}
		case kindCall:
			calls = append(calls, s.first)
			if p.rules[s.first].nullable {
				push(s.next)
			}
		case kindRepeat:
			r := &p.repeats[s.first]
			calls = append(calls, r.rule)
			if r.min == 0 {
				push(r.follow)
			}
		case kindDistinct:
			d := &p.lists[s.first]
			calls = append(calls, d.items[0])
			if d.min == 0 {
				push(d.follow)
			}
		case kindKey:
			push(s.next)
		}
	}
	slices.Sort(calls)
	return slices.Compact(calls)
}
