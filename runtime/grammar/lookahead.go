package grammar

// forced returns the one byte that may come after a config, if there is only one and the text cannot end.
func (t *table) forced(id int32) (byte, bool) {
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

// remaining returns the fewest bytes from a config to the end of the text.
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
		left := t.remaining(at)
		if left == 0 || t.err != nil {
			return text
		}
		best := int32(dead)
		var with byte
		for class, b := range t.program.classBytes {
			if to := t.step(at, uint8(class)); to != dead && t.remaining(to) < left && (best == dead || t.remaining(to) < t.remaining(best)) {
				best, with = to, b
			}
		}
		if best == dead { // only a whole token goes on
			return text
		}
		at, text = best, append(text, with)
	}
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
