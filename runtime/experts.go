package runtime

import (
	"slices"

	"st/format"
	"st/quant"
	"st/runtime/kernel"
)

// experts runs the feed-forward of a layer's chosen experts.
//
// For a single token all gates are computed first. The active neurons of all chosen experts then make one list, which is cut
// into slices of equal length; each has its own output, and the outputs are added in order. For a batch, a task is an expert
// and some of its tokens, with an output for every token; those of a token's experts are added in order. Either way the
// result does not depend on the number of threads.
type experts struct {
	hidden, ffn, topK int
	chosen            []chosenExpert   // of the current layer, in order of their ids
	records           []*format.Record // theirs
	x                 *kernel.Input
	threads           []expertThread
	route             *route

	// A single token.
	idx     []int32   // {0}
	gates   []float32 // [top-k, ffn]
	neurons []int32   // [top-k · ffn] active neurons, expert by expert
	h       []float32 // their gates times the expert's weight
	until   []int     // [top-k] where each expert's part of the two ends
	slices  []float32 // [expertSlices, hidden] outputs

	// A batch.
	tasks []expertTask
	out   []float32 // [batch · top-k, hidden] outputs, in the order of route.tokens
	sum   []float32 // [batch, hidden] what outputs are added to

	doGates, doNeurons, doSum, doBatch, doBatchSum func(thread, from, to int)
}

// expertSlices is the number of parts that a single token's active neurons are cut into. Many numbers of threads divide it.
const expertSlices = 24

type chosenExpert struct {
	kernel.Expert
	tokens  []int32
	weights []float32
	at      int // where its tokens begin in route.tokens
}

// expertTask is up to kernel.MaxBlock tokens of an expert.
type expertTask struct{ expert, from, to int }

// expertThread is what one thread keeps.
type expertThread struct {
	scratch kernel.Scratch
	active  int
	_       [64]byte
}

func newExperts(threads, batch, hidden, ffn int, r *route) *experts {
	m := &experts{
		hidden: hidden, ffn: ffn, topK: r.topK, route: r, threads: make([]expertThread, threads),
		chosen: make([]chosenExpert, 0, len(r.first)-1), idx: []int32{0},
		gates: make([]float32, r.topK*ffn), neurons: make([]int32, r.topK*ffn), h: make([]float32, r.topK*ffn),
		until: make([]int, r.topK), slices: make([]float32, expertSlices*hidden),
		out: make([]float32, batch*r.topK*hidden),
	}
	m.doGates, m.doNeurons, m.doSum, m.doBatch, m.doBatchSum = m.runGates, m.runNeurons, m.runSum, m.runBatch, m.runBatchSum
	return m
}

// run computes every chosen expert for the n tokens of x, and returns how many (token, neuron) pairs were active.
func (m *experts) run(e *Engine, all []expertWeights, x *kernel.Input, n int) (active int64, err error) {
	m.x = x
	m.chosen, m.records = m.chosen[:0], m.records[:0]
	for id := range all {
		tokens, weights := m.route.of(id)
		if len(tokens) == 0 {
			continue
		}
		m.records = append(m.records, all[id].record)
		m.chosen = append(m.chosen, chosenExpert{all[id].in(e.store.bytes(all[id].record)), tokens, weights, int(m.route.first[id])})
	}
	if err := e.store.bring(m.records); err != nil {
		return 0, err
	}
	if n == 1 {
		return m.runOne(e.pool)
	}
	m.tasks = m.tasks[:0]
	for i := range m.chosen {
		for from := 0; from < len(m.chosen[i].tokens); from += kernel.MaxBlock {
			m.tasks = append(m.tasks, expertTask{i, from, min(from+kernel.MaxBlock, len(m.chosen[i].tokens))})
		}
	}
	// The longest first, so that threads finish together.
	slices.SortStableFunc(m.tasks, func(a, b expertTask) int { return (b.to - b.from) - (a.to - a.from) })
	for i := range m.threads {
		m.threads[i].active = 0
	}
	err = e.pool.each(len(m.tasks), m.doBatch)
	for i := range m.threads {
		active += int64(m.threads[i].active)
	}
	return active, err
}

// runOne is run for a single token.
func (m *experts) runOne(p *pool) (active int64, err error) {
	if err := p.split(len(m.chosen)*m.gateGroups(), 2, m.doGates); err != nil {
		return 0, err
	}
	n := 0
	for i := range m.chosen {
		weight := m.chosen[i].weights[0]
		for j, g := range m.gates[i*m.ffn:][:m.ffn] {
			if g > 0 {
				m.neurons[n], m.h[n] = int32(j), g*weight
				n++
			}
		}
		m.until[i] = n
	}
	return int64(n), p.each(expertSlices, m.doNeurons)
}

// gateGroups returns the number of parts of an expert's gates: sixteen neurons each, whatever the layout, so that all types
// are shared out alike.
func (m *experts) gateGroups() int { return (m.ffn + quant.GroupRows - 1) / quant.GroupRows }

func (m *experts) runGates(thread, from, to int) {
	groups := m.gateGroups()
	for ; from < to; from++ {
		i, group := from/groups, from%groups
		gate := &m.chosen[i].Gate
		per := quant.GroupRows / gate.UnitRows()
		kernel.Mul(m.gates[i*m.ffn:][:m.ffn], m.ffn, gate, group*per, min(group*per+per, gate.Units()), m.x, m.idx, &m.threads[thread].scratch)
	}
}

func (m *experts) runNeurons(thread, from, to int) {
	for ; from < to; from++ {
		out := m.slices[from*m.hidden:][:m.hidden]
		clear(out)
		at, end := share(m.until[len(m.chosen)-1], from, expertSlices)
		for i := range m.chosen {
			if n := min(end, m.until[i]); at < n {
				m.chosen[i].Neurons(out, m.neurons[at:n], m.h[at:n], m.x, 0, &m.threads[thread].scratch)
				at = n
			}
		}
	}
}

func (m *experts) runBatch(thread, from, to int) {
	for ; from < to; from++ {
		task := &m.tasks[from]
		e := &m.chosen[task.expert]
		m.threads[thread].active += e.Batch(m.out[(e.at+task.from)*m.hidden:], m.x, e.tokens[task.from:task.to],
			e.weights[task.from:task.to], &m.threads[thread].scratch)
	}
}

// addTo adds the outputs to the n tokens of x.
func (m *experts) addTo(p *pool, x []float32, n int) error {
	m.sum = x
	if n == 1 {
		return p.split((m.hidden+sumCols-1)/sumCols, 4, m.doSum)
	}
	return p.split(n, 4, m.doBatchSum)
}

// sumCols is the number of columns that a part of runSum takes.
const sumCols = 64

func (m *experts) runSum(_, from, to int) {
	first, end := from*sumCols, min(to*sumCols, m.hidden)
	dst := m.sum[first:end]
	ones := [4]float32{1, 1, 1, 1}
	for i := 0; i < expertSlices; i += len(ones) {
		var src [len(ones)][]float32
		for k := range src {
			src[k] = m.slices[(i+k)*m.hidden:][first:end]
		}
		kernel.Axpy4(dst, &ones, &src)
	}
}

func (m *experts) runBatchSum(_, from, to int) {
	for t := from; t < to; t++ {
		row := m.sum[t*m.hidden:][:m.hidden]
		for _, at := range m.route.at[t*m.topK:][:m.topK] {
			kernel.Axpy(row, 1, m.out[int(at)*m.hidden:][:m.hidden])
		}
	}
}

// share returns part i of n things that are shared out in equal parts.
func share(n, i, parts int) (from, to int) { return n * i / parts, n * (i + 1) / parts }
