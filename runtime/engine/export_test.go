package engine

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"testing"
	"time"

	"st/format"
	"st/quant"
	"st/runtime/kernel"
)

// Waiting returns how many calls wait for a pass or are in one.
func (e *Engine) Waiting() int {
	e.queue.Lock()
	defer e.queue.Unlock()
	return len(e.queue.waiting)
}

// CheckedReads is one more than how many reads of an expert are not compared with its checksum.
const CheckedReads = checkedReads

// FirstBetween calls before and after when others may come between in a layer of longer segments for the first time.
func (e *Engine) FirstBetween(before, after func()) {
	between := e.pass.between
	e.pass.between = func() {
		e.pass.between = between
		before()
		between()
		after()
	}
}

// SetPieceBytes makes n the size of the pieces that feed-forward networks are cut into, and returns what takes that back.
func SetPieceBytes(n int64) (restore func()) {
	was := pieceBytes
	pieceBytes = n
	return func() { pieceBytes = was }
}

// MendPages reads the mapped file again and copies it, however its pages lie, and returns how many bytes were copied.
func (e *Engine) MendPages(ctx context.Context) (copied int64) {
	p := &pageReader{engine: e, file: e.reader.OSFile(), data: e.pool.mapped}
	p.readAgain(ctx)
	p.copy(ctx)
	return p.copied.Load()
}

// Plentiful reports whether copies are made when so much is taken besides.
func (e *Engine) Plentiful(besides int64) bool { return (&pageReader{engine: e}).plentiful(besides) }

// Largest returns the k-th largest number.
func Largest(x []float32, k int) float32 { return largest(x, k) }

// LikeliestRows returns which rows are the likeliest of such scores.
func LikeliestRows(scores []float32) []int32 {
	s := &sparsePass{scores: scores, peaks: make([]float32, peakRuns(len(scores))), copied: make([]float32, peakRuns(len(scores)))}
	kernel.Peaks(s.peaks, scores)
	return s.likeliest(nil, 0, len(scores))
}

// CompletionQueue is what experts are read with where there is an io_uring.
type CompletionQueue = completionQueue

// WrapQueue puts something before the io_urings that are made from now on, and returns what takes that back.
func WrapQueue(wrap func(CompletionQueue) CompletionQueue) (restore func()) {
	was := newQueue
	newQueue = func(entries int) (completionQueue, error) {
		q, err := was(entries)
		if err != nil {
			return nil, err
		}
		return wrap(q), nil
	}
	return func() { newQueue = was }
}

// RefuseQueues makes the io_urings that are asked for from now on fail, and returns what takes that back.
func RefuseQueues(err error) (restore func()) {
	was := newQueue
	newQueue = func(int) (completionQueue, error) { return nil, err }
	return func() { newQueue = was }
}

// Guess is a layer's guesses of which logits are known.
type Guess struct{ layer guessedLayer }

// NewGuess returns the guesses of a layer of so many experts.
func NewGuess(experts int) *Guess {
	g := &Guess{}
	for f := range foresights {
		g.layer.logits[f], g.layer.missing[f] = make([]float32, experts), make([]float32, experts)
	}
	return g
}

// Amend adds to the logits of a far guess what it probably lacks, and Chosen notes what the router's were.
func (g *Guess) Amend(logits []float32)  { g.layer.amend(logits, far) }
func (g *Guess) Chosen(logits []float32) { g.layer.chosen(logits) }

// Unfill gives up the experts that are in memory, as if the cache had not been filled with them yet, and returns how many.
func (e *Engine) Unfill() (n int) {
	s := e.streamed
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot, id := range s.slots {
		if id >= 0 && s.experts[id].state == resident {
			s.evict(int32(slot))
			s.experts[id].state, s.sweep = queued, append(s.sweep, id)
			n++
		}
	}
	slices.Sort(s.sweep)
	return n
}

// Filled reports whether there is nothing to fill the cache with any more, or no room for it.
func (e *Engine) Filled() bool {
	s := e.streamed
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.Contains(s.slots, slotFree) || !slices.ContainsFunc(s.sweep, func(id int32) bool { return s.experts[id].state == queued })
}

