package regex

import (
	"iter"
	"strings"
	"sync"
	"unicode/utf8"
)

// Regexp is a compiled regular expression. Any number of goroutines may use
// one at a time.
type Regexp struct {
	pattern   string
	prog      []instruction
	word      *matcher
	memos     int
	registers int
	machines  sync.Pool // of *machine
}

// Compile returns the expression of a pattern. Its errors are ErrSyntax and
// ErrUnsupported, which say what and where.
func Compile(pattern string) (*Regexp, error) {
	root, err := parse(pattern)
	if err != nil {
		return nil, err
	}
	c, err := compile(root)
	if err != nil {
		return nil, err
	}
	re := &Regexp{pattern: pattern, prog: c.prog, memos: c.memos, registers: c.registers}
	for _, i := range c.prog {
		if i.op == opAssert && (i.assert == wordBoundary || i.assert == noWordBoundary) {
			re.word = newMatcher(union(property("word"), latinWords))
			break
		}
	}
	re.machines.New = func() any {
		return &machine{re: re, memo: make([]memory, re.memos), registers: make([]int, re.registers)}
	}
	return re, nil
}

// String returns the pattern.
func (re *Regexp) String() string { return re.pattern }

// Span is a stretch of a text: bytes Start to End.
type Span struct{ Start, End int }

// Steps allowed for a text: some for each byte and some to begin with.
const (
	stepsPerByte = 200
	stepsAtLeast = 1 << 20
)

// All returns the matches in text, which must be valid UTF-8, from left to
// right: each begins at or after the end of the one before. A match may be
// empty, but not where one before it has ended.
func (re *Regexp) All(text string) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		m := re.machines.Get().(*machine)
		defer re.machines.Put(m)
		m.reset(text)
		last := -1 // end of the match before
		for at := 0; at <= len(text); {
			end, ok := m.run(0, at)
			if m.steps < 0 {
				return
			}
			if ok && !(end == at && at == last) {
				if !yield(Span{at, end}) {
					return
				}
				last = end
				if end > at {
					at = end
					continue
				}
			}
			if at == len(text) {
				return
			}
			_, n := utf8.DecodeRuneInString(text[at:])
			at += n
		}
	}
}

// Find returns the first match in text.
func (re *Regexp) Find(text string) (Span, bool) {
	for s := range re.All(text) {
		return s, true
	}
	return Span{}, false
}

// machine runs a program over a text.
type machine struct {
	re        *Regexp
	text      string
	stack     []choice
	memo      []memory
	registers []int
	steps     int
}

// choice is what to try when the way taken fails.
type choice struct {
	pc, pos int
	kind    choiceKind
	low     int // of a run: the least position to go on from; of a lazy one: characters yet allowed
}

type choiceKind uint8

const (
	choicePlain    choiceKind = iota
	choiceRun                 // give one character of a run back
	choiceLazy                // take one character more
	choiceRegister            // set register pc to pos, and fail on
)

// memory is what a loop over one class remembers: a run that it has measured,
// and the positions in it from which what follows is known to fail.
type memory struct {
	runStart, runEnd   int
	failStart, failEnd int // failStart > failEnd: none
}

func (m *machine) reset(text string) {
	m.text = text
	m.stack = m.stack[:0]
	m.steps = stepsAtLeast + stepsPerByte*len(text)
	for i := range m.memo {
		m.memo[i] = memory{runStart: -1, runEnd: -1, failStart: 1, failEnd: 0}
	}
}

// run runs the program at pc from pos and returns where the match ends. The
// choices that it leaves open are dropped.
func (m *machine) run(pc, pos int) (int, bool) {
	base := len(m.stack)
	defer func() { m.stack = m.stack[:base] }()
	for {
		if m.steps--; m.steps < 0 {
			return 0, false
		}
		i := &m.re.prog[pc]
		ok := true
		switch i.op {
		case opMatch:
			return pos, true
		case opSet:
			r, n := m.at(pos)
			if ok = n > 0 && i.set.has(r); ok {
				pos += n
				pc++
			}
		case opLoop:
			pos, ok = m.loop(i, pc, pos)
			pc++
		case opSplit:
			m.stack = append(m.stack, choice{pc: i.y, pos: pos})
			pc = i.x
		case opJump:
			pc = i.x
		case opAssert:
			ok = m.holds(i.assert, pos)
			pc++
		case opLook:
			_, found := m.run(i.x, pos)
			ok = found != i.negated
			pc = i.y
		case opAtomic:
			var end int
			if end, ok = m.run(i.x, pos); ok {
				pos, pc = end, i.y
			}
		case opBehind:
			for range i.n {
				_, n := utf8.DecodeLastRuneInString(m.text[:pos])
				if n == 0 {
					ok = false
					break
				}
				pos -= n
			}
			pc++
		case opGuard:
			m.stack = append(m.stack, choice{pc: i.n, pos: m.registers[i.n], kind: choiceRegister})
			m.registers[i.n] = pos
			pc++
		case opCheck:
			if m.registers[i.n] == pos { // an empty turn: leave the loop
				pc++ // past it lies the jump back
			}
			pc++
		}
		if ok {
			continue
		}
		if pc, pos, ok = m.backtrack(base); !ok {
			return 0, false
		}
	}
}

