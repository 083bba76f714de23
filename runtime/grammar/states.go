package grammar

import "fmt"

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
	opens  bool   // some items begin what is all different, or end a key
	seen   int32  // how often a walk came here
	self   groups // whose characters lead to the config itself; once it was seen often
	mask   *mask
	inner  *mask  // where what comes after the items' end takes the text on
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
	maxWork       = 1 << 21  // steps of items for one token, some tenths of a second
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
	opens       []bool  // of each config
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
	work      int   // that was done for it, in steps of items
	err       error // ErrTooComplex, or what interrupt returned

	visits    int          // of nodes of the trie, so far
	interrupt func() error // an error ends the work for the token; nil: nothing does

	listVariants map[int32]int // by list, where they were needed

	closure closure
	key     []byte
	scratch Bitset  // of tokens
	path    []int32 // configs of a walk by depth
}

func newTable(p *program, v *Vocabulary) *table {
	a := &table{
		program: p, vocabulary: v, configIndex: map[string]int32{}, frameIndex: map[string]int32{}, countIndex: map[counted]int32{},
		profiles: map[int32]*profile{}, listVariants: map[int32]int{},
		configs: []*config{nil}, // unknown
		next:    make([]int32, len(p.classBytes)),
		exits:   []bool{false},
		opens:   []bool{false},
		frames:  []frame{{returns: []item{{finalState, bottom}}}},
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
	a.limit, a.work, a.err = len(a.configs)+maxNewConfigs, 0, nil
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
	a.spend(len(c.items))
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

// pollWork is how much work is done between two looks at whether it is to end: some ten microseconds.
const pollWork = 256

// spend counts work, and ends it when it has become too much or is to be interrupted.
func (a *table) spend(n int) {
	before := a.work
	a.work += n
	switch {
	case a.work > maxWork:
		a.fail(fmt.Errorf("%w: a text has so many readings that its next token would take more than %d steps to find: write the rules so that it has one",
			ErrTooComplex, maxWork))
	case a.interrupt != nil && before/pollWork != a.work/pollWork:
		if err := a.interrupt(); err != nil {
			a.fail(err)
		}
	}
}

// visitsPerStep is how many nodes of the trie a walk visits in the time of a step of an item.
const visitsPerStep = 16

// visit counts a node of the trie that a walk comes to, and reports whether the walk goes on.
func (a *table) visit() bool {
	if a.visits++; a.visits%visitsPerStep == 0 {
		a.spend(1)
	}
	return a.err == nil
}

func (a *table) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}
