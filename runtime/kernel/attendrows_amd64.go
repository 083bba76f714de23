//go:build !noasm

package kernel

// HasAttendRows reports whether AttendRows is faster than [Scores] and [AddWeighted] for queries of d numbers.
func HasAttendRows(d int) bool { return useAVX512 && d > 0 && d%16 == 0 }

func transposeRows(q, src []float32, at *[QueryRows]int, d int, scale float32) {
	if !HasAttendRows(d) {
		transposeRowsGeneric(q, src, at, d, scale)
		return
	}
	transposeRowsAVX512(&q[0], &src[0], at, d, scale)
}

func attendRows(q, out, state, k, v []float32, n, d int, spans *Spans) {
	if !HasAttendRows(d) {
		attendRowsGeneric(q, out, state, k, v, n, d, spans)
		return
	}
	attendRowsAVX512(&q[0], &out[0], &state[0], &k[0], &v[0], n, d, spans)
}

func restoreRows(dst []float32, at *[QueryRows]int, out, state []float32, d int) {
	if !HasAttendRows(d) {
		restoreRowsGeneric(dst, at, out, state, d)
		return
	}
	restoreRowsAVX512(&dst[0], at, &out[0], &state[rowsSum], d)
}

// transposeRowsAVX512 is transposeRowsGeneric, to the bit, for a multiple of sixteen numbers.
//
//go:noescape
func transposeRowsAVX512(q, src *float32, at *[QueryRows]int, d int, scale float32)

// attendRowsAVX512 is attendRowsGeneric, for a multiple of sixteen numbers; exp has an error of two units in the last place.
//
//go:noescape
func attendRowsAVX512(q, out, state, k, v *float32, n, d int, spans *Spans)

// restoreRowsAVX512 is restoreRowsGeneric, to the bit, for a multiple of sixteen numbers.
//
//go:noescape
func restoreRowsAVX512(dst *float32, at *[QueryRows]int, out, sum *float32, d int)
