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
// or 2 ms where a ring reads, sleeps, so an idle pool takes no CPU time.
//
// Every thread has a share of a job's tasks, and takes them from its own word, in a cache line that no other thread touches as long as it has
// some left. Then it takes the last ones of others. So a job ends when its tasks are done, whichever thread did them: a thread that the operating
// system gave no processor meanwhile is not waited for.
type pool struct {
	threads int
	spins   atomic.Int64 // how often a thread looks before it sleeps
	mapped  mapping      // faults in it are errors
	done    uint64       // tasks of all jobs before the present one, in chunks

	_      [lines]byte   // what threads wait for lies in lines of its own
	number atomic.Uint32 // the present job's
	_      [lines]byte
	jobs   [2]job // job i is jobs[i%2]: who comes late may still read the last one while the next one is written

	timeline atomic.Pointer[Timeline]  // nil: nothing is recorded
	between  atomic.Pointer[meanwhile] // what thread 0 does between two parts of a job; nil: nothing

	sleepers []sleeper // one a thread
	portions []portion // one a thread
	closed   atomic.Bool
	ended    sync.WaitGroup

	mu       sync.Mutex
	err      error
	panicked any // what a task panicked with, and where
}

// lines is two cache lines: processors fetch them in pairs.
const lines = 128

// meanwhile is what thread 0 does between two parts of a job. It is told whether other threads take parts of the job meanwhile, or there are no others.
type meanwhile func(shared bool)

// job is what threads do. Its tasks come in chunks of grain each.
type job struct {
	do      atomic.Pointer[task]
	tasks   atomic.Int64
	grain   atomic.Int64
	sharing atomic.Int32
	_       [lines - 32]byte
}

// sharing is how threads share the chunks of a job, and how many of its own a thread takes at a time.
type sharing int32

const (
	dealt  sharing = iota // one; a thread's are so many apart as there are threads
	halved                // half of what is left of its share, which is contiguous
	brief                 // three quarters of it, for jobs of microseconds: between two parts a thread has no reads of memory under way
)

// portion is one thread's share of the present job.
type portion struct {
	left atomic.Uint64 // the number of a job, and the first and the end of the share's chunks that nobody has: 32, 16 and 16 bits
	_    [lines - 8]byte
	done atomic.Uint64 // chunks that the thread has done since the pool began, its own and others'
	_    [lines - 8]byte
}

// maxChunks is the most chunks of a job.
const maxChunks = 1<<16 - 1

// sleeper is where one thread waits.
type sleeper struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [lines - 16]byte
}

// maxSpins is about a tenth of a millisecond: much longer than the caller needs between two jobs of a token.
const maxSpins = 4000

// readSpins is about as long as the caller waits for an expert between two jobs, where it waits for the disk: a thread that went to sleep meanwhile would
// begin the next job late, and every token would wake it some twenty times.
const readSpins = 80_000

// meanwhile makes thread 0 call do before a job that is shared out and between two parts of any, and the others wait longer before they sleep; nil ends
// that. No job may run.
func (p *pool) meanwhile(do meanwhile) {
	spins := int64(readSpins)
	if do == nil {
		spins = maxSpins
		p.between.Store(nil)
	} else {
		p.between.Store(&do)
	}
	if p.spins.Load() > 0 {
		p.spins.Store(spins)
	}
}

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
	p.threads, p.sleepers, p.portions, p.done = threads, make([]sleeper, threads), make([]portion, threads), 0
	p.spins.Store(0)
	// Where threads have to share processors, one that spins keeps another from working.
	if threads <= goruntime.GOMAXPROCS(0) {
		p.spins.Store(maxSpins)
		if p.between.Load() != nil {
			p.spins.Store(readSpins)
		}
	}
	number := p.number.Load()
	for i := range p.sleepers {
		p.sleepers[i].wake = make(chan struct{}, 1)
		p.portions[i].left.Store(uint64(number) << 32) // which is over
	}
	for i := 1; i < threads; i++ {
		p.ended.Go(func() { p.help(i, number) })
	}
}

// help is what threads other than the caller do until the pool is closed. They have seen the jobs up to the one of the given number.
func (p *pool) help(thread int, seen uint32) {
	debug.SetPanicOnFault(true)
	for {
		p.sleepers[thread].wait(p.spins.Load(), func() bool { return p.number.Load() != seen })
		// The number first: close raises it after it has said that the pool is closed, so who sees the last number sees that too.
		seen = p.number.Load()
		if p.closed.Load() {
			return
		}
		p.work(thread, seen)
	}
}

// each calls do(thread, i, i+1) for every i in [0, tasks), on all threads, and returns when all are done: for few tasks of different
// length. A fault in the mapped file is returned as an error that wraps ErrFile; any other panic of a task is the caller's.
func (p *pool) each(tasks int, do *task) error { return p.run(tasks, 1, dealt, do) }

// split calls do with parts [from, to) of [0, tasks), of grain tasks or more, on all threads, and returns when all are done: for many
// tasks of equal length. The parts become smaller towards the end, so that all threads finish together. They begin at multiples of grain.
func (p *pool) split(tasks, grain int, do *task) error { return p.run(tasks, grain, halved, do) }

// splitBrief is split for jobs that take microseconds. Their parts are larger: on a Zen 4 each costs half a microsecond.
func (p *pool) splitBrief(tasks, grain int, do *task) error { return p.run(tasks, grain, brief, do) }

