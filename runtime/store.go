package runtime

import (
	"errors"
	"fmt"
	"sync/atomic"

	"st/format"
)

// mappedStore brings experts out of the mapped file: the operating system pages them in, and they are verified on first
// use.
type mappedStore struct {
	reader   *format.Reader
	data     []byte
	verified map[*format.Record]*atomic.Bool
}

func newMappedStore(r *format.Reader, data []byte) *mappedStore {
	s := &mappedStore{reader: r, data: data, verified: map[*format.Record]*atomic.Bool{}}
	for i := range r.Records() {
		s.verified[&r.Records()[i]] = new(atomic.Bool)
	}
	return s
}

// acquire returns an expert's record, verified. The error names layer and expert.
func (s *mappedStore) acquire(rec *format.Record) (data []byte, err error) {
	data = s.data[rec.Offset:][:rec.Length]
	if ok := s.verified[rec]; !ok.Load() {
		err := guard(func() error { return s.reader.Check(rec, data) })
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
