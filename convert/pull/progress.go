package pull

import (
	"sync"
	"time"
)

// Stage is a part of the work.
type Stage string

// The stages, in their order. Not every run has all of them.
const (
	Resolving  Stage = "resolving"  // the repository's files and their hashes
	Resuming   Stage = "resuming"   // what an interrupted run had made is checked
	Pulling    Stage = "pulling"    // bytes come, and are converted unless they are kept
	Converting Stage = "converting" // of files that are on the disk already
	Finishing  Stage = "finishing"  // the file is brought to the disk and gets its name
	Done       Stage = "done"
)

// Progress tells how far a pull is.
type Progress struct {
	Stage Stage `json:"stage"`
	// Done of Total bytes are there, those of earlier runs counted in: of the source, or, in Resuming, of what is checked.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Rate is in bytes per second, of the last seconds; 0: not known, as at the beginning, when connections are being made.
	Rate float64 `json:"bytes_per_second"`
	// Left is about the time until all bytes are there; 0: not known.
	Left time.Duration `json:"-"`
	// File is the file of the repository that is being read, and What the tensor that is being converted.
	File string `json:"file,omitempty"`
	What string `json:"tensor,omitempty"`
	// Connections is the number of requests that are under way.
	Connections int `json:"connections"`
}

// report gathers what goroutines do, and tells it.
type report struct {
	mu      sync.Mutex
	now     Progress
	tell    func(Progress)
	clock   func() time.Time                // nil: time.Now
	samples []sample                        // of the last seconds
	network func() (bytes int64, conns int) // nil: none
}

type sample struct {
	at   time.Time
	done int64
}

const (
	reportEvery = 200 * time.Millisecond
	rateOver    = 5 * time.Second
	rateAfter   = 2 * time.Second // before, a rate is that of the first bytes
)

// start tells what there is some times a second, until the function that it returns is called.
func (r *report) start(tell func(Progress)) (stop func()) {
	if tell == nil {
		return func() {}
	}
	r.tell = tell
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(reportEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.mu.Lock()
				r.say()
				r.mu.Unlock()
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// say computes the rate and tells. r.mu is held.
func (r *report) say() {
	if r.tell == nil {
		return
	}
	at := time.Now()
	if r.clock != nil {
		at = r.clock()
	}
	r.samples = append(r.samples, sample{at, r.now.Done})
	for len(r.samples) > 2 && at.Sub(r.samples[0].at) > rateOver {
		r.samples = r.samples[1:]
	}
	r.now.Rate, r.now.Left = 0, 0
	if first := r.samples[0]; at.Sub(first.at) >= rateAfter {
		r.now.Rate = float64(r.now.Done-first.done) / at.Sub(first.at).Seconds()
	}
	if r.now.Rate > 0 && r.now.Total > r.now.Done {
		r.now.Left = time.Duration(float64(r.now.Total-r.now.Done) / r.now.Rate * float64(time.Second))
	}
	r.now.Connections = 0
	if r.network != nil {
		_, r.now.Connections = r.network()
	}
	r.tell(r.now)
}

// stage begins a stage whose size is not known.
func (r *report) stage(s Stage) { r.begin(s, 0, 0) }

// begin begins a stage of total bytes, of which some are done.
func (r *report) begin(s Stage, total, done int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s == Done {
		total, done = r.now.Total, r.now.Total
	}
	r.now = Progress{Stage: s, Total: total, Done: done}
	r.samples = nil
	if s != Pulling {
		r.network = nil
	}
	r.say()
}

func (r *report) update(change func(p *Progress)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.now)
}

func (r *report) file(name string) { r.update(func(p *Progress) { p.File = name }) }
func (r *report) what(name string) { r.update(func(p *Progress) { p.What = name }) }
func (r *report) add(n int64)      { r.update(func(p *Progress) { p.Done += n }) }
func (r *report) count(done, total int64) {
	r.update(func(p *Progress) { p.Done, p.Total = max(done, p.Done), total })
}
