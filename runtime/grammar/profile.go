package grammar

import "slices"

// profile is the tokens within a counted repetition, such as the characters of a string with a greatest length, by how many repetitions they
// begin: what any count allows is found from it without another walk. Repetitions of the same have one.
type profile struct {
	start []int32  // the states of the beginning of a repetition
	order []int32  // tokens by the number of repetitions
	upTo  []int    // upTo[n]: how many of them begin n repetitions at most
	sets  []Bitset // of those tokens, once they are needed

	plain []plainNodes // where each character is a repetition
	exits []exit       // other nodes that come after whole repetitions
	after map[afterExit]*afterwards
}

// plainNodes is a node of the trie and all below it, with the number of repetitions up to the first one.
type plainNodes struct{ from, to, count int32 }

// exit is a node of the trie that comes after so many whole repetitions.
type exit struct{ node, count int32 }

// afterExit is a byte, and the config after it.
type afterExit struct {
	config int32
	b      byte
}

// afterwards is tokens that go on after repetitions, and the stops of a mask.
type afterwards struct {
	tokens []counts
	stops  []exit
}

// counts is a token that goes on after so many repetitions.
type counts struct{ token, count int32 }

// anyCount is the count that profiles are found with.
const anyCount = 1 << 24

// counted adds the tokens of items that are at the beginning of a repetition in a frame that counts. Else it reports false.
func (a *table) counted(out *collector, items []item) bool {
	f := &a.frames[items[0].frame]
	n := int32(len(a.program.states))
	if len(f.returns) != 1 || f.returns[0].state < n {
		return false
	}
	left := a.counts[f.returns[0].state-n] // after the repetition that begins
	p := a.profile(a.program.repeats[left.repeat].rule, left.repeat)
	if p == nil || len(p.start) != len(items) {
		return false
	}
	for i, it := range items {
		if it.state != p.start[i] {
			return false
		}
	}
	most := far
	if left.max >= 0 {
		most = int(left.max) + 1
	}
	after := a.configOf([]item{{a.program.repeats[left.repeat].follow, f.returns[0].frame}})
	if after != dead && a.stops(out, after) {
		return false
	}
	p.add(out, min(most, len(p.upTo)-1))
	if after == dead {
		return true
	}
	for b := range 256 {
		to := a.step(after, a.program.classes[b])
		if to == dead {
			continue
		}
		found := a.afterExits(p, byte(b), to)
		for _, t := range found.tokens {
			if t.count > left.min && int(t.count) <= most {
				out.bits.Set(t.token)
			}
		}
		for _, e := range found.stops {
			if e.count > left.min && int(e.count) <= most {
				out.stops = append(out.stops, e.node)
			}
		}
	}
	return true
}

// keepAfter is how many sets of tokens after repetitions are kept.
const keepAfter = 64

// afterExits returns the tokens that go on after whole repetitions with a byte, which leads to a config.
func (a *table) afterExits(p *profile, b byte, to int32) *afterwards {
	key := afterExit{to, b}
	if found, ok := p.after[key]; ok {
		return found
	}
	found := &afterwards{}
	one := &collector{v: a.vocabulary, bits: NewBitset(len(a.vocabulary.tokens)), inner: len(a.program.lists) > 0}
	stop := a.stops(one, to)
	for _, e := range p.exitsWith(a.vocabulary, b) {
		one.take(e.node)
		if stop {
			one.stopBelow(e.node)
		}
		a.walk(one, e.node, to)
		for _, node := range one.stops {
			found.stops = append(found.stops, exit{node, e.count})
		}
		one.stops = one.stops[:0]
		v := a.vocabulary
		for _, id := range v.order[v.first[e.node]:v.first[v.end[e.node]]] {
			if one.bits.Has(id) {
				found.tokens = append(found.tokens, counts{id, e.count})
				one.bits.Remove(id)
			}
		}
	}
	if a.err == nil {
		if len(p.after) >= keepAfter {
			clear(p.after)
		}
		p.after[key] = found
	}
	return found
}

// exitsWith returns the nodes that are a byte after whole repetitions, which no byte within a character is.
func (p *profile) exitsWith(v *Vocabulary, b byte) (found []exit) {
	nodes := v.byLabel[b]
	for _, r := range p.plain {
		at, _ := slices.BinarySearch(nodes, r.from+1)
		for ; at < len(nodes) && nodes[at] < r.to; at++ {
			if begun := int32(v.chars[nodes[at]]-v.chars[r.from]) - 1; begun >= 0 && !isContinuation(b) {
				found = append(found, exit{nodes[at], r.count + begun})
			}
		}
	}
	for _, e := range p.exits {
		for child := e.node + 1; child < v.end[e.node]; child = v.end[child] {
			if v.label[child] == b {
				found = append(found, exit{child, e.count})
			}
		}
	}
	return found
}

