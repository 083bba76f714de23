package engine

import (
	"context"
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
	ahead    bool // experts that are used for the first time are asked for; otherwise all of the file is being read
	pool     *pool
	stats    *counters
	experts  int           // of a layer
	verified []atomic.Bool // [layers that have experts, experts]
	first    int           // where those of the layer that wants some begin
	wanted   []*format.Record
	missing  []int   // those of wanted that are used for the first time
	errs     []error // of each
	doVerify task
}

func newMappedStore(r *format.Reader, data []byte, ahead bool, p *pool, stats *counters) *mappedStore {
	n := r.Config.MoE.Experts
	s := &mappedStore{reader: r, data: data, ahead: ahead, pool: p, stats: stats, experts: n, verified: make([]atomic.Bool, len(r.Config.MoELayers())*n)}
	s.doVerify = s.verify
	return s
}

// beside returns a store for a pass that runs beside that of s: it shares what is known to be intact.
func (s *mappedStore) beside() *mappedStore {
	b := &mappedStore{reader: s.reader, data: s.data, pool: s.pool, stats: s.stats, experts: s.experts, verified: s.verified}
	b.doVerify = b.verify
	return b
}

// want asks for those experts to be read ahead that are used for the first time.
func (s *mappedStore) want(layer, _ int, chosen []chosenExpert) {
	s.stats.uses.Add(int64(len(chosen)))
	s.first, s.wanted, s.missing = layer*s.experts, s.wanted[:0], s.missing[:0]
	for i := range chosen {
		rec := chosen[i].weights.record
		s.wanted = append(s.wanted, rec)
		if !s.verified[s.first+chosen[i].id].Load() {
			s.missing = append(s.missing, i)
			if s.ahead {
				readAhead(s.data, rec.Offset, rec.Length)
			}
			s.stats.misses.Add(1)
			s.stats.reads.Add(1)
			s.stats.readBytes.Add(rec.Length)
		}
	}
}

// take returns all of them. Those that are used for the first time are verified by all threads, which brings them into memory.
func (s *mappedStore) take(_ context.Context, ready []int) ([]int, error) {
	for i := range s.wanted {
		ready = append(ready, i)
	}
	if len(s.missing) == 0 {
		return ready, nil
	}
	begin := time.Now()
	s.errs = make([]error, len(s.missing))
	err := s.pool.each(len(s.missing), &s.doVerify)
	s.stats.waited(int32(s.wanted[s.missing[0]].Layer), begin)
	for _, e := range s.errs {
		if e != nil {
			return nil, e
		}
	}
	return ready, err
}

func (s *mappedStore) verify(_, from, to int) {
	for i := from; i < to; i++ {
		rec := s.wanted[s.missing[i]]
		var err error
		if fault := s.pool.guard(1, func(_, _, _ int) { err = s.reader.Check(rec, s.record(rec)) }); fault != nil {
			err = fault
		}
		if errors.Is(err, ErrFile) {
			err = fmt.Errorf("%s: %w", rec, err)
		}
		s.errs[i] = err
		s.verified[s.first+rec.Expert].Store(err == nil)
	}
}

func (s *mappedStore) record(rec *format.Record) []byte { return s.data[rec.Offset:][:rec.Length] }
func (s *mappedStore) bytes(i int) []byte               { return s.record(s.wanted[i]) }
func (s *mappedStore) release([]int)                    {}
func (s *mappedStore) abandon()                         {}
func (s *mappedStore) stop()                            {}
func (s *mappedStore) close()                           {}
