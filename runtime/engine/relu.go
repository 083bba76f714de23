package engine

import "st/runtime/kernel"

// reluFFN runs ReGLU experts, whose neurons are skipped where the gate is not positive.
//
// For a row that is computed alone the gates of the experts that are there come first, and then their active neurons, each expert's in slices of
// about equal length with an output each; the outputs are added to the residual stream as one tree. For a segment of several rows, a task is an expert
// and some of its tokens, with an output for every token; those of a token's experts are added in order. Either way the result depends neither on the
// number of threads nor on which expert came first, nor on the rows of other segments.
type reluFFN struct {
	*feedForward
	ffn   int
	parts int // slices of an expert

	// Rows that are computed alone. A pair is such a row and an expert that it chose, in the order of the experts.
	gates   []float32 // [pairs, ffn]
	neurons []int32   // [pairs, ffn] active neurons
	h       []float32 // [pairs, ffn] their gates times the expert's weight
	pairs   []reluPair
	filled  []int32     // [singles] experts that a row has in pairs
	sum     *orderedSum // of the outputs of a row's slices
	work    []reluSlice // tasks of doNeurons
	listed  *blocks     // the gates of a ready expert, in groups, from which its active neurons are listed

	active []int32 // [choices] how many neurons are active, in the order of route.tokens
	tasks  []expertTask
	do     struct{ gates, neurons, batch, batchSum task }
}

// reluPair is an expert of a row that is computed alone.
type reluPair struct{ row, slot, active int32 }

// reluSlice is a part of a pair's active neurons.
type reluSlice struct{ expert, pair, part int32 }

// expertTask is some tokens of an expert: kernel.MaxBlock of one segment at most, and fewer where they would be more than half of a thread's.
type expertTask struct{ expert, from, to int }

// expertSlices is about the number of parts that a token's active neurons are cut into. Many numbers of threads divide it.
const expertSlices = 24

func newReLUFFN(f *feedForward, a *arena) *reluFFN {
	ffn, alone := f.p.config.MoE.ExpertFFN, f.p.alone
	pairs := alone * f.topK
	m := &reluFFN{feedForward: f, ffn: ffn, parts: max(1, expertSlices/f.topK)}
	m.gates, m.neurons, m.h = take[float32](a, pairs*ffn), take[int32](a, pairs*ffn), take[float32](a, pairs*ffn)
	m.pairs, m.filled = make([]reluPair, 0, pairs), make([]int32, alone)
	m.sum = newOrderedSum(alone, f.topK*m.parts, f.hidden, a)
	m.active = take[int32](a, f.p.rows*f.topK)
	m.listed = newBlocks(f.p.config.MoE.Experts, m.list)
	m.listed.size = neuronGroups(ffn)
	m.do.gates, m.do.neurons, m.do.batch, m.do.batchSum = m.doGates, m.doNeurons, m.doBatch, m.doBatchSum
	if a.data != nil && f.p.rows > 1 { // now, and not when a thread first gets a task of a batch: the heap does not grow while tokens are generated
		for i := range f.p.threads {
			f.p.threads[i].ReserveBatch()
		}
	}
	return m
}

// reset forgets what a job that failed has left.
func (m *reluFFN) reset() {
	m.listed.reset()
	m.sum.reset()
}

// begin makes the pairs of the chosen experts.
func (m *reluFFN) begin() {
	m.pairs = m.pairs[:0]
	clear(m.filled)
	m.sum.begin(m.p.x)
	for i := range m.chosen {
		for _, t := range m.chosen[i].tokens[:m.chosen[i].singles] {
			m.pairs = append(m.pairs, reluPair{row: t, slot: m.filled[t]})
			m.filled[t]++
		}
	}
}

// run computes the ready experts.
func (m *reluFFN) run() error {
	if m.p.singles > 0 {
		if err := m.runAlone(); err != nil {
			return err
		}
	}
	if m.p.singles == m.p.n {
		return nil
	}
	m.tasks = m.tasks[:0]
	total := 0
	for _, i := range m.ready {
		total += len(m.chosen[i].tokens) - m.chosen[i].singles
	}
	block := kernel.BatchBlock(total / (2 * m.p.pool.threads))
	for _, i := range m.ready {
		m.segments(&m.chosen[i], func(from, to int) {
			for ; from < to; from += block {
				m.tasks = append(m.tasks, expertTask{i, from, min(from+block, to)})
			}
		})
	}
	longestFirst(m.tasks)
	return m.p.pool.each(len(m.tasks), &m.do.batch)
}