// LendAtMost returns the options with no more than n slots lent.
func (o Options) LendAtMost(n int64) Options {
	o.mostLent = &n
	return o
}

// Eventually waits until something is so to which things come by themselves. It ends the test, with what all goroutines do, if it is not so after this one
// has looked twenty thousand times, a millisecond or more apart: one that has no more of a busy processor than the others looks no more often.
func Eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for range 20_000 {
		if so() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	fmt.Fprintf(os.Stderr, "%s: waiting in vain until %s\n%s\n", t.Name(), what, stacks[:goruntime.Stack(stacks, true)]) // even if what is stuck keeps the test from ending
	t.Fatalf("waited in vain until %s", what)
}

// Lent returns how many slots of a batch's memory hold an expert or are free for one, and how many experts are in them.
func (e *Engine) Lent() (slots, experts int) {
	s := e.streamed
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.slots[:s.lent] {
		if id != slotGone {
			slots++
		}
		if id >= 0 {
			experts++
		}
	}
	return slots, experts
}

// Scribble fills the memory of batches, which is not lent now, with numbers that are none.
func (e *Engine) Scribble() {
	s := e.streamed
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.reclaimed {
		panic("a batch's memory is lent")
	}
	for i := range s.batchMemory() {
		s.batchMemory()[i] = 0xff
	}
}

// ScribbleScratch fills what passes need in a layer alone, where others write after the last layer, with numbers that are none.
func (e *Engine) ScribbleScratch() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range []*pass{e.pass, e.quick} {
		scratch := p.a.data[p.layers:]
		for i := range scratch {
			scratch[i] = 0xff
		}
	}
}

// HoldKV has the engine look as if a pass gave memory back, until unlock is called.
func (e *Engine) HoldKV() (unlock func()) {
	e.kvMu.Lock()
	return e.kvMu.Unlock
}

// HoldPass has the engine look as if a pass ran, until unlock is called.
func (e *Engine) HoldPass() (unlock func()) {
	e.mu.Lock()
	return e.mu.Unlock
}

// SnapshotBytes returns the size of what Save writes for a sequence of n tokens.
func (e *Engine) SnapshotBytes(n int) (bytes int64) {
	for l := range e.kv.slots {
		bytes += 2 * int64(e.kv.heads) * int64(n-e.kv.oldest(l, n)) * int64(e.kv.rowBytes)
	}
	return bytes + 1
}

// RouterLogits returns what the router of a layer gives for x, and the one that it is foreseen with.
func (e *Engine) RouterLogits(l int, x []float32) (router, guess []float32) {
	c := e.config
	in, n := kernel.NewInput(1, c.Hidden), c.MoE.Experts
	copy(in.Row(0), x)
	in.Quantize(0)
	b := &binder{r: e.reader, c: c, dense: e.dense}
	w := b.matrix(format.RoleRouter, l, n, c.Hidden)
	router, guess = make([]float32, n), make([]float32, n)
	for _, m := range []struct {
		w   *kernel.Matrix
		dst []float32
	}{{&w, router}, {&e.guesses.of[l], guess}} {
		kernel.Mul(m.dst, n, m.w, 0, m.w.Units(), in, []int32{0}, &kernel.Scratch{})
	}
	return router, guess
}

// KeptRows are rows of an embedding table that are kept.
type KeptRows struct{ k *keptRows }

// NewKeptRows makes room for rows of a table in F32.
func NewKeptRows(rows, cols int) *KeptRows {
	return &KeptRows{newKeptRows(&format.Tensor{Type: quant.F32, Rows: rows, Cols: cols, Stride: int64(4 * cols)})}
}

func (k *KeptRows) Pairs() int                { return len(k.k.last) }
func (k *KeptRows) Row(id int32) []byte       { return k.k.row(id) }
func (k *KeptRows) Keep(id int32, row []byte) { k.k.keep(id, row) }
