package grammar

import "slices"

// allowedAll adds the tokens that readings allow, but for ends of text. What is known of each config holds for tokens that do not leave it, but for those
// with which an item could only become an earlier one.
func (t *table) allowedAll(set Bitset, at readings) {
	out := &collector{v: t.vocabulary, bits: set}
	if at.base != dead {
		out.add(t.allowed(at.base, false))
	}
	for _, r := range at.inner {
		m := t.allowed(r.config, true)
		if !r.threatened() {
			out.add(m)
			continue
		}
		one := &collector{v: t.vocabulary, bits: NewBitset(len(t.vocabulary.tokens))}
		one.add(m)
		t.strike(one.bits, r, 0)
		out.bits.or(one.bits)
		out.stops = append(out.stops, one.stops...)
	}
	t.walkReadings(out, at)
}

// strike takes out the tokens below a node of the trie, at which a reading is, with which an item could only become an earlier one.
func (t *table) strike(set Bitset, r *reading, node int32) {
	v, threats := t.vocabulary, r.threats()
	for child := node + 1; child < v.end[node] && t.visit(); child = v.end[child] {
		if !threats[v.label[child]] {
			continue
		}
		n := t.advance(r, v.label[child])
		switch {
		case n == nil:
		case !t.escapes(n):
			for _, id := range v.order[v.first[child]:v.first[v.end[child]]] {
				set.Remove(id)
			}
		case n.threatened():
			t.strike(set, n, child)
		}
	}
}

// walkReadings adds the tokens at and below the stops.
func (t *table) walkReadings(out *collector, at readings) {
	v := t.vocabulary
	slices.Sort(out.stops)
	path, text := []readings{at}, []byte(nil) // what was read, and the readings after each byte of it
	done := int32(0)
	for _, stop := range out.stops {
		if stop < done {
			continue
		}
		done = v.end[stop]
		way := v.tokens[v.order[v.first[stop]]][:v.depth[stop]]
		n := min(shared(text, way), len(path)-1)
		path = path[:n+1]
		for ; n < len(way)-1 && !path[n].none(); n++ {
			path = append(path, t.after(path[n], way[n]))
		}
		text = way[:n]
		if n < len(way)-1 || path[n].none() {
			continue
		}
		for i := stop; i < done && t.visit(); {
			d := v.depth[i]
			path = append(path[:d], t.after(path[d-1], v.label[i]))
			if path[d].none() {
				i = v.end[i]
				continue
			}
			out.take(i)
			i++
		}
		path = path[:len(way)]
	}
}

// exit reports whether a text may end.
func (t *table) exit(at readings) bool { return at.base != dead && t.configs[at.base].exit }
