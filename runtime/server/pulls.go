package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// pulls are the downloads that run, by the names that clients gave, in small letters.
type pulls struct {
	mu      sync.Mutex
	running map[string]*download
	closed  bool // no pull begins any more
}

// download is a pull, and who waits for it. Guarded by pulls.
type download struct {
	cancel      context.CancelFunc
	followers   int
	done, total int64
	changed     chan struct{} // is closed when done, total or finished change
	abandoned   bool          // it is about to end
	finished    bool
	err         error
	ended       chan struct{} // is closed when it is finished
}

func (d *download) change() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// pullFunc is [Options.Pull].
type pullFunc func(ctx context.Context, name string, progress func(done, total int64)) error

// follow pulls a model, or waits for a pull of it that runs, and tells how far it is. A pull ends when nobody follows it any more.
func (p *pulls) follow(ctx context.Context, name string, pull pullFunc, progress func(done, total int64)) error {
	d := p.join(strings.ToLower(name), name, pull)
	defer p.leave(d)
	for {
		p.mu.Lock()
		done, total, changed, finished, err := d.done, d.total, d.changed, d.finished, d.err
		p.mu.Unlock()
		progress(done, total)
		if finished {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// join returns the pull of a name, which it begins if there is none. After close it is one that has failed.
func (p *pulls) join(key, name string, pull pullFunc) *download {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.running[key]
	if before != nil && !before.abandoned {
		before.followers++
		return before
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &download{cancel: cancel, followers: 1, changed: make(chan struct{}), ended: make(chan struct{})}
	if p.closed {
		d.finished, d.err = true, ErrClosed
		return d
	}
	if p.running == nil {
		p.running = map[string]*download{}
	}
	p.running[key] = d
	go func() {
		if before != nil {
			<-before.ended // two of them would be in each other's way
		}
		p.run(ctx, key, name, d, pull)
	}()
	return d
}

func (p *pulls) run(ctx context.Context, key, name string, d *download, pull pullFunc) {
	var err error
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v", r)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		d.finished, d.err = true, err
		if p.running[key] == d {
			delete(p.running, key)
		}
		d.cancel()
		d.change()
		close(d.ended)
	}()
	err = pull(ctx, name, func(done, total int64) {
		p.mu.Lock()
		defer p.mu.Unlock()
		d.done, d.total = done, total
		d.change()
	})
}

// leave ends a pull that nobody follows any more. The next one of the name begins anew, and goes on with what is on the disk.
func (p *pulls) leave(d *download) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.followers--; d.followers == 0 {
		d.abandoned = true
		d.cancel()
	}
}

// close ends all pulls and waits for that.
func (p *pulls) close() {
	p.mu.Lock()
	p.closed = true
	all := slices.Collect(maps.Values(p.running))
	for _, d := range all {
		d.abandoned = true
		d.cancel()
	}
	p.mu.Unlock()
	for _, d := range all {
		<-d.ended
	}
}
