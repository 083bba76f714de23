package grammar

import "slices"

// profile is the tokens within a counted repetition, such as the characters of a string with a greatest length, by how many repetitions they
// begin: what any count allows is found from it without another walk.
type profile struct {
	start []int32 // the states of the beginning of a repetition
	all   mask
	order []int32 // tokens by the number of repetitions
	upTo  []int   // upTo[n]: how many of them begin n repetitions at most
	exits [256][]exit
	bytes []byte
}

// exit is a node of the trie that comes after so many whole repetitions.
type exit struct{ node, count int32 }

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
	p := a.profile(left.repeat)
	if p == nil || len(p.start) != len(items) {
		return false
	}
	for i, it := range items {
		if it.state != p.start[i] {
			return false
		}
	}
	most := len(p.upTo) - 1
	if left.max >= 0 {
		most = min(most, int(left.max)+1)
	}
	p.add(out, most)
	after := a.configOf([]item{{a.program.repeats[left.repeat].follow, f.returns[0].frame}})
	if after == dead {
		return true
	}
	for _, b := range p.bytes {
		to := a.step(after, a.program.classes[b])
		if to == dead {
			continue
		}
		for _, e := range p.exits[b] {
			if e.count > left.min && int(e.count) <= most {
				out.take(e.node)
				a.walk(out, e.node, to)
			}
		}
	}
	return true
}

// add adds the tokens that begin n repetitions at most.
func (p *profile) add(out *collector, n int) {
	few := p.upTo[n]
	if few <= len(p.order)/2 {
		for _, id := range p.order[:few] {
			out.bits.Set(id)
		}
		return
	}
	var before []int32 // of those that begin more, what other items allow
	for _, id := range p.order[few:] {
		if out.bits.Has(id) {
			before = append(before, id)
		}
	}
	out.add(&p.all)
	for _, id := range p.order[few:] {
		out.bits.Remove(id)
	}
	for _, id := range before {
		out.bits.Set(id)
	}
}

// profile returns the profile of a repetition; nil: the same text may be of different numbers of repetitions.
func (a *table) profile(repeat int32) *profile {
	p, ok := a.profiles[repeat]
	if !ok {
		p = a.findProfile(repeat)
		if a.err == nil {
			a.profiles[repeat] = p
			if p != nil {
				a.localSize += 4*len(p.order) + p.all.size()
			}
		}
	}
	return p
}

func (a *table) findProfile(repeat int32) *profile {
	twin := repeat | 1
	first := a.countedState(counted{twin, 0, anyCount})
	from := a.configOf([]item{{first, bottom}})
	if from == dead {
		return nil
	}
	p := &profile{}
	for _, it := range a.configs[from].items {
		p.start = append(p.start, it.state)
	}
	v := a.vocabulary
	counts := map[int32]int32{} // of configs
	byCount := [][]int32{nil}
	out := &collector{v, NewBitset(len(v.tokens))}
	path := a.paths()
	path[0] = from
	for i := int32(1); i < int32(len(v.label)); {
		d := v.depth[i]
		to := a.step(path[d-1], a.program.classes[v.label[i]])
		if to == dead {
			i = v.end[i]
			continue
		}
		path[d] = to
		n, ok := counts[to]
		if !ok {
			if n = a.repetitions(a.configs[to], twin); n < 0 {
				return nil
			}
			counts[to] = n
		}
		for len(byCount) <= int(n) {
			byCount = append(byCount, nil)
		}
		if id := v.token[i]; id >= 0 {
			out.take(i)
			byCount[n] = append(append(byCount[n], id), v.same[id]...)
		}
		if a.configs[to].exit {
			for child := i + 1; child < v.end[i]; child = v.end[child] {
				b := v.label[child]
				p.exits[b] = append(p.exits[b], exit{child, n})
			}
		}
		i++
	}
	for _, ids := range byCount {
		p.order = append(p.order, ids...)
		p.upTo = append(p.upTo, len(p.order))
	}
	for b := range p.exits {
		if len(p.exits[b]) > 0 {
			p.bytes = append(p.bytes, byte(b))
		}
	}
	p.all = mask{bits: slices.Clone(out.bits)}
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
	if f == bottom || depth > 16 {
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
