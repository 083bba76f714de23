package jinja

import "context"

// The limits of a template. The longest of 203 chat templates of known models has
// 17 kB.
const (
	maxSource  = 1 << 20 // bytes of source
	maxNesting = 200     // of tags and brackets in the source
	maxChain   = 2000    // operators in a row, such as 1+1+1+…
	maxDepth   = 5000    // expressions and statements being evaluated, one within the other
	maxCalls   = 200     // calls of macros, blocks and recursive loops, one within the other
	maxData    = 1000    // nesting of lists and dicts that are printed, compared or passed in
	maxRange   = 100_000 // items of range(), as in Jinja's sandbox
	maxIntBits = 14_000  // Python prints up to 4300 digits

	// What grows with n, the bytes of what Render is given.
	baseSteps  = 5_000_000 // + 100 n: evaluated nodes; work over bytes counts by size
	baseValue  = 8 << 20   // + 4 n: bytes of one string or list that is made, and of the output
	totalValue = 32        // times the limit of a value: bytes made in all

	stepsPerCheck = 1 << 12 // of the context
)

// budget counts what a rendering uses.
type budget struct {
	ctx        context.Context
	line       int // of what is evaluated
	steps      int // left
	check      int // steps left at the next look at the context
	depth      int
	calls      int
	value      int // bytes of the largest value
	total      int // bytes left
	dataNested int
}

func newBudget(ctx context.Context, n int) budget {
	b := budget{ctx: ctx, line: 1, steps: baseSteps + 100*n, value: baseValue + 4*n}
	b.total = totalValue * b.value
	b.check = b.steps
	return b
}

// step counts n units of work.
func (b *budget) step(n int) {
	if b.steps -= n; b.steps > b.check {
		return
	}
	if b.steps < 0 {
		fail(b.line, ErrLimit, "the template takes too many steps")
	}
	b.check = b.steps - stepsPerCheck
	if b.ctx.Err() != nil {
		err := context.Cause(b.ctx)
		fail(b.line, err, "%v", err)
	}
}

// scan counts the work of reading n bytes or items.
func (b *budget) scan(n int) { b.step(n / 32) }

// alloc counts a string of n bytes or n bytes of another value, before it is made.
func (b *budget) alloc(n int) {
	if n > b.value || n < 0 {
		fail(b.line, ErrLimit, "the template makes a value of more than %d bytes", b.value)
	}
	if b.total -= n; b.total < 0 {
		fail(b.line, ErrLimit, "the template makes too many large values")
	}
	b.scan(n)
}

// items counts a list of n items, before it is made.
func (b *budget) items(n int) {
	if n > b.value {
		n = b.value
	}
	b.alloc(n * 16)
}

// enter and leave surround the evaluation of what may nest.
func (b *budget) enter() {
	b.step(1)
	if b.depth++; b.depth > maxDepth {
		fail(b.line, ErrLimit, "the template nests more than %d deep", maxDepth)
	}
}

func (b *budget) leave() { b.depth-- }

// enterCall and leaveCall surround a call of what the template defines.
func (b *budget) enterCall(name string) {
	if b.calls++; b.calls > maxCalls {
		fail(b.line, ErrLimit, "%s: more than %d calls, one within the other", name, maxCalls)
	}
}

func (b *budget) leaveCall() { b.calls-- }

// enterData and leaveData surround what follows a value to its leaves.
func (b *budget) enterData() {
	b.step(1)
	if b.dataNested++; b.dataNested > maxData {
		fail(b.line, ErrLimit, "a value is nested more than %d deep", maxData)
	}
}

func (b *budget) leaveData() { b.dataNested-- }
