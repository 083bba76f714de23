package grammar

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// item is a state of a rule's automaton, and the frame of the call that it is in.
type item struct{ state, frame int32 }

// frame is what is called: the items to go on with after it. bottom is the frame below all others.
type frame struct {
	returns  []item
	distance int32 // the fewest bytes to the end of the text, after the call
}

const bottom = 0

// config is a state of the whole: the items that may take the next byte or token, and whether the text may end.
type config struct {
	items  []item
	exit   bool
	tokens bool   // some items take whole tokens
	seen   int32  // how often a walk came here
	self   groups // whose characters lead to the config itself; once it was seen often
	mask   *mask
	local  *local // what the items find if their frames are at the bottom
}

const (
	unknown = 0
	dead    = -1
)

// Limits of what is found lazily.
const (
	maxItems      = 1 << 15  // of a config
	maxNewConfigs = 1 << 16  // for one token
	maxNewItems   = 1 << 22  // of all configs for one token
	keepConfigs   = 1 << 13  // more are forgotten before the next token
	keepItems     = 1 << 19  // so many, too
	keepMaskBytes = 4 << 20  // of configs
	keepLocal     = 24 << 20 // bytes of what is found for sets of states
)

// table is what is known of a program's configs. It is not safe for concurrent use.
type table struct {
	program    *program
	vocabulary *Vocabulary

	configs     []*config
	next        []int32 // of each config by class of bytes: the one after it, unknown, or dead
	exits       []bool  // of each config
	configIndex map[string]int32
	frames      []frame
	frameIndex  map[string]int32
	counts      []counted // states after those of the program
	countIndex  map[counted]int32
	profiles    map[int32]*profile // by repeat

	unknown   []int32 // by class
	items     int     // of all configs
	maskBytes int
	localSize int
	limit     int   // of configs, for this token
	itemLimit int   // of items
	err       error // ErrTooComplex, or errInterrupted

	visits    int         // of nodes of the trie, so far
	interrupt func() bool // whether a walk is to give way; nil: it is not

	closure closure
	key     []byte
	scratch Bitset  // of tokens
	path    []int32 // configs of a walk by depth
}

func newTable(p *program, v *Vocabulary) *table {
	a := &table{
		program: p, vocabulary: v, configIndex: map[string]int32{}, frameIndex: map[string]int32{}, countIndex: map[counted]int32{},
		profiles: map[int32]*profile{},
		configs:  []*config{nil}, // unknown
		next:     make([]int32, len(p.classBytes)),
		exits:    []bool{false},
		frames:   []frame{{returns: []item{{finalState, bottom}}}},
	}
	a.unknown = make([]int32, len(p.classBytes))
	a.scratch = NewBitset(len(v.tokens))
	a.closure.init()
	a.begin()
	return a
}

// size returns about how many bytes the table takes.
func (a *table) size() int {
	const config, frame = 300, 150 // with their entries in the indices
	return len(a.configs)*config + 4*len(a.next) + len(a.frames)*frame + 24*a.items + a.maskBytes + a.localSize
}

// begin begins the work for a token.
func (a *table) begin() {
	a.limit, a.itemLimit, a.err = len(a.configs)+maxNewConfigs, a.items+maxNewItems, nil
}

// full reports whether so much is known that it is better forgotten.
func (a *table) full() bool { return len(a.configs) > keepConfigs || a.items > keepItems }

// start returns the config of the empty text.
func (a *table) start() int32 {
	return a.configOf([]item{{a.program.rules[0].start, bottom}})
}

// configOf returns the config of items that may be any states.
func (a *table) configOf(items []item) int32 {
	a.closure.reset()
	for _, it := range items {
		a.reach(it)
	}
	return a.finish()
}

