//go:build !amd64 || noasm

package kernel

// HasAttendRows reports whether AttendRows is faster than [Scores] and [AddWeighted] for queries of d numbers.
func HasAttendRows(int) bool { return false }

func transposeRows(q, src []float32, at *[QueryRows]int, d int, scale float32) {
	transposeRowsGeneric(q, src, at, d, scale)
}

func attendRows(q, out, state, k, v []float32, n, d int, spans *Spans) {
	attendRowsGeneric(q, out, state, k, v, n, d, spans)
}

func restoreRows(dst []float32, at *[QueryRows]int, out, state []float32, d int) {
	restoreRowsGeneric(dst, at, out, state, d)
}
