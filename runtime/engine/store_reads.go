package engine

import "slices"

// readAll is what a worker does until the store is closed.
func (s *streamedStore) readAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		id, slot := s.next()
		if id < 0 {
			s.waiting++
			s.work.Wait()
			s.waiting--
			continue
		}
		e := s.begin(id, slot)
		why := e.why()
		s.mu.Unlock()
		err := s.fetch(e, s.slot(slot), why)
		s.mu.Lock()
		s.ended()
		s.checked(e, err)
	}
}

// fill is what a worker does where an io_uring reads, until something is wanted: it fills the cache.
func (s *streamedStore) fill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.lull.fillers-- }()
	for !s.closed && !s.running {
		id, slot := s.nextOf(&s.sweep)
		if id < 0 {
			return
		}
		e := s.begin(id, slot)
		e.read, e.left = e.record.Length, 1
		s.mu.Unlock()
		err := s.fetch(e, s.slot(slot), readToFill)
		s.mu.Lock()
		e.left = 0
		s.ended()
		s.checked(e, err)
		if s.ring != nil && (s.running || s.shrinking) { // a pass may wait for the expert or for its slot, and resize for the slot
			s.ring.queue.Wake()
		}
	}
}

// fetch reads an expert into a slot and compares it with its checksum, if that is to be done. The store is not locked.
func (s *streamedStore) fetch(e *residence, slot []byte, why string) error {
	record := slot[:e.record.Length]
	begin := s.stats.beginRead()
	err := s.reader.ReadPart(s.file, e.record, record, e.record.Offset)
	s.mu.Lock()
	came := e.cameAs(why)
	s.mu.Unlock()
	s.stats.endRead(begin, e.record, e.record.Length, why, came)
	s.stats.readBytes.Add(e.record.Length)
	if err == nil && e.check {
		err = s.reader.Check(e.record, record) // this brings it into the cache, from where it is computed with
	}
	return err
}

// checkedReads is one more than how many reads of an expert that was intact once are not compared with its checksum, before one is again. A file that
// is damaged is so when an expert comes for the first time; a disk that begins to give other bytes is found soon. Comparing all took a seventh of the
// time of the thread that leads, most of it while the others waited.
const checkedReads = 16

// begin notes that an expert is being read into a slot.
func (s *streamedStore) begin(id, slot int32) *residence {
	e := &s.experts[id]
	e.state, e.slot, s.slots[slot] = loading, slot, id
	e.turn++
	e.check = !e.intact || e.turn%checkedReads == 0
	e.read, e.left, e.came, e.compared, e.failed = 0, 0, 0, 0, nil
	if !e.wanted && e.expected != 0 {
		e.early = true
		s.stats.early.Add(1)
	}
	s.reading++
	return e
}

// Why an expert is read, and what it is when it has come: a router chose it, a guess names it, or nothing but the cache is to have it. In vain is what
// was wanted or expected and is not any more.
const (
	readWanted   = "wanted"
	readExpected = "expected"
	readToFill   = "to fill the cache"
	readInVain   = "in vain"
)

// why tells why a read of an expert begins.
func (e *residence) why() string {
	switch {
	case e.wanted:
		return readWanted
	case e.expected != 0:
		return readExpected
	}
	return readToFill
}

// cameAs tells what an expert is whose read began for a reason.
func (e *residence) cameAs(why string) string {
	if now := e.why(); now != readToFill || why == readToFill {
		return now
	}
	return readInVain
}

// rouse wakes up to n workers: as few as there is work for, because they take the processors from those who compute.
func (s *streamedStore) rouse(n int) {
	if s.ring != nil {
		s.pump()
		s.send()
		return
	}
	for range min(n, s.waiting) {
		s.work.Signal()
	}
}

// rouseSoon is rouse for a pass that is about to compute: with a ring, what there is to read is begun in the next job that it shares
// with other threads, while these compute.
func (s *streamedStore) rouseSoon(n int) {
	if s.ring != nil && s.pool.threads > 1 {
		s.pump()
		return
	}
	s.rouse(n)
}

// next returns an expert to read and a slot for it, or −1.
func (s *streamedStore) next() (id, slot int32) {
	for _, queue := range []*[]int32{&s.demand, &s.ahead, &s.sweep} {
		// What is wanted must not wait for much else to be read.
		if queue == &s.ahead && s.reading >= max(1, s.depth/2) || queue == &s.sweep && s.running && s.reading > 0 {
			break
		}
		if id, slot := s.nextOf(queue); id >= 0 || len(*queue) > 0 {
			return id, slot
		}
	}
	return -1, -1
}

// nextOf takes the next expert to read from a queue, with a slot for it. It returns −1 if there is none, or no slot: then it stays in the queue.
func (s *streamedStore) nextOf(queue *[]int32) (id, slot int32) {
	for i, id := range *queue {
		if s.experts[id].state != queued {
			continue
		}
		switch queue {
		case &s.demand:
			slot = s.vacate(true)
		case &s.ahead:
			slot = s.vacate(false)
		default:
			slot = int32(slices.Index(s.slots, slotFree))
		}
		*queue = (*queue)[i:]
		if slot < 0 {
			return -1, -1
		}
		*queue = (*queue)[1:]
		return id, slot
	}
	*queue = (*queue)[:0]
	return -1, -1
}

// ended counts a read that has ended.
func (s *streamedStore) ended() {
	s.reading--
	s.stats.reads.Add(1)
	s.idle.Broadcast()
}

// checked makes an expert that was read, and compared with its checksum where it is to be, resident; one that failed is given up.
func (s *streamedStore) checked(e *residence, err error) {
	e.state = resident
	e.intact = err == nil && (e.intact || e.check)
	s.loaded.Add(1)
	if err != nil {
		s.evict(e.slot)
		if e.wanted {
			e.err = err
		}
	}
	s.announce(e)
}

// announce tells who waits for an expert that something has become of it.
func (s *streamedStore) announce(e *residence) {
	if e.wanted {
		s.signal()
	}
}

func (s *streamedStore) signal() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}
