package engine

import (
	"context"
	"sync"
	"sync/atomic"

	"st/format"
)

// rowReader reads rows of a tensor from a file, several at a time, and keeps some of them. It has threads of its own: those that compute must not be
// kept by a disk that stalls.
type rowReader struct {
	reader  *format.Reader
	file    format.File
	record  *format.Record
	tensor  *format.Tensor
	bytes   int64 // of the pages that a row takes at most
	work    chan *rowRequest
	closed  chan struct{}
	ended   sync.Once   // closes closed
	request *rowRequest // the last one, to be used again
	kept    *keptRows
}

// rowRequest is some rows to be read.
type rowRequest struct {
	ids     []int32
	bufs    []byte // the pages of each
	missing []int  // which of ids are to be read; the others were kept
	errs    []error
	next    atomic.Int64 // the first of missing that nobody reads
	left    atomic.Int64 // workers that are not done
	done    chan struct{}
}

// rowBytes returns the bytes of the pages that a row of a tensor takes at most.
func rowBytes(t *format.Tensor) int64 {
	from, to := t.RowSpan(0)
	return (to-from)/format.Alignment*format.Alignment + 2*format.Alignment
}

func newRowReader(r *format.Reader, f format.File, rec *format.Record, t *format.Tensor) *rowReader {
	rr := &rowReader{reader: r, file: f, record: rec, tensor: t, bytes: rowBytes(t), work: make(chan *rowRequest, readers), closed: make(chan struct{})}
	rr.kept = newKeptRows(t)
	for range readers {
		go rr.run()
	}
	return rr
}

func (r *rowReader) run() {
	for {
		var q *rowRequest
		select {
		case q = <-r.work:
		case <-r.closed:
			return
		}
		for n := q.next.Add(1) - 1; n < int64(len(q.missing)); n = q.next.Add(1) - 1 {
			i := q.missing[n]
			first, end := pages(r.span(q.ids[i]))
			q.errs[i] = r.reader.ReadPart(r.file, r.record, q.bufs[int64(i)*r.bytes:][:end-first], first)
		}
		if q.left.Add(-1) == 0 {
			q.done <- struct{}{}
		}
	}
}

// span tells where in the file a row lies.
func (r *rowReader) span(id int32) (from, to int64) {
	from, to = r.tensor.RowSpan(int(id))
	return r.record.Offset + from, r.record.Offset + to
}

// rowsTogether is the number of rows that rows reads at once: each takes whole pages.
const rowsTogether = 64

// rows fills dst [len(ids), cols] with rows. When ctx is cancelled, reads that are under way are left to end by themselves.
func (r *rowReader) rows(ctx context.Context, dst []float32, ids []int32) error {
	for len(ids) > 0 {
		n := min(len(ids), rowsTogether)
		q, err := r.read(ctx, ids[:n])
		if err != nil {
			return err
		}
		for i := range n {
			r.decode(q, i, dst[i*r.tensor.Cols:])
		}
		r.request = q
		dst, ids = dst[n*r.tensor.Cols:], ids[n:]
	}
	return nil
}

// read reads rows, to be decoded before the next call. It gives the request to the caller, who puts it back when it is decoded.
func (r *rowReader) read(ctx context.Context, ids []int32) (*rowRequest, error) {
	q := r.request
	r.request = nil
	if q == nil {
		q = &rowRequest{done: make(chan struct{}, 1)}
	}
	if n := int64(len(ids)); n*r.bytes > int64(len(q.bufs)) {
		q.bufs, q.errs = format.AlignedBytes(n*r.bytes), make([]error, n)
	}
	q.ids, q.missing = append(q.ids[:0], ids...), q.missing[:0]
	for i, id := range ids {
		if row := r.kept.row(id); row != nil {
			copy(r.row(q, i), row)
		} else {
			q.missing = append(q.missing, i)
		}
	}
	if len(q.missing) == 0 {
		return q, nil
	}
	workers := min(readers, len(q.missing))
	q.next.Store(0)
	q.left.Store(int64(workers))
	for range workers {
		select {
		case r.work <- q:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.closed:
			return nil, ErrClosed
		}
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.closed:
		return nil, ErrClosed
	}
	for _, i := range q.missing {
		if q.errs[i] != nil {
			r.request = q
			return nil, q.errs[i]
		}
	}
	for _, i := range q.missing {
		if r.kept.row(ids[i]) == nil { // nor twice among these
			r.kept.keep(ids[i], r.row(q, i))
		}
	}
	return q, nil
}

// row returns where row i of a request lies.
func (r *rowReader) row(q *rowRequest, i int) []byte {
	from, to := r.span(q.ids[i])
	first, _ := pages(from, to)
	return q.bufs[int64(i)*r.bytes+from-first:][:to-from]
}

// decode stores row i of those that were read in dst [cols]. Several goroutines may call it at once.
func (r *rowReader) decode(q *rowRequest, i int, dst []float32) {
	r.tensor.DecodeUnitRow(dst[:r.tensor.Cols], r.row(q, i), int(q.ids[i]))
}

// close ends the threads, and a call that waits for a disk that stalls. Closing twice does nothing.
func (r *rowReader) close() { r.ended.Do(func() { close(r.closed) }) }
