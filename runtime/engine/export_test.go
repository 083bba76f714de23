package engine

// Waiting returns how many calls wait for a pass or are in one.
func (e *Engine) Waiting() int {
	e.queue.Lock()
	defer e.queue.Unlock()
	return len(e.queue.waiting)
}

// SetPieceBytes makes n the size of the pieces that feed-forward networks are cut into, and returns what takes that back.
func SetPieceBytes(n int64) (restore func()) {
	was := pieceBytes
	pieceBytes = n
	return func() { pieceBytes = was }
}
