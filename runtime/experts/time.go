package experts

import (
	"slices"
	"time"
)

// Computing is the time that a token's computing takes with everything in memory.
type Computing struct {
	// Router is the time of a layer until the router has chosen, Attention that from there to its first expert, Expert that of an expert, and Head what
	// a token takes besides layers.
	Router, Attention, Expert, Head time.Duration
}

// Token returns what a token of a model takes.
func (c *Computing) Token(s Shape) time.Duration {
	return c.Head + time.Duration(s.Layers)*(c.Router+c.Attention+time.Duration(s.TopK)*c.Expert)
}

// Timing is what [ReplayTime] needs to know besides hits and misses: the disk, the size of what is read, and the time of computing.
type Timing struct {
	Computing
	Disk        Disk
	ExpertBytes int64
	// PieceBytes is the length of a read, at most. What is not expected any more is not read to its end. 0: an expert is read as a whole.
	PieceBytes int64
	// Foreseen is the share of missing experts, 0 to 1, that the layer before foresees, for tokens of which the trace does not tell what was foreseen.
	// For each of the others an expert is read there in vain.
	Foreseen float64
}

// Speed is what batches of a replay with a clock come to.
type Speed struct {
	Tokens int
	Time   time.Duration // that they take
	Wait   time.Duration // of it, for the disk
	Busy   time.Duration // of it, something is being read
	Missed int           // experts that were not in memory when the router chose them
	Reads  int           // experts whose reading was begun
	Vain   int           // of them, those that were not wanted in the batch
	Bytes  int64         // that were read
}

// Add adds what other batches come to.
func (s *Speed) Add(x Speed) {
	s.Tokens, s.Time, s.Wait, s.Busy = s.Tokens+x.Tokens, s.Time+x.Time, s.Wait+x.Wait, s.Busy+x.Busy
	s.Missed, s.Reads, s.Vain, s.Bytes = s.Missed+x.Missed, s.Reads+x.Reads, s.Vain+x.Vain, s.Bytes+x.Bytes
}

// TokensPerSecond returns the speed; 0 if nothing was counted.
func (s Speed) TokensPerSecond() float64 {
	if s.Time <= 0 {
		return 0
	}
	return float64(s.Tokens) / s.Time.Seconds()
}

// ReplayTime replays a trace with a clock, as the engine runs, and returns what each batch comes to: layer by layer the router chooses, and experts that
// the policy does not have are read while attention and the experts that it has are computed; the others are computed as they come. What is foreseen of
// the next two layers is read while nothing is wanted, and given up if it is foreseen no more or not chosen; what has come by then stays with a policy
// that is a [Bringer]. A batch of n tokens computes for n times as long, and foresees by Timing.Foreseen.
func ReplayTime(t *Trace, p Policy, timing Timing) (all []Speed) {
	pieces := 1
	if timing.PieceBytes > 0 {
		pieces = int((timing.ExpertBytes + timing.PieceBytes - 1) / timing.PieceBytes)
	}
	pieces = max(1, pieces)
	s := simulation{trace: t, policy: p, timing: timing, disk: drive{Disk: timing.Disk, pieces: pieces,
		piece: float64(timing.ExpertBytes) / float64(pieces) / timing.Disk.Bandwidth, ahead: max(1, timing.Disk.Queue/2)}}
	if pieces > 1 {
		s.disk.ahead = max(2, s.disk.ahead) // a record of usual length
	}
	s.disk.read = func(id int32) {
		if b, ok := p.(Bringer); ok {
			b.Bring(id)
		}
	}
	t.batches(func(b batch) {
		s.Speed = Speed{}
		s.run(b)
		all = append(all, s.Speed)
	})
	return all
}

