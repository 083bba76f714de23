package engine

import (
	"slices"

	"st/format"
	"st/quant"
	"st/runtime/kernel"
)

// feedForward runs the feed-forward network of a layer: of chosen experts, in the order in which they come into memory, or of a layer that has
// none. relu.go has the networks whose neurons are skipped where the gate is not positive, gated.go those of a dense activation.
type feedForward struct {
	p      *pass
	hidden int
	topK   int

	chosen []chosenExpert // of the current layer, in order of their ids
	ready  []int          // those of chosen that are being computed
	out    []float32      // [choices, hidden] outputs, in the order of route.tokens
	relu   *reluFFN       // nil: the activation is dense
	gated  *gatedFFN      // nil: the activation is ReLU
	sparse *sparseFFN     // nil: no layer without experts leaves out neurons
}

// chosenExpert is an expert and the rows that chose it.
type chosenExpert struct {
	kernel.Expert
	id      int
	weights *expertWeights
	tokens  []int32
	share   []float32 // the expert's weight for each of them
	at      int       // where its tokens begin in route.tokens
	singles int       // of tokens, the first ones: rows that are computed each as if they were alone
	pair    int       // the number of the first of them among those of all experts
}

func newFeedForward(p *pass, a *arena) *feedForward {
	c := p.config
	f := &feedForward{p: p, hidden: c.Hidden, topK: c.TopK(), ready: make([]int, 0, max(1, c.TopK()))}
	choices := p.rows * max(1, f.topK)
	f.out = take[float32](a, choices*c.Hidden)
	if m := c.MoE; m != nil {
		f.chosen = make([]chosenExpert, 0, m.Experts)
	} else {
		f.chosen = make([]chosenExpert, 0, 1)
	}
	if c.Activation == format.ReLU && c.MoE != nil {
		f.relu = newReLUFFN(f, a)
	} else {
		f.gated = newGatedFFN(f, a)
	}
	f.sparse = newSparseFFN(f, a)
	return f
}

// reset forgets what a job that failed has left.
func (f *feedForward) reset() {
	if f.relu != nil {
		f.relu.reset()
	}
	if f.sparse != nil {
		f.sparse.sum.reset()
	}
}

// choose lists the experts that the rows' choice names.
func (f *feedForward) choose(all []expertWeights) {
	r, pairs := f.p.choice, 0
	f.chosen = f.chosen[:0]
	for id := range all {
		tokens, weights := r.of(id)
		if len(tokens) == 0 {
			continue
		}
		c := chosenExpert{id: id, weights: &all[id], tokens: tokens, share: weights, at: int(r.first[id]), pair: pairs}
		for c.singles < len(tokens) && int(tokens[c.singles]) < f.p.singles {
			c.singles++
		}
		pairs += c.singles
		f.chosen = append(f.chosen, c)
	}
}

// segments calls each with the parts [from, to) of an expert's tokens that belong to one segment of several tokens each.
func (f *feedForward) segments(c *chosenExpert, each func(from, to int)) {
	from := c.singles
	for i := f.p.singles; i < len(f.p.segs) && from < len(c.tokens); i++ {
		end := f.p.segs[i].row + f.p.segs[i].n
		to := from
		for to < len(c.tokens) && int(c.tokens[to]) < end {
			to++
		}
		if to > from {
			each(from, to)
		}
		from = to
	}
}

// experts runs the experts that route chose, on p.normed, as the store brings them, and adds what they give to x.
func (p *pass) experts(l int) {
	if p.err != nil {
		return
	}
	m, f := p.config.MoE, p.ffn
	if p.observer != nil {
		p.observer.ExpertInput(l, p.normed.F[:p.n*p.config.Hidden], p.choice.experts[:p.n*f.topK], p.choice.weights[:p.n*f.topK])
	}
	p.between()
	if f.relu != nil {
		f.relu.begin()
	}
	summed := false
	for left := len(f.chosen); left > 0; left -= len(f.ready) {
		var err error
		if f.ready, err = p.store.take(p.ctx, f.ready[:0]); err != nil {
			p.check(err)
			return
		}
		for _, i := range f.ready {
			c := &f.chosen[i]
			c.Expert = c.weights.in(p.store.bytes(i))
		}
		if f.relu != nil {
			err = f.relu.run()
		} else {
			summed = f.gated.sums()
			err = f.gated.run(f.gated.expert, summed)
		}
		if f.gated != nil && p.observer != nil {
			f.gated.observe(l)
		}
		p.store.release(f.ready)
		if p.check(err); err != nil {
			return
		}
	}
	p.clock.lap(StageExperts)
	if f.relu != nil {
		active := f.relu.total()
		p.stats.neurons.Add(int64(p.n) * int64(f.topK) * int64(m.ExpertFFN))
		p.stats.active.Add(active)
		w := &p.weights.experts[l][0]
		p.bytes += int64(f.topK)*w.gateBytes + active*w.neuronBytes
	} else {
		p.bytes += int64(f.topK) * p.weights.experts[l][0].bytes
	}
	if p.activity != nil {
		p.observeExperts(l)
	}
	if !summed {
		p.add()
	}
}

