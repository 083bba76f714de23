package engine

import "context"

// The activations of a batch, as of a prompt, take some tens of MB, which lie idle while single tokens are generated. So they are at the beginning of the
// expert store's block, and the first slots, those that are lent, lie in the same memory, at its end. Experts are in these slots until a batch is to be run.
// Then they move to the slots of experts with lower scores, as they do when the store shrinks. The KV cache, or other programs, take memory from the end of
// the block, so a batch always finds its own. Nothing in it lasts from one batch to the next.

// storeSpace is how the memory of a streamedStore is shared out: a batch's activations, in whose end slots lie, and slots after it.
type storeSpace struct {
	slotSize int64
	batch    int64 // bytes
	lent     int   // slots that a batch's activations overlap: the first ones
	own      int   // the other ones, at first
}

// at returns where slot i begins in the block, or where the one before it ends.
func (s *storeSpace) at(i int) int64 { return s.batch + int64(i-s.lent)*s.slotSize }

// space returns how the store's memory is shared out.
func (b *Budget) space() storeSpace {
	return storeSpace{slotSize: b.slot, batch: b.batch, lent: int(b.Lent / b.slot), own: int(b.Experts / b.slot)}
}

// lends reports whether experts have a batch's memory while none runs.
func (e *Engine) lends() bool { return e.budget != nil && e.config.MoE != nil }

// passFor returns the pass for requests of an extent. Short ones of one sequence at a time run in that of single tokens, so that nothing has to be taken
// back for the tokens that a grammar forces. With several sequences short ones share a pass, between whose layers single tokens run.
func (e *Engine) passFor(x extent) *pass {
	if x == single || x == short && e.parallel == 1 && e.lends() {
		return e.quick
	}
	return e.pass
}

// lend gives the memory of a batch to the pass that is to run: to a batch, which may have to wait for reads, until ctx is cancelled, or to experts.
func (e *Engine) lend(ctx context.Context, p *pass) error {
	switch {
	case e.streamed == nil:
		return nil
	case p == e.pass:
		return e.streamed.reclaim(ctx)
	}
	e.streamed.lend()
	return nil
}

// batchMemory returns the memory of a batch's activations; nil: there is no store.
func (s *streamedStore) batchMemory() []byte {
	if s == nil {
		return nil
	}
	return s.block.bytes()[:s.batch]
}

// lend lends the memory of a batch to experts, until reclaim.
func (s *streamedStore) lend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reclaimed {
		s.reclaimed = false
		s.freeLent()
	}
}

// freeLent makes the slots that are lent free that hold nothing.
func (s *streamedStore) freeLent() {
	for i, id := range s.slots[:s.lent] {
		if id == slotGone {
			s.slots[i] = slotFree
		}
	}
	if s.roomy() { // those that the batch pushed out are read again when the disk has nothing else to do
		s.sweep = s.sweep[:0]
		for id := range s.experts {
			if e := &s.experts[id]; e.state == absent || e.state == queued && e.expected == 0 && !e.wanted {
				e.state = queued
				s.sweep = append(s.sweep, int32(id))
			}
		}
	}
	s.fillSlots()
}

// reclaim takes back what is lent. It waits for reads into these slots, until ctx is cancelled: then they stay lent. No pass may run meanwhile: slots are
// moved.
func (s *streamedStore) reclaim(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reclaimed {
		return nil
	}
	for i := range s.lent {
		if err := s.empty(ctx, int32(i)); err != nil {
			s.freeLent()
			return err
		}
	}
	s.reclaimed = true
	return nil
}

// memory returns the memory of slots that are in use, and that of a batch that they do not have.
func (s *streamedStore) memory() (experts, batch int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lent := int64(0)
	if !s.reclaimed {
		lent = int64(s.lent) * s.slotSize
	}
	return int64(s.usable-s.lent)*s.slotSize + lent, s.batch - lent
}