// step returns the config after a byte of a class, or dead.
func (a *table) step(id int32, class uint8) int32 {
	at := int(id)*len(a.program.classBytes) + int(class)
	if to := a.next[at]; to != unknown {
		return to
	}
	c := a.configs[id]
	if a.err != nil {
		return dead
	}
	b := a.program.classBytes[class]
	a.closure.reset()
	for _, it := range c.items {
		s := &a.program.states[it.state]
		if s.kind != kindBytes {
			continue
		}
		for _, e := range a.program.edges[s.first : s.first+s.n] {
			if e.lo <= b && b <= e.hi {
				a.reach(item{e.next, it.frame})
			}
		}
	}
	to := a.finish()
	if a.err == nil {
		a.next[at] = to
	}
	return to
}

// closure collects the items that are reached without taking a byte.
type closure struct {
	seen    map[item]struct{}
	todo    []item
	out     []item
	exit    bool
	calls   map[int32][]item // by rule: what to go on with after it
	pending ranks
}

func (c *closure) init() {
	c.seen, c.calls = map[item]struct{}{}, map[int32][]item{}
}

func (c *closure) reset() {
	clear(c.seen)
	clear(c.calls)
	c.todo, c.out, c.exit, c.pending = c.todo[:0], c.out[:0], false, c.pending[:0]
}

// reach adds an item, unless it leads nowhere.
func (a *table) reach(it item) {
	c := &a.closure
	if a.distance(it.state) == far {
		return
	}
	if _, ok := c.seen[it]; !ok {
		c.seen[it] = struct{}{}
		c.todo = append(c.todo, it)
	}
}

func (a *table) distance(state int32) int32 {
	if n := int32(len(a.program.states)); state >= n {
		return a.program.countedDistance(a.counts[state-n])
	}
	return a.program.distance[state]
}

// finish follows all empty steps and calls, and returns the config. Rules are entered in the order of their ranks: then all that call one are
// known, and get one frame.
func (a *table) finish() int32 {
	c := &a.closure
	for {
		for len(c.todo) > 0 {
			it := c.todo[len(c.todo)-1]
			c.todo = c.todo[:len(c.todo)-1]
			a.follow(it)
		}
		if len(c.pending) == 0 {
			break
		}
		rule := c.pending.pop()
		a.reach(item{a.program.rules[rule.rule].start, a.frameOf(c.calls[rule.rule])})
	}
	if len(c.out) > maxItems {
		a.fail(fmt.Errorf("%w: more than %d readings of a text", ErrTooComplex, maxItems))
		return dead
	}
	if len(c.out) == 0 && !c.exit {
		return dead
	}
	slices.SortFunc(c.out, compareItems)
	return a.intern(c.out, c.exit)
}

func compareItems(a, b item) int {
	if a.frame != b.frame {
		return int(a.frame - b.frame)
	}
	return int(a.state - b.state)
}

func (a *table) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// follow takes the empty steps of an item.
func (a *table) follow(it item) {
	p, c := a.program, &a.closure
	if n := int32(len(p.states)); it.state >= n {
		a.followCounted(a.counts[it.state-n], it.frame)
		return
	}
	s := &p.states[it.state]
	switch s.kind {
	case kindFinal:
		if it.frame == bottom {
			c.exit = true
			return
		}
		for _, r := range a.frames[it.frame].returns {
			a.reach(r)
		}
	case kindEmpty:
		for _, t := range p.targets[s.first : s.first+s.n] {
			a.reach(item{t, it.frame})
		}
	case kindCall:
		a.call(s.first, item{s.next, it.frame})
		if p.rules[s.first].nullable {
			a.reach(item{s.next, it.frame})
		}
	case kindRepeat:
		r := &p.repeats[s.first]
		a.followCounted(counted{s.first, r.min, r.max}, it.frame)
	default:
		c.out = append(c.out, it)
	}
}

// followCounted goes on between two repetitions.
func (a *table) followCounted(n counted, frame int32) {
	r := &a.program.repeats[n.repeat]
	if n.min == 0 {
		a.reach(item{r.follow, frame})
	}
	if n.max == 0 {
		return
	}
	n.min = max(n.min-1, 0)
	if n.max > 0 {
		n.max--
	}
	a.call(r.rule, item{a.countedState(n), frame})
}

