package grammar

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// Compiled is a grammar for the tokens of a vocabulary. Any number of goroutines may use one, with a [Matcher] each.
type Compiled struct {
	vocabulary *Vocabulary
	program    *program

	// Who wants mu holds next until it has it, so nobody takes it twice while another waits.
	next, mu sync.Mutex
	waiting  atomic.Int32 // how many want it
	table    *table       // what is known so far; another one when it has become large
	prepared atomic.Bool

	size atomic.Int64 // bytes
}

// Compile prepares a grammar for the vocabulary. The error names what is wrong: see [ErrLeftRecursion], [ErrEmpty], [ErrTooLarge], [ErrToken],
// [ErrTooComplex].
func (v *Vocabulary) Compile(g *Grammar) (*Compiled, error) {
	return v.CompileContext(context.Background(), g)
}

// CompileContext is Compile that gives up, with the cause, when ctx ends.
func (v *Vocabulary) CompileContext(ctx context.Context, g *Grammar) (*Compiled, error) {
	p, err := compile(ctx, g, v)
	if err != nil {
		return nil, err
	}
	c := &Compiled{vocabulary: v, program: p, table: p.withLists(v)}
	c.table.start()
	switch {
	case c.table.err != nil: // a matcher could not begin
		return nil, c.table.err
	case p.distance[p.rules[0].start] == far:
		return nil, fmt.Errorf("%w: a list needs more items than are known to be different", ErrEmpty)
	}
	c.size.Store(int64(p.bytes() + c.table.size()))
	return c, nil
}

// Size returns about how many bytes the grammar takes, with what is known of it so far. It may be called while matchers work.
func (c *Compiled) Size() int { return int(c.size.Load()) }

// Vocabulary returns the vocabulary that the grammar was compiled for.
func (c *Compiled) Vocabulary() *Vocabulary { return c.vocabulary }

// NewMatcher returns a matcher of the empty text.
func (c *Compiled) NewMatcher() *Matcher { return c.NewMatcherContext(context.Background()) }

// NewMatcherContext is NewMatcher for a text that ctx may end: then the matcher's methods that return an error may give up, with the cause.
func (c *Compiled) NewMatcherContext(ctx context.Context) *Matcher {
	c.lock()
	defer c.unlock()
	c.table.begin()
	return &Matcher{compiled: c, ctx: ctx, table: c.table, at: c.table.settled(c.table.start())}
}

func (c *Compiled) lock() {
	c.waiting.Add(1)
	c.next.Lock()
	c.mu.Lock()
	c.next.Unlock()
	c.waiting.Add(-1)
}

func (c *Compiled) unlock() {
	c.size.Store(int64(c.program.bytes() + c.table.size()))
	c.mu.Unlock()
}

// Matcher follows a text, token by token. It belongs to one goroutine.
type Matcher struct {
	compiled *Compiled
	ctx      context.Context
	table    *table // that the configs of at are of
	at       readings
	ended    bool
	allowed  Bitset
}

// Clone returns a matcher of the same text.
func (m *Matcher) Clone() *Matcher {
	c := *m
	c.allowed = nil
	return &c
}

// lock begins the work for a token. What is known is forgotten when it has become large; matchers then take along what they need.
func (m *Matcher) lock() *table {
	c := m.compiled
	c.lock()
	if c.table.full() {
		c.table = newTable(c.program, c.vocabulary)
	}
	if m.table != c.table {
		c.table.begin()
		m.at = c.table.adoptReadings(m.table, m.at)
		m.table = c.table
	}
	c.table.begin()
	c.table.interrupt = m.interrupt
	return c.table
}

func (m *Matcher) unlock() {
	m.table.interrupt = nil
	m.compiled.unlock()
}

// interrupt ends the work for a token when nobody waits for it any more.
func (m *Matcher) interrupt() error { return context.Cause(m.ctx) }

// Allowed returns the tokens that may come next, ends of text included. The set is valid until the next call.
func (m *Matcher) Allowed() (Bitset, error) {
	if m.allowed == nil {
		m.allowed = NewBitset(m.compiled.vocabulary.Size())
	}
	clear(m.allowed)
	if m.ended {
		return m.allowed, nil
	}
	t := m.lock()
	defer m.unlock()
	t.allowedAll(m.allowed, m.at)
	if t.err != nil {
		return nil, t.err
	}
	if t.exit(m.at) {
		for _, id := range m.compiled.vocabulary.ends {
			if int(id) < m.compiled.vocabulary.Size() && id >= 0 {
				m.allowed.Set(id)
			}
		}
	} else if !slices.ContainsFunc(m.allowed, func(w uint64) bool { return w != 0 }) {
		return nil, ErrDeadEnd
	}
	return m.allowed, nil
}

