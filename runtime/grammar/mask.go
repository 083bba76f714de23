package grammar

import (
	"slices"
)

// mask is the tokens that a config allows, but for ends of text: a list if they are few, else a set. It does not say which tokens are allowed at and
// below stops, nodes of the trie that come after the beginning of items that are all different or, for a config within such an item, after its end.
type mask struct {
	list  []int32
	bits  Bitset
	stops []int32
}

func (m *mask) size() int { return 4*cap(m.list) + 8*cap(m.bits) + 4*cap(m.stops) + 64 }

// local is the tokens that items allow whatever is below their frames: those that end within the call, and where others go on after it.
type local struct {
	mask  mask
	exits [256][]int32 // by byte: the nodes of the trie that have it after the end of the call
	bytes []byte       // those of exits that there are
	size  int
}

// fewTokens is what a list holds at most.
const fewTokens = 512

// collector collects tokens.
type collector struct {
	v     *Vocabulary
	bits  Bitset
	stops []int32
	inner bool // of a config within an item
}

// take adds the tokens of a node.
func (c *collector) take(node int32) { c.takeAll(node, node+1) }

// takeAll adds the tokens of nodes.
func (c *collector) takeAll(from, to int32) {
	for _, id := range c.v.order[c.v.first[from]:c.v.first[to]] {
		c.bits.Set(id)
	}
}

// stopBelow adds the nodes that come after one to the stops.
func (c *collector) stopBelow(node int32) {
	for child := node + 1; child < c.v.end[node]; child = c.v.end[child] {
		c.stops = append(c.stops, child)
	}
}

func (c *collector) add(m *mask) {
	c.stops = append(c.stops, m.stops...)
	c.bits.or(m.bits)
	for _, id := range m.list {
		c.bits.Set(id)
	}
}

func (c *collector) mask() mask {
	if n := c.bits.Count(); n <= fewTokens {
		list := make([]int32, 0, n)
		for id := range c.bits.All {
			list = append(list, id)
		}
		return mask{list: list, stops: slices.Clip(c.stops)}
	}
	return mask{bits: slices.Clone(c.bits), stops: slices.Clip(c.stops)}
}

// allowed returns the tokens that a config allows: one within an item that is different from others, or not.
func (a *table) allowed(id int32, inner bool) *mask {
	c := a.configs[id]
	kept := &c.mask
	if inner {
		kept = &c.inner
	}
	if *kept != nil {
		return *kept
	}
	out := &collector{v: a.vocabulary, bits: a.scratch, inner: inner}
	clear(out.bits)
	for _, g := range a.grouped(out, c) {
		a.group(out, g)
	}
	if c.tokens && !inner {
		a.wholeTokens(out, c)
	}
	m := out.mask()
	if a.err == nil {
		if a.maskBytes += m.size(); a.maskBytes > keepMaskBytes {
			for _, c := range a.configs[1:] {
				c.mask, c.inner = nil, nil
			}
			a.maskBytes = m.size()
		}
		*kept = &m
	}
	return &m
}

// group is items of the same states in some frames, and what comes after those.
type group struct {
	bottoms int32 // the config of the states, with frames at the bottom
	returns []item
	last    bool // some frames are the bottom
}

// grouped returns the groups of a config. An ambiguous text has many frames with the same states: what goes on after them is walked together. Groups whose
// tokens are found otherwise are added.
func (a *table) grouped(out *collector, c *config) (all []*group) {
	index := map[int32]*group{}
	var bottoms []item
	for from := 0; from < len(c.items); {
		to := from + 1
		f := c.items[from].frame
		for to < len(c.items) && c.items[to].frame == f {
			to++
		}
		items := c.items[from:to]
		from = to
		if f != bottom && a.counted(out, items) {
			continue
		}
		bottoms = bottoms[:0]
		for _, it := range items {
			bottoms = append(bottoms, item{it.state, bottom})
		}
		id := a.intern(bottoms, false)
		g := index[id]
		if g == nil {
			g = &group{bottoms: id}
			index[id], all = g, append(all, g)
		}
		if f == bottom {
			g.last = true
		} else {
			g.returns = append(g.returns, a.frames[f].returns...)
		}
	}
	return all
}

// group adds the tokens that a group allows.
func (a *table) group(out *collector, g *group) {
	l := a.local(g.bottoms)
	if l == nil {
		return
	}
	out.add(&l.mask)
	after := int32(dead)
	if len(g.returns) > 0 && len(l.bytes) > 0 {
		after = a.configOf(g.returns)
	}
	stop := g.last && out.inner || after != dead && a.stops(out, after)
	for _, b := range l.bytes {
		if stop {
			out.stops = append(out.stops, l.exits[b]...)
		}
		a.walkAll(out, after, b, l.exits[b])
	}
}

// stops reports whether the tokens that go on from a config are not found by a walk.
func (a *table) stops(out *collector, id int32) bool { return a.opens[id] || out.inner && a.exits[id] }

