package runtime

import (
	"context"
	"sync"
	"time"

	"st/runtime/engine"
)

// A model that keeps experts within a bound gives memory back while other programs need it, and takes it again: four times a second the
// kernel is asked how scarce memory is. Pages of a mapped file are the kernel's to give up, so there is nothing to do without a bound.

// Breathing decides how much memory is taken of what a program may take, by what the kernel says of how scarce it is: see [engine.MemoryPressure].
type Breathing struct {
	least, most int64 // that can be taken
	now         int64
	last        engine.Pressure
	calm        int // looks in a row at which nothing was scarce
}

// BreathInterval is how often the kernel is asked.
const BreathInterval = time.Second / 4

const (
	// stallShare is the share of the time that tasks wait for memory from which on it is scarce. The kernel's "some" counts a task that waits
	// for a page to be read again, which is there in any system that uses all of its memory.
	stallShare = 10
	// calmLooks is how long nothing has to be scarce before memory is taken again.
	calmLooks = 40
	// growLooks are between two steps of taking memory again.
	growLooks = 4
	// breathSteps is in how many steps all that can be given back is.
	breathSteps = 16
	// aheadLooks is how far ahead it is foreseen that others go on to take memory as they do.
	aheadLooks = 4
	// scarceShare is the share of all memory, one of so many parts, that is left to others at least.
	scarceShare = 128
)

// NewBreathing returns a Breathing that takes all that it may, between least and most bytes. p is what the kernel says at first.
func NewBreathing(least, most int64, p engine.Pressure) *Breathing {
	return &Breathing{least: least, most: most, now: most, last: p}
}

// Now returns what is to be taken now, in bytes.
func (b *Breathing) Now() int64 { return b.now }

// Bound changes what may be taken. What there is more of is taken at once; what was left to other programs stays so.
func (b *Breathing) Bound(least, most int64) {
	b.now = min(most, max(least, b.now+max(0, most-b.most)))
	b.least, b.most = least, most
}

// Next returns what is to be taken from now on. It is called every [BreathInterval]; elapsed is how long ago it was called before.
func (b *Breathing) Next(p engine.Pressure, elapsed time.Duration) int64 {
	step := max(1, (b.most-b.least)/breathSteps)
	waited := p.Stalled - b.last.Stalled
	// What others took since the last look, which they will take again. The program's own growth is no reason to shrink.
	others := max(0, b.last.Free-p.Free-max(0, p.Own-b.last.Own))
	if b.last.Limit != p.Limit { // that is of another group
		others = 0
	}
	b.last = p
	least := p.Limit / scarceShare // that is free
	// What may be taken and is not yet is no longer free for others.
	free := p.Free - b.untouched(p)
	want, scarce := b.now, false
	if p.Group > 0 && p.Group < want { // its limit was lowered
		want, scarce = p.Group, true
	}
	if ahead := free - aheadLooks*others; p.Limit > 0 && ahead < least {
		want, scarce = min(want, b.now-(2*least-ahead)), true
	}
	if waited > elapsed/stallShare {
		want, scarce = min(want, b.now-b.untouched(p)-step), true
	}
	b.calm++
	if scarce {
		b.calm = 0
	}
	if most := b.room(p); b.calm >= calmLooks && b.now < most {
		if spare := free - 4*least; p.Limit == 0 || spare > 0 {
			b.calm -= growLooks
			want = min(most, b.now+step)
			if p.Limit > 0 {
				want = min(want, b.now+spare)
			}
		}
	}
	b.now = min(max(want, b.least), b.most)
	return b.now
}

// unclaimed is what of a budget never is in the process's own memory: the program's code, and what is left for the operating system's tables and for garbage.
func unclaimed(budget int64) int64 { return engine.ReserveBytes + budget/100 + programBytes }

// programBytes is more than what the program's code takes.
const programBytes = 32 << 20

// untouched returns what of now is going to be taken, because experts are still being read into it. 0 if that is not known.
func (b *Breathing) untouched(p engine.Pressure) int64 {
	if p.Own == 0 {
		return 0
	}
	return max(0, b.now-p.Own-unclaimed(b.now))
}

// room returns the most that may be taken now.
func (b *Breathing) room(p engine.Pressure) int64 {
	if p.Group > 0 {
		return min(b.most, p.Group)
	}
	return b.most
}

// breath has an engine breathe.
type breath struct {
	engine *engine.Engine
	behind bool // the engine has not obeyed yet
	mu     sync.Mutex
	*Breathing
}

func newBreath(e *engine.Engine) *breath {
	return &breath{engine: e, Breathing: NewBreathing(e.LeastMemory(), e.Memory(), engine.Pressure{})}
}

// breathe has the engine follow what other programs need, until unwatch is called.
func (r *resources) breathe() {
	ticker := time.NewTicker(BreathInterval)
	r.breath = newBreath(r.engine)
	unwatch := r.breath.watch(engine.MemoryPressure, ticker.C)
	r.unwatch = func() {
		ticker.Stop()
		unwatch()
	}
}

// watch has the engine breathe until the function that it returns is called, which waits for the end of that. look asks the kernel, and ticks says
// when.
func (b *breath) watch(look func() engine.Pressure, ticks <-chan time.Time) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b.last = look()
	go func() {
		defer close(done)
		last := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-ticks:
				b.look(ctx, look(), now.Sub(last))
				last = now
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// look does what a look at the memory leads to. It waits for reads into what is given back until ctx is cancelled.
func (b *breath) look(ctx context.Context, p engine.Pressure, elapsed time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.now
	if n := b.Next(p, elapsed); n != was || b.behind {
		got, obeyed := b.engine.LimitMemory(ctx, n)
		b.now, b.behind = got, !obeyed
	}
}

// setShare changes what may be taken. What there is more of is taken at once; what was left to other programs stays so.
func (b *breath) setShare(ctx context.Context, total int64) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	got, err := b.engine.SetShare(ctx, total)
	if err != nil {
		return got, err
	}
	b.Bound(b.least, got)
	_, err = b.engine.SetMemory(ctx, b.now)
	return got, err
}
