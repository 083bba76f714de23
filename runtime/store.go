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
	pool     *pool
	stats    *counters
	verified map[*format.Record]*atomic.Bool
	missing  []*format.Record // of the current call of bring
	errs     []error          // of each
	doVerify func(thread, from, to int)
}

func newMappedStore(r *format.Reader, data []byte, p *pool, stats *counters) *mappedStore {
	s := &mappedStore{reader: r, data: data, pool: p, stats: stats, verified: map[*format.Record]*atomic.Bool{}}
	for i := range r.Records() {
		s.verified[&r.Records()[i]] = new(atomic.Bool)
	}
	s.doVerify = s.verify
	return s
}

// bytes returns a record's bytes. They are in memory and right once bring has returned.
func (s *mappedStore) bytes(rec *format.Record) []byte { return s.data[rec.Offset:][:rec.Length] }

// bring makes experts ready for use: those that are used for the first time are read ahead, all at once, and verified by all
// threads. The error names layer and expert.
func (s *mappedStore) bring(experts []*format.Record) error {
	s.stats.uses.Add(int64(len(experts)))
	s.missing = s.missing[:0]
	for _, rec := range experts {
		if !s.verified[rec].Load() {
			s.missing = append(s.missing, rec)
		}
	}
	if len(s.missing) == 0 {
		return nil
	}
	begin := time.Now()
	for _, rec := range s.missing {
		readAhead(s.data, rec.Offset, rec.Length)
		s.stats.readBytes.Add(rec.Length)
	}
	s.errs = make([]error, len(s.missing))
	err := s.pool.each(len(s.missing), s.doVerify)
	s.stats.reads.Add(int64(len(s.missing)))
	s.stats.wait.Add(int64(time.Since(begin)))
	for _, e := range s.errs {
		if e != nil {
			return e
		}
	}
	return err
}

func (s *mappedStore) verify(_, from, to int) {
	for i := from; i < to; i++ {
		rec := s.missing[i]
		var err error
		if fault := guard(0, 1, func(_, _, _ int) { err = s.reader.Check(rec, s.bytes(rec)) }); fault != nil {
			err = fault
		}
		if errors.Is(err, errFault) {
			err = fmt.Errorf("%s: %w", rec, err)
		}
		s.errs[i] = err
		s.verified[rec].Store(err == nil)
	}
}
