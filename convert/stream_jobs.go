package convert

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"st/format"
)

// job is what can be done when some bytes of the source are there.
type job struct {
	kind       jobKind
	number     int
	record     int // of the plan
	tensor     int // of the record
	src        tensor
	from, to   int // units, or rows of the source to compare
	side       uint64
	spans      []span
	begin, end int64
}

type jobKind uint8

const (
	// wholeExpert makes a record of several tensors, such as an expert, whose tensors lie together in the source.
	wholeExpert jobKind = iota
	// units makes units of a tensor, the only one of its record.
	units
	// partOfExpert makes one tensor of a record whose tensors lie apart in the source, as they do in a GGUF file.
	partOfExpert
	// digest makes nothing: it tells what rows of the source are worth.
	digest
)

// JobResult is what a job gave.
type JobResult struct {
	// Sum is XXH3 of the bytes that it made, or of what it compares.
	Sum uint64
	// Nonfinite is the number of weights that were NaN or infinite.
	Nonfinite int64
}

// MaxReach is the most that [Stream.Reach] may be.
const MaxReach = 160 << 20

// Tests make them smaller.
var (
	// jobBytes is about how much of the source a job reads, where that can be chosen.
	jobBytes int64 = 4 << 20
	// together is how far an expert's tensors may lie apart to be made together.
	together int64 = 26 << 20
)

// makeJobs cuts the plan.
func (s *Stream) makeJobs(pairs [][2]tensor) error {
	for i := range s.p.records {
		r := &s.p.records[i]
		if len(r.Tensors) > 1 {
			whole := &job{kind: wholeExpert, record: i}
			for _, src := range s.p.sources[i] {
				if err := s.need(whole, src, 0, src.Rows()); err != nil {
					return err
				}
			}
			if whole.end-whole.begin <= together {
				s.jobs = append(s.jobs, whole)
				continue
			}
			for t, src := range s.p.sources[i] {
				j := &job{kind: partOfExpert, record: i, tensor: t, src: src, to: r.Tensors[t].Units()}
				if err := s.need(j, src, 0, src.Rows()); err != nil {
					return err
				}
				s.jobs = append(s.jobs, j)
			}
			continue
		}
		if err := s.unitJobs(i); err != nil {
			return err
		}
	}
	var halves [][2][]*job
	for _, pair := range pairs {
		var half [2][]*job
		for side, t := range pair {
			rows := int(max(1, jobBytes/max(1, max(pair[0].Bytes(), pair[1].Bytes())/int64(t.Rows()))))
			for r := 0; r < t.Rows(); r += rows {
				j := &job{kind: digest, src: t, from: r, to: min(r+rows, t.Rows()), side: uint64(side + 1)}
				if err := s.need(j, t, j.from, j.to-j.from); err != nil {
					return err
				}
				half[side] = append(half[side], j)
				s.jobs = append(s.jobs, j)
			}
		}
		halves = append(halves, half)
	}
	s.pairs = halves
	slices.SortStableFunc(s.jobs, func(a, b *job) int { return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end)) })
	for i, j := range s.jobs {
		j.number = i
		if j.end-j.begin > MaxReach {
			return fmt.Errorf("%s: %w: those of %s, over %d bytes", j.spans[0].file, ErrScattered, s.what(j), j.end-j.begin)
		}
	}
	return nil
}

// unitJobs cuts a record of the dense part.
func (s *Stream) unitJobs(i int) error {
	t, src := &s.p.records[i].Tensors[0], s.p.sources[i][0]
	n := t.UnitRows()
	unit := max(1, src.Bytes()/int64(max(1, src.Rows()))*int64(n)) // bytes of the source
	atOnce := int(max(1, min(chunkBytes/t.Stride, jobBytes/unit)))
	if src.Transposed() != t.Transposed {
		atOnce = t.Units()
	}
	for u := 0; u < t.Units(); u += atOnce {
		j := &job{kind: units, record: i, src: src, from: u, to: min(u+atOnce, t.Units())}
		row, rows := j.from*n, min(j.to*n, t.Rows)-j.from*n
		if src.Transposed() != t.Transposed {
			row, rows = 0, src.Rows()
		}
		if err := s.need(j, src, row, rows); err != nil {
			return err
		}
		s.jobs = append(s.jobs, j)
	}
	return nil
}

// need notes what a job reads.
func (s *Stream) need(j *job, src tensor, row, rows int) error {
	all, ok := src.spans(row, rows)
	if !ok {
		return fmt.Errorf("%s: tensor %s: %w", src.File(), src.Name(), ErrScattered)
	}
	for _, x := range all {
		base, known := s.files.base[x.file]
		if !known {
			return fmt.Errorf("%s: tensor %s: %w", x.file, src.Name(), ErrScattered)
		}
		if len(j.spans) == 0 {
			j.begin, j.end = base+x.from, base+x.to
		}
		j.begin, j.end = min(j.begin, base+x.from), max(j.end, base+x.to)
		j.spans = append(j.spans, x)
	}
	return nil
}

