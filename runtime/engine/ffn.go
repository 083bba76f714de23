package engine

import (
	"context"
	"slices"

	"st/quant"
	"st/runtime/kernel"
)

// feedForward runs the feed-forward of a layer's chosen experts, in the order in which they come into memory.
//
// For a single token the gates of the experts that are there are computed first, and then their active neurons, each expert's in
// slices of equal length with an output each; the outputs are added in order. For a batch, a task is an expert and some of
// its tokens, with an output for every token; those of a token's experts are added in order. Either way the result depends
// neither on the number of threads nor on which expert came first.
type feedForward struct {
	hidden, ffn, topK int
	chosen            []chosenExpert // of the current layer, in order of their ids
	ready             []int          // those of chosen that are being computed
	x                 *kernel.Input
	threads           []expertThread
	route             *route

	// A single token.
	idx     []int32   // {0}
	gates   []float32 // [top-k, ffn]
	neurons []int32   // [top-k, ffn] active neurons
	h       []float32 // [top-k, ffn] their gates times the expert's weight
	active  []int32   // [batch · top-k] how many there are, in the order of route.tokens: also of a batch
	parts   int       // slices of an expert
	slices  []float32 // [top-k · parts, rounded up to 4, hidden] outputs

	// A batch.
	tasks []expertTask
	out   []float32 // [batch · top-k, hidden] outputs, in the order of route.tokens
	sum   []float32 // [batch, hidden] what outputs are added to

	doGates, doNeurons, doSum, doBatch, doBatchSum func(thread, from, to int)
}

// expertSlices is about the number of parts that a single token's active neurons are cut into. Many numbers of threads divide it.
const expertSlices = 24

type chosenExpert struct {
	kernel.Expert
	weights *expertWeights
	tokens  []int32
	share   []float32 // the expert's weight for each of them
	at      int       // where its tokens begin in route.tokens
}

// expertTask is up to kernel.MaxBlock tokens of an expert.
type expertTask struct{ expert, from, to int }

// expertThread is what one thread keeps.
type expertThread struct {
	scratch kernel.Scratch
	_       [64]byte
}

func newFeedForward(threads, batch, hidden, ffn int, r *route) *feedForward {
	parts := max(1, expertSlices/r.topK)
	m := &feedForward{
		hidden: hidden, ffn: ffn, topK: r.topK, route: r, threads: make([]expertThread, threads),
		chosen: make([]chosenExpert, 0, len(r.first)-1), idx: []int32{0},
		gates: make([]float32, r.topK*ffn), neurons: make([]int32, r.topK*ffn), h: make([]float32, r.topK*ffn),
		active: make([]int32, batch*r.topK), parts: parts, slices: make([]float32, (r.topK*parts+3)/4*4*hidden),
		out: make([]float32, batch*r.topK*hidden),
	}
	m.doGates, m.doNeurons, m.doSum, m.doBatch, m.doBatchSum = m.runGates, m.runNeurons, m.runSum, m.runBatch, m.runBatchSum
	return m
}

// choose lists the experts that the batch's route names.
func (m *feedForward) choose(all []expertWeights) {
	m.chosen = m.chosen[:0]
	for id := range all {
		if tokens, weights := m.route.of(id); len(tokens) > 0 {
			m.chosen = append(m.chosen, chosenExpert{weights: &all[id], tokens: tokens, share: weights, at: int(m.route.first[id])})
		}
	}
}

// run computes the chosen experts for the n tokens of x, as the store brings them, and returns how many (token, neuron)
// pairs were active.
func (m *feedForward) run(ctx context.Context, e *Engine, x *kernel.Input, n int) (active int64, err error) {
	m.x = x
	for left := len(m.chosen); left > 0; left -= len(m.ready) {
		if m.ready, err = e.store.take(ctx, m.ready[:0]); err != nil {
			return 0, err
		}
		for _, i := range m.ready {
			c := &m.chosen[i]
			c.Expert = c.weights.in(e.store.bytes(i))
		}
		step := m.runSeveral
		if n == 1 {
			step = m.runOne
		}
		err = step(e.pool)
		e.store.release(m.ready)
		if err != nil {
			return 0, err
		}
	}
	for _, a := range m.active[:n*m.topK] {
		active += int64(a)
	}
	return active, nil
}

