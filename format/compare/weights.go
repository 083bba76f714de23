package compare

import (
	"context"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"st/format"
)

// Options say how Weights goes about it.
type Options struct {
	// Workers is the number of goroutines; 0 means one per CPU.
	Workers int
	// Progress, if not nil, is told how many bytes of both files were read, of how many. Calls come from several goroutines.
	Progress func(done, total int64)
}

// Weights compares all tensors of two files, in the order of a and then those that only b has. Every record that is read is checked, apart
// from large dense ones, of which it reads parts. Errors name file and record.
func Weights(ctx context.Context, a, b *format.Reader, opts Options) ([]Tensor, error) {
	if opts.Workers <= 0 {
		opts.Workers = goruntime.GOMAXPROCS(0)
	}
	all, jobs := pair(a, b)
	var total int64
	for i := range jobs {
		total += jobs[i].bytes()
	}
	var done atomic.Int64
	var mu sync.Mutex // of all[].Values
	next := make(chan *job)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(next)
		for i := range jobs {
			select {
			case next <- &jobs[i]:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range opts.Workers {
		group.Go(func() error {
			w := &worker{a: side{reader: a}, b: side{reader: b}}
			for j := range next {
				v, err := w.run(j)
				if err != nil {
					return err
				}
				mu.Lock()
				all[j.tensor].Values.Merge(&v)
				mu.Unlock()
				if opts.Progress != nil {
					opts.Progress(done.Add(j.bytes()), total)
				}
			}
			return nil
		})
	}
	return all, group.Wait()
}

// job is some rows of a tensor that both files have.
type job struct {
	tensor           int // of all
	recordA, recordB *format.Record
	a, b             *format.Tensor
	from, to         int // rows
}

func (j *job) bytes() int64 {
	rows := int64(j.to - j.from)
	return rows * (j.a.Bytes()/int64(j.a.Rows) + j.b.Bytes()/int64(j.b.Rows))
}

// jobWeights bounds the weights of a job.
const jobWeights = 1 << 20

// pair finds what to compare.
func pair(a, b *format.Reader) (all []Tensor, jobs []job) {
	for i := range a.Records() {
		ra := &a.Records()[i]
		for k := range ra.Tensors {
			ta := &ra.Tensors[k]
			rb, tb, ok := lookup(b, ta)
			if !ok {
				all = append(all, Tensor{Name: ta.Name, Layer: ra.Layer, Expert: ra.Expert, A: ta})
				continue
			}
			t := Tensor{Name: ta.Name, Layer: ra.Layer, Expert: ra.Expert, A: ta, B: tb}
			t.Same = *ta == *tb && ra.Checksum == rb.Checksum && ra.Length == rb.Length
			jobs = append(jobs, t.jobs(len(all), ra, rb)...)
			all = append(all, t)
		}
	}
	for i := range b.Records() {
		rb := &b.Records()[i]
		for k := range rb.Tensors {
			tb := &rb.Tensors[k]
			if _, _, ok := a.Lookup(tb.Name); ok {
				continue
			}
			t := Tensor{Name: tb.Name, Layer: rb.Layer, Expert: rb.Expert, B: tb}
			if ra, ta, ok := lookup(a, tb); ok {
				t.A = ta
				jobs = append(jobs, t.jobs(len(all), ra, rb)...)
			}
			all = append(all, t)
		}
	}
	return all, jobs
}

// lookup finds the tensor of the same name as another file's. The head of a model with tied embeddings is the embedding table, unless it
// is stored apart.
func lookup(r *format.Reader, like *format.Tensor) (*format.Record, *format.Tensor, bool) {
	rec, t, ok := r.Lookup(like.Name)
	if !ok && like.Role == format.RoleHead && r.Config.TiedEmbeddings {
		return r.Role(format.RoleEmbedding, -1)
	}
	return rec, t, ok
}

// jobs cuts the comparison of a tensor's numbers, if there is one to make, and makes room for what it gives.
func (t *Tensor) jobs(index int, recordA, recordB *format.Record) (jobs []job) {
	a, b := t.A, t.B
	if t.Same || !slices.Equal(a.Shape(), b.Shape()) || a.Transposed != b.Transposed {
		return nil
	}
	t.Values = &Values{}
	step := max(16, jobWeights/a.Cols/16*16) // whole groups
	for from := 0; from < a.Rows; from += step {
		jobs = append(jobs, job{index, recordA, recordB, a, b, from, min(from+step, a.Rows)})
	}
	return jobs
}

// worker is what one goroutine keeps.
type worker struct{ a, b side }

func (w *worker) run(j *job) (v Values, err error) {
	if err := w.a.open(j.recordA, j.a, j.from, j.to); err != nil {
		return v, err
	}
	if err := w.b.open(j.recordB, j.b, j.from, j.to); err != nil {
		return v, err
	}
	for r := j.from; r < j.to; r++ {
		v.add(w.a.decode(j.a, r), w.b.decode(j.b, r))
	}
	return v, nil
}

// side reads one of the files.
type side struct {
	reader *format.Reader
	record *format.Record // that is in data as a whole
	data   []byte
	at     int64 // where data begins in the record
	row    []float32
}

// open reads what holds rows [from, to): an expert's record as a whole, which is kept for its other tensors, or a part of a dense one.
func (s *side) open(rec *format.Record, t *format.Tensor, from, to int) error {
	if s.record == rec {
		return nil
	}
	s.record, s.at = nil, 0
	if rec.IsExpert() {
		s.data = slices.Grow(s.data[:0], int(rec.Length))[:rec.Length]
		if err := s.reader.ReadRecord(rec, s.data); err != nil {
			return err
		}
		s.record = rec
		return nil
	}
	first, _ := t.RowSpan(from)
	_, last := t.RowSpan(to - 1)
	s.at = first
	s.data = slices.Grow(s.data[:0], int(last-first))[:last-first]
	return s.reader.ReadPart(nil, rec, s.data, rec.Offset+first)
}

// decode returns a row.
func (s *side) decode(t *format.Tensor, r int) []float32 {
	if cap(s.row) < t.Cols {
		s.row = make([]float32, t.Cols)
	}
	from, to := t.RowSpan(r)
	row := s.row[:t.Cols]
	t.DecodeUnitRow(row, s.data[from-s.at:to-s.at], r)
	return row
}