// what tells what a job is about.
func (s *Stream) what(j *job) string {
	if j.src != nil {
		return j.src.Name()
	}
	return s.p.sources[j.record][0].Name()
}

// make does a job.
func (s *Stream) make(j *job, e *encoder, a *format.Assembly, own *jobBuffers) (JobResult, error) {
	before := e.nonfinite.Load()
	sum, err := s.makeSum(j, e, a, own)
	return JobResult{sum, e.nonfinite.Load() - before}, err
}

// jobBuffers belong to a goroutine.
type jobBuffers struct{ data, record []byte }

func (s *Stream) makeSum(j *job, e *encoder, a *format.Assembly, own *jobBuffers) (uint64, error) {
	if j.kind == digest {
		return s.digest(j, e)
	}
	r := &s.p.records[j.record]
	t := &r.Tensors[j.tensor]
	switch j.kind {
	case wholeExpert:
		out := grow(&own.data, int(r.Length))
		if err := e.tensors(out, r, s.p.sources[j.record]); err != nil {
			return 0, err
		}
		return xxh3.Hash(out), a.WriteAt(j.record, out, 0)
	case units:
		out := grow(&own.data, int(int64(j.to-j.from)*t.Stride))
		clear(out)
		if err := e.tensor(out, r, t, j.src, j.from, j.to); err != nil {
			return 0, err
		}
		return xxh3.Hash(out), a.WriteAt(j.record, out, t.Offset+int64(j.from)*t.Stride)
	}
	out := grow(&own.data, int(r.Length))
	clear(out)
	if err := e.tensor(out[t.Offset:], r, t, j.src, 0, t.Units()); err != nil {
		return 0, err
	}
	// Units of an expert's tensors lie between each other.
	lock := &s.locks[j.record%len(s.locks)]
	lock.Lock()
	defer lock.Unlock()
	record := grow(&own.record, int(r.Length))
	if err := a.ReadAt(j.record, record, 0); err != nil {
		return 0, err
	}
	copyUnits(record, out, t)
	return xxh3.Hash(out), a.WriteAt(j.record, record, 0)
}

// copyUnits copies a tensor's units from one record to another.
func copyUnits(dst, src []byte, t *format.Tensor) {
	for u := range t.Units() {
		at := t.Offset + int64(u)*t.Stride
		t.CopyUnit(dst[at:], src[at:], t)
	}
}

// digest returns what rows of a tensor are worth: the same for two that [equalTensors] takes for equal, and only for those.
func (s *Stream) digest(j *job, e *encoder) (uint64, error) {
	rows := grow(&e.rows, (j.to-j.from)*j.src.Cols())
	if err := j.src.Read(rows, j.from, j.to-j.from, &e.buf); err != nil {
		return 0, err
	}
	var salt uint64
	for i, v := range rows {
		switch {
		case v == 0:
			rows[i] = 0 // which may have been -0
		case v != v:
			salt = j.side // NaN equals nothing
		}
	}
	return xxh3.Hash(floatBytes(rows)) ^ salt, nil
}

// Verify compares what is in the file with what jobs gave, from the first one on, and returns how many are as they were.
func (s *Stream) Verify(ctx context.Context, a *format.Assembly, done []JobResult, progress func(position int64)) (good int, err error) {
	if len(done) > len(s.jobs) {
		return 0, nil
	}
	var own jobBuffers
	for i, result := range done {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		j := s.jobs[i]
		sum, err := s.sumOf(j, a, &own)
		if err != nil {
			return 0, err
		}
		if j.kind != digest && sum != result.Sum {
			return i, nil
		}
		if progress != nil {
			progress(j.end)
		}
	}
	return len(done), nil
}

func (s *Stream) sumOf(j *job, a *format.Assembly, own *jobBuffers) (uint64, error) {
	if j.kind == digest {
		return 0, nil
	}
	r := &s.p.records[j.record]
	t := &r.Tensors[j.tensor]
	if j.kind == units {
		out := grow(&own.data, int(int64(j.to-j.from)*t.Stride))
		err := a.ReadAt(j.record, out, t.Offset+int64(j.from)*t.Stride)
		return xxh3.Hash(out), err
	}
	out := grow(&own.data, int(r.Length))
	if err := a.ReadAt(j.record, out, 0); err != nil || j.kind == wholeExpert {
		return xxh3.Hash(out), err
	}
	alone := grow(&own.record, int(r.Length))
	clear(alone)
	copyUnits(alone, out, t)
	return xxh3.Hash(alone), nil
}