var nans = func() (n [64]float32) {
	for i := range n {
		n[i] = float32(math.NaN())
	}
	return n
}()

// Mask makes the logits of tokens that may not come next NaN. Logits beyond the vocabulary's tokens are none.
func (m *Matcher) Mask(logits []float32) error {
	allowed, err := m.Allowed()
	if err != nil {
		return err
	}
	for i := 0; i < len(logits); i += 64 {
		w := uint64(0)
		if i/64 < len(allowed) {
			w = allowed[i/64]
		}
		part := logits[i:min(i+64, len(logits))]
		if bits.OnesCount64(w) > 32 {
			for z := ^w; z != 0; z &= z - 1 {
				if j := bits.TrailingZeros64(z); j < len(part) {
					part[j] = nans[0]
				}
			}
			continue
		}
		if w == 0 {
			copy(part, nans[:])
			continue
		}
		var kept [64]float32
		for z := w; z != 0; z &= z - 1 {
			if j := bits.TrailingZeros64(z); j < len(part) {
				kept[j] = part[j]
			}
		}
		copy(part, nans[:])
		for ; w != 0; w &= w - 1 {
			if j := bits.TrailingZeros64(w); j < len(part) {
				part[j] = kept[j]
			}
		}
	}
	return nil
}

// Accept adds a token to the text. After an error, which is [ErrNotAllowed], [ErrTooComplex] or that of a context, the text is as before.
func (m *Matcher) Accept(id int32) error {
	v := m.compiled.vocabulary
	if id < 0 || int(id) >= v.Size() || m.ended {
		return fmt.Errorf("%w: token %d", ErrNotAllowed, id)
	}
	t := m.lock()
	defer m.unlock()
	if v.IsEnd(id) && t.exit(m.at) {
		m.ended = true
		return nil
	}
	to := t.take(m.at, id)
	switch {
	case t.err != nil:
		return t.err
	case to.none():
		return fmt.Errorf("%w: token %d, %q", ErrNotAllowed, id, v.tokens[id])
	}
	m.at = to
	return nil
}

// AcceptText adds bytes to the text. After an error the text is as before.
func (m *Matcher) AcceptText(text string) error {
	if m.ended && text != "" {
		return fmt.Errorf("%w: the text has ended", ErrNotAllowed)
	}
	t := m.lock()
	defer m.unlock()
	to := t.takeBytes(m.at, []byte(text))
	switch {
	case t.err != nil:
		return t.err
	case to.none():
		return fmt.Errorf("%w: %q", ErrNotAllowed, text)
	}
	m.at = to
	return nil
}

// CanEnd reports whether the text is one of the grammar's as it is.
func (m *Matcher) CanEnd() bool {
	if m.ended {
		return true
	}
	t := m.lock()
	defer m.unlock()
	return t.exit(m.at)
}

// Done reports whether the text is one of the grammar's, and nothing can follow.
func (m *Matcher) Done() bool {
	if m.ended {
		return true
	}
	t := m.lock()
	defer m.unlock()
	return t.exit(m.at) && len(t.configs[m.at.base].items) == 0 && (len(m.at.inner) == 0 || t.atEnd(m.at))
}

// maxForced bounds what Forced returns, in bytes.
const maxForced = 4096

// Forced returns the text that must come next, in whole characters: the grammar has no other way, and cannot end before.
func (m *Matcher) Forced() []byte {
	if m.ended {
		return nil
	}
	t := m.lock()
	defer m.unlock()
	var text []byte
	whole := 0
	for at := m.at; len(text) < maxForced; {
		b, ok := t.forced(at)
		if !ok {
			break
		}
		if at = t.after(at, b); at.none() {
			break
		}
		if text = append(text, b); utf8.Valid(text[whole:]) {
			whole = len(text)
		}
	}
	return text[:whole]
}

// NextBytes returns the bytes that may come next, as a set of 256.
func (m *Matcher) NextBytes() (set [4]uint64) {
	if m.ended {
		return set
	}
	t := m.lock()
	defer m.unlock()
	for b := range 256 {
		if !t.after(m.at, byte(b)).none() {
			set[b/64] |= 1 << (b % 64)
		}
	}
	return set
}

// Vocabulary returns the vocabulary that the matcher's grammar was compiled for.
func (m *Matcher) Vocabulary() *Vocabulary { return m.compiled.vocabulary }
