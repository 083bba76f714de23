package grammar

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

func (a *table) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}
