package grammar

import (
	"cmp"
	"container/heap"
	"slices"
)

// maxListRounds bounds how deep lists that need several items are nested, each in the items of the one around it.
const maxListRounds = 8

// withLists measures the program anew without the lists that are not known to have enough items, or members without end, and returns a table of it. An item
// may have lists within: each round looks at those whose items are known by the rounds before. So a list that needs itself is none.
func (p *program) withLists(v *Vocabulary) *table {
	var unknown []int32
	lists := slices.Clone(p.states)
	for i, s := range p.states {
		if s.kind == kindDistinct && p.distance[i] != far && (p.lists[s.first].keyed || p.lists[s.first].min > 1) {
			unknown = append(unknown, int32(i))
			p.states[i] = state{kind: kindEmpty}
		}
	}
	if len(unknown) == 0 {
		return newTable(p, v)
	}
	for round := 0; ; round++ {
		p.measure(v)
		t := newTable(p, v)
		var known []int32
		if round < maxListRounds {
			unknown = slices.DeleteFunc(unknown, func(i int32) bool {
				d := &p.lists[lists[i].first]
				found := d.keyed && t.endless(t.startOf(d.items[0]), map[int32]bool{}) || !d.keyed && t.hasItems(d)
				if found {
					known = append(known, i)
				}
				return found
			})
		}
		if len(known) == 0 || t.err != nil {
			return t
		}
		for _, i := range known {
			p.states[i] = lists[i]
		}
	}
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

// hasTexts reports whether at least n texts go on from a config to its end, the shortest first. It counts not all: see withOne.
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
		config, bytes, ways := t.withOne(config)
		if length = sum(length, bytes); config == dead || count == 0 {
			return
		}
		count *= ways
		b := beginning{sum(length, t.remaining(config)), length, config}
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

// withOne returns a config in which the lists that begin are a call of one item, and that goes on after keys. Where a list that needs more is all that goes on it
// returns the config after that, the fewest bytes of such a list, and how many of one length are known: what is counted from there on are different texts still.
func (t *table) withOne(id int32) (one, bytes int32, ways int) {
	if id == dead || !t.opens[id] {
		return id, 0, 1
	}
	one = id
	after, list := int32(dead), int32(0)
	for _, it := range t.configs[id].items {
		switch s := &t.program.states[it.state]; s.kind {
		case kindDistinct:
			d := &t.program.lists[s.first]
			if d.min > 1 {
				after, list = t.configOf([]item{{d.follow, it.frame}}), s.first
				continue
			}
			frame := t.frameOf([]item{{d.follow, it.frame}})
			one = t.join(one, t.configOf([]item{{t.program.rules[d.items[0]].start, frame}}))
		case kindKey:
			one = t.join(one, t.configOf([]item{{s.next, it.frame}}))
		}
	}
	if after == dead || t.exits[one] || t.goesOn(one) {
		return one, 0, 1
	}
	return after, t.program.listDistance(list, 0), t.variants(list)
}

// Bounds of what variants looks at.
const (
	variantBytes   = 256 // of an item
	variantConfigs = 32
	maxVariants    = 1 << 20
)

// variants returns how many texts of a list are known that have as few items as it needs and are as long as each other: they differ in the last item, which is
// none of those before.
func (t *table) variants(list int32) int {
	best, known := t.listVariants[list]
	if known {
		return best
	}
	d := &t.program.lists[list]
	best = 1
	texts := map[int32]int{t.startOf(d.rule(d.min - 1)): 1} // of one length, by the config that they lead to
	for length := 0; length < variantBytes && len(texts) <= variantConfigs && best < maxVariants && t.err == nil; length++ {
		next, ended := map[int32]int{}, 0
		for config, count := range texts {
			if t.exits[config] {
				ended += count
			}
			for b, class := range t.program.classes {
				if to := t.step(config, class); to != dead && t.vocabulary.present[b] {
					next[to] = min(2*maxVariants, next[to]+count)
				}
			}
			t.spend(256 / visitsPerStep)
		}
		best = max(best, min(maxVariants, ended-int(d.min)+1))
		texts = next
	}
	t.listVariants[list] = best
	return best
}

// goesOn reports whether a byte may come after a config.
func (t *table) goesOn(id int32) bool {
	for b, class := range t.program.classes {
		if t.vocabulary.present[b] && t.step(id, class) != dead {
			return true
		}
	}
	return false
}
