package weightstats

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"st/format"
)

// AlikeCosine is the cosine above which two experts are taken for near-duplicates.
const AlikeCosine = 0.9

// Report holds the statistics of the layers that were asked for.
type Report struct{ Layers []Layer }

// Layer holds what is known of a layer.
type Layer struct {
	Index int
	// Dense are the tensors besides the experts', in file order.
	Dense []Matrix
	// Experts are in file order.
	Experts []Expert
	// Alike are the pairs of experts whose cosine exceeds AlikeCosine, the most alike first.
	Alike []Pair
}

// Matrix is a tensor and its statistics.
type Matrix struct {
	Name string
	Stats
}

// Expert holds what is known of an expert.
type Expert struct {
	Index    int
	Matrices []Matrix // gate, up, down, as in the file
	// DeadNeurons is the number of neurons that can never act: their row of gate, their row of up or, if down is stored
	// neuron by neuron, their column of it is zero.
	DeadNeurons int
	// Nearest is the other expert of the layer that this one is most like; −1 if there is none.
	Nearest               int
	Cosine, StandardError float64

	sketch *sketch
}

// All merges the statistics of an expert's matrices.
func (e *Expert) All() Stats { return merged(e.Matrices) }

func merged(matrices []Matrix) (s Stats) {
	for i := range matrices {
		s.Merge(&matrices[i].Stats)
	}
	return s
}

// Pair is two experts of a layer, A < B, and how much alike they are.
type Pair struct {
	A, B                  int
	Cosine, StandardError float64
}

// Options say what is measured, and how.
type Options struct {
	// Layer is the only one to measure; −1: all.
	Layer int
	// Workers is the number of records that are in memory and measured at a time; at least 1.
	Workers int
	// Progress, if not nil, is told of bytes as they are read, of how many. Calls may come from several goroutines.
	Progress func(done, total int64)
}

// Measure reads the records of the layers, checks them against their checksums and measures them. It stops at the first error.
func Measure(ctx context.Context, r *format.Reader, opts Options) (*Report, error) {
	m := newMeasurement(r, opts)
	var next, done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range max(1, opts.Workers) {
		group.Go(func() error {
			var s scanner
			buf := format.AlignedBytes(m.largest)
			for i := next.Add(1) - 1; i < int64(len(m.records)); i = next.Add(1) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				rec := m.records[i]
				if err := r.ReadRecord(rec, buf[:rec.Length]); err != nil {
					return err
				}
				m.record(&s, rec, buf[:rec.Length])
				if opts.Progress != nil {
					opts.Progress(done.Add(rec.Length), m.total)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return &m.report, nil
}

// measurement is a Measure that is under way.
type measurement struct {
	report         Report
	records        []*format.Record
	total, largest int64
	places         map[*format.Record]place
	left           []atomic.Int32 // experts of a layer that are not measured yet
}

// place tells where in the report a record's statistics go.
type place struct {
	layer  int // index in the report
	expert int // index in the layer, or −1
	dense  int // index of its first tensor among the layer's, if it is no expert
}

func newMeasurement(r *format.Reader, opts Options) *measurement {
	m := &measurement{places: map[*format.Record]place{}}
	layers := make([]int, r.Config.Layers) // index in the report, from 1
	for l := range layers {
		if opts.Layer < 0 || opts.Layer == l {
			m.report.Layers = append(m.report.Layers, Layer{Index: l})
			layers[l] = len(m.report.Layers)
		}
	}
	for i := range r.Records() {
		rec := &r.Records()[i]
		if rec.Layer < 0 || rec.Layer >= len(layers) || layers[rec.Layer] == 0 {
			continue
		}
		m.records = append(m.records, rec)
		m.total += rec.Length
		m.largest = max(m.largest, rec.Length)
		l := layers[rec.Layer] - 1
		layer := &m.report.Layers[l]
		matrices := make([]Matrix, len(rec.Tensors))
		for j := range matrices {
			matrices[j].Name = rec.Tensors[j].Name
		}
		p := place{layer: l, expert: -1, dense: len(layer.Dense)}
		if rec.IsExpert() {
			p.expert = len(layer.Experts)
			layer.Experts = append(layer.Experts, Expert{Index: rec.Expert, Matrices: matrices, Nearest: -1})
		} else {
			layer.Dense = append(layer.Dense, matrices...)
		}
		m.places[rec] = p
	}
	m.left = make([]atomic.Int32, len(m.report.Layers))
	for l := range m.left {
		m.left[l].Store(int32(len(m.report.Layers[l].Experts)))
	}
	return m
}

// record measures a record. Whoever measures the last expert of a layer compares them all.
func (m *measurement) record(s *scanner, rec *format.Record, data []byte) {
	p := m.places[rec]
	layer := &m.report.Layers[p.layer]
	if p.expert < 0 {
		for i := range rec.Tensors {
			layer.Dense[p.dense+i].Stats = s.scan(&rec.Tensors[i], data, new(sketch), i)
		}
		return
	}
	e := &layer.Experts[p.expert]
	e.sketch = new(sketch)
	dead := make([]bool, rec.Tensors[0].Rows)
	for i := range rec.Tensors {
		t := &rec.Tensors[i]
		e.Matrices[i].Stats = s.scan(t, data, e.sketch, i)
		if t.Role == format.RoleDown && !t.Transposed {
			continue // its rows are no neurons
		}
		for r := range min(len(dead), len(s.rows)) {
			dead[r] = dead[r] || !s.rows[r].nonzero
		}
	}
	for _, d := range dead {
		if d {
			e.DeadNeurons++
		}
	}
	if m.left[p.layer].Add(-1) == 0 {
		layer.compare()
	}
}

// compare finds the experts that are alike, and frees the sketches.
func (l *Layer) compare() {
	sketches := make([]*sketch, len(l.Experts))
	for i := range l.Experts {
		sketches[i] = l.Experts[i].sketch
		l.Experts[i].sketch = nil
	}
	cosines(sketches, func(a, b int, cosine float64) {
		e := standardError(cosine, sketches[a].blocks)
		for _, pair := range [][2]int{{a, b}, {b, a}} {
			x := &l.Experts[pair[0]]
			if x.Nearest < 0 || cosine > x.Cosine {
				x.Nearest, x.Cosine, x.StandardError = l.Experts[pair[1]].Index, cosine, e
			}
		}
		if cosine > AlikeCosine {
			l.Alike = append(l.Alike, Pair{l.Experts[a].Index, l.Experts[b].Index, cosine, e})
		}
	})
	slices.SortFunc(l.Alike, func(a, b Pair) int {
		return cmp.Or(-cmp.Compare(a.Cosine, b.Cosine), cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B))
	})
}
