package checkpoint

// readStrided reads rows of a view that is not row-major, such as a transposed matrix. Rows that differ only in the last of the
// leading dimensions form a matrix with two strides; it reads one such matrix after the other.
func (t *Tensor) readStrided(dst []float32, row int, piece []byte, decode decodeFunc) error {
	last := len(t.Shape) - 1
	height, rowStride := 1, int64(0)
	if last > 0 {
		height, rowStride = t.Shape[last-1], t.strides[last-1]
	}
	w := window{src: t.src, buf: piece, base: t.off, size: t.DType.bits() / 8, decode: decode}
	for len(dst) > 0 {
		first := row % height
		n := min(len(dst)/t.cols, height-first)
		off := int64(first) * rowStride
		for rest, d := row/height, last-2; d >= 0; d-- {
			off += int64(rest%t.Shape[d]) * t.strides[d]
			rest /= t.Shape[d]
		}
		rows := axis{int64(n), rowStride, t.cols}
		cols := axis{int64(t.cols), t.strides[last], 1}
		if err := w.gather(dst[:n*t.cols], off, rows, cols); err != nil {
			return err
		}
		dst = dst[n*t.cols:]
		row += n
	}
	return nil
}

// axis is one dimension of a matrix to gather: n indexes, each stride elements from the one before in the file and step elements
// in the result.
type axis struct {
	n, stride int64
	step      int
}

// window holds the elements lo to hi-1 of a storage whose first element is at byte base of src.
type window struct {
	src    file
	buf    []byte
	base   int64
	size   int64 // bytes per element
	decode decodeFunc
	lo, hi int64
}

// maxGap is how many elements nobody wants a read may take along; beyond it, two reads are faster than one.
const maxGap = 2048

// gather decodes the matrix whose first element is at index off. It goes through the elements in the order of the file, not of
// the result, so that each part of the file is read once.
func (w *window) gather(dst []float32, off int64, outer, inner axis) error {
	if outer.stride < inner.stride {
		outer, inner = inner, outer
	}
	runEnd := (inner.n-1)*inner.stride + 1 // of one run along inner, from its start
	for i := range outer.n {
		start := off + i*outer.stride
		for j := range inner.n {
			at := start + j*inner.stride
			if at < w.lo || at >= w.hi {
				end := at + 1
				if inner.stride <= maxGap {
					end = start + runEnd
					if outer.stride-runEnd <= maxGap {
						end = off + (outer.n-1)*outer.stride + runEnd
					}
				}
				if err := w.load(at, end); err != nil {
					return err
				}
			}
			k := int(i)*outer.step + int(j)*inner.step
			b := (at - w.lo) * w.size
			w.decode(dst[k:k+1], w.buf[b:b+w.size])
		}
	}
	return nil
}

// load fills the window with the elements from lo on, up to end or as many as it holds.
func (w *window) load(lo, end int64) error {
	n := min(end-lo, int64(len(w.buf))/w.size)
	w.lo, w.hi = lo, lo+n
	return readFull(w.src, w.buf[:n*w.size], w.base+lo*w.size)
}
