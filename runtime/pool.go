package runtime

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"st/runtime/kernel"
)

// pool is a fixed set of threads that work through numbered tasks together. The caller's goroutine is thread 0. A job is
// handed over by a number that the others watch, so that it starts within a microsecond while jobs follow each other; who
// waits for long sleeps, so that an idle pool takes no CPU time.
type pool struct {
	threads int
	spins   int // how often a thread looks before it sleeps

	// The job. It is written before number changes.
	do     func(thread, from, to int)
	tasks  int64
	grain  int64 // fewest tasks that are taken at a time; 0: always one
	closed bool

	_      [64]byte // what threads write lies in cache lines of its own
	number atomic.Uint32
	_      [60]byte
	next   atomic.Int64 // the first task that nobody has
	_      [56]byte
	busy   atomic.Int32 // threads at work, the caller not counted
	_      [60]byte

	sleepers []sleeper // one a thread
	done     sync.WaitGroup
	mu       sync.Mutex
	err      error
}

// sleeper is where one thread waits.
type sleeper struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [48]byte
}

// maxSpins is about a tenth of a millisecond: much longer than the caller needs between two jobs of a token.
const maxSpins = 4000

func newPool(threads int) *pool {
	p := &pool{threads: threads, sleepers: make([]sleeper, threads)}
	// Where threads have to share processors, one that spins keeps another from working.
	if threads <= goruntime.GOMAXPROCS(0) {
		p.spins = maxSpins
	}
	for i := range p.sleepers {
		p.sleepers[i].wake = make(chan struct{}, 1)
	}
	for i := 1; i < threads; i++ {
		p.done.Go(func() { p.help(i) })
	}
	return p
}

// help is what threads other than the caller do until the pool is closed.
func (p *pool) help(thread int) {
	for seen := uint32(0); ; {
		p.sleepers[thread].wait(p.spins, func() bool { return p.number.Load() != seen })
		seen = p.number.Load()
		if p.closed {
			return
		}
		p.work(thread)
		if p.busy.Add(-1) == 0 {
			p.sleepers[0].rouse()
		}
	}
}

// each calls do(thread, i, i+1) for every i in [0, tasks), on all threads, and returns when all are done: for few tasks of
// different length. A fault in mapped memory, which means that the file shrank or could not be read, is returned as an error.
func (p *pool) each(tasks int, do func(thread, from, to int)) error { return p.run(tasks, 0, do) }

// split calls do with parts [from, to) of [0, tasks), of grain tasks or more, on all threads, and returns when all are done:
// for many tasks of equal length. The parts become smaller towards the end, so that all threads finish together.
func (p *pool) split(tasks, grain int, do func(thread, from, to int)) error {
	if tasks <= grain {
		return guard(0, tasks, do)
	}
	return p.run(tasks, grain, do)
}

func (p *pool) run(tasks, grain int, do func(thread, from, to int)) error {
	if p.threads == 1 || tasks <= 1 {
		return guard(0, tasks, do)
	}
	p.do, p.tasks, p.grain, p.err = do, int64(tasks), int64(grain), nil
	p.next.Store(0)
	p.busy.Store(int32(p.threads - 1))
	p.number.Add(1)
	for i := 1; i < p.threads; i++ {
		p.sleepers[i].rouse()
	}
	p.work(0)
	p.sleepers[0].wait(p.spins, func() bool { return p.busy.Load() == 0 })
	return p.err
}

// work does tasks until none is left.
func (p *pool) work(thread int) {
	was := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(was)
		if r := recover(); r != nil {
			p.mu.Lock()
			p.err = faultError(r)
			p.mu.Unlock()
		}
	}()
	for {
		from := p.next.Load()
		if from >= p.tasks {
			return
		}
		n := int64(1)
		if p.grain > 0 {
			n = max(p.grain, (p.tasks-from)/int64(2*p.threads))
		}
		if p.next.CompareAndSwap(from, from+n) {
			p.do(thread, int(from), int(min(from+n, p.tasks)))
		}
	}
}

func (p *pool) close() {
	if p.closed {
		return
	}
	p.closed = true
	p.number.Add(1)
	for i := range p.sleepers {
		p.sleepers[i].rouse()
	}
	p.done.Wait()
	p.threads = 1
}

// wait returns when ready does, which must become true before rouse is called.
func (s *sleeper) wait(spins int, ready func() bool) {
	for range spins {
		if ready() {
			return
		}
		kernel.Pause()
	}
	for !ready() {
		s.asleep.Store(true)
		if ready() && s.asleep.CompareAndSwap(true, false) {
			return
		}
		<-s.wake // the one who takes asleep back sends
	}
}

// rouse wakes the thread if it sleeps.
func (s *sleeper) rouse() {
	if s.asleep.Load() && s.asleep.CompareAndSwap(true, false) {
		s.wake <- struct{}{}
	}
}

// errFault is what a fault in mapped memory becomes.
var errFault = errors.New("the model file cannot be read any more: it was truncated, replaced or its disk failed while it was in use")

// guard calls do(0, from, to) and turns a fault in mapped memory into an error.
func guard(from, to int, do func(thread, from, to int)) (err error) {
	was := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(was)
		if r := recover(); r != nil {
			err = faultError(r)
		}
	}()
	do(0, from, to)
	return nil
}

// faultError makes an error of what was recovered where mapped memory is read, or panics again if it is no fault.
func faultError(r any) error {
	if fault, ok := r.(interface{ Addr() uintptr }); ok {
		return fmt.Errorf("%w (fault at %#x)", errFault, fault.Addr())
	}
	panic(r)
}
