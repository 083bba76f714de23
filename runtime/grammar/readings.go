package grammar

import (
	"fmt"
	"slices"
	"sort"
)

// readings is the ways to read a text so far.
type readings struct {
	base  int32      // the config of those that are in no item of a Distinct, or dead
	inner []*reading // the others; they never change
}

// reading is a way to read a text that has come into items that are all different.
type reading struct {
	below  *reading // what goes on after the items, from its config; nil: that is the base, and the fields up to begin mean nothing
	list   int32
	count  int32    // items that have ended
	seen   []string // those, each with a separator before it, in ascending order
	rest   []string // those of seen that begin as the text does since begin
	begin  int32    // where the item begins, with the separator
	text   *written // since the base was left
	config int32    // within the item: at the bottom is its end
}

// written is a text that grows at its end.
type written struct {
	before *written
	length int32
	last   byte
}

// maxReadings bounds the readings of a text that are in different items.
const maxReadings = 256

func (w *written) size() int32 {
	if w == nil {
		return 0
	}
	return w.length
}

// since returns the text from a place on.
func (w *written) since(begin int32) string {
	text := make([]byte, w.size()-begin)
	for i := len(text) - 1; i >= 0; i-- {
		text[i] = w.last
		w = w.before
	}
	return string(text)
}

// narrow returns those of texts that go on with a byte after n bytes that they have in common.
func narrow(texts []string, n int32, b byte) []string {
	from := sort.Search(len(texts), func(i int) bool { return len(texts[i]) > int(n) && texts[i][n] >= b })
	to := from + sort.Search(len(texts)-from, func(i int) bool { return texts[from+i][n] > b })
	return texts[from:to]
}

// threatened reports whether an item that the reading is in begins as an earlier one of its list does.
func (r *reading) threatened() bool {
	for ; r != nil; r = r.below {
		if len(r.rest) > 0 {
			return true
		}
	}
	return false
}

// threats returns the bytes with which items go on as earlier ones do.
func (r *reading) threats() (set [256]bool) {
	size := r.text.size()
	for ; r != nil; r = r.below {
		n, rest := int(size-r.begin), r.rest
		for len(rest) > 0 {
			if len(rest[0]) == n {
				rest = rest[1:]
				continue
			}
			b := rest[0][n]
			set[b] = true
			rest = rest[sort.Search(len(rest), func(i int) bool { return rest[i][n] > b }):]
		}
	}
	return set
}

// repeats reports whether the item as it is is an earlier one.
func (r *reading) repeats() bool {
	return len(r.rest) > 0 && len(r.rest[0]) == int(r.text.size()-r.begin)
}

// narrowed returns a reading whose text goes on with a byte after size ones, in another item above it.
func (r *reading) narrowed(size int32, b byte) *reading {
	if !r.threatened() {
		return r
	}
	n := *r
	n.rest, n.below = narrow(r.rest, size-r.begin, b), r.below.narrowed(size, b)
	return &n
}

// advance returns a reading after a byte, or nil.
func (t *table) advance(r *reading, b byte) *reading {
	to := t.step(r.config, t.program.classes[b])
	if to == dead {
		return nil
	}
	n := *r
	size := r.text.size()
	n.config, n.text = to, &written{r.text, size + 1, b}
	n.rest, n.below = narrow(r.rest, size-r.begin, b), r.below.narrowed(size, b)
	return &n
}

// settle adds a reading, and those that it becomes without another byte: at the beginning of a list, and at the end of an item.
func (t *table) settle(out *readings, r *reading) {
	t.spend(1)
	if t.err != nil || r.config == dead {
		return
	}
	c := t.configs[r.config]
	switch {
	case r.below == nil:
		out.base = t.join(out.base, r.config)
	case len(out.inner) >= maxReadings:
		t.fail(fmt.Errorf("%w: items that are to be different can be told apart in more than %d ways", ErrTooComplex, maxReadings))
		return
	case len(c.items) > 0:
		out.inner = append(out.inner, r)
	}
	for _, it := range c.items {
		if s := &t.program.states[it.state]; s.kind == kindDistinct {
			d, below := &t.program.lists[s.first], *r
			below.config = t.configOf([]item{{d.follow, it.frame}})
			t.settle(out, &reading{below: &below, list: s.first, text: r.text, begin: r.text.size(), config: t.startOf(d.item)})
		}
	}
	if r.below != nil && c.exit && !r.repeats() {
		t.endItem(out, r)
	}
}

