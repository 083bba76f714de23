package grammar

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Limits of what Prepare finds.
const (
	prepareVisits  = 3 << 20 // nodes of the trie
	prepareConfigs = keepConfigs / 4
)

// errInterrupted ends a walk that is not urgent. What it found so far is dropped.
var errInterrupted = errors.New("a matcher waits")

// Prepare finds which tokens are allowed in states that texts of the grammar come to, before they do: a matcher that comes to a new kind of state
// walks over much of the vocabulary, which takes milliseconds. A program calls it in a goroutine of its own while a prompt is run. It
// stops when the limits of what is kept come near, or ctx ends. Matchers work meanwhile: it gives way to them within some ten microseconds. A second
// call does nothing, unless the first one's context has ended.
func (c *Compiled) Prepare(ctx context.Context) {
	if c.prepared.Swap(true) {
		return
	}
	c.lock()
	t := c.table
	p := preparation{compiled: c, table: t, seen: map[string]bool{}}
	p.push(t.start())
	c.unlock()
	for len(p.todo) > 0 && p.next() {
		if ctx.Err() != nil {
			c.prepared.Store(false) // another call goes on
			return
		}
	}
}

// preparation goes through a table's configs in the order of the texts that lead to them, shortest first. Those that differ only in what is
// below the topmost frames, and in how often something was repeated, are looked at once.
type preparation struct {
	compiled *Compiled
	table    *table
	todo     []int32
	seen     map[string]bool // by kind
	visits   int             // that have been made
}

// push adds a config, unless there was one of its kind.
func (p *preparation) push(id int32) {
	if id == dead {
		return
	}
	if k := p.kind(id); !p.seen[k] {
		p.seen[k] = true
		p.todo = append(p.todo, id)
	}
}

// kind names what the tokens that a config allows depend on most: the states of its items, and where those go on that are at the end of a call.
func (p *preparation) kind(id int32) string {
	t := p.table
	n := int32(len(t.program.states))
	var key []int32
	for _, it := range t.configs[id].items {
		key = append(key, it.state)
		for _, r := range t.frames[it.frame].returns {
			if r.state >= n { // counted
				key = append(key, -1-t.counts[r.state-n].repeat)
			} else {
				key = append(key, r.state)
			}
		}
	}
	slices.Sort(key)
	return fmt.Sprint(slices.Compact(key))
}

// next looks at one config. It reports whether there is room for more.
func (p *preparation) next() bool {
	c, t := p.compiled, p.table
	c.lock()
	defer c.unlock()
	if c.table != t || len(p.seen) >= prepareConfigs || len(t.configs) >= keepConfigs/2 || t.items >= keepItems/2 ||
		t.localSize >= keepLocal/2 || t.maskBytes >= keepMaskBytes/2 {
		return false
	}
	t.begin()
	t.interrupt = func() error {
		if c.waiting.Load() > 0 {
			return errInterrupted
		}
		return nil
	}
	defer func() { t.interrupt = nil }()
	before := t.visits
	id := p.todo[0]
	t.allowed(id, false)
	if errors.Is(t.err, errInterrupted) {
		return true // once more
	}
	if p.visits += t.visits - before; p.visits > prepareVisits || t.err != nil {
		return false
	}
	p.todo = p.todo[1:]
	for class := range t.program.classBytes {
		p.push(t.step(id, uint8(class)))
	}
	for _, it := range t.configs[id].items {
		if s := &t.program.states[it.state]; s.kind == kindDistinct {
			for _, rule := range t.program.lists[s.first].items {
				p.push(t.startOf(rule))
			}
		}
	}
	return true
}