// simulation is a run in virtual time, in seconds.
type simulation struct {
	Speed
	trace  *Trace
	policy Policy
	timing Timing
	disk   drive
	now    float64
	share  float64    // of a miss that is foreseen: what is left over from those before
	early  []*request // what is foreseen and was not there
	held   []int32    // what is foreseen and was there
	coming []*request // what is wanted and not there
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// compute lets time pass.
func (s *simulation) compute(seconds float64) {
	s.now += seconds
	s.disk.run(s.now)
}

// run takes a batch through the layers.
func (s *simulation) run(b batch) {
	begin, busy, begun, issued := s.now, s.disk.busy, s.disk.begun, s.disk.issued
	n, last := float64(len(b.tokens)), len(b.layers)-1
	one := &b.tokens[0]
	s.policy.Advance(len(b.tokens))
	for l, uses := range b.layers {
		s.compute(n * s.timing.Router.Seconds())
		s.trace.rate(s.policy, b, l)
		s.want(l, uses)
		if l+2 <= last && len(one.Far) > 0 {
			s.expect(l+2, one.Far)
		}
		s.compute(n * s.timing.Attention.Seconds())
		switch {
		case l == last:
		case len(one.Near) > 0:
			s.expect(l+1, one.Near)
		case s.timing.Foreseen > 0:
			s.expectShare(l+1, b.layers[l+1])
		}
		s.experts(uses)
	}
	s.compute(n * s.timing.Head.Seconds())
	s.Tokens += len(b.tokens)
	s.Time += seconds(s.now - begin)
	s.Busy += seconds(s.disk.busy - busy)
	s.Reads += s.disk.begun - begun
	s.Bytes += int64(s.disk.issued-issued) * s.timing.ExpertBytes / int64(s.disk.pieces)
}

// want asks for the experts that the router of a layer chose, and gives up what else was foreseen of it.
func (s *simulation) want(l int, uses []access) {
	s.coming = s.coming[:0]
	for _, a := range uses {
		i := slices.IndexFunc(s.early, func(r *request) bool { return r.id == a.id })
		hit := s.policy.Access(a.id, int(a.tokens))
		switch {
		case i >= 0:
			r := s.early[i]
			s.early = slices.Delete(s.early, i, i+1)
			if r.wanted = true; r.come() {
				continue
			}
			s.coming = append(s.coming, r)
		case hit:
			continue
		default:
			s.coming = append(s.coming, s.disk.ask(a.id, l, true))
		}
		s.Missed++
	}
	s.forget(func(layer int, _ int32) bool { return layer <= l })
	s.disk.pump()
}

// forget gives up what is not foreseen any more.
func (s *simulation) forget(which func(layer int, id int32) bool) {
	bringer, _ := s.policy.(Bringer)
	s.early = slices.DeleteFunc(s.early, func(r *request) bool {
		if !which(r.layer, r.id) {
			return false
		}
		if r.begun {
			s.Vain++
		}
		if s.disk.drop(r); bringer != nil && r.id >= 0 {
			bringer.Forget(r.id)
		}
		return true
	})
	s.held = slices.DeleteFunc(s.held, func(id int32) bool {
		if !which(int(id)/s.trace.Experts, id) {
			return false
		}
		bringer.Forget(id)
		return true
	})
}

// expect begins to read what is foreseen of a layer, [layers · top-k] of a trace, and gives up what was foreseen of it before and is not now.
func (s *simulation) expect(l int, foreseen []int32) {
	k := s.trace.TopK
	foreseen = foreseen[l*k:][:k]
	first := int32(l * s.trace.Experts)
	s.forget(func(layer int, id int32) bool { return layer == l && !slices.Contains(foreseen, id-first) })
	for _, e := range foreseen {
		if e >= 0 {
			s.foresee(l, first+e)
		}
	}
	s.disk.pump()
}

// expectShare foresees a share of what is missing of a layer, and for each of the others an expert that nobody will want.
func (s *simulation) expectShare(l int, uses []access) {
	for _, a := range uses {
		if s.policy.Has(a.id) {
			continue
		}
		if s.share += s.timing.Foreseen; s.share >= 1 {
			s.share--
			s.foresee(l, a.id)
		} else {
			s.foresee(l, -1)
		}
	}
	s.disk.pump()
}

// foresee has an expert read, or kept if it is there.
func (s *simulation) foresee(l int, id int32) {
	bringer, ok := s.policy.(Bringer)
	switch {
	case id >= 0 && slices.ContainsFunc(s.early, func(r *request) bool { return r.id == id }):
	case id < 0 || !s.policy.Has(id):
		s.early = append(s.early, s.disk.ask(id, l, false))
	case ok:
		bringer.Bring(id)
		s.held = append(s.held, id)
	}
}

// experts computes the experts of a layer: those that are there first, the others as they come. All take their share of the layer's computing.
func (s *simulation) experts(uses []access) {
	tokens := 0
	for _, a := range uses {
		tokens += int(a.tokens)
	}
	each := s.timing.Expert.Seconds() * float64(tokens) / float64(len(uses))
	s.compute(each * float64(len(uses)-len(s.coming)))
	for len(s.coming) > 0 {
		i := slices.IndexFunc(s.coming, (*request).come)
		if i < 0 {
			begin := s.now
			s.disk.step()
			s.now = s.disk.now
			s.Wait += seconds(s.now - begin)
			continue
		}
		s.coming = slices.Delete(s.coming, i, i+1)
		s.compute(each)
	}
}
