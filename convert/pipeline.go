package convert

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"st/format"
	"st/quant"
)

// memoryBudget bounds the output buffers that are being filled or wait to be written, and the working memory of the
// goroutines that fill them. It leaves room in 512 MiB for the rest of the process and for garbage.
const memoryBudget = 256 << 20

// chunkBytes is about how much of a large dense tensor is encoded at once.
const chunkBytes = 4 << 20

// chunk is a run of bytes of the output that is encoded at once: a record of several tensors, such as an expert, or some units of a dense tensor.
type chunk struct {
	record   *format.Record
	sources  []tensor
	from, to int // units, of a dense tensor
	bytes    int64
	data     []byte
	ready    chan struct{} // closed when data is complete
}

// chunks cuts the plan's records, in order.
func (p *plan) chunks() []*chunk {
	var all []*chunk
	for i := range p.records {
		r := &p.records[i]
		if len(r.Tensors) > 1 {
			all = append(all, &chunk{record: r, sources: p.sources[i], bytes: r.Length, ready: make(chan struct{})})
			continue
		}
		t := &r.Tensors[0]
		atOnce := int(max(1, chunkBytes/t.Stride))
		if p.sources[i][0].Transposed() != t.Transposed {
			atOnce = t.Units() // every row of the source touches every unit
		}
		for u := 0; u < t.Units(); u += atOnce {
			c := &chunk{record: r, sources: p.sources[i], from: u, to: min(u+atOnce, t.Units()), ready: make(chan struct{})}
			c.bytes = int64(c.to-c.from) * t.Stride
			if c.to == t.Units() {
				c.bytes = r.Length - int64(c.from)*t.Stride // with the record's padding
			}
			all = append(all, c)
		}
	}
	return all
}

// write encodes all records on opts.Threads goroutines and writes them in order. Chunks are begun in order too, and only
// while the memory budget lasts, so the one that is to be written next is always under way. It returns the number of
// weights that were NaN or infinite.
func (p *plan) write(ctx context.Context, w *format.Writer, opts Options) (nonfinite int64, err error) {
	var bad, done atomic.Int64
	e := encoder{allowNonfinite: opts.AllowNonfinite, nonfinite: &bad, quant: quant.Encoder{Search: opts.Encoder != RTN}, statistics: newStatistics(opts)}
	e.read = func(n int64) {
		n = done.Add(n)
		if opts.Progress != nil { // in bytes of the source, as the result has them: where some are read twice, each counts for less
			opts.Progress(int64(float64(n)/float64(p.readBytes)*float64(p.sourceBytes)), p.sourceBytes)
		}
	}
	if opts.Report {
		e.losses = newLosses()
		defer func() { p.losses = e.losses.sorted() }()
	}
	workers, inFlight := p.concurrency(opts.Threads)
	l := newPipeline(p.chunks(), inFlight)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.begin(ctx) })
	for range workers {
		group.Go(func() error { return l.encode(e) })
	}
	group.Go(func() error { return l.write(ctx, w) })
	err = group.Wait()
	return bad.Load(), err
}

// pipeline takes chunks through three stages, each on goroutines of its own: begin, encode and write.
type pipeline struct {
	chunks []*chunk
	// buffers are used over and over, so that the garbage collector has nothing to let grow. A chunk takes one when it is
	// begun, and whoever wrote it gives it back.
	buffers chan []byte
	work    chan *chunk
}

func newPipeline(chunks []*chunk, inFlight int) *pipeline {
	l := &pipeline{chunks: chunks, buffers: make(chan []byte, inFlight), work: make(chan *chunk)}
	for range inFlight {
		l.buffers <- nil
	}
	return l
}

// begin hands out the chunks, in order, as buffers are free.
func (l *pipeline) begin(ctx context.Context) error {
	defer close(l.work)
	for _, c := range l.chunks {
		select {
		case c.data = <-l.buffers:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case l.work <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// encode fills chunks until none is left, with an encoder of its own.
func (l *pipeline) encode(e encoder) error {
	for c := range l.work {
		c.data = grow(&c.data, int(c.bytes))
		if err := c.encode(&e); err != nil {
			return err
		}
		close(c.ready)
	}
	return nil
}

// write writes the chunks, in order, as each is complete.
func (l *pipeline) write(ctx context.Context, w *format.Writer) error {
	for _, c := range l.chunks {
		select {
		case <-c.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := w.Write(c.data); err != nil {
			return err
		}
		l.buffers <- c.data
		c.data = nil
	}
	return nil
}

func (c *chunk) encode(e *encoder) error {
	if len(c.record.Tensors) > 1 {
		return e.tensors(c.data, c.record, c.sources)
	}
	clear(c.data)
	return e.tensor(c.data, c.record, &c.record.Tensors[0], c.sources[0], c.from, c.to)
}

// concurrency returns how many goroutines encode, and how many chunks may be under way or waiting, for the budget.
func (p *plan) concurrency(threads int) (workers, inFlight int) {
	var data, work int64
	for i := range p.records {
		r := &p.records[i]
		work = max(work, encoderMemory(r, p.sources[i]))
		if len(r.Tensors) > 1 || p.sources[i][0].Transposed() != r.Tensors[0].Transposed {
			data = max(data, r.Length)
		} else {
			data = max(data, chunkBytes, r.Tensors[0].Stride)
		}
	}
	// Two chunks for each worker: one that it fills, one that waits for its turn to be written.
	workers = int(max(1, min(int64(threads), memoryBudget/(work+2*data))))
	return workers, 2 * workers
}
