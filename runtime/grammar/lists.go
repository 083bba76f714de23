package grammar

import (
	"cmp"
	"container/heap"
)

// shortLists returns the states of lists that need more items than are known to be different, or of members that have a limited number of keys.
func (t *table) shortLists() (short []int32) {
	for i, s := range t.program.states {
		if s.kind != kindDistinct || t.program.distance[i] == far {
			continue
		}
		d := &t.program.lists[s.first]
		if d.keyed && !t.endless(t.startOf(d.items[0]), map[int32]bool{}) || !d.keyed && !t.hasItems(d) {
			short = append(short, int32(i))
		}
	}
	return short
}

// hasItems reports whether each item that a list needs can be another one than those before it.
func (t *table) hasItems(d *distinct) bool {
	for n := int32(2); n <= d.min; n++ {
		if int(n) >= len(d.items) {
			return t.hasTexts(t.startOf(d.rule(n)), int(d.min))
		}
		if !t.hasTexts(t.startOf(d.items[n-1]), int(n)) {
			return false
		}
	}
	return true
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

// beginning is a text that leads to a config, of so many that are as long and do, too.
type beginning struct {
	least  int32 // bytes of a shortest text that it begins
	length int32
	config int32
}

type beginnings []beginning

func (b beginnings) Len() int { return len(b) }
func (b beginnings) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(b[i].least, b[j].least), cmp.Compare(b[i].length, b[j].length)) < 0
}
func (b beginnings) Swap(i, j int) { b[i], b[j] = b[j], b[i] }
func (b *beginnings) Push(x any)   { *b = append(*b, x.(beginning)) }
func (b *beginnings) Pop() any {
	x := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return x
}

// hasTexts reports whether at least n texts go on from a config to its end, the shortest first. Those with lists within count if each of these has one item
// at most.
func (t *table) hasTexts(from int32, n int) bool {
	sizes := make([]int, len(t.program.classBytes))
	for b, class := range t.program.classes {
		if t.vocabulary.present[b] {
			sizes[class]++
		}
	}
	texts, ended := map[beginning]int{}, 0
	var todo beginnings
	add := func(length, config int32, count int) {
		if config = t.withOne(config); config == dead || count == 0 {
			return
		}
		b := beginning{length + t.remaining(config), length, config}
		if texts[b] == 0 {
			heap.Push(&todo, b)
		}
		texts[b] = min(n, texts[b]+count)
	}
	for add(0, from, 1); len(todo) > 0 && ended < n && t.err == nil; {
		b := heap.Pop(&todo).(beginning)
		count := texts[b]
		delete(texts, b)
		if t.exits[b.config] {
			ended += count
		}
		for class, size := range sizes {
			add(b.length+1, t.step(b.config, uint8(class)), count*size)
		}
		t.spend(1 + len(sizes)/visitsPerStep)
	}
	return ended >= n
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
				one = t.join(one, t.configOf([]item{{t.program.rules[d.items[0]].start, frame}}))
			}
		case kindKey:
			one = t.join(one, t.configOf([]item{{s.next, it.frame}}))
		}
	}
	return one
}
