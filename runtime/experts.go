package runtime

import (
	"st/quant"
	"st/runtime/kernel"
)

// experts runs the feed-forward of a layer's chosen experts. Each thread owns a fixed share of every expert's neurons and
// computes gate, up and down of its share without waiting for the others; the shares' outputs are added at the end, in
// order, so that the result does not depend on timing.
type experts struct {
	hidden  int
	tokens  int // in the current batch
	threads []expertThread
}

// expertThread is what one thread keeps.
type expertThread struct {
	out     []float32 // [batch, hidden]
	scratch kernel.Scratch
	active  int
}

func newExperts(threads, batch, hidden int) experts {
	m := experts{hidden: hidden, threads: make([]expertThread, threads)}
	for i := range m.threads {
		m.threads[i].out = make([]float32, batch*hidden)
	}
	return m
}

// run computes every chosen expert for the n tokens of x, and returns how many (token, neuron) pairs were active.
func (m *experts) run(e *Engine, all []expertWeights, r *route, x *kernel.Input, n int) (active int64, err error) {
	type job struct {
		expert kernel.Expert
		id     int
	}
	var jobs []job
	for id := range all {
		if tokens, _ := r.of(id); len(tokens) == 0 {
			continue
		}
		record, err := e.store.acquire(all[id].record)
		if err != nil {
			return 0, err
		}
		jobs = append(jobs, job{all[id].in(record), id})
	}
	m.tokens = n
	err = e.pool.runThreads(func(thread int) {
		t := &m.threads[thread]
		clear(t.out[:n*m.hidden])
		t.active = 0
		for i := range jobs {
			j := &jobs[i]
			tokens, weights := r.of(j.id)
			from, to := neuronShare(&j.expert.Gate, thread, len(m.threads))
			t.active += j.expert.ReGLU(t.out, from, to, x, tokens, weights, &t.scratch)
		}
	})
	for i := range m.threads {
		active += int64(m.threads[i].active)
	}
	return active, err
}

// neuronShare returns a thread's units of a gate matrix. The cut lies between groups of sixteen neurons for every layout,
// so that all types are shared out alike.
func neuronShare(gate *kernel.Matrix, thread, threads int) (from, to int) {
	per := quant.GroupRows / gate.UnitRows()
	from, to = share((gate.Units()+per-1)/per, thread, threads)
	return min(from*per, gate.Units()), min(to*per, gate.Units())
}

// addTo adds the threads' outputs to x.
func (m *experts) addTo(p *pool, x []float32) error {
	return p.run(m.tokens, func(_, t int) {
		row := x[t*m.hidden:][:m.hidden]
		for i := range m.threads {
			kernel.Axpy(row, 1, m.threads[i].out[t*m.hidden:][:m.hidden])
		}
	})
}
