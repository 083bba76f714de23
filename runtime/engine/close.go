package engine

import "slices"

// Close ends the engine: a pass that runs ends between two layers, and all calls, those that wait and later ones, return [ErrClosed]. It gives the
// memory of all sessions back. Closing twice does nothing.
func (e *Engine) Close() error {
	if e.closing.Swap(true) {
		<-e.closed
		return nil
	}
	q := &e.queue
	q.Lock()
	for _, r := range slices.Clone(q.waiting) {
		if !r.inPass && r != q.leader {
			q.finish(r, ErrClosed)
		}
	}
	q.signal()
	sessions := e.sessions
	e.sessions = map[*Session]bool{}
	q.Unlock()
	e.stop()

	// A call that leads holds its session's turn and waits for the pass: the turns come first.
	for s := range sessions {
		s.turn <- struct{}{}
		e.kvMu.Lock()
		s.kv.shrink(0)
		e.kvMu.Unlock()
		s.length = 0
		<-s.turn
	}
	e.pages.close() // which waits for passes
	e.mu.Lock()
	defer e.mu.Unlock()
	e.release()
	close(e.closed)
	return nil
}

// stop ends what waits for the disk.
func (e *Engine) stop() {
	if e.store != nil {
		e.store.stop()
	}
	if e.stream != nil {
		e.stream.stop()
	}
	for _, r := range []*rowReader{e.lookup, e.perLayer} {
		if r != nil {
			r.close()
		}
	}
}

// release gives everything back that an engine took, opened in whole or in part.
func (e *Engine) release() {
	e.closing.Store(true)
	e.stop()
	e.pages.close()
	e.pool.close()
	if e.store != nil {
		e.store.close()
	}
	if e.stream != nil {
		e.stream.close()
	}
	if e.file != nil {
		e.file.Close()
	}
	e.guesses.close()
	e.dense.block.free()
	if e.sparseHead != nil {
		e.sparseHead.block.free()
	}
	e.working.free()
}

// forget ends a session.
func (e *Engine) forget(s *Session) {
	e.queue.Lock()
	delete(e.sessions, s)
	e.queue.returns(s, false)
	e.queue.signal()
	e.queue.Unlock()
	e.shrinkKV(s, 0)
}
