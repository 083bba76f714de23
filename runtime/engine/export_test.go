package engine

// Waiting returns how many calls wait for a pass or are in one.
func (e *Engine) Waiting() int {
	e.queue.Lock()
	defer e.queue.Unlock()
	return len(e.queue.waiting)
}
