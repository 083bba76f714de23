package runtime

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"st/format"
)

// mappedStore brings experts out of the mapped file: the operating system pages them in, and they are verified on first
// use.
type mappedStore struct {
	reader   *format.Reader
	data     []byte
	verified map[*format.Record]*atomic.Bool
	stats    *counters
}

func newMappedStore(r *format.Reader, data []byte, stats *counters) *mappedStore {
	s := &mappedStore{reader: r, data: data, stats: stats, verified: map[*format.Record]*atomic.Bool{}}
	for i := range r.Records() {
		s.verified[&r.Records()[i]] = new(atomic.Bool)
	}
	return s
}

// acquire returns an expert's record, verified. The error names layer and expert.
func (s *mappedStore) acquire(rec *format.Record) (data []byte, err error) {
	data = s.data[rec.Offset:][:rec.Length]
	s.stats.uses.Add(1)
	if ok := s.verified[rec]; !ok.Load() {
		begin := time.Now()
		var err error
		if fault := guard(0, 1, func(_, _, _ int) { err = s.reader.Check(rec, data) }); fault != nil {
			err = fault
		}
		s.stats.reads.Add(1)
		s.stats.readBytes.Add(rec.Length)
		s.stats.wait.Add(int64(time.Since(begin)))
		if errors.Is(err, errFault) {
			err = fmt.Errorf("%s: %w", rec, err)
		}
		if err != nil {
			return nil, err
		}
		ok.Store(true)
	}
	return data, nil
}