// endItem adds the readings at the end of an item.
func (t *table) endItem(out *readings, r *reading) {
	d := &t.program.lists[r.list]
	if r.count+1 >= d.min {
		after := *r.below
		after.text = r.text
		if after.below == nil {
			after.text = nil
		}
		t.settle(out, &after)
	}
	if d.max >= 0 && r.count+1 >= d.max {
		return
	}
	next := *r
	next.count, next.begin, next.config = r.count+1, r.text.size(), t.startOf(d.more)
	item := r.text.since(r.begin)
	if r.count == 0 {
		item = d.separator + item
	}
	i, _ := slices.BinarySearch(r.seen, item)
	next.seen = slices.Insert(slices.Clip(r.seen), i, item)
	next.rest = next.seen
	t.settle(out, &next)
}

// startOf returns the config at the beginning of a rule.
func (t *table) startOf(rule int32) int32 {
	return t.configOf([]item{{t.program.rules[rule].start, bottom}})
}

// join returns the config of the items of two configs, one of which may be dead.
func (t *table) join(a, b int32) int32 {
	if a == dead || a == b {
		return b
	}
	items := slices.Concat(t.configs[a].items, t.configs[b].items)
	if t.configs[a].exit || t.configs[b].exit {
		items = append(items, item{finalState, bottom})
	}
	return t.configOf(items)
}

// escapes reports whether a reading, before it is settled, can go on so that no item is an earlier one. A text that is on no earlier item's way can:
// there are as many items as a list needs.
func (t *table) escapes(r *reading) bool {
	if !r.threatened() {
		return true
	}
	next := readings{base: dead}
	t.settle(&next, r)
	if next.base != dead {
		return true
	}
	for _, n := range next.inner {
		if !n.threatened() {
			return true
		}
	}
	for _, n := range next.inner {
		threats := n.threats()
		for b := range 256 {
			if !threats[b] && t.vocabulary.present[b] && t.step(n.config, t.program.classes[b]) != dead {
				return true
			}
		}
		for b := range 256 {
			if !threats[b] {
				continue
			}
			if to := t.advance(n, byte(b)); to != nil && t.escapes(to) {
				return true
			}
		}
	}
	return false
}

// after returns the readings after a byte.
func (t *table) after(at readings, b byte) readings {
	out := readings{base: dead}
	if at.base != dead {
		to := t.step(at.base, t.program.classes[b])
		if len(at.inner) == 0 && (to == dead || !t.opens[to]) {
			return readings{base: to}
		}
		t.settle(&out, &reading{config: to})
	}
	for _, r := range at.inner {
		if n := t.advance(r, b); n != nil && t.escapes(n) {
			t.settle(&out, n)
		}
	}
	return out
}

// none reports whether there is no reading.
func (r readings) none() bool { return r.base == dead && len(r.inner) == 0 }

// plain reports whether all readings are a config, and nothing in it begins what is all different.
func (t *table) plain(at readings) bool {
	return len(at.inner) == 0 && (at.base == dead || !t.opens[at.base])
}

// settled returns the readings of a config.
func (t *table) settled(config int32) readings {
	out := readings{base: dead}
	t.settle(&out, &reading{config: config})
	return out
}

// take returns the readings after a token.
func (t *table) take(at readings, token int32) readings {
	out, text := at, t.vocabulary.tokens[token]
	if len(text) == 0 || t.vocabulary.IsEnd(token) {
		out = readings{base: dead}
	} else {
		out = t.takeBytes(at, text)
	}
	if at.base != dead && t.configs[at.base].tokens {
		t.settle(&out, &reading{config: t.takeWhole(at.base, token)})
	}
	return out
}

// takeBytes returns the readings after bytes.
func (t *table) takeBytes(at readings, text []byte) readings {
	for _, b := range text {
		if at = t.after(at, b); at.none() {
			break
		}
	}
	return at
}

// shortLists returns the states of lists that need more items than are known to be different.
func (t *table) shortLists() (short []int32) {
	for i, s := range t.program.states {
		if s.kind != kindDistinct || t.program.distance[i] == far {
			continue
		}
		if d := &t.program.lists[s.first]; d.min > 1 && !t.hasTexts(t.startOf(d.item), int(d.min)) {
			short = append(short, int32(i))
		}
	}
	return short
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

// withOne returns a config in which the lists that begin are a call of one item.
func (t *table) withOne(id int32) int32 {
	if id == dead || !t.opens[id] {
		return id
	}
	one := int32(dead)
	for _, it := range t.configs[id].items {
		if s := &t.program.states[it.state]; s.kind == kindDistinct {
			if d := &t.program.lists[s.first]; d.min <= 1 {
				frame := t.frameOf([]item{{d.follow, it.frame}})
				one = t.join(one, t.configOf([]item{{t.program.rules[d.item].start, frame}}))
			}
		}
	}
	if one == dead {
		return id
	}
	return t.join(id, one)
}

// atEnd reports whether no byte can come.
func (t *table) atEnd(at readings) bool {
	for b := range 256 {
		if t.vocabulary.present[b] && !t.after(at, byte(b)).none() {
			return false
		}
	}
	return true
}
