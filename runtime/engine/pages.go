package engine

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"st/format/pagecache"
)

const (
	// pagesFrom is the size of a file from which on the size of its pages is worth looking at.
	pagesFrom = 64 << 20
	// largeEnough is the share of large pages that is left as it is.
	largeEnough = 0.9
	// copyBelow is the share of large pages below which a file is copied: where most are large, copies gain less than they take.
	copyBelow = 0.5
	// trial is what is read again first: it tells whether reading makes pages large here, and how fast it is.
	trial = 64 << 20
	// trialRate is the rate in bytes a second from which on the rest of the file is read again.
	trialRate = 150e6
	// pagesRun is how much is looked at before it is read again, and pagesStep how much leaves memory at a time.
	pagesRun, pagesStep = 256 << 20, 16 << 20
	// pagesPasses is the number of passes after which reading again begins, and pagesIdle the time after which it does without: the first tokens
	// of a file that is in memory do not wait for it.
	pagesPasses, pagesIdle = 8, 2 * time.Second
)

// pageReader brings a mapped file into memory in large pages (package pagecache tells why), while the engine works already. All of it is for speed
// alone, so errors change nothing.
type pageReader struct {
	engine *Engine
	file   *os.File
	data   []byte
	from   int64 // what lies before is left alone: a table of which tokens read rows
	stop   context.CancelFunc
	begin  chan struct{} // closed: do not wait for passes any more
	once   sync.Once
	passes atomic.Int32
	done   chan struct{}

	looked   int64        // bytes that were copied when they were looked at last
	copied   atomic.Int64 // bytes
	copyTime atomic.Int64 // in nanoseconds
}

