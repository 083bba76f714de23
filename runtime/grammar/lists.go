package grammar

// shortLists returns the states of lists that need more items than are known to be different, or of members that have a limited number of keys.
func (t *table) shortLists() (short []int32) {
	for i, s := range t.program.states {
		if s.kind != kindDistinct || t.program.distance[i] == far {
			continue
		}
		d := &t.program.lists[s.first]
		if d.keyed && !t.endless(t.startOf(d.item), map[int32]bool{}) || !d.keyed && d.min > 1 && !t.hasTexts(t.startOf(d.item), int(d.min)) {
			short = append(short, int32(i))
		}
	}
	return short
}

// endless reports whether there is any number of keys from a config on: a text comes to a config twice. done is those that were seen, and whether
// they have been left.
func (t *table) endless(at int32, done map[int32]bool) bool {
	if at == dead || t.err != nil {
		return false
	}
	if left, seen := done[at]; seen {
		return !left
	}
	done[at] = false
	for class := range t.program.classBytes {
		if t.spend(1); t.endless(t.step(at, uint8(class)), done) {
			return true
		}
	}
	done[at] = true
	return false
}

// hasTexts reports whether at least n texts go on from a config to its end. Those with lists within count if each of these has one item at most.
func (t *table) hasTexts(from int32, n int) bool {
	sizes := make([]int, len(t.program.classBytes))
	for b, class := range t.program.classes {
		if t.vocabulary.present[b] {
			sizes[class]++
		}
	}
	ended := 0
	for at := map[int32]int{t.withOne(from): 1}; len(at) > 0 && t.err == nil; {
		next := map[int32]int{}
		for id, texts := range at {
			if t.exits[id] {
				ended += texts
			}
			for class, size := range sizes {
				if to := t.withOne(t.step(id, uint8(class))); to != dead && size > 0 {
					next[to] = min(n, next[to]+texts*size)
				}
			}
			t.spend(1 + len(sizes)/visitsPerStep)
		}
		if ended >= n {
			return true
		}
		at = next
	}
	return false
}

// withOne returns a config in which the lists that begin are a call of one item, and that goes on after keys.
func (t *table) withOne(id int32) int32 {
	if id == dead || !t.opens[id] {
		return id
	}
	one := id
	for _, it := range t.configs[id].items {
		switch s := &t.program.states[it.state]; s.kind {
		case kindDistinct:
			if d := &t.program.lists[s.first]; d.min <= 1 {
				frame := t.frameOf([]item{{d.follow, it.frame}})
				one = t.join(one, t.configOf([]item{{t.program.rules[d.item].start, frame}}))
			}
		case kindKey:
			one = t.join(one, t.configOf([]item{{s.next, it.frame}}))
		}
	}
	return one
}
