package format

import (
	"context"
	"fmt"

	"github.com/zeebo/xxh3"

	"st/format/outfile"
)

// Assembly writes a model file whose records come in any order, in several runs: what is there already is kept by the file under its partial
// name. The file that it makes is the same, bit for bit, as a [Writer]'s. WriteAt and ReadAt may be called by several goroutines at once.
type Assembly struct {
	*layout
	file *outfile.Partial
	sums map[int]uint64 // checksums that are known, by record
}

// Assemble places records, as [Create] does, in a file that has been begun.
func Assemble(file *outfile.Partial, meta Meta, records []Record) (*Assembly, error) {
	l, err := newLayout(meta, records)
	return &Assembly{layout: l, file: file, sums: map[int]uint64{}}, err
}

// Bytes returns about the size of the file.
func (a *Assembly) Bytes() int64 { return a.dataEnd() + 2*int64(usageBytes(a.experts())) + Alignment }

// WriteAt writes a part of record i, from off on.
func (a *Assembly) WriteAt(i int, p []byte, off int64) error {
	_, err := a.file.WriteAt(p, a.records[i].Offset+off)
	return err
}

// ReadAt reads a part of record i. What was never written is zero.
func (a *Assembly) ReadAt(i int, p []byte, off int64) error {
	return a.file.ReadAt(p, a.records[i].Offset+off)
}

// SetChecksum gives the checksum, XXH3, of a record whose bytes are all there. It is not called while another goroutine uses the Assembly.
func (a *Assembly) SetChecksum(i int, sum uint64) { a.sums[i] = sum }

// Commit writes the rest of the file, reads the records whose checksums are not known, and gives the file its name.
func (a *Assembly) Commit(ctx context.Context, p Provenance) error {
	buf := make([]byte, bufferSize)
	for i := range a.records {
		r := &a.records[i]
		if sum, ok := a.sums[i]; ok {
			r.Checksum = sum
			continue
		}
		h := xxh3.New()
		for off := int64(0); off < r.Length; {
			if err := ctx.Err(); err != nil {
				return err
			}
			part := buf[:min(int64(len(buf)), r.Length-off)]
			if err := a.ReadAt(i, part, off); err != nil {
				return fmt.Errorf("%s: %w", r, err)
			}
			h.Write(part)
			off += int64(len(part))
		}
		r.Checksum = h.Sum64()
	}
	var failed error
	raw := func(p []byte, at int64) {
		if failed == nil {
			_, failed = a.file.WriteAt(p, at)
		}
	}
	a.writeMeta(raw)
	size, err := a.writeEnd(p, raw)
	if err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if err := a.file.Truncate(size); err != nil { // to which Bytes is near
		return err
	}
	return a.file.Commit()
}
