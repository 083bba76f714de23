package runtime

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// pool is a fixed set of threads that work through numbered tasks together. The caller's goroutine is thread 0.
type pool struct {
	threads int
	wake    []chan *job // one for each other thread
	done    sync.WaitGroup
}

// job is one run of tasks. Thread i starts with task i and then takes the next one that nobody has.
type job struct {
	tasks int
	next  atomic.Int64
	do    func(thread, task int)
	busy  sync.WaitGroup
	mu    sync.Mutex
	err   error
}

func newPool(threads int) *pool {
	p := &pool{threads: threads, wake: make([]chan *job, threads-1)}
	for i := range p.wake {
		p.wake[i] = make(chan *job, 1)
		p.done.Go(func() {
			for j := range p.wake[i] {
				j.work(i + 1)
				j.busy.Done()
			}
		})
	}
	return p
}

// run calls do(thread, task) for every task in [0, tasks), on all threads, and returns when all are done. A fault in mapped
// memory, which means that the file shrank or could not be read, is returned as an error.
func (p *pool) run(tasks int, do func(thread, task int)) error {
	j := &job{tasks: tasks, do: do}
	helpers := min(p.threads, tasks) - 1
	for i := range helpers {
		j.busy.Add(1)
		p.wake[i] <- j
	}
	j.work(0)
	j.busy.Wait()
	return j.err
}

// runThreads calls do once for each thread: for work that is split by thread, not by task.
func (p *pool) runThreads(do func(thread int)) error {
	return p.run(p.threads, func(_, task int) { do(task) })
}

func (j *job) work(thread int) {
	err := guard(func() error {
		for {
			task := int(j.next.Add(1)) - 1
			if task >= j.tasks {
				return nil
			}
			j.do(thread, task)
		}
	})
	if err != nil {
		j.mu.Lock()
		j.err = err
		j.mu.Unlock()
	}
}

func (p *pool) close() {
	for _, w := range p.wake {
		close(w)
	}
	p.done.Wait()
	p.wake, p.threads = nil, 1
}

// errFault is what a fault in mapped memory becomes.
var errFault = errors.New("the model file cannot be read any more: it was truncated, replaced or its disk failed while it was in use")

// guard runs f and turns a fault in mapped memory into an error; other panics pass.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(interface{ Addr() uintptr })
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%w (fault at %#x)", errFault, fault.Addr())
		}
	}()
	return f()
}
