package engine

import (
	"context"
	"sync"

	"github.com/zeebo/xxh3"

	"st/format"
)

// load reads all networks once, a record a task: it compares their checksums, notes those of the parts, by which every later read is checked, and
// leaves at home what stays.
func (s *ffnStream) load(ctx context.Context, p *pool) error {
	byRecord := map[*format.Record][]*ffnPart{}
	var records []*format.Record
	home := map[*ffnPart][]byte{}
	for i := range s.pieces {
		piece := &s.pieces[i]
		for j := range piece.parts {
			part := &piece.parts[j]
			if byRecord[part.record] == nil {
				records = append(records, part.record)
			}
			byRecord[part.record] = append(byRecord[part.record], part)
			if i < s.resident {
				home[part] = s.memoryOf(i)[part.at:]
				s.state[i].state = resident
			}
		}
	}
	buffers := sync.Pool{New: func() any { b := format.AlignedBytes(readChunk); return &b }}
	return eachError(ctx, p, len(records), func(i int) error {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		hash := xxh3.New()
		for _, part := range byRecord[records[i]] {
			if err := s.loadPart(ctx, part, home[part], *buf, hash); err != nil {
				return err
			}
		}
		if hash.Sum64() != records[i].Checksum {
			return s.reader.Mismatch(records[i])
		}
		return nil
	})
}

// loadPart reads a part to its home or, if that is nil, past it, and adds it to its record's checksum.
func (s *ffnStream) loadPart(ctx context.Context, part *ffnPart, home, buf []byte, hash *xxh3.Hasher) error {
	sum := xxh3.New()
	from, to := part.pages()
	begin, end := part.record.Offset+part.from, part.record.Offset+part.to
	for at := from; at < to; at += readChunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		data := buf[:min(readChunk, to-at)]
		if home != nil {
			data = home[at-from:][:len(data)]
		}
		if err := s.reader.ReadPart(s.file, part.record, data, at); err != nil {
			return err
		}
		data = data[max(0, begin-at):min(int64(len(data)), end-at)]
		hash.Write(data)
		sum.Write(data)
	}
	part.sum = sum.Sum64()
	return nil
}