// runSeveral computes the ready experts for a batch.
func (m *feedForward) runSeveral(p *pool) error {
	m.tasks = m.tasks[:0]
	for _, i := range m.ready {
		for from := 0; from < len(m.chosen[i].tokens); from += kernel.MaxBlock {
			m.tasks = append(m.tasks, expertTask{i, from, min(from+kernel.MaxBlock, len(m.chosen[i].tokens))})
		}
	}
	// The longest first, so that threads finish together.
	slices.SortStableFunc(m.tasks, func(a, b expertTask) int { return (b.to - b.from) - (a.to - a.from) })
	return p.each(len(m.tasks), m.doBatch)
}

// runOne computes the ready experts for a single token.
func (m *feedForward) runOne(p *pool) error {
	if err := p.split(len(m.ready)*m.gateGroups(), 2, m.doGates); err != nil {
		return err
	}
	for _, i := range m.ready {
		weight, n := m.chosen[i].share[0], 0
		neurons, h := m.neurons[i*m.ffn:][:m.ffn], m.h[i*m.ffn:][:m.ffn]
		for j, g := range m.gates[i*m.ffn:][:m.ffn] {
			if g > 0 {
				neurons[n], h[n] = int32(j), g*weight
				n++
			}
		}
		m.active[i] = int32(n)
	}
	return p.each(len(m.ready)*m.parts, m.doNeurons)
}

// gateGroups returns the number of parts of an expert's gates: sixteen neurons each, whatever the layout, so that all types
// are shared out alike.
func (m *feedForward) gateGroups() int { return (m.ffn + quant.GroupRows - 1) / quant.GroupRows }

func (m *feedForward) runGates(thread, from, to int) {
	groups := m.gateGroups()
	for ; from < to; from++ {
		i, group := m.ready[from/groups], from%groups
		gate := &m.chosen[i].Gate
		per := quant.GroupRows / gate.UnitRows()
		kernel.Mul(m.gates[i*m.ffn:][:m.ffn], m.ffn, gate, group*per, min(group*per+per, gate.Units()), m.x, m.idx, &m.threads[thread].scratch)
	}
}

func (m *feedForward) runNeurons(thread, from, to int) {
	for ; from < to; from++ {
		i, part := m.ready[from/m.parts], from%m.parts
		out := m.slices[(i*m.parts+part)*m.hidden:][:m.hidden]
		clear(out)
		a, b := share(int(m.active[i]), part, m.parts)
		a, b = a+i*m.ffn, b+i*m.ffn
		m.chosen[i].Neurons(out, m.neurons[a:b], m.h[a:b], m.x, 0, &m.threads[thread].scratch)
	}
}

func (m *feedForward) runBatch(thread, from, to int) {
	for ; from < to; from++ {
		task := &m.tasks[from]
		e := &m.chosen[task.expert]
		at := e.at + task.from
		copy(m.active[at:], e.Batch(m.out[at*m.hidden:], m.x, e.tokens[task.from:task.to], e.share[task.from:task.to],
			&m.threads[thread].scratch))
	}
}

// addTo adds the outputs to the n tokens of x.
func (m *feedForward) addTo(p *pool, x []float32, n int) error {
	m.sum = x
	if n == 1 {
		return p.split((m.hidden+sumCols-1)/sumCols, 4, m.doSum)
	}
	return p.split(n, 4, m.doBatchSum)
}

// sumCols is the number of columns that a part of runSum takes.
const sumCols = 64

func (m *feedForward) runSum(_, from, to int) {
	first, end := from*sumCols, min(to*sumCols, m.hidden)
	dst := m.sum[first:end]
	ones := [4]float32{1, 1, 1, 1}
	for i := 0; i < len(m.slices)/m.hidden; i += len(ones) {
		var src [len(ones)][]float32
		for k := range src {
			src[k] = m.slices[(i+k)*m.hidden:][first:end]
		}
		kernel.Axpy4(dst, &ones, &src)
	}
}

func (m *feedForward) runBatchSum(_, from, to int) {
	for t := from; t < to; t++ {
		row := m.sum[t*m.hidden:][:m.hidden]
		for _, at := range m.route.at[t*m.topK:][:m.topK] {
			kernel.Axpy(row, 1, m.out[int(at)*m.hidden:][:m.hidden])
		}
	}
}

// share returns part i of n things that are shared out in equal parts.
func share(n, i, parts int) (from, to int) { return n * i / parts, n * (i + 1) / parts }
