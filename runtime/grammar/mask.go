package grammar

import (
	"slices"
)

// mask is the tokens that a config allows, but for ends of text: a list if they are few, else a set.
type mask struct {
	list []int32
	bits Bitset
}

func (m *mask) size() int { return 4*cap(m.list) + 8*cap(m.bits) + 64 }

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
	v    *Vocabulary
	bits Bitset
}

// take adds the tokens of a node.
func (c *collector) take(node int32) { c.takeAll(node, node+1) }

// takeAll adds the tokens of nodes.
func (c *collector) takeAll(from, to int32) {
	for _, id := range c.v.order[c.v.first[from]:c.v.first[to]] {
		c.bits.Set(id)
	}
}

func (c *collector) add(m *mask) {
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
		return mask{list: list}
	}
	return mask{bits: slices.Clone(c.bits)}
}

// allowed returns the tokens that a config allows.
func (a *table) allowed(id int32) *mask {
	c := a.configs[id]
	if c.mask != nil {
		return c.mask
	}
	out := &collector{a.vocabulary, a.scratch}
	clear(out.bits)
	for _, g := range a.grouped(out, c) {
		a.group(out, g)
	}
	if c.tokens {
		a.wholeTokens(out, c)
	}
	m := out.mask()
	if a.err == nil {
		if a.maskBytes += m.size(); a.maskBytes > keepMaskBytes {
			for _, c := range a.configs[1:] {
				c.mask = nil
			}
			a.maskBytes = m.size()
		}
		c.mask = &m
	}
	return &m
}

// group is items of the same states in some frames, and what comes after those.
type group struct {
	bottoms int32 // the config of the states, with frames at the bottom
	returns []item
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
		if f != bottom {
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
	if len(g.returns) == 0 || len(l.bytes) == 0 {
		return
	}
	after := a.configOf(g.returns)
	for _, b := range l.bytes {
		a.walkAll(out, after, b, l.exits[b])
	}
}

// walkAll adds the tokens at and below nodes that come after a byte, from a config before it.
func (a *table) walkAll(out *collector, from int32, b byte, nodes []int32) {
	if from == dead {
		return
	}
	to := a.step(from, a.program.classes[b])
	if to == dead {
		return
	}
	for _, node := range nodes {
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
		if v.end[i] > next && v.below[i]&^a.selfLoops(to) == 0 {
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
	out := &collector{v, NewBitset(len(v.tokens))}
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
		if a.exits[to] {
			for child := i + 1; child < v.end[i]; child = v.end[child] {
				l.exits[v.label[child]] = append(l.exits[v.label[child]], child)
			}
		} else if v.end[i] > next && v.below[i]&^a.selfLoops(to) == 0 {
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

// take returns the config after a token, or dead.
func (a *table) take(id, token int32) int32 {
	to := id
	if text := a.vocabulary.tokens[token]; len(text) == 0 || a.vocabulary.IsEnd(token) {
		to = dead
	} else {
		to = a.takeBytes(id, text)
	}
	c := a.configs[id]
	if !c.tokens {
		return to
	}
	var items []item
	for _, it := range c.items {
		if s := &a.program.states[it.state]; s.kind == kindToken {
			if t := &a.program.tokens[s.first]; (t.id == token) != t.negated && (!t.negated || !a.vocabulary.IsEnd(token)) {
				items = append(items, item{t.next, it.frame})
			}
		}
	}
	if len(items) == 0 {
		return to
	}
	if to == dead {
		return a.configOf(items)
	}
	if a.configs[to].exit {
		items = append(items, item{finalState, bottom})
	}
	return a.configOf(append(items, a.configs[to].items...))
}

// takeBytes returns the config after bytes, or dead.
func (a *table) takeBytes(id int32, text []byte) int32 {
	for _, b := range text {
		if id = a.step(id, a.program.classes[b]); id == dead {
			break
		}
	}
	return id
}
