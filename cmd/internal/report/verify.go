package report

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"

	"st/format"
)

// Verification tells whether the records of a file match their checksums.
type Verification struct {
	OK      bool     `json:"ok"`
	Records int      `json:"records"`
	Bytes   int64    `json:"bytes"`
	Damaged []string `json:"damaged"`

	// Usage is what is wrong with the counts of used experts; nil: nothing. The model is intact without them.
	Usage error `json:"-"`
}

// Verify reads a whole file and compares every record with its checksum. The error is that of the context, or wraps [format.ErrChanged].
func Verify(ctx context.Context, r *format.Reader, progress func(done, total int64)) (*Verification, error) {
	v := &Verification{Records: len(r.Records()), Damaged: []string{}}
	for _, rec := range r.Records() {
		v.Bytes += rec.Length
	}
	var done atomic.Int64
	errs := r.Verify(ctx, runtime.GOMAXPROCS(0), func(n int64) {
		if n = done.Add(n); progress != nil {
			progress(n, v.Bytes)
		}
	})
	for _, err := range errs {
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, format.ErrChanged):
			return nil, err
		case errors.Is(err, format.ErrUsage):
			v.Usage = err
		default:
			v.Damaged = append(v.Damaged, strings.TrimPrefix(err.Error(), r.Path()+": "))
		}
	}
	v.OK = len(v.Damaged) == 0
	return v, nil
}
