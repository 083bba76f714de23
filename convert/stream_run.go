package convert

import (
	"cmp"
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sync/errgroup"

	"st/format"
	"st/quant"
)

// Feed brings the bytes of the weight files, one file after the other, from a position on.
type Feed interface {
	// Next waits for the bytes that follow, until ctx is done. io.EOF: there are none.
	Next(ctx context.Context) (Portion, error)
}

// Portion is a run of bytes. They do not change until Release is called, which is done once, in the order of the portions.
type Portion struct {
	Data    []byte
	Release func()
}

// StreamRun is what [Stream.Run] is given.
type StreamRun struct {
	Feed Feed
	// From is where Feed begins, and Done what the jobs gave that were done before: those that begin before From.
	From int64
	Done []JobResult
	// Journal is told, one call at a time, what the jobs gave that follow those of the last call, and from which position on the source is
	// needed for the others: where a job begins, or a portion ends.
	Journal func(more []JobResult, position int64) error
	// Progress, if not nil, is told which tensor is being converted. Calls come from several goroutines.
	Progress func(what string)
}

// Run does all jobs that are left, each as soon as its bytes are there, on Options.Threads goroutines. It returns what all jobs gave.
func (s *Stream) Run(ctx context.Context, a *format.Assembly, run StreamRun) ([]JobResult, error) {
	s.files.mu.Lock()
	s.files.running = true
	s.files.mu.Unlock()
	r := &streamRun{Stream: s, StreamRun: run, assembly: a, received: run.From, told: len(run.Done),
		position: run.From, results: make([]JobResult, len(s.jobs)), done: make([]bool, len(s.jobs)), work: make(chan *job, len(s.jobs))}
	copy(r.results, run.Done)
	for i := range run.Done {
		r.done[i] = true
	}
	r.first = len(run.Done)
	group, ctx := errgroup.WithContext(ctx)
	statistics := newStatistics(s.opts)
	workers, _ := s.p.concurrency(s.opts.Threads)
	for range workers {
		group.Go(func() error { return r.worker(ctx, statistics) })
	}
	var broken error
	group.Go(func() error {
		defer close(r.work)
		broken = r.receive(ctx)
		if ctx.Err() != nil {
			return broken
		}
		return nil // what came before it broke is done all the same
	})
	if err := firstOf(group.Wait(), broken); err != nil {
		return nil, interrupted(err)
	}
	return r.results, nil
}

// streamRun is a stream that runs.
type streamRun struct {
	*Stream
	StreamRun
	assembly *format.Assembly
	work     chan *job

	mu       sync.Mutex
	received int64
	results  []JobResult
	done     []bool
	first    int // job that is not done, nor any before it missing
	told     int // jobs that Journal knows
	position int64
}

// receive puts what comes into the window, and jobs to work.
func (r *streamRun) receive(ctx context.Context) error {
	waiting := slices.Clone(r.jobs[len(r.Done):])
	slices.SortStableFunc(waiting, func(a, b *job) int { return cmp.Compare(a.end, b.end) })
	at := r.From
	for {
		p, err := r.Feed.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r.files.add(at, p)
		at += int64(len(p.Data))
		for len(waiting) > 0 && waiting[0].end <= at {
			r.work <- waiting[0] // there is room for all
			waiting = waiting[1:]
		}
		if err := r.advance(at, nil, JobResult{}); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (r *streamRun) worker(ctx context.Context, statistics *statistics) error {
	var nonfinite atomic.Int64
	e := encoder{allowNonfinite: r.opts.AllowNonfinite, nonfinite: &nonfinite, quant: quant.Encoder{Search: r.opts.Encoder != RTN}, statistics: statistics}
	var own jobBuffers
	for j := range r.work {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.Progress != nil {
			r.Progress(r.what(j))
		}
		result, err := r.make(j, &e, r.assembly, &own)
		if err != nil {
			return err
		}
		if err := r.advance(-1, j, result); err != nil {
			return err
		}
	}
	return nil
}

// advance notes bytes that came, or a job that is done, and lets go of what is not needed any more.
func (r *streamRun) advance(received int64, j *job, result JobResult) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = max(r.received, received)
	if j != nil {
		r.done[j.number], r.results[j.number] = true, result
	}
	for r.first < len(r.jobs) && r.done[r.first] {
		r.first++
	}
	position := r.received
	if r.first < len(r.jobs) {
		position = min(position, r.jobs[r.first].begin)
	}
	if position == r.position && r.first == r.told {
		return nil
	}
	if err := r.Journal(r.results[r.told:r.first], position); err != nil {
		return err
	}
	r.told, r.position = r.first, position
	r.files.drop(position)
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// floatBytes returns the memory of floats.
func floatBytes(f []float32) []byte {
	if len(f) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), 4*len(f))
}
