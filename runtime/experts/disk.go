package experts

import (
	"slices"
	"time"
)

// Disk is a disk that experts are read from. Reads are served in the order in which they are issued, at most Queue of them at a time: each waits for
// Latency, during which others' bytes may come, and then for its own bytes. A disk with a Queue of 1 so gives less than its Bandwidth.
type Disk struct {
	// Bandwidth is in bytes a second, with as many reads in flight as it takes.
	Bandwidth float64 `json:"bandwidth_bytes_per_second"`
	// Latency is what passes between a read's issue and its first byte, on an idle disk.
	Latency time.Duration `json:"latency_ns"`
	// Queue is how many reads are in flight, at most.
	Queue int `json:"queue_depth"`
}

// drive is a disk in virtual time, in seconds, and what is to be read from it: experts that are wanted in the order in which they were asked for and, while
// few reads are in flight, experts that are only foreseen, in pieces each.
type drive struct {
	Disk
	piece   float64        // seconds that the bytes of a piece take
	pieces  int            // of an expert
	ahead   int            // reads in flight with which another piece of what is foreseen may begin
	read    func(id int32) // is told of what is foreseen when all of it is issued
	now     float64
	flying  []flight // in the order in which they end
	brought float64  // when the bytes of all that was issued are there
	queue   []*request
	busy    float64 // time in which something was in flight
	begun   int     // requests of which something was read
	issued  int     // pieces
}

// flight is a piece that is being read.
type flight struct {
	of  *request
	end float64
}

// request is an expert that is to be read.
type request struct {
	id      int32 // −1: one that nobody will want
	layer   int
	wanted  bool
	dropped bool // what is in flight comes, the rest is not read
	begun   bool
	left    int // pieces that are not issued
	flying  int
}

// come reports whether all of the expert is there.
func (r *request) come() bool { return r.left == 0 && r.flying == 0 && !r.dropped }

// ask queues a request.
func (d *drive) ask(id int32, layer int, wanted bool) *request {
	r := &request{id: id, layer: layer, wanted: wanted, left: d.pieces}
	d.queue = append(d.queue, r)
	return r
}

// drop gives a request up.
func (d *drive) drop(r *request) {
	r.dropped = r.left > 0
	r.left = 0
	d.tidy()
}

// tidy drops requests of which nothing is to be issued.
func (d *drive) tidy() {
	d.queue = slices.DeleteFunc(d.queue, func(r *request) bool { return r.left == 0 })
}

// next returns the request of which a piece is to be issued; nil: none.
func (d *drive) next() *request {
	var best *request
	for _, r := range d.queue {
		if r.wanted {
			return r
		}
		if best == nil || r.layer < best.layer {
			best = r
		}
	}
	if best != nil && len(d.flying) >= d.ahead {
		return nil
	}
	return best
}

// pump issues what there is room for.
func (d *drive) pump() {
	for len(d.flying) < max(1, d.Queue) {
		r := d.next()
		if r == nil {
			return
		}
		if !r.begun {
			r.begun = true
			d.begun++
		}
		if r.left--; r.left == 0 && !r.wanted && r.id >= 0 {
			d.read(r.id)
		}
		r.flying++
		d.issued++
		d.tidy()
		d.brought = max(d.now+d.Latency.Seconds(), d.brought) + d.piece
		d.flying = append(d.flying, flight{r, d.brought})
	}
}

// step moves the time to the end of the read in flight that ends first.
func (d *drive) step() {
	f := d.flying[0]
	d.busy += f.end - d.now
	d.now = f.end
	d.flying = d.flying[1:]
	f.of.flying--
	d.pump()
}

// run moves the time.
func (d *drive) run(until float64) {
	d.pump()
	for len(d.flying) > 0 && d.flying[0].end <= until {
		d.step()
	}
	if len(d.flying) > 0 {
		d.busy += until - d.now
	}
	d.now = until
}