// walkAll adds the tokens at and below nodes that come after a byte, from a config before it.
func (a *table) walkAll(out *collector, from int32, b byte, nodes []int32) {
	if from == dead {
		return
	}
	to := a.step(from, a.program.classes[b])
	if to == dead {
		return
	}
	stop := a.stops(out, to)
	for _, node := range nodes {
		if stop {
			out.stopBelow(node)
		}
		out.take(node)
		a.walk(out, node, to)
	}
}

// walk adds the tokens below a node of the trie at which a config is.
func (a *table) walk(out *collector, node, at int32) {
	v, p := a.vocabulary, a.program
	base, end, width := v.depth[node], v.end[node], len(p.classBytes)
	if node+1 == end {
		return
	}
	path := a.paths()
	path[0] = at
	for i := node + 1; i < end && a.visit(); {
		d := v.depth[i] - base
		from, class := path[d-1], p.classes[v.label[i]]
		to := a.next[int(from)*width+int(class)]
		if to == unknown {
			to = a.step(from, class)
		}
		if to == dead {
			i = v.end[i]
			continue
		}
		next := i + 1
		if a.stops(out, to) {
			out.stopBelow(i)
		} else if v.end[i] > next && v.below[i]&^a.selfLoops(to) == 0 {
			next = v.end[i]
		}
		path[d] = to
		out.takeAll(i, next)
		i = next
	}
}

// seenOften is how often a walk comes to a config before it is worth finding what leads to itself.
const seenOften = 16

// selfLoops returns the groups whose characters lead from a config to itself, as far as that is known.
func (a *table) selfLoops(id int32) groups {
	c := a.configs[id]
	if c.seen++; c.seen == seenOften {
		c.self = a.loops(id, id)
	}
	return c.self
}

func (a *table) paths() []int32 {
	if a.path == nil {
		a.path = make([]int32, a.vocabulary.longest+2)
	}
	return a.path
}

// local returns what a config of items at the bottom allows.
func (a *table) local(id int32) *local {
	if id == dead {
		return nil
	}
	c := a.configs[id]
	if c.local != nil {
		return c.local
	}
	v, p := a.vocabulary, a.program
	l := &local{}
	out := &collector{v: v, bits: NewBitset(len(v.tokens))}
	path := a.paths()
	path[0] = id
	for i := int32(1); i < int32(len(v.label)) && a.visit(); {
		d := v.depth[i]
		to := a.step(path[d-1], p.classes[v.label[i]])
		if to == dead {
			i = v.end[i]
			continue
		}
		path[d] = to
		next := i + 1
		if a.opens[to] {
			out.stopBelow(i)
		}
		if a.exits[to] {
			for child := i + 1; child < v.end[i]; child = v.end[child] {
				l.exits[v.label[child]] = append(l.exits[v.label[child]], child)
			}
		} else if v.end[i] > next && !a.opens[to] && v.below[i]&^a.selfLoops(to) == 0 {
			next = v.end[i]
		}
		out.takeAll(i, next)
		i = next
	}
	l.mask = out.mask()
	l.size = l.mask.size() + 256*24
	for b := range l.exits {
		if len(l.exits[b]) > 0 {
			l.bytes = append(l.bytes, byte(b))
			l.size += 4 * len(l.exits[b])
		}
	}
	if a.err == nil {
		if a.localSize += l.size; a.localSize > keepLocal {
			for _, c := range a.configs[1:] {
				c.local = nil
			}
			clear(a.profiles)
			a.localSize = l.size
		}
		c.local = l
	}
	return l
}

// wholeTokens adds the tokens that items take as a whole.
func (a *table) wholeTokens(out *collector, c *config) {
	for _, it := range c.items {
		s := &a.program.states[it.state]
		if s.kind != kindToken {
			continue
		}
		switch t := &a.program.tokens[s.first]; {
		case !t.negated:
			out.bits.Set(t.id)
		default:
			kept := out.bits.Has(t.id)
			for id := range a.vocabulary.tokens {
				out.bits.Set(int32(id))
			}
			if !kept {
				out.bits.Remove(t.id)
			}
			for _, id := range a.vocabulary.ends {
				if int(id) < len(a.vocabulary.tokens) {
					out.bits.Remove(id)
				}
			}
		}
	}
}

// takeWhole returns the config after a token that is taken as a whole, or dead.
func (a *table) takeWhole(id, token int32) int32 {
	var items []item
	for _, it := range a.configs[id].items {
		if s := &a.program.states[it.state]; s.kind == kindToken {
			if t := &a.program.tokens[s.first]; (t.id == token) != t.negated && (!t.negated || !a.vocabulary.IsEnd(token)) {
				items = append(items, item{t.next, it.frame})
			}
		}
	}
	if len(items) == 0 {
		return dead
	}
	return a.configOf(items)
}
