package engine

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"st/runtime/kernel"
)

// task does parts [from, to) of a job on a thread of the pool.
type task func(thread, from, to int)

// pool is a fixed set of threads that work through numbered tasks together. The caller's goroutine is thread 0. A job is handed over by a
// number that the other threads watch, so it starts within a microsecond while jobs follow each other; a thread that has waited 100 µs,
// or 2 ms where a ring reads, sleeps, so an idle pool takes no CPU time. A job ends when its tasks are done, whichever thread did them: a thread that the operating
// system gave no processor meanwhile is not waited for.
type pool struct {
	threads int
	spins   atomic.Int64 // how often a thread looks before it sleeps
	mapped  mapping      // faults in it are errors

	// The job. A thread that comes late may still read it while the next one is written: hence the atomics.
	do    atomic.Pointer[task]
	tasks atomic.Int64
	grain atomic.Int64  // fewest tasks that are taken at a time; 0: always one
	_     [64]byte      // what threads write lies in cache lines of its own
	next  atomic.Uint64 // the job's number, and in the lower half the first task that nobody has
	_     [56]byte
	done  atomic.Int64 // tasks
	_     [56]byte

	timeline atomic.Pointer[Timeline] // nil: nothing is recorded
	between  atomic.Pointer[func()]   // what thread 0 does between two parts of a job; nil: nothing

	sleepers []sleeper // one a thread
	closed   atomic.Bool
	ended    sync.WaitGroup

	mu       sync.Mutex
	err      error
	panicked any // what a task panicked with, and where
}

// sleeper is where one thread waits.
type sleeper struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [48]byte
}

// maxSpins is about a tenth of a millisecond: much longer than the caller needs between two jobs of a token.
const maxSpins = 4000

// readSpins is about as long as the caller waits for an expert between two jobs, where it waits for the disk: a thread that went to sleep meanwhile would
// begin the next job late, and every token would wake it some twenty times.
const readSpins = 80_000

// meanwhile makes thread 0 call do between two parts of a job, and the others wait longer before they sleep. No job may run.
func (p *pool) meanwhile(do func()) {
	p.between.Store(&do)
	if p.spins.Load() > 0 {
		p.spins.Store(readSpins)
	}
}

// noTask is more than the number of any task.
const noTask = 1 << 31

func newPool(threads int) *pool {
	p := &pool{}
	p.begin(threads)
	return p
}

// resize ends the threads and begins others. No job may run.
func (p *pool) resize(threads int) {
	p.close()
	p.closed.Store(false)
	p.begin(threads)
}

func (p *pool) begin(threads int) {
	p.threads, p.sleepers = threads, make([]sleeper, threads)
	p.spins.Store(0)
	// Where threads have to share processors, one that spins keeps another from working.
	if threads <= goruntime.GOMAXPROCS(0) {
		p.spins.Store(maxSpins)
		if p.between.Load() != nil {
			p.spins.Store(readSpins)
		}
	}
	for i := range p.sleepers {
		p.sleepers[i].wake = make(chan struct{}, 1)
	}
	for i := 1; i < threads; i++ {
		p.ended.Go(func() { p.help(i) })
	}
}

// job returns the number of the present job.
func (p *pool) job() uint32 { return uint32(p.next.Load() >> 32) }

// help is what threads other than the caller do until the pool is closed.
func (p *pool) help(thread int) {
	for seen := uint32(0); ; {
		p.sleepers[thread].wait(p.spins.Load(), func() bool { return p.job() != seen })
		// The number first: close raises it after it has said that the pool is closed, so who sees the last number sees that too.
		seen = p.job()
		if p.closed.Load() {
			return
		}
		p.work(thread, seen)
	}
}

// each calls do(thread, i, i+1) for every i in [0, tasks), on all threads, and returns when all are done: for few tasks of different
// length. A fault in the mapped file is returned as an error that wraps ErrFile; any other panic of a task is the caller's.
func (p *pool) each(tasks int, do *task) error { return p.run(tasks, 0, do) }

// split calls do with parts [from, to) of [0, tasks), of grain tasks or more, on all threads, and returns when all are done: for many
// tasks of equal length. The parts become smaller towards the end, so that all threads finish together.
func (p *pool) split(tasks, grain int, do *task) error {
	if tasks <= grain {
		return p.guard(0, tasks, *do)
	}
	return p.run(tasks, grain, do)
}

