package grammar

// program is a grammar as automata over bytes: one for each rule. A state is a number; those of all rules share one list.
type program struct {
	states  []state
	edges   []byteEdge // of states that take a byte
	targets []int32    // of empty steps
	rules   []progRule
	repeats []repeat
	lists   []distinct
	tokens  []tokenEdge

	distance []int32 // of each state: the fewest bytes to the end of its rule; far: it has none
	tail     []bool  // of each state: it is nothing but the end of its rule

	classes    [256]uint8 // bytes that no edge tells apart
	classBytes []byte     // one byte of each class
	classSize  []int      // how many bytes it has
}

// bytes returns what the program takes.
func (p *program) bytes() int {
	return 21*len(p.states) + 8*len(p.edges) + 4*len(p.targets) + 32*len(p.rules) + 16*len(p.repeats) + 40*len(p.lists) + 12*len(p.tokens)
}

type kind uint8

const (
	kindFinal    kind = iota // the end of a rule
	kindBytes                // edges[first:first+n]
	kindEmpty                // targets[first:first+n]
	kindCall                 // rules[first], then next
	kindRepeat               // repeats[first]
	kindToken                // tokens[first]
	kindDistinct             // lists[first]
	kindKey                  // the end of a key, then next
)

// finalState is the end of every rule.
const finalState = 0

type state struct {
	kind     kind
	first, n int32
	next     int32
}

type byteEdge struct {
	lo, hi byte
	next   int32
}

// progRule is what is called.
type progRule struct {
	name     string
	start    int32
	nullable bool
	rank     int32 // a rule that begins with another has the lesser one
}

// repeat is a repetition that is counted. Each has a twin with the next number, which ends where its rule ends.
type repeat struct {
	rule     int32 // of one repetition, which is never empty
	min, max int32 // max may be Unbounded
	follow   int32
}

// distinct is items that are all different.
type distinct struct {
	items     []int32 // rules: of each of the first items, and at last of any other, with the separator before them but for the first; none is empty
	separator string
	keyed     bool  // items are members
	min, max  int32 // max may be Unbounded
	follow    int32
}

// rule returns the rule of an item that comes after so many.
func (d *distinct) rule(count int32) int32 { return d.items[min(int(count), len(d.items)-1)] }

// tokenEdge is a whole token.
type tokenEdge struct {
	id      int32
	negated bool
	next    int32
}

// far is the distance of what has no end.
const far = 1 << 30

// counted is a state between two repetitions: how many are needed still, and how many can come; less than 0: any number.
type counted struct{ repeat, min, max int32 }

func sum(a, b int32) int32 { return int32(min(int64(a)+int64(b), far)) }

// countedDistance returns the fewest bytes from a state between repetitions to the end of its rule.
func (p *program) countedDistance(c counted) int32 {
	r := &p.repeats[c.repeat]
	one := p.distance[p.rules[r.rule].start]
	if c.min > 0 && one == far {
		return far
	}
	return sum(int32(min(int64(c.min)*int64(one), far)), p.distance[r.follow])
}

// listDistance returns the fewest bytes of the items that a list needs still, after so many.
func (p *program) listDistance(list, count int32) int32 {
	d := &p.lists[list]
	bytes, last := int32(0), int32(len(d.items)-1)
	for ; count < min(last, d.min); count++ {
		bytes = sum(bytes, p.distance[p.rules[d.items[count]].start])
	}
	if count < d.min {
		bytes = sum(bytes, int32(min(int64(d.min-count)*int64(p.distance[p.rules[d.items[last]].start]), far)))
	}
	return bytes
}
