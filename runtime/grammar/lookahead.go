package grammar

import "slices"

// forced returns the one byte that may come, if there is only one and the text cannot end.
func (t *table) forced(at readings) (one byte, found bool) {
	switch {
	case t.plain(at):
		return t.forcedIn(at.base)
	case at.base != dead && (t.configs[at.base].exit || t.configs[at.base].tokens):
		return 0, false
	}
	for b := range 256 {
		if !t.vocabulary.present[b] || t.after(at, byte(b)).none() {
			continue
		}
		if found {
			return 0, false
		}
		found, one = true, byte(b)
	}
	return one, found
}

// forcedIn is forced of a config.
func (t *table) forcedIn(id int32) (byte, bool) {
	c := t.configs[id]
	if c.exit || c.tokens {
		return 0, false
	}
	found, one := false, byte(0)
	for _, it := range c.items {
		s := &t.program.states[it.state]
		for _, e := range t.program.edges[s.first : s.first+s.n] {
			if t.program.distance[e.next] == far {
				continue
			}
			if e.lo != e.hi || found && e.lo != one {
				return 0, false
			}
			found, one = true, e.lo
		}
	}
	return one, found
}

// left returns the fewest bytes to the end of the text, if items need not be different.
func (t *table) left(at readings) int32 {
	d := int32(far)
	if at.base != dead {
		d = t.remaining(at.base)
	}
	for _, r := range at.inner {
		n := t.remaining(r.config)
		for ; r.below != nil; r = r.below {
			n = sum(sum(n, t.program.listDistance(r.list, r.count+1)), t.remaining(r.below.config))
		}
		d = min(d, n)
	}
	return d
}

// remaining returns the fewest bytes from a config to its end.
func (t *table) remaining(id int32) int32 {
	c := t.configs[id]
	if c.exit {
		return 0
	}
	d := int32(far)
	for _, it := range c.items {
		d = min(d, sum(t.distance(it.state), t.frames[it.frame].distance))
	}
	return d
}

// Finish returns a shortest text that ends what the matcher has. It adds nothing to it.
func (m *Matcher) Finish() []byte {
	if m.ended {
		return nil
	}
	t := m.lock()
	defer m.unlock()
	var text []byte
	for at := m.at; ; {
		t.work = 0 // the text may be long: each byte may take what a token may
		if t.left(at) == 0 || t.err != nil {
			return text
		}
		best, with, least := readings{base: dead}, byte(0), int32(far)
		for _, b := range t.nextBytes(at) {
			if to := t.after(at, b); !to.none() && t.left(to) < least {
				best, with, least = to, b, t.left(to)
			}
		}
		if best.none() || t.plain(at) && least >= t.left(at) { // only a whole token goes on
			return text
		}
		at, text = best, append(text, with)
	}
}

// nextBytes returns bytes of which one begins a shortest way on: of those that are read alike one is enough, unless items are to be different.
func (t *table) nextBytes(at readings) []byte {
	if !slices.ContainsFunc(at.inner, (*reading).threatened) {
		return t.program.classBytes
	}
	return allBytes
}

var allBytes = func() (all []byte) {
	for b := range 256 {
		all = append(all, byte(b))
	}
	return all
}()

// adoptReadings returns the readings that are those of another table.
func (t *table) adoptReadings(from *table, at readings) readings {
	var adopted func(r *reading) *reading
	adopted = func(r *reading) *reading {
		if r == nil {
			return nil
		}
		n := *r
		n.below, n.config = adopted(r.below), t.adopt(from, r.config)
		return &n
	}
	out := readings{base: dead}
	if at.base != dead {
		out.base = t.adopt(from, at.base)
	}
	for _, r := range at.inner {
		out.inner = append(out.inner, adopted(r))
	}
	return out
}

// adopt returns the config that is one of another table's.
func (t *table) adopt(from *table, id int32) int32 {
	frames := map[int32]int32{bottom: bottom}
	n := int32(len(t.program.states))
	state := func(s int32) int32 {
		if s < n {
			return s
		}
		return t.countedState(from.counts[s-n])
	}
	// The frames below another have lesser numbers.
	needed := map[int32]bool{}
	todo := []int32{}
	need := func(f int32) {
		if f != bottom && !needed[f] {
			needed[f] = true
			todo = append(todo, f)
		}
	}
	c := from.configs[id]
	for _, it := range c.items {
		need(it.frame)
	}
	most := int32(0)
	for len(todo) > 0 {
		f := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		most = max(most, f)
		for _, r := range from.frames[f].returns {
			need(r.frame)
		}
	}
	for f := int32(1); f <= most; f++ {
		if !needed[f] {
			continue
		}
		returns := make([]item, len(from.frames[f].returns))
		for i, r := range from.frames[f].returns {
			returns[i] = item{state(r.state), frames[r.frame]}
		}
		frames[f] = t.frameOf(returns)
	}
	items := make([]item, len(c.items))
	for i, it := range c.items {
		items[i] = item{state(it.state), frames[it.frame]}
	}
	if c.exit {
		items = append(items, item{finalState, bottom})
	}
	return t.configOf(items)
}