func (p *pool) run(tasks, grain int, do *task) error {
	if p.threads == 1 || tasks <= 1 {
		return p.guard(0, tasks, *do)
	}
	// First the last job is closed: a thread that is late must not take from it what is written for this one.
	number := p.job() + 1
	p.next.Store(uint64(number-1)<<32 | noTask)
	p.do.Store(do)
	p.tasks.Store(int64(tasks))
	p.grain.Store(int64(grain))
	p.done.Store(0)
	p.err, p.panicked = nil, nil
	p.next.Store(uint64(number) << 32)
	for i := 1; i < p.threads; i++ {
		p.sleepers[i].rouse()
	}
	p.work(0, number)
	p.sleepers[0].wait(min(p.spins.Load(), maxSpins), func() bool { return p.done.Load() == int64(tasks) })
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.panicked != nil {
		panic(p.panicked)
	}
	return p.err
}

// work does tasks of a job until none is left.
func (p *pool) work(thread int, number uint32) {
	was := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(was)
	if t := p.timeline.Load(); t != nil {
		begin := time.Now()
		defer func() {
			t.add(timeSpan{kind: spanWork, thread: int32(thread), layer: -1, expert: -1, begin: begin, end: time.Now()})
		}()
	}
	for !p.attempt(thread, number) {
	}
}

// attempt does tasks of a job until none is left, which it reports, or one ends in a panic.
func (p *pool) attempt(thread int, number uint32) (over bool) {
	held := int64(0) // tasks that this thread took and did not finish
	defer func() {
		if r := recover(); r != nil {
			p.mu.Lock()
			if err := p.mapped.fault(r); err != nil {
				p.err = err
			} else if p.panicked == nil {
				p.panicked = fmt.Sprintf("%v\n\n%s", r, debug.Stack())
			}
			p.mu.Unlock()
			p.finish(held)
		}
	}()
	for {
		// What is read of another job does no harm: then the exchange fails.
		v, tasks, n := p.next.Load(), p.tasks.Load(), int64(1)
		from := int64(uint32(v))
		if uint32(v>>32) != number || from >= tasks {
			return true
		}
		if grain := p.grain.Load(); grain > 0 {
			n = max(grain, (tasks-from)/int64(2*p.threads))
		}
		n = min(n, tasks-from)
		if p.next.CompareAndSwap(v, v+uint64(n)) {
			held = n
			(*p.do.Load())(thread, int(from), int(from+n))
			held = 0
			p.finish(n)
			if thread == 0 {
				p.pause()
			}
		}
	}
}

// pause does what thread 0 does between two parts of a job.
func (p *pool) pause() {
	if between := p.between.Load(); between != nil {
		(*between)()
	}
}

// finish counts tasks that are done.
func (p *pool) finish(n int64) {
	if p.done.Add(n) == p.tasks.Load() {
		p.sleepers[0].rouse()
	}
}

func (p *pool) close() {
	if p.closed.Swap(true) {
		return
	}
	p.next.Store(uint64(p.job()+1)<<32 | noTask)
	for i := range p.sleepers {
		p.sleepers[i].rouse()
	}
	p.ended.Wait()
}

// guard calls do(0, from, to) and turns a fault in the mapped file into an error.
func (p *pool) guard(from, to int, do task) (err error) {
	was := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(was)
		if r := recover(); r != nil {
			if err = p.mapped.fault(r); err == nil {
				panic(r)
			}
		}
	}()
	do(0, from, to)
	p.pause()
	return nil
}

// wait returns when ready does, which must become true before rouse is called.
func (s *sleeper) wait(spins int64, ready func() bool) {
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

// mapping is the model file as it is mapped into memory; empty if it is not.
type mapping []byte

// fault returns an error if what was recovered is a fault in the mapping, which means that the file shrank or could not be read, and nil
// for every other panic: a fault elsewhere is a defect of the program.
func (m mapping) fault(recovered any) error {
	f, ok := recovered.(interface{ Addr() uintptr })
	if !ok || len(m) == 0 {
		return nil
	}
	at := f.Addr() - uintptr(unsafe.Pointer(unsafe.SliceData(m)))
	// The kernel may name the start of the page or the byte; the last page reaches beyond the file's end.
	if at >= uintptr(len(m)+goPage) {
		return nil
	}
	return fmt.Errorf("%w (fault at offset %d)", ErrFile, at)
}

// goPage is at least the size of a page of memory.
const goPage = 64 << 10
