package engine

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/edsrzf/mmap-go"
)

// Every task is done exactly once, whatever the number of threads, tasks and tasks at a time, job after job.
func TestPool(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 2 * goruntime.GOMAXPROCS(0)} {
		p := newPool(threads)
		defer p.close()
		for _, tasks := range []int{0, 1, 2, 7, 100, 1000} {
			for _, grain := range []int{0, 1, 5, 64} {
				t.Run(fmt.Sprintf("%d threads, %d tasks by %d", threads, tasks, grain), func(t *testing.T) {
					done := make([]atomic.Int32, tasks)
					busy := make([]atomic.Int32, threads)
					do := task(func(thread, from, to int) {
						if busy[thread].Add(1) != 1 {
							t.Errorf("thread %d runs twice at a time", thread)
						}
						for i := from; i < to; i++ {
							done[i].Add(1)
						}
						busy[thread].Add(-1)
					})
					for range 20 {
						if err := p.split(tasks, grain, &do); err != nil {
							t.Fatal(err)
						}
						if err := p.each(tasks, &do); err != nil {
							t.Fatal(err)
						}
					}
					for i := range done {
						if n := done[i].Load(); n != 40 {
							t.Fatalf("task %d was done %d times in 40 jobs", i, n)
						}
					}
				})
			}
		}
	}
}

// Threads that come late to a job, because there are more of them than processors, take nothing of the next one twice.
func TestPoolLate(t *testing.T) {
	p := newPool(4 * goruntime.GOMAXPROCS(0))
	defer p.close()
	var sum atomic.Int64
	add := task(func(_, from, to int) {
		for i := from; i < to; i++ {
			sum.Add(int64(i))
		}
	})
	for job := range 5000 {
		tasks := 2 + job*7%60
		sum.Store(0)
		if err := p.split(tasks, job%3, &add); err != nil {
			t.Fatal(err)
		}
		if want := int64(tasks * (tasks - 1) / 2); sum.Load() != want {
			t.Fatalf("job %d: the numbers of its %d tasks add up to %d, not %d", job, tasks, sum.Load(), want)
		}
	}
}

// Threads that have nothing to do sleep, and wake for the next job.
func TestPoolSleeps(t *testing.T) {
	p := newPool(3)
	defer p.close()
	for range 3 {
		var count atomic.Int32
		add := task(func(_, from, to int) { count.Add(int32(to - from)) })
		if err := p.each(50, &add); err != nil || count.Load() != 50 {
			t.Fatalf("%d tasks done: %v", count.Load(), err)
		}
		for i := 1; i < 3; i++ {
			Eventually(t, "the thread sleeps", p.sleepers[i].asleep.Load)
		}
	}
}

// A fault in the mapped file is an error on every thread, and the pool goes on after it. Every other panic, a fault elsewhere among them, is the
// caller's, whichever thread it happened on.
func TestPoolFault(t *testing.T) {
	gone, err := mmap.MapRegion(nil, 4096, mmap.RDWR, mmap.ANON, 0)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte(gone)
	if err := gone.Unmap(); err != nil {
		t.Fatal(err)
	}
	fault := task(func(_, from, to int) {
		if from <= 7 && 7 < to {
			data[0]++
		}
	})
	nothing := task(func(_, _, _ int) {})
	each, split := (*pool).each, func(p *pool, tasks int, do *task) error { return p.split(tasks, 1, do) }
	for _, c := range []struct {
		threads int
		run     func(p *pool, tasks int, do *task) error
	}{{1, each}, {2, each}, {1, split}, {2, split}} {
		threads, p := c.threads, newPool(c.threads)
		defer p.close()
		p.mapped = data
		if err := c.run(p, 20, &fault); !errors.Is(err, ErrFile) {
			t.Errorf("%d threads: error is %v, want ErrFile", threads, err)
		}
		for want, do := range map[string]task{
			"mine": func(_, from, to int) {
				if from <= 7 && 7 < to {
					panic("mine")
				}
			},
			"memory address": fault,
		} {
			p.mapped = make([]byte, 1)
			func() {
				defer func() {
					if r := recover(); !strings.Contains(fmt.Sprint(r), want) {
						t.Errorf("%d threads: recovered %v, want %q", threads, r, want)
					}
				}()
				err := c.run(p, 20, &do)
				t.Errorf("%d threads: a panic became the error %v", threads, err)
			}()
			if err := c.run(p, 20, &nothing); err != nil {
				t.Errorf("%d threads: the next job fails: %v", threads, err)
			}
		}
	}
}

// A pool closes although a thread is late for its last job.
func TestPoolCloseAfterJob(t *testing.T) {
	nothing := task(func(int, int, int) {})
	for range 5000 {
		p := newPool(4)
		if err := p.each(8, &nothing); err != nil {
			t.Fatal(err)
		}
		p.close()
	}
}
