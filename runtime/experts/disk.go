package experts

import "time"

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

// Timing is what [SimulateTime] needs to know besides hits and misses: the disk, the size of what is read, and the time that a token's computing
// takes with everything in memory.
type Timing struct {
	Disk        Disk
	ExpertBytes int64
	// Attention is the time of a layer between the router's choice and its first expert, Expert that of an expert, and Head what a token takes
	// besides layers.
	Attention, Expert, Head time.Duration
	// Foreseen is the share of missing experts, 0 to 1, that are known after the attention of the layer before: reading them begins there. For
	// each of the others an expert is read there in vain.
	Foreseen float64
}

// Speed is what a simulation with a disk comes to, of the batches that count.
type Speed struct {
	Tokens      int
	Time        time.Duration // that they take
	Wait        time.Duration // of it, for the disk
	Busy        time.Duration // of it, the disk transfers
	Reads, Vain int           // experts that were read, and those of them that nobody wanted
}

// TokensPerSecond returns the speed; 0 if nothing was counted.
func (s Speed) TokensPerSecond() float64 {
	if s.Time <= 0 {
		return 0
	}
	return float64(s.Tokens) / s.Time.Seconds()
}

// SimulateTime replays a trace with a clock: layer by layer the router's choice is known, experts that the policy does not have are read while
// attention and the experts that it has are computed, and the others are computed as they come. The first warm tokens fill the cache. Batches of one
// token are counted, which are those of generation; of a trace that has none, all, and a batch of n tokens computes for n times as long.
func SimulateTime(t *Trace, p Policy, warm int, timing Timing) Speed {
	one := t.generates(warm)
	c := clock{timing: timing, queue: make([]float64, max(1, timing.Disk.Queue))}
	seen := 0
	t.accesses(func(batch int, all []access) {
		p.Advance(batch)
		c.layers = c.layers[:0]
		last := -1
		for _, a := range all {
			if l := int(a.id) / t.Experts; l != last {
				c.layers = append(c.layers, layerTime{})
				last = l
			}
			now := &c.layers[len(c.layers)-1]
			if !p.Access(a.id, int(a.tokens)) {
				now.late++
			}
			now.uses++
			now.tokens += int(a.tokens)
		}
		before := c.Speed
		c.batch(batch)
		if seen < warm || one && batch != 1 {
			c.Speed = before
		}
		seen += batch
	})
	return c.Speed
}

// generates reports whether there are batches of one token after the first warm tokens.
func (t *Trace) generates(warm int) bool {
	one, seen := false, 0
	t.accesses(func(batch int, _ []access) {
		one = one || seen >= warm && batch == 1
		seen += batch
	})
	return one
}

// layerTime is what a batch does in a layer: uses of experts by some tokens; late experts are missing and known by the layer's router, early ones
// by the layer before.
type layerTime struct{ uses, tokens, late, early, vain int }

// clock adds up time. All moments are in seconds.
type clock struct {
	Speed
	timing   Timing
	layers   []layerTime
	now      float64
	queue    []float64 // when the reads that are in flight end, the oldest first
	transfer float64   // when the disk has brought all that was issued
	foreseen float64   // of a miss that is known early: what is left over from those before
}

// read issues a read at a moment, and returns when its bytes are there.
func (c *clock) read(at float64) float64 {
	d := &c.timing.Disk
	at = max(at, c.queue[0]) + d.Latency.Seconds()
	bytes := float64(c.timing.ExpertBytes) / d.Bandwidth
	c.transfer = max(at, c.transfer) + bytes
	c.queue = append(c.queue[1:], c.transfer)
	c.Busy += seconds(bytes)
	c.Reads++
	return c.transfer
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// batch runs one.
func (c *clock) batch(n int) {
	begin := c.now
	for i := 1; i < len(c.layers); i++ { // nothing foresees the first layer
		l := &c.layers[i]
		for range l.late {
			if c.foreseen += c.timing.Foreseen; c.foreseen >= 1 {
				c.foreseen--
				l.early++
			} else if c.timing.Foreseen > 0 {
				l.vain++
			}
		}
		l.late -= l.early
	}
	var arrivals, next []float64
	for i := range c.layers {
		l := &c.layers[i]
		for range l.late {
			arrivals = append(arrivals, c.read(c.now))
		}
		c.now += float64(n) * c.timing.Attention.Seconds()
		next = next[:0]
		if i+1 < len(c.layers) {
			for range c.layers[i+1].early {
				next = append(next, c.read(c.now))
			}
			for range c.layers[i+1].vain {
				c.read(c.now)
				c.Vain++
			}
		}
		// All experts take their share of the layer's computing; those that are missing come in the order in which they were asked for.
		each := c.timing.Expert.Seconds() * float64(l.tokens) / float64(l.uses)
		c.now += each * float64(l.uses-len(arrivals))
		for _, at := range arrivals {
			if at > c.now {
				c.Wait += seconds(at - c.now)
				c.now = at
			}
			c.now += each
		}
		arrivals, next = next, arrivals
	}
	c.now += float64(n) * c.timing.Head.Seconds()
	c.Tokens += n
	c.Time += seconds(c.now - begin)
}