func isContinuation(b byte) bool { return b >= 0x80 && b <= 0xBF }

// fewest is how many tokens are added one by one rather than as a set.
const fewest = 2048

// add adds the tokens that begin n repetitions at most.
func (p *profile) add(out *collector, n int) {
	if p.upTo[n] <= fewest {
		for _, id := range p.order[:p.upTo[n]] {
			out.bits.Set(id)
		}
		return
	}
	if p.sets[n] == nil {
		p.sets[n] = NewBitset(len(out.v.tokens))
		for _, id := range p.order[:p.upTo[n]] {
			p.sets[n].Set(id)
		}
	}
	out.bits.or(p.sets[n])
}

// profile returns the profile of a repetition; nil: the same text may be of different numbers of repetitions.
func (a *table) profile(rule, repeat int32) *profile {
	p, ok := a.profiles[rule]
	if !ok {
		p = a.findProfile(repeat)
		if a.err == nil {
			a.profiles[rule] = p
			if p != nil {
				a.localSize += 4*len(p.order) + len(p.sets)*a.vocabulary.Size()/8 + 12*len(p.plain) + 8*len(p.exits)
			}
		}
	}
	return p
}

func (a *table) findProfile(repeat int32) *profile {
	twin := repeat | 1
	from := a.configOf([]item{{a.countedState(counted{twin, 0, anyCount}), bottom}})
	if from == dead || a.opens[from] {
		return nil
	}
	p := &profile{after: map[afterExit]*afterwards{}}
	for _, it := range a.configs[from].items {
		p.start = append(p.start, it.state)
	}
	v := a.vocabulary
	begun := map[int32]int32{}                                // by config
	byCount := make([][]int32, v.longest+2)                   // tokens
	plain := &collector{v: v, bits: NewBitset(len(v.tokens))} // tokens in which each character is a repetition
	second := a.configOf([]item{{a.countedState(counted{twin, 0, anyCount - 1}), bottom}})
	loops := a.loops(from, second) // the same for any number of repetitions
	path := a.paths()
	path[0] = from
	for i := int32(1); i < int32(len(v.label)) && a.visit(); {
		d := v.depth[i]
		to := a.step(path[d-1], a.program.classes[v.label[i]])
		if to == dead {
			i = v.end[i]
			continue
		}
		if a.opens[to] {
			return nil
		}
		path[d] = to
		n, ok := begun[to]
		if !ok {
			if n = a.repetitions(a.configs[to], twin); n < 0 {
				return nil
			}
			begun[to] = n
		}
		switch {
		case a.exits[to] && v.below[i]&^loops == 0 && int(n) == int(v.chars[i]):
			p.plain = append(p.plain, plainNodes{i, v.end[i], n})
			plain.takeAll(i, v.end[i])
			i = v.end[i]
			continue
		case a.exits[to]:
			p.exits = append(p.exits, exit{i, n})
		}
		byCount[n] = append(byCount[n], v.order[v.first[i]:v.first[i+1]]...)
		i++
	}
	rest := v.byChars
	for n := range byCount {
		p.order = append(p.order, byCount[n]...)
		for len(rest) > 0 && int(rest[0].chars) <= n {
			if id := rest[0].token; plain.bits.Has(id) {
				p.order = append(p.order, id)
			}
			rest = rest[1:]
		}
		if p.upTo = append(p.upTo, len(p.order)); len(p.order) == cap(p.order) && len(rest) > 0 {
			p.order = slices.Grow(p.order, len(rest))
		}
	}
	for n := len(p.upTo); n > 1 && p.upTo[n-1] == p.upTo[n-2]; n-- { // counts that no token has
		p.upTo = p.upTo[:n-1]
	}
	p.sets = make([]Bitset, len(p.upTo))
	return p
}

// repetitions returns how many repetitions a config of a profile has begun, or ended if it is between two; −1: it is not the same for all items.
func (a *table) repetitions(c *config, twin int32) int32 {
	n := int32(-1)
	for _, it := range c.items {
		k := a.begun(it.frame, twin, 0)
		if k < 0 || n >= 0 && k != n {
			return -1
		}
		n = k
	}
	if c.exit {
		n-- // the next one has taken no byte
	}
	return n
}

// begun returns how many repetitions have begun in a frame.
func (a *table) begun(f, twin int32, depth int) int32 {
	if a.spend(1); f == bottom || depth > 16 || a.err != nil {
		return -1
	}
	n := int32(-1)
	for _, r := range a.frames[f].returns {
		k := int32(-1)
		if i := r.state - int32(len(a.program.states)); i >= 0 && a.counts[i].repeat == twin && r.frame == bottom {
			k = anyCount - a.counts[i].max
		} else {
			k = a.begun(r.frame, twin, depth+1)
		}
		if k < 0 || n >= 0 && k != n {
			return -1
		}
		n = k
	}
	return n
}