// readPages looks at how a mapped file, of which nothing was touched yet, lies in memory, and begins to mend it if that is not at its best. Nothing is
// done to a small file, and where the system says nothing about pages.
//
// from is a multiple of large pages.
func (e *Engine) readPages(ctx context.Context, data []byte, from int64) *pageReader {
	f := e.reader.OSFile()
	if f == nil || int64(len(data))-from < pagesFrom {
		return nil
	}
	pagecache.Prefer(data[from:])
	cached, large, ok := pagecache.Share(data[from:])
	if !ok || cached == 1 && large >= largeEnough {
		return nil
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &pageReader{engine: e, file: f, data: data, from: from, stop: stop, begin: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.mend(ctx, cached, large)
	}()
	return p
}

// mend reads what is not in memory, and reads again or copies what lies there in small pages. The shares are those of the file that are in memory, and
// of these that are in large pages.
func (p *pageReader) mend(ctx context.Context, cached, large float64) {
	if cached > 0 && large < largeEnough {
		switch {
		case !p.wait(ctx):
		case p.pagesGrow(ctx):
			p.readAgain(ctx)
		case large < copyBelow:
			p.copy(ctx)
		}
		return
	}
	if pagecache.Read(ctx, p.file, p.from, int64(len(p.data))-p.from) != nil {
		return
	}
	from := p.from / pagecache.Piece * pagecache.Piece
	if cached, large, ok := pagecache.ShareOf(p.file, from, int64(len(p.data))-from); ok && cached == 1 && large < copyBelow {
		p.copy(ctx) // the file system has small pages
	}
}

// wait returns when some passes were run, or the engine has been idle for a time, or somebody waits for the pages; false: it is closed.
func (p *pageReader) wait(ctx context.Context) bool {
	idle := time.NewTimer(pagesIdle)
	defer idle.Stop()
	select {
	case <-p.begin:
	case <-idle.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// passed counts a pass.
func (p *pageReader) passed() {
	if p != nil && p.passes.Add(1) == pagesPasses {
		p.start()
	}
}

func (p *pageReader) start() { p.once.Do(func() { close(p.begin) }) }

// again lets a part of the file leave memory and reads it, and returns how long that took. No pass runs while it leaves: what is in use stays.
func (p *pageReader) again(offset, n int64) (took time.Duration, err error) {
	e := p.engine
	e.mu.Lock()
	begin := time.Now()
	pagecache.Unmap(p.data[offset:][:n])
	err = pagecache.Forget(p.file, offset, n)
	e.mu.Unlock()
	if err != nil {
		return 0, err
	}
	// What has left memory comes back, also when the engine closes: the next run finds it.
	err = pagecache.Read(context.Background(), p.file, offset, n)
	return time.Since(begin), err
}

// pagesGrow reads the end of the file again, which is used least, and reports whether it lies in large pages now, and came fast.
func (p *pageReader) pagesGrow(ctx context.Context) bool {
	offset := (int64(len(p.data)) - trial) / pagecache.Piece * pagecache.Piece
	if offset < p.from {
		return false
	}
	var took time.Duration
	for at := offset; at < offset+trial; at += pagesStep {
		t, err := p.again(at, pagesStep)
		if err != nil || ctx.Err() != nil {
			return false
		}
		took += t
	}
	if trial/took.Seconds() < trialRate {
		return false
	}
	_, large, ok := pagecache.ShareOf(p.file, offset, trial)
	return ok && large >= largeEnough/2
}

// readAgain reads all of the file again that lies in small pages, part by part, in the order of the file.
func (p *pageReader) readAgain(ctx context.Context) {
	size := int64(len(p.data))
	for run := p.from / pagecache.Piece * pagecache.Piece; run < size; run += pagesRun {
		n := min(pagesRun, size-run)
		if cached, large, ok := pagecache.ShareOf(p.file, run, n); ok && cached == 1 && large >= largeEnough {
			continue
		}
		for at := run; at < run+n; at += pagesStep {
			if ctx.Err() != nil {
				return
			}
			if _, err := p.again(at, min(pagesStep, run+n-at)); err != nil {
				return
			}
		}
	}
}

// copy puts copies in large pages in the place of the mapping, of the dense part first, and of the experts as far as memory is plentiful.
func (p *pageReader) copy(ctx context.Context) {
	from, to := pagecache.Whole(p.data)
	done := make([]bool, (to-from)/pagecache.Piece)
	besides := p.besides()
	begin := time.Now()
	defer func() { p.copyTime.Store(int64(time.Since(begin))) }()
	for _, r := range p.order() {
		first := max(0, int(r.from)-from) / pagecache.Piece
		last := (min(int(r.to), to) - from + pagecache.Piece - 1) / pagecache.Piece
		for i := first; i < last; {
			n := 0
			for ; i+n < last && n < pagesStep/pagecache.Piece && !done[i+n]; n++ {
				done[i+n] = true
			}
			if n == 0 {
				i++
				continue
			}
			if ctx.Err() != nil || !p.plentiful(besides) || !p.copiesAreLarge() {
				return
			}
			at := from + i*pagecache.Piece
			if pagecache.Replace(p.file, int64(at), p.data[at:][:n*pagecache.Piece]) != nil {
				return
			}
			p.copied.Add(int64(n) * pagecache.Piece)
			i += n
		}
	}
}

// order returns the parts of the file in the order in which copies are worth their memory: what every token reads, and the experts.
func (p *pageReader) order() []denseRun {
	resident, _ := denseRecords(p.engine.reader, nil)
	runs, _ := denseRuns(resident)
	records := p.engine.reader.Records()
	for i := range records {
		if records[i].IsExpert() {
			last := &records[len(records)-1]
			return append(runs, denseRun{from: records[i].Offset, to: last.Offset + last.Length})
		}
	}
	return runs
}

// besides returns the memory that the engine takes, or may take yet, besides weights.
func (p *pageReader) besides() int64 {
	e := p.engine
	n := NeededMemory(e.reader, Options{Threads: e.Threads(), KVType: e.kvType, Context: e.context, Parallel: e.parallel}) -
		denseBytes(e.reader, nil) - guessRouterBytes(e.config)
	for i := range e.reader.Records() {
		if r := &e.reader.Records()[i]; r.IsExpert() {
			n -= r.Length
		}
	}
	return n
}

// plentiful reports whether the next copies, and what is taken besides, leave half of the memory that is allowed.
func (p *pageReader) plentiful(besides int64) bool {
	allowed, _ := AllowedMemory()
	return p.copied.Load()+pagesStep+besides <= allowed/2
}

// copiesAreLarge reports whether the copies so far lie in large pages: without those they are worth nothing. To look takes time, so that is done when
// their size has doubled.
func (p *pageReader) copiesAreLarge() bool {
	copied := p.copied.Load()
	if copied < 2*p.looked {
		return true
	}
	p.looked = max(copied, pagesStep)
	_, large, err := pagecache.Mapped(p.data)
	return err == nil && large >= copied/2
}

// LargePages returns the share of the mapped file, as far as it was used, that lies in memory in pages of 2 MiB. ok is false if the file is small
// or not mapped, or the system does not tell.
func (e *Engine) LargePages() (share float64, ok bool) {
	if e.closing.Load() || len(e.pool.mapped) < pagesFrom {
		return 0, false
	}
	present, large, err := pagecache.Mapped(e.pool.mapped)
	if err != nil || present == 0 {
		return 0, false
	}
	return float64(large) / float64(present), true
}

// CopiedPages returns how many bytes of the mapped file were copied to memory of large pages, because the file system has none, and how long that
// took, beside what else the engine did.
func (e *Engine) CopiedPages() (bytes int64, took time.Duration) {
	if e.pages == nil {
		return 0, 0
	}
	return e.pages.copied.Load(), time.Duration(e.pages.copyTime.Load())
}

// Settle waits until the file is in memory, if it is being read: speeds measured before are those of the disk.
func (e *Engine) Settle(ctx context.Context) error {
	if e.pages == nil {
		return ctx.Err()
	}
	e.pages.start()
	select {
	case <-e.pages.done:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close stops reading. No pass may be waited for by the one who calls it.
func (p *pageReader) close() {
	if p == nil {
		return
	}
	p.stop()
	<-p.done
}