func (p *pool) run(tasks, grain int, how sharing, do *task) error {
	grain = max(1, grain)
	if p.threads == 1 || tasks <= grain {
		return p.guard(tasks, *do)
	}
	for tasks > grain*maxChunks {
		grain, how = 2*grain, halved
	}
	number := p.number.Load() + 1
	j := &p.jobs[number%2]
	j.do.Store(do)
	j.tasks.Store(int64(tasks))
	j.grain.Store(int64(grain))
	j.sharing.Store(int32(how))
	p.err, p.panicked = nil, nil
	p.number.Store(number)
	for i := 1; i < p.threads; i++ {
		p.sleepers[i].rouse()
	}
	was := debug.SetPanicOnFault(true)
	p.work(0, number)
	debug.SetPanicOnFault(was)
	p.done += uint64((tasks + grain - 1) / grain)
	p.sleepers[0].wait(min(p.spins.Load(), maxSpins), p.over)
	if p.panicked != nil {
		panic(p.panicked)
	}
	return p.err
}

// over reports whether the present job is.
func (p *pool) over() bool {
	done := uint64(0)
	for i := range p.portions {
		done += p.portions[i].done.Load()
	}
	return done == p.done
}

// work does tasks of a job until none is left.
func (p *pool) work(thread int, number uint32) {
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
	j := &p.jobs[number%2]
	do, tasks, grain, how := j.do.Load(), int(j.tasks.Load()), int(j.grain.Load()), sharing(j.sharing.Load())
	if p.number.Load() != number { // the thread is late, and what it read may be of another job
		return true
	}
	held := 0 // chunks that this thread took and that are not counted yet
	defer func() {
		if r := recover(); r != nil {
			p.mu.Lock()
			if err := p.mapped.fault(r); err != nil {
				p.err = err
			} else if p.panicked == nil {
				p.panicked = fmt.Sprintf("%v\n\n%s", r, debug.Stack())
			}
			p.mu.Unlock()
			p.finish(thread, held)
		}
	}()
	if thread == 0 {
		p.pause(true)
	}
	chunks := (tasks + grain - 1) / grain
	for of := thread; ; {
		first, n := p.share(of, chunks, how)
		from, to := p.portions[of].take(number, n, how, of != thread)
		if from == to { // on to the next thread's
			if p.finish(thread, held); p.number.Load() != number {
				return true
			}
			held = 0
			if of = (of + 1) % p.threads; of == thread {
				return true
			}
			continue
		}
		held += to - from
		if how == dealt {
			i := first + from*p.threads
			(*do)(thread, i, i+1)
		} else {
			(*do)(thread, (first+from)*grain, min((first+to)*grain, tasks))
		}
		if thread == 0 {
			p.pause(true)
		}
	}
}

// share returns where a thread's share of so many chunks begins, and how many it has.
func (p *pool) share(thread, chunks int, how sharing) (first, n int) {
	if how == dealt {
		return thread, max(0, (chunks-thread+p.threads-1)/p.threads)
	}
	first = (chunks*thread + p.threads - 1) / p.threads
	return first, (chunks*(thread+1)+p.threads-1)/p.threads - first
}

// take takes chunks of the share of n chunks that a job of the given number has: some of the first, or if last, for another thread, some of the last. It
// returns none if none is left, or the job is over.
func (s *portion) take(number uint32, n int, how sharing, last bool) (from, to int) {
	for {
		v := s.left.Load()
		from, to = int(v>>16&maxChunks), int(v&maxChunks)
		if job := uint32(v >> 32); job != number {
			// Nobody took any of this job's, unless it is over.
			if int32(number-job) < 0 {
				return 0, 0
			}
			from, to = 0, n
		}
		if from == to {
			return 0, 0
		}
		some := 1
		switch {
		case how == halved || how == brief && last:
			some = max(1, (to-from)/2)
		case how == brief:
			some = max(1, (to-from)*3/4)
		}
		a, b := from+some, to
		if last {
			a, b = from, to-some
		}
		if s.left.CompareAndSwap(v, uint64(number)<<32|uint64(a)<<16|uint64(b)) {
			if last {
				return b, to
			}
			return from, a
		}
	}
}

// finish counts chunks that a thread has done.
func (p *pool) finish(thread, chunks int) {
	if chunks == 0 {
		return
	}
	done := &p.portions[thread].done
	done.Store(done.Load() + uint64(chunks))
	if thread != 0 {
		p.sleepers[0].rouse()
	}
}

// pause does what thread 0 does between two parts of a job.
func (p *pool) pause(shared bool) {
	if between := p.between.Load(); between != nil {
		(*between)(shared)
	}
}

func (p *pool) close() {
	if p.closed.Swap(true) {
		return
	}
	p.number.Add(1)
	for i := range p.sleepers {
		p.sleepers[i].rouse()
	}
	p.ended.Wait()
}

// guard calls do with all tasks on the caller's thread, and turns a fault in the mapped file into an error.
func (p *pool) guard(tasks int, do task) (err error) {
	was := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(was)
		if r := recover(); r != nil {
			if err = p.mapped.fault(r); err == nil {
				panic(r)
			}
		}
	}()
	do(0, 0, tasks)
	p.pause(p.threads == 1)
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
