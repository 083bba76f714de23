package engine

import (
	"context"

	"st/runtime/kernel"
)

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

// MendPages reads the mapped file again and copies it, however its pages lie, and returns how many bytes were copied.
func (e *Engine) MendPages(ctx context.Context) (copied int64) {
	p := &pageReader{engine: e, file: e.reader.OSFile(), data: e.pool.mapped}
	p.readAgain(ctx)
	p.copy(ctx)
	return p.copied.Load()
}

// Plentiful reports whether copies are made when so much is taken besides.
func (e *Engine) Plentiful(besides int64) bool { return (&pageReader{engine: e}).plentiful(besides) }

// Largest returns the k-th largest number.
func Largest(x []float32, k int) float32 { return largest(x, k) }

// LikeliestRows returns which rows are the likeliest of such scores.
func LikeliestRows(scores []float32) []int32 {
	s := &sparsePass{scores: scores, peaks: make([]float32, peakRuns(len(scores))), copied: make([]float32, peakRuns(len(scores)))}
	kernel.Peaks(s.peaks, scores)
	return s.likeliest(nil, 0, len(scores))
}