// runAlone computes the ready experts for rows that are computed alone.
func (m *reluFFN) runAlone() error {
	pool := m.p.pool
	if err := pool.splitBrief(len(m.ready)*neuronGroups(m.ffn), 2, &m.do.gates); err != nil {
		return err
	}
	m.work = m.work[:0]
	for _, i := range m.ready {
		c := &m.chosen[i]
		// Rows that share an expert read the same part of it one after the other.
		for part := range m.parts {
			for k := range c.singles {
				m.work = append(m.work, reluSlice{int32(i), int32(c.pair + k), int32(part)})
			}
		}
	}
	return pool.splitBrief(len(m.work), 1, &m.do.neurons)
}

func (m *reluFFN) doGates(thread, from, to int) {
	m.groups(from, to, neuronGroups(m.ffn), func(c *chosenExpert, a, b int) {
		first, end := groupUnits(&c.Gate, a, b)
		kernel.MulEach(m.gates[c.pair*m.ffn:], m.ffn, &c.Gate, first, end, m.p.normed, c.tokens[:c.singles], &m.p.threads[thread].Scratch)
	})
	m.listed.add(from, to)
}

// list lists the active neurons of the ready expert i.
func (m *reluFFN) list(i int) {
	c := &m.chosen[m.ready[i]]
	for k := range c.singles {
		at := (c.pair + k) * m.ffn
		n := kernel.ListActive(m.neurons[at:][:m.ffn], m.h[at:][:m.ffn], m.gates[at:][:m.ffn], c.share[k])
		m.pairs[c.pair+k].active, m.active[c.at+k] = int32(n), int32(n)
	}
}

func (m *reluFFN) doNeurons(thread, from, to int) {
	for i := from; i < to; i++ {
		w := m.work[i]
		pair := &m.pairs[w.pair]
		row, at := int(pair.row), int(pair.slot)*m.parts+int(w.part)
		out := m.sum.slice(row, at)
		clear(out)
		neurons, h := m.slice(w)
		var next kernel.Next // as far as the thread goes on with what follows
		if i+1 < len(m.work) {
			next.Expert = &m.chosen[m.work[i+1].expert].Expert
			next.Neurons, _ = m.slice(m.work[i+1])
		}
		m.chosen[w.expert].Neurons(out, neurons, h, m.p.normed, row, next, &m.p.threads[thread].Scratch)
		m.sum.add(row, at)
	}
}

// slice returns the neurons of a slice, and their gates times the expert's weight.
func (m *reluFFN) slice(w reluSlice) ([]int32, []float32) {
	a, b := neuronShare(int(m.pairs[w.pair].active), int(w.part), m.parts)
	at := int(w.pair) * m.ffn
	return m.neurons[at+a : at+b], m.h[at+a : at+b]
}

func (m *reluFFN) doBatch(thread, from, to int) {
	for ; from < to; from++ {
		task := &m.tasks[from]
		e := &m.chosen[task.expert]
		at := e.at + task.from
		copy(m.active[at:], e.Batch(m.out[at*m.hidden:], m.p.normed, e.tokens[task.from:task.to], e.share[task.from:task.to],
			&m.p.threads[thread].Scratch))
	}
}

// total returns how many (row, neuron) pairs were active.
func (m *reluFFN) total() (active int64) {
	for _, a := range m.active[:m.p.n*m.topK] {
		active += int64(a)
	}
	return active
}

// add adds the outputs to x, where rows are not computed alone.
func (m *reluFFN) add() error {
	p := m.p
	if p.singles == p.n {
		return nil
	}
	return p.pool.split(p.n-p.singles, 4, &m.do.batchSum)
}

func (m *reluFFN) doBatchSum(_, from, to int) {
	for t := m.p.singles + from; t < m.p.singles+to; t++ {
		m.addOutputs(t, 0, m.hidden, nil)
	}
}

// share returns part i of n things that are shared out in equal parts.
func share(n, i, parts int) (from, to int) { return n * i / parts, n * (i + 1) / parts }

// neuronShare returns part i of n active neurons: about as many as the others, in numbers that the kernels compute together.
func neuronShare(n, i, parts int) (from, to int) {
	from, to = share((n+kernel.NeuronsAtOnce-1)/kernel.NeuronsAtOnce, i, parts)
	return min(from*kernel.NeuronsAtOnce, n), min(to*kernel.NeuronsAtOnce, n)
}