// countedState returns the number of a state between two repetitions.
func (a *table) countedState(n counted) int32 {
	id, ok := a.countIndex[n]
	if !ok {
		id = int32(len(a.program.states) + len(a.counts))
		a.counts = append(a.counts, n)
		a.countIndex[n] = id
	}
	return id
}

// call notes that a rule is called, and what comes after it.
func (a *table) call(rule int32, after item) {
	c, r := &a.closure, &a.program.rules[rule]
	if a.program.distance[r.start] == far || a.distance(after.state) == far {
		return
	}
	returns, ok := c.calls[rule]
	if !ok {
		c.pending.push(ranked{r.rank, rule})
	}
	if !a.isTail(after.state) {
		c.calls[rule] = append(returns, after)
		return
	}
	c.calls[rule] = append(returns, a.frames[after.frame].returns...) // which for the bottom is the end
}

func (a *table) isTail(state int32) bool {
	if n := int32(len(a.program.states)); state >= n {
		c := a.counts[state-n]
		return c.max == 0 && a.program.tail[a.program.repeats[c.repeat].follow]
	}
	return a.program.tail[state]
}

// frameOf returns the frame of a call with these returns, in any order.
func (a *table) frameOf(returns []item) int32 {
	slices.SortFunc(returns, compareItems)
	returns = slices.Compact(returns)
	if len(returns) == 1 && returns[0] == (item{finalState, bottom}) {
		return bottom
	}
	a.key = appendItems(a.key[:0], returns)
	id, ok := a.frameIndex[string(a.key)]
	if !ok {
		d := int32(far)
		for _, r := range returns {
			d = min(d, sum(a.distance(r.state), a.frames[r.frame].distance))
		}
		id = int32(len(a.frames))
		a.frames = append(a.frames, frame{slices.Clone(returns), d})
		a.frameIndex[string(a.key)] = id
		a.items += len(returns)
	}
	return id
}

// intern returns the config of sorted items.
func (a *table) intern(items []item, exit bool) int32 {
	a.key = appendItems(a.key[:0], items)
	if exit {
		a.key = append(a.key, 1)
	}
	if id, ok := a.configIndex[string(a.key)]; ok {
		return id
	}
	if len(a.configs) >= a.limit || a.items > a.itemLimit {
		a.fail(fmt.Errorf("%w: more than %d states for one token", ErrTooComplex, maxNewConfigs))
		return dead
	}
	c := &config{items: slices.Clone(items), exit: exit}
	for _, it := range items {
		c.tokens = c.tokens || a.program.states[it.state].kind == kindToken
	}
	id := int32(len(a.configs))
	a.configs = append(a.configs, c)
	a.next = append(a.next, a.unknown...)
	a.exits = append(a.exits, exit)
	a.configIndex[string(a.key)] = id
	a.items += len(items)
	return id
}

func appendItems(key []byte, items []item) []byte {
	for _, it := range items {
		key = binary.LittleEndian.AppendUint32(key, uint32(it.state))
		key = binary.LittleEndian.AppendUint32(key, uint32(it.frame))
	}
	return key
}

// ranked is a rule that is called.
type ranked struct{ rank, rule int32 }

// ranks is a heap, the least rank first.
type ranks []ranked

func (h *ranks) push(r ranked) {
	s := append(*h, r)
	for i := len(s) - 1; i > 0 && s[i].rank < s[(i-1)/2].rank; i = (i - 1) / 2 {
		s[i], s[(i-1)/2] = s[(i-1)/2], s[i]
	}
	*h = s
}

func (h *ranks) pop() ranked {
	s := *h
	top, n := s[0], len(s)-1
	s[0] = s[n]
	s = s[:n]
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < n && s[child+1].rank < s[child].rank {
			child++
		}
		if child >= n || s[i].rank <= s[child].rank {
			break
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
	*h = s
	return top
}
