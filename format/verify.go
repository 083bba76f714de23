package format

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/zeebo/xxh3"
)

// verifyChunk bounds what Verify holds in memory of one record.
const verifyChunk = 1 << 20

// Verify reads every record with the given number of goroutines and checks it against its checksum, and that the gaps
// between sections are zero, and what was recorded of the experts; an error about the latter wraps [ErrUsage]. progress, if not
// nil, is told of bytes as they are read; calls may come from several goroutines. It returns one error for each damaged record,
// in file order; of a file that was changed meanwhile it returns one error, which wraps [ErrChanged].
func (r *Reader) Verify(ctx context.Context, workers int, progress func(bytes int64)) []error {
	errs := make([]error, len(r.records))
	var largest int64
	for i := range r.records {
		largest = max(largest, r.records[i].Length)
	}
	chunk := min(verifyChunk, alignUp(largest, Alignment)+Alignment)
	next := make(chan int)
	var wg sync.WaitGroup
	for range max(1, workers) {
		wg.Go(func() {
			buf := AlignedBytes(chunk)
			for i := range next {
				errs[i] = r.verifyRecord(ctx, r.file, &r.records[i], buf, progress)
			}
		})
	}
	for i := range r.records {
		next <- i
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return []error{ctx.Err()}
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return errors.Is(err, ErrChanged) }); i >= 0 {
		return errs[i : i+1]
	}
	for _, verify := range []func() error{r.verifyGaps, r.verifyUsage} {
		if err := verify(); err != nil {
			errs = append(errs, err)
		}
	}
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// VerifyRecord reads one record in pieces and checks it: what Check does, without the record being in memory. f is the file
// itself, if it is nil, or what [Reader.Direct] returned.
func (r *Reader) VerifyRecord(ctx context.Context, f File, rec *Record) error {
	if f == nil {
		f = r.file
	}
	return r.verifyRecord(ctx, f, rec, AlignedBytes(verifyChunk), nil)
}

// verifyRecord reads whole pages, so that f may be one for direct reads.
func (r *Reader) verifyRecord(ctx context.Context, f File, rec *Record, buf []byte, progress func(int64)) error {
	hash := xxh3.New()
	end := rec.Offset + rec.Length
	for at := rec.Offset; at < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		from := at / Alignment * Alignment
		to := min(from+int64(len(buf)), alignUp(end, Alignment), r.size)
		if err := r.ReadPart(f, rec, buf[:to-from], from); err != nil {
			return err
		}
		to = min(to, end)
		hash.Write(buf[at-from : to-from])
		if progress != nil {
			progress(to - at)
		}
		at = to
	}
	if hash.Sum64() != rec.Checksum {
		return r.Mismatch(rec)
	}
	return nil
}

// verifyGaps checks the bytes that no checksum covers: they are padding and must be zero.
func (r *Reader) verifyGaps() error {
	type span struct{ from, to int64 }
	covered := []span{{0, headerSize}}
	for _, s := range r.sections {
		if s.flags&flagRecords == 0 || s.Name == sectionUsage {
			covered = append(covered, span{s.Offset, s.end()})
		}
	}
	for i := range r.records {
		covered = append(covered, span{r.records[i].Offset, r.records[i].Offset + r.records[i].Length})
	}
	covered = append(covered, span{r.size, r.size})
	slices.SortFunc(covered, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	at := int64(0)
	for _, c := range covered {
		for at < c.from {
			gap := make([]byte, min(c.from-at, verifyChunk))
			if err := readFull(r.file, gap, at); err != nil {
				return fmt.Errorf("%s: %w", r.path, err)
			}
			if i := slices.IndexFunc(gap, func(b byte) bool { return b != 0 }); i >= 0 {
				return fmt.Errorf("%s: %w: padding at offset %d is not zero", r.path, ErrCorrupt, at+int64(i))
			}
			at += int64(len(gap))
		}
		at = max(at, c.to)
	}
	return nil
}
