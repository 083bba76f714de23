package engine

import (
	"math"
	"slices"

	"st/runtime/kernel"
)

// sparseFFN runs networks of layers that leave out neurons, in place of gatedFFN: down · (gelu(max(0, gate − cutoff)) ⊙ up · x), where the cutoff
// lies so many standard deviations above the mean of a row's gates (activation sparsity of Gemma 3n: Gaussian top-k, You et al., arXiv 2506.06644).
// Neurons below it need neither up nor down, which lie neuron by neuron.
//
// The active neurons of a row that is computed alone are shared out in slices of about equal length with an output each, which are added as a tree; other
// rows are computed by one thread each. Either way the result depends neither on the number of threads nor on the rows of other segments.
type sparseFFN struct {
	*feedForward
	gates   []float32   // [rows, ffn]; then the activations of the active neurons
	neurons []int32     // [rows, ffn] active neurons
	active  []int32     // [rows] how many
	ones    []float32   // [ffn]
	sum     *orderedSum // of the outputs of a row's slices

	w      *kernel.Expert
	cutoff float64 // in standard deviations
	do     struct{ pick, alone, batch task }
}

// sparseSlices is the number of parts that a row's active neurons are cut into.
const sparseSlices = expertSlices

// newSparseFFN returns nil for a model that has no such layers.
func newSparseFFN(f *feedForward, a *arena) *sparseFFN {
	p := f.p
	c := p.config
	if !slices.ContainsFunc(c.Sparsity, func(v float64) bool { return v > 0 }) {
		return nil
	}
	s := &sparseFFN{
		feedForward: f, gates: take[float32](a, p.rows*c.FFN), neurons: take[int32](a, p.rows*c.FFN), active: take[int32](a, p.rows),
		sum: newOrderedSum(p.alone, sparseSlices, c.Hidden, a), ones: slices.Repeat([]float32{1}, c.FFN),
	}
	s.do.pick, s.do.alone, s.do.batch = s.doPick, s.doAlone, s.doBatch
	return s
}

// sparse runs the network of a layer that leaves out neurons on p.normed: those whose gate is not above the mean of the row's gates by cutoff standard
// deviations.
func (p *pass) sparse(l int, w *kernel.Expert, cutoff float64) {
	if p.err != nil {
		return
	}
	if p.observer != nil {
		p.observer.FFNInput(l, p.normed.F[:p.n*p.config.Hidden])
	}
	s := p.ffn.sparse
	s.w, s.cutoff = w, cutoff
	s.sum.begin(s.out)
	p.multiply(product{s.gates, &w.Gate, p.normed})
	for _, step := range []struct {
		tasks int
		do    *task
	}{{p.n, &s.do.pick}, {p.singles * sparseSlices, &s.do.alone}, {p.n - p.singles, &s.do.batch}} {
		if p.err == nil && step.tasks > 0 {
			p.check(p.pool.split(step.tasks, 1, step.do))
		}
	}
	if p.err != nil {
		return
	}
	var active int64
	for _, n := range s.active[:p.n] {
		active += int64(n)
	}
	p.stats.neurons.Add(int64(p.n) * int64(w.Gate.Rows))
	p.stats.active.Add(active)
	p.bytes += active * ((w.Up.Bytes() + w.Down.Bytes()) / int64(w.Up.Rows))
	p.clock.lap(StageExperts)
}

// doPick finds the active neurons of rows, and their activations.
func (s *sparseFFN) doPick(_, from, to int) {
	ffn := s.w.Gate.Rows
	for t := from; t < to; t++ {
		gates, neurons := s.gates[t*ffn:][:ffn], s.neurons[t*ffn:][:ffn]
		var sum, squares [4]float64
		for i, g := range gates {
			v := float64(g)
			sum[i%4] += v
			squares[i%4] += v * v
		}
		mean := (sum[0] + sum[1] + sum[2] + sum[3]) / float64(ffn)
		variance := (squares[0]+squares[1]+squares[2]+squares[3])/float64(ffn) - mean*mean
		cutoff := float32(mean + s.cutoff*math.Sqrt(max(0, variance)))
		n := 0
		for j, g := range gates {
			if g > cutoff {
				neurons[n], gates[n] = int32(j), g-cutoff
				n++
			}
		}
		kernel.GELUMul(gates[:n], gates[:n], s.ones[:n])
		s.active[t] = int32(n)
		clear(s.out[t*s.hidden:][:s.hidden])
	}
}

// run adds part i of parts of a row's active neurons to y.
func (s *sparseFFN) run(y []float32, thread, t, i, parts int) {
	a, b := neuronShare(int(s.active[t]), i, parts)
	at := t * s.w.Gate.Rows
	s.w.Neurons(y, s.neurons[at+a:at+b], s.gates[at+a:at+b], s.p.normed, t, kernel.Next{}, &s.p.threads[thread].Scratch)
}

func (s *sparseFFN) doAlone(thread, from, to int) {
	for ; from < to; from++ {
		row, i := from/sparseSlices, from%sparseSlices
		y := s.sum.slice(row, i)
		clear(y)
		s.run(y, thread, row, i, sparseSlices)
		s.sum.add(row, i)
	}
}

func (s *sparseFFN) doBatch(thread, from, to int) {
	for t := s.p.singles + from; t < s.p.singles+to; t++ {
		s.run(s.out[t*s.hidden:][:s.hidden], thread, t, 0, 1)
	}
}
