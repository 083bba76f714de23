package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"st/format"
	"st/runtime/experts"
)

// MeasureDisk measures how fast experts, or the feed-forward networks of a dense model, are read, some of them, with so many reads in flight; 0: as
// many as streaming has where nothing is known of the disk. Another turn reads other parts of a file that is long enough. The latency is that of single
// reads of a page, their median. progress, if not nil, is told how many bytes were read, by one goroutine at a time.
func MeasureDisk(ctx context.Context, r *format.Reader, depth, turn int, progress func(done, total int64)) (d experts.Disk, err error) {
	f, _, err := r.Direct()
	if err != nil {
		return d, err
	}
	defer f.Close()
	if d.Queue = depth; depth <= 0 {
		d.Queue = readers
	}
	if d.Bandwidth, err = diskBandwidth(ctx, r, f, d.Queue, turn, progress); err != nil {
		return d, err
	}
	d.Latency, err = diskLatency(ctx, r, f, turn)
	return d, err
}

// diskLatency reads pages that lie far apart.
func diskLatency(ctx context.Context, r *format.Reader, f format.File, turn int) (time.Duration, error) {
	const samples = 33
	buf := format.AlignedBytes(format.Alignment)
	all := r.Records()
	var times []time.Duration
	for i := range samples {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		rec := &all[((2*i+1)*len(all)/(2*samples)+turn)%len(all)]
		// In the middle, so that it is none of the pages that were read last.
		from, _ := pages(rec.Offset+rec.Length/2, rec.Offset+rec.Length/2+1)
		if from+format.Alignment > r.Size() {
			continue
		}
		begin := time.Now()
		if err := r.ReadPart(f, rec, buf, from); err != nil {
			return 0, err
		}
		times = append(times, time.Since(begin))
	}
	if len(times) == 0 {
		return 0, nil // a file of less than a page
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// diskTime is what a slow disk is measured for; others have read what there is before.
const diskTime = 2 * time.Second

func diskBandwidth(ctx context.Context, r *format.Reader, f format.File, depth, turn int, progress func(done, total int64)) (float64, error) {
	type read struct {
		record   *format.Record
		from, to int64
	}
	var reads []read
	size := int64(1)
	for i := range r.Records() {
		rec := &r.Records()[i]
		if rec.IsExpert() != (r.Config.MoE != nil) {
			continue
		}
		for from := int64(0); from < rec.Length; from += pieceBytes {
			a, b := pages(rec.Offset+from, rec.Offset+min(rec.Length, from+pieceBytes))
			reads = append(reads, read{rec, a, b})
			size = max(size, b-a)
		}
	}
	// Spread over the file, so that nothing is read twice, up to 256 MiB.
	n := int(min(int64(len(reads)), max(int64(depth), 256<<20/size)))
	var next atomic.Int64
	var mu sync.Mutex
	var bytes int64
	var wg sync.WaitGroup
	errs := make([]error, depth)
	begin := time.Now()
	for w := range depth {
		wg.Go(func() {
			buf := format.AlignedBytes(size)
			for i := next.Add(1) - 1; i < int64(n) && errs[w] == nil && ctx.Err() == nil && (i < int64(depth) || time.Since(begin) < diskTime); i = next.Add(1) - 1 {
				x := reads[(int(i)*len(reads)/n+turn)%len(reads)]
				if errs[w] = r.ReadPart(f, x.record, buf[:x.to-x.from], x.from); errs[w] != nil {
					return
				}
				mu.Lock()
				bytes += x.to - x.from
				if progress != nil {
					progress(bytes, int64(n)*size)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, err := range append(errs, ctx.Err()) {
		if err != nil {
			return 0, err
		}
	}
	return float64(bytes) / time.Since(begin).Seconds(), nil
}
