package regex

import "fmt"

// maxProgram is the number of instructions up to which an expression is accepted.
const maxProgram = 1 << 13

type opcode uint8

const (
	opMatch  opcode = iota
	opSet           // one character of set
	opLoop          // min to max characters of set
	opSplit         // go on at x or, if that fails, at y
	opJump          // go on at x
	opAssert        //
	opLook          // run the program at x; then go on at y
	opAtomic        // run the program at x, go on at y where that ended
	opBehind        // step back n characters
	opGuard         // remember the position in register n
	opCheck         // fail if the position is still that of register n
)

type instruction struct {
	op               opcode
	set              *matcher
	min, max         int // of opLoop; max < 0: any number
	lazy, possessive bool
	memo             int // of opLoop: index of its memory, -1: it has none
	x, y, n          int
	assert           assertion
	negated          bool
}

type compiler struct {
	prog      []instruction
	matchers  map[string]*matcher
	memos     int
	registers int
	static    bool // what follows depends on nothing but the position
	err       error
}

func compile(root *node) (*compiler, error) {
	c := &compiler{matchers: map[string]*matcher{}, static: true}
	c.node(root)
	c.emit(instruction{op: opMatch})
	return c, c.err
}

func (c *compiler) emit(i instruction) int {
	if len(c.prog) >= maxProgram {
		if c.err == nil {
			c.err = fmt.Errorf("%w: the expression is too large", ErrUnsupported)
		}
		return 0
	}
	c.prog = append(c.prog, i)
	return len(c.prog) - 1
}

func (c *compiler) matcher(s set) *matcher {
	key := string([]rune(s)) + fmt.Sprint(len(s)) // surrogates aside, which no text has
	m, ok := c.matchers[key]
	if !ok {
		m = newMatcher(s)
		c.matchers[key] = m
	}
	return m
}

func (c *compiler) node(n *node) {
	if c.err != nil {
		return
	}
	switch n.kind {
	case nodeSet:
		c.emit(instruction{op: opSet, set: c.matcher(n.set)})
	case nodeCat:
		for _, s := range n.subs {
			c.node(s)
		}
	case nodeAlt:
		c.alternatives(n.subs)
	case nodeAssert:
		c.emit(instruction{op: opAssert, assert: n.assert})
	case nodeRepeat:
		c.repeat(n)
	case nodeAtomic:
		c.sub(instruction{op: opAtomic}, func() { c.node(n.subs[0]) })
	case nodeLook:
		look := instruction{op: opLook, negated: n.negated}
		if !n.behind {
			c.sub(look, func() { c.node(n.subs[0]) })
			return
		}
		c.sub(look, func() {
			var branches []*node
			for _, a := range n.subs[0].alternatives() {
				w, _ := a.width()
				branches = append(branches, &node{kind: nodeCat, subs: []*node{{kind: nodeEmpty, min: w}, a}})
			}
			c.alternatives(branches)
		})
	case nodeEmpty:
		c.emit(instruction{op: opBehind, n: n.min})
	}
}

func (c *compiler) alternatives(subs []*node) {
	var ends []int
	for i, s := range subs {
		if i == len(subs)-1 {
			c.node(s)
			break
		}
		split := c.emit(instruction{op: opSplit})
		if c.err != nil {
			return
		}
		c.prog[split].x = len(c.prog)
		c.node(s)
		ends = append(ends, c.emit(instruction{op: opJump}))
		c.prog[split].y = len(c.prog)
	}
	for _, e := range ends {
		c.prog[e].x = len(c.prog)
	}
}

// sub emits a program within the program.
func (c *compiler) sub(head instruction, body func()) {
	at := c.emit(head)
	static := c.static
	c.static = false
	body()
	c.static = static
	c.emit(instruction{op: opMatch})
	if c.err == nil {
		c.prog[at].x, c.prog[at].y = at+1, len(c.prog)
	}
}

func (c *compiler) repeat(n *node) {
	sub := n.subs[0]
	for (sub.kind == nodeCat || sub.kind == nodeAlt) && len(sub.subs) == 1 {
		sub = sub.subs[0]
	}
	if sub.kind == nodeSet {
		loop := instruction{op: opLoop, set: c.matcher(sub.set), min: n.min, max: n.max, lazy: n.lazy, possessive: n.possessive, memo: -1}
		if c.static && n.max < 0 && !n.lazy {
			loop.memo = c.memos
			c.memos++
		}
		c.emit(loop)
		return
	}
	if n.possessive {
		greedy := *n
		greedy.possessive = false
		c.sub(instruction{op: opAtomic}, func() { c.repeat(&greedy) })
		return
	}
	static := c.static
	c.static = false
	defer func() { c.static = static }()
	for range n.min {
		c.node(sub)
	}
	if n.max < 0 {
		register := c.registers
		c.registers++
		split := c.emit(instruction{op: opSplit})
		c.emit(instruction{op: opGuard, n: register})
		c.node(sub)
		c.emit(instruction{op: opCheck, n: register})
		c.emit(instruction{op: opJump, x: split})
		c.branch(split, split+1, len(c.prog), n.lazy)
		return
	}
	var splits []int
	for range n.max - n.min {
		splits = append(splits, c.emit(instruction{op: opSplit}))
		c.node(sub)
	}
	for _, s := range splits {
		c.branch(s, s+1, len(c.prog), n.lazy)
	}
}

// branch sets where a split goes: on with the repetition, or past it.
func (c *compiler) branch(split, on, past int, lazy bool) {
	if c.err != nil {
		return
	}
	if lazy {
		on, past = past, on
	}
	c.prog[split].x, c.prog[split].y = on, past
}
