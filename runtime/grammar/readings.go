package grammar

import (
	"fmt"
	"slices"
	"sort"
	"strings"
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
	keyed  bool     // its items are members
	count  int32    // items that have ended
	seen   []string // those, or their keys, each with a separator before it, in ascending order
	rest   []string // those of seen that begin as the text does since begin
	named  bool     // the key of the member is behind, and seen has it
	whole  []string // members that have ended
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

// threatened reports whether an item that the reading is in begins as an earlier one of its list does. Around members it does not matter: others can come.
func (r *reading) threatened() bool {
	for ; r != nil; r = r.around() {
		if len(r.rest) > 0 {
			return true
		}
	}
	return false
}

// around returns the reading of the item that the text goes on in, too. What members come to is known at their end only.
func (r *reading) around() *reading {
	if r.keyed {
		return nil
	}
	return r.below
}

// threats returns the bytes with which items go on as earlier ones do.
func (r *reading) threats() (set [256]bool) {
	size := r.text.size()
	for ; r != nil; r = r.around() {
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
	n.rest = narrow(r.rest, size-r.begin, b)
	if !r.keyed {
		n.below = r.below.narrowed(size, b)
	}
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
	n.rest = narrow(r.rest, size-r.begin, b)
	if !r.keyed {
		n.below = r.below.narrowed(size, b)
	}
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
	var values []item
	for _, it := range c.items {
		switch s := &t.program.states[it.state]; s.kind {
		case kindDistinct:
			d, below := &t.program.lists[s.first], *r
			below.config = t.configOf([]item{{d.follow, it.frame}})
			t.settle(out, &reading{below: &below, list: s.first, keyed: d.keyed, text: r.text, begin: r.text.size(), config: t.startOf(d.rule(0))})
		case kindKey:
			values = append(values, item{s.next, it.frame})
		}
	}
	if len(values) > 0 && !r.named && !r.repeats() {
		n := *r
		n.named, n.config, n.seen, n.rest = true, t.configOf(values), with(r.seen, t.item(r)), nil
		t.settle(out, &n)
	}
	if r.below != nil && c.exit && !r.repeats() {
		t.endItem(out, r)
	}
}

// endItem adds the readings at the end of an item.
func (t *table) endItem(out *readings, r *reading) {
	d := &t.program.lists[r.list]
	next := *r
	if next.named = false; r.keyed {
		next.whole = with(r.whole, t.item(r))
	} else {
		next.seen = with(r.seen, t.item(r))
	}
	if r.count+1 >= d.min {
		t.settle(out, next.ended(d))
	}
	if d.max >= 0 && r.count+1 >= d.max {
		return
	}
	next.count, next.begin, next.config, next.rest = r.count+1, r.text.size(), t.startOf(d.rule(r.count+1)), next.seen
	t.settle(out, &next)
}

// item returns the item as it is, with a separator before it.
func (t *table) item(r *reading) string {
	text := r.text.since(r.begin)
	if r.count == 0 {
		text = t.program.lists[r.list].separator + text
	}
	return text
}

// with returns sorted texts and one more.
func with(texts []string, text string) []string {
	i, _ := slices.BinarySearch(texts, text)
	return slices.Insert(slices.Clip(texts), i, text)
}

// ended returns the reading that goes on after a list. Members count as if they had come in ascending order.
func (r *reading) ended(d *distinct) *reading {
	after := *r.below
	switch {
	case after.below == nil:
	case !r.keyed:
		after.text = r.text
	default:
		for _, b := range []byte(strings.TrimPrefix(strings.Join(r.whole, ""), d.separator)) {
			n := after.narrowed(after.text.size(), b)
			after = *n
			after.text = &written{after.text, after.text.size() + 1, b}
		}
	}
	return &after
}

// startOf returns the config at the beginning of a rule.
func (t *table) startOf(rule int32) int32 {
	return t.configOf([]item{{t.program.rules[rule].start, bottom}})
}

// join returns the config of the items of two configs, which may be dead.
func (t *table) join(a, b int32) int32 {
	switch {
	case a == dead || a == b:
		return b
	case b == dead:
		return a
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

// atEnd reports whether no byte can come.
func (t *table) atEnd(at readings) bool {
	for b := range 256 {
		if t.vocabulary.present[b] && !t.after(at, byte(b)).none() {
			return false
		}
	}
	return true
}
