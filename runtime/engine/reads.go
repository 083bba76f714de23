package engine

import (
	"st/format"
	"st/runtime/disk"
)

// StreamedRecord returns the length of what is read at once where a model does not stay in memory: an expert, or a piece of a feed-forward network.
func StreamedRecord(r *format.Reader) int64 {
	if n := largestExpert(r); n > 0 {
		return n
	}
	return pieceBytes
}

// chooseReads returns how records are read: each with one read, as many of them at once as the disk wants.
func (e *Engine) chooseReads(known *disk.Speeds) disk.Reads {
	if known == nil {
		return disk.Reads{Depth: readers, Source: disk.Default}
	}
	return known.Reads(StreamedRecord(e.reader))
}
