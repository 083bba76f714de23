package grammar

import (
	"fmt"
	"slices"
)

// closure collects the items that are reached without taking a byte.
type closure struct {
	seen    map[item]struct{}
	todo    []item
	out     []item
	exit    bool
	calls   map[int32][]item // by rule: what to go on with after it
	pending ranks
}

func (c *closure) init() {
	c.seen, c.calls = map[item]struct{}{}, map[int32][]item{}
}

func (c *closure) reset() {
	clear(c.seen)
	clear(c.calls)
	c.todo, c.out, c.exit, c.pending = c.todo[:0], c.out[:0], false, c.pending[:0]
}

// reach adds an item, unless it leads nowhere.
func (a *table) reach(it item) {
	c := &a.closure
	a.spend(1)
	if a.distance(it.state) == far {
		return
	}
	if _, ok := c.seen[it]; !ok {
		c.seen[it] = struct{}{}
		c.todo = append(c.todo, it)
	}
}

func (a *table) distance(state int32) int32 {
	if n := int32(len(a.program.states)); state >= n {
		return a.program.countedDistance(a.counts[state-n])
	}
	return a.program.distance[state]
}

// finish follows all empty steps and calls, and returns the config. Rules are entered in the order of their ranks: then all that call one are
// known, and get one frame.
func (a *table) finish() int32 {
	c := &a.closure
	for {
		for len(c.todo) > 0 && a.err == nil {
			it := c.todo[len(c.todo)-1]
			c.todo = c.todo[:len(c.todo)-1]
			a.follow(it)
		}
		if a.err != nil {
			return dead
		}
		if len(c.pending) == 0 {
			break
		}
		rule := c.pending.pop()
		a.reach(item{a.program.rules[rule.rule].start, a.frameOf(c.calls[rule.rule])})
	}
	if len(c.out) > maxItems {
		a.fail(fmt.Errorf("%w: more than %d readings of a text", ErrTooComplex, maxItems))
		return dead
	}
	if len(c.out) == 0 && !c.exit {
		return dead
	}
	slices.SortFunc(c.out, compareItems)
	return a.intern(c.out, c.exit)
}

func compareItems(a, b item) int {
	if a.frame != b.frame {
		return int(a.frame - b.frame)
	}
	return int(a.state - b.state)
}

// follow takes the empty steps of an item.
func (a *table) follow(it item) {
	p, c := a.program, &a.closure
	if n := int32(len(p.states)); it.state >= n {
		a.followCounted(a.counts[it.state-n], it.frame)
		return
	}
	s := &p.states[it.state]
	switch s.kind {
	case kindFinal:
		if it.frame == bottom {
			c.exit = true
			return
		}
		for _, r := range a.frames[it.frame].returns {
			a.reach(r)
		}
	case kindEmpty:
		for _, t := range p.targets[s.first : s.first+s.n] {
			a.reach(item{t, it.frame})
		}
	case kindCall:
		a.call(s.first, item{s.next, it.frame})
		if p.rules[s.first].nullable {
			a.reach(item{s.next, it.frame})
		}
	case kindRepeat:
		r := &p.repeats[s.first]
		a.followCounted(counted{s.first, r.min, r.max}, it.frame)
	case kindDistinct:
		if d := &p.lists[s.first]; d.min == 0 {
			a.reach(item{d.follow, it.frame})
		}
		c.out = append(c.out, it)
	default:
		c.out = append(c.out, it)
	}
}

// followCounted goes on between two repetitions.
func (a *table) followCounted(n counted, frame int32) {
	r := &a.program.repeats[n.repeat]
	if n.min == 0 {
		a.reach(item{r.follow, frame})
	}
	if n.max == 0 {
		return
	}
	n.min = max(n.min-1, 0)
	if n.max > 0 {
		n.max--
	}
	a.call(r.rule, item{a.countedState(n), frame})
}

// countedState returns the number of a state between two repetitions.
func (a *table) countedState(n counted) int32 {
	id, ok := a.countIndex[n]
	if !ok {
		id = int32(len(a.program.states) + len(a.counts))
		a.counts = append(a.counts, n)
		a.countIndex[n] = id
	}
	return id
}

// call notes that a rule is called, and what comes after it.
func (a *table) call(rule int32, after item) {
	c, r := &a.closure, &a.program.rules[rule]
	if a.program.distance[r.start] == far || a.distance(after.state) == far {
		return
	}
	returns, ok := c.calls[rule]
	if !ok {
		c.pending.push(ranked{r.rank, rule})
	}
	if !a.isTail(after.state) {
		c.calls[rule] = append(returns, after)
		return
	}
	below := a.frames[after.frame].returns
	a.spend(len(below))
	c.calls[rule] = append(returns, below...) // which for the bottom is the end
}

func (a *table) isTail(state int32) bool {
	if n := int32(len(a.program.states)); state >= n {
		c := a.counts[state-n]
		return c.max == 0 && a.program.tail[a.program.repeats[c.repeat].follow]
	}
	return a.program.tail[state]
}