// feedForward runs the network of a layer without experts on p.normed, and adds what it gives to x.
func (p *pass) feedForward(l int, w *kernel.Expert) {
	sum := p.singles > 0 && !p.stream.has(l)
	p.runNetwork(l, w, sum)
	if !sum {
		p.add()
	}
}

// network runs the network of a layer without experts on p.normed.
func (p *pass) network(l int, w *kernel.Expert) { p.runNetwork(l, w, false) }

// runNetwork is network, and if sum, adds what that gives to x.
func (p *pass) runNetwork(l int, w *kernel.Expert, sum bool) {
	if p.err != nil {
		return
	}
	f := p.ffn
	f.chosen = append(f.chosen[:0], chosenExpert{Expert: *w, tokens: p.all[:p.n], singles: p.singles})
	f.ready = append(f.ready[:0], 0)
	if p.observer != nil {
		p.observer.FFNInput(l, p.normed.F[:p.n*f.hidden])
	}
	h := f.gated.input(l)
	if p.stream.has(l) {
		p.check(f.gated.runPieces(l, h))
	} else {
		if p.stream == nil { // which brings the pieces of layers in their order
			p.between()
		}
		p.check(f.gated.run(h, sum))
	}
	if p.observer != nil && p.err == nil {
		p.observer.DownInput(l, -1, h.F[:p.n*h.Cols], nil)
	}
	p.bytes += w.Gate.Bytes() + w.Up.Bytes() + w.Down.Bytes()
	p.clock.lap(StageExperts)
}

// add adds the network's outputs to x.
func (p *pass) add() {
	if p.err != nil {
		return
	}
	if p.ffn.relu != nil {
		p.check(p.ffn.relu.add())
	} else {
		p.check(p.ffn.gated.add())
	}
	p.clock.lap(StageSum)
}

// addOutputs adds columns [a, b) of the outputs of a row's experts to x, in the order of the experts, times these weights; nil: they are weighted already.
func (f *feedForward) addOutputs(row, a, b int, weights []float32) {
	x := f.p.x[row*f.hidden:][a:b]
	at := f.p.choice.at[row*f.topK:][:f.topK]
	w, src := [4]float32{1, 1, 1, 1}, [4][]float32{}
	for ; len(at) >= len(src); at = at[len(src):] {
		for i := range src {
			src[i] = f.out[int(at[i])*f.hidden:][a:b]
		}
		if weights != nil {
			weights = weights[copy(w[:], weights):]
		}
		kernel.Axpy4(x, &w, &src)
	}
	for i := range at {
		if weights != nil {
			w[i] = weights[i]
		}
		kernel.Axpy(x, w[i], f.out[int(at[i])*f.hidden:][a:b])
	}
}

// sumCols is the number of columns that a part of a row's sum takes.
const sumCols = 64

// colParts returns the number of such parts of a row.
func (f *feedForward) colParts() int { return (f.hidden + sumCols - 1) / sumCols }

// colGrain returns the fewest parts of rows that a thread takes together: of a single row, all threads have one piece, or none.
func (f *feedForward) colGrain(rows int) int {
	if rows > 1 {
		return 4
	}
	return (f.colParts() + f.p.pool.threads - 1) / f.p.pool.threads
}

// neuronGroups returns the number of parts of n neurons: sixteen neurons each, whatever the layout, so that all types are shared out alike.
func neuronGroups(n int) int { return (n + quant.GroupRows - 1) / quant.GroupRows }

// groups calls each with the groups [a, b) of every ready expert that lie in [from, to), where an expert has n groups and the ready ones follow each
// other.
func (f *feedForward) groups(from, to, n int, each func(c *chosenExpert, a, b int)) {
	for from < to {
		a := from % n
		b := min(n, a+to-from)
		each(&f.chosen[f.ready[from/n]], a, b)
		from += b - a
	}
}

// groupUnits returns the units of a matrix that groups [a, b) of sixteen rows have.
func groupUnits(m *kernel.Matrix, a, b int) (from, to int) {
	per := quant.GroupRows / m.UnitRows()
	return a * per, min(b*per, m.Units())
}

// longestFirst sorts tasks so that threads finish together.
func longestFirst(tasks []expertTask) {
	slices.SortStableFunc(tasks, func(a, b expertTask) int { return (b.to - b.from) - (a.to - a.from) })
}