func (m *machine) at(pos int) (rune, int) {
	if pos >= len(m.text) {
		return 0, 0
	}
	if c := m.text[pos]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	return utf8.DecodeRuneInString(m.text[pos:])
}

// loop takes as many characters of a class as it may, and leaves the choice
// to give them back.
func (m *machine) loop(i *instruction, pc, pos int) (int, bool) {
	end, low, count := pos, -1, 0
	if i.min == 0 {
		low = pos
	}
	var memo *memory
	if i.memo >= 0 {
		memo = &m.memo[i.memo]
	}
	if memo != nil && i.min <= 1 && memo.runStart <= pos && pos < memo.runEnd {
		end = memo.runEnd
		if i.min == 1 {
			_, n := m.at(pos)
			low = pos + n
		}
	} else {
		limit := i.max
		if i.lazy {
			limit = i.min
		}
		for limit < 0 || count < limit {
			r, n := m.at(end)
			if n == 0 || !i.set.has(r) {
				break
			}
			end += n
			if count++; count == i.min {
				low = end
			}
		}
		m.steps -= count / 16
		if low < 0 {
			return 0, false
		}
		if memo != nil && end > pos {
			if memo.runEnd != end {
				*memo = memory{runStart: pos, runEnd: end, failStart: 1, failEnd: 0}
			} else {
				memo.runStart = min(memo.runStart, pos)
			}
		}
	}
	switch {
	case i.lazy:
		if i.max < 0 || count < i.max {
			m.stack = append(m.stack, choice{pc: pc, pos: end, kind: choiceLazy, low: i.max - count})
		}
	case !i.possessive && memo != nil:
		if end == memo.failEnd && memo.failStart <= end { // these are known to fail
			if memo.failStart <= low {
				return 0, false
			}
			_, n := utf8.DecodeLastRuneInString(m.text[:memo.failStart])
			end = memo.failStart - n
		}
		m.stack = append(m.stack, choice{pc: pc, pos: end, kind: choiceRun, low: low})
	case !i.possessive && end > low:
		m.stack = append(m.stack, choice{pc: pc, pos: end, kind: choiceRun, low: low})
	}
	return end, true
}

// backtrack returns the way to try next.
func (m *machine) backtrack(base int) (pc, pos int, ok bool) {
	for len(m.stack) > base {
		if m.steps--; m.steps < 0 {
			return 0, 0, false
		}
		c := &m.stack[len(m.stack)-1]
		switch c.kind {
		case choicePlain:
			m.stack = m.stack[:len(m.stack)-1]
			return c.pc, c.pos, true
		case choiceRegister:
			m.registers[c.pc] = c.pos
			m.stack = m.stack[:len(m.stack)-1]
		case choiceLazy:
			i := &m.re.prog[c.pc]
			r, n := m.at(c.pos)
			if n == 0 || !i.set.has(r) {
				m.stack = m.stack[:len(m.stack)-1]
				continue
			}
			c.pos += n
			pc, pos = c.pc+1, c.pos
			if c.low--; c.low == 0 {
				m.stack = m.stack[:len(m.stack)-1]
			}
			return pc, pos, true
		case choiceRun:
			i := &m.re.prog[c.pc]
			if i.memo >= 0 {
				memo := &m.memo[i.memo]
				if memo.runEnd >= c.pos && memo.runStart <= c.pos {
					if memo.failStart > memo.failEnd && c.pos == memo.runEnd {
						memo.failEnd = c.pos
					}
					if memo.failEnd == memo.runEnd {
						memo.failStart = c.pos
					}
				}
			}
			if c.pos <= c.low {
				m.stack = m.stack[:len(m.stack)-1]
				continue
			}
			_, n := utf8.DecodeLastRuneInString(m.text[:c.pos])
			c.pos -= n
			pc, pos = c.pc+1, c.pos
			if i.memo < 0 && c.pos <= c.low {
				m.stack = m.stack[:len(m.stack)-1]
			}
			return pc, pos, true
		}
	}
	return 0, 0, false
}

func (m *machine) holds(a assertion, pos int) bool {
	text := m.text
	switch a {
	case lineStart:
		return pos == 0 || text[pos-1] == '\n' && pos < len(text)
	case lineEnd:
		return pos == len(text) || text[pos] == '\n'
	case textStart:
		return pos == 0
	case textEnd:
		return pos == len(text)
	case textEndOrNewline:
		return strings.TrimPrefix(text[pos:], "\n") == ""
	}
	before, n := utf8.DecodeLastRuneInString(text[:pos])
	word := n > 0 && m.re.word.has(before)
	after, n := m.at(pos)
	boundary := word != (n > 0 && m.re.word.has(after))
	return boundary == (a == wordBoundary)
}
