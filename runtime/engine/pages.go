package engine

import (
	"context"
	"os"
	"time"

	"st/format/pagecache"
)

const (
	// pagesFrom is the size of a file from which on the size of its pages is worth looking at.
	pagesFrom = 64 << 20
	// largeEnough is the share of large pages that is left as it is.
	largeEnough = 0.9
	// trial is what is read again first: it tells whether reading makes pages large here, and how fast it is.
	trial = 64 << 20
	// trialRate is the rate in bytes a second from which on all of the file is read again.
	trialRate = 300e6
)

// pageReader brings a mapped file into memory in large pages (package pagecache tells why), while the engine works already.
type pageReader struct {
	stop context.CancelFunc
	done chan struct{}
}

// readPages looks at how a mapped file, of which nothing was touched yet, lies in memory, and begins to read it if that is not at its best: what
// lies there in small pages has to leave memory first. Nothing is done to a small file, where the system says nothing about pages, and where the
// disk is slow. All of it is for speed alone, so errors change nothing.
//
// What lies before from, a multiple of large pages, is left alone: a table of which tokens read rows.
func readPages(ctx context.Context, f *os.File, data []byte, from int64) *pageReader {
	size := int64(len(data))
	if f == nil || size-from < pagesFrom {
		return nil
	}
	data = data[from:]
	pagecache.Prefer(data)
	cached, large, ok := pagecache.Share(data)
	if !ok || cached == 1 && large >= largeEnough {
		return nil
	}
	if cached > 0 && large < largeEnough {
		if !pagesGrow(ctx, f, data, from) {
			return nil
		}
		if pagecache.Forget(f, from, size-from) != nil {
			return nil
		}
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &pageReader{stop, make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = pagecache.Read(ctx, f, from, size-from)
	}()
	return p
}

// pagesGrow reads the beginning of a file, from an offset on, again and reports whether it lies in large pages now, and came fast.
func pagesGrow(ctx context.Context, f *os.File, data []byte, from int64) bool {
	pagecache.Unmap(data)
	begin := time.Now()
	if pagecache.Forget(f, from, trial) != nil || pagecache.Read(ctx, f, from, trial) != nil {
		return false
	}
	if trial/time.Since(begin).Seconds() < trialRate {
		return false
	}
	_, large, ok := pagecache.Share(data[:trial])
	pagecache.Unmap(data)
	return ok && large >= largeEnough/2
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

// Settle waits until the file is in memory, if it is being read: speeds measured before are those of the disk.
func (e *Engine) Settle(ctx context.Context) error {
	if e.pages == nil {
		return ctx.Err()
	}
	select {
	case <-e.pages.done:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close stops reading.
func (p *pageReader) close() {
	if p == nil {
		return
	}
	p.stop()
	<-p.done
}
