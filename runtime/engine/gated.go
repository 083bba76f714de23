package engine

import (
	"st/format"
	"st/quant"
	"st/runtime/kernel"
)

// gatedFFN runs networks of a dense activation: down · (activation(gate · x) ⊙ up · x). The threads share gate and up by groups of neurons, whose
// activations they round to int8 at once, and down by groups of its rows; each group is multiplied with all tokens before the next is read, each as if
// it were alone. A token's outputs are added in the order of its experts: for rows that are computed alone by the thread that has computed
// a group of rows of all experts, and else in a job of its own. The result depends neither on the number of threads nor on the order in which experts
// come, nor on the rows beside it.
type gatedFFN struct {
	*feedForward
	expert, dense *kernel.Input   // [choices, neurons] what down is multiplied with, of experts and of layers without
	narrow        []*kernel.Input // by layer: dense where the layer has fewer neurons; nil: all have as many
	all           []int32         // 0, 1, 2, …: indexes of choices

	activation func(dst, gate, up []float32) // stores the activations of gate times up

	h     *kernel.Input // expert or dense, of the ready networks
	first int           // what is computed of them: from this neuron, or output, on
	rows  int           // so many
	do    struct{ hidden, quantize, down, downSum, sum task }
}

func newGatedFFN(f *feedForward, a *arena) *gatedFFN {
	c, rows := f.p.config, f.p.rows
	g := &gatedFFN{feedForward: f, activation: kernel.SiLUMul}
	if c.Activation == format.GELU {
		g.activation = kernel.GELUMul
	}
	choices, numbers := rows*max(1, f.topK), rows*c.FFN
	if m := c.MoE; m != nil {
		numbers = max(numbers, choices*m.ExpertFFN)
	}
	// A layer has experts or not: both inputs share their memory.
	values, q, d, sum := take[float32](a, numbers), take[int8](a, numbers), take[float32](a, numbers/32), take[int32](a, numbers/32)
	g.dense = kernel.PlaceInput(values, q, d, sum, rows, c.FFN)
	if c.FFNLayout != nil {
		g.narrow = make([]*kernel.Input, c.Layers)
		for l, n := range c.FFNLayout {
			g.narrow[l] = kernel.PlaceInput(values, q, d, sum, rows, n)
		}
	}
	if m := c.MoE; m != nil {
		g.expert = kernel.PlaceInput(values, q, d, sum, choices, m.ExpertFFN)
	}
	g.all = make([]int32, choices)
	for i := range g.all {
		g.all[i] = int32(i)
	}
	g.do.hidden, g.do.quantize, g.do.down, g.do.downSum, g.do.sum = g.doHidden, g.doQuantize, g.doDown, g.doDownSum, g.doSum
	return g
}

// input returns what a layer's down is multiplied with.
func (g *gatedFFN) input(l int) *kernel.Input {
	if g.narrow != nil {
		return g.narrow[l]
	}
	return g.dense
}

// run computes the ready networks, whose down is multiplied with h. If sum, it adds what they give to x.
func (g *gatedFFN) run(h *kernel.Input, sum bool) error {
	g.h = h
	if err := g.part(0, h.Cols, &g.do.hidden); err != nil {
		return err
	}
	if sum {
		return g.p.split(neuronGroups(g.hidden), 2, &g.do.downSum)
	}
	return g.part(0, g.hidden, &g.do.down)
}

// sums reports whether run can add what the ready networks give to x: if they are all of the layer's, and the rows are computed alone. Of a batch, an
// expert's tokens are better multiplied with many of its rows at a time.
func (g *gatedFFN) sums() bool { return g.p.singles > 0 && len(g.ready) == len(g.chosen) }

// part computes rows [first, first+rows) of gate and up, or of down: the matrices have those alone. Tasks are pairs of groups, as long as there are:
// blocks of int8.
func (g *gatedFFN) part(first, rows int, do *task) error {
	g.first, g.rows = first, rows
	return g.p.split(len(g.ready)*neuronGroups(rows), 2, do)
}

// runPieces computes the network of a layer that has no experts, whose down is multiplied with h, as its pieces come.
func (g *gatedFFN) runPieces(l int, h *kernel.Input) error {
	g.h = h
	s, c, quantized := g.p.stream, &g.chosen[0], false // pieces may end within a block
	for i, end := s.of(l); i < end; i++ {
		piece := &s.pieces[i]
		if piece.isDown && !quantized {
			if err := g.p.pool.each(1, &g.do.quantize); err != nil {
				return err
			}
			quantized = true
		}
		data, err := s.take(g.p.ctx, i)
		if err != nil {
			return err
		}
		do := &g.do.hidden
		if piece.isDown {
			do, c.Down = &g.do.down, piece.parts[0].matrix(data, piece.from, piece.to)
		} else {
			c.Gate, c.Up = piece.parts[0].matrix(data, piece.from, piece.to), piece.parts[1].matrix(data, piece.from, piece.to)
		}
		err = g.part(piece.from, piece.to-piece.from, do)
		s.release(i)
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *gatedFFN) doHidden(thread, from, to int) {
	ffn := g.h.Cols
	g.groups(from, to, neuronGroups(g.rows), func(c *chosenExpert, a, b int) {
		d := kernel.Dense{Gate: c.Gate, Up: c.Up, Down: c.Down, Activation: g.activation}
		d.Hidden(g.h.F[c.at*ffn+g.first:], ffn, a, b, g.p.normed, c.tokens, &g.p.threads[thread].Scratch)
		if g.rows < ffn { // pieces may end within a block
			return
		}
		for k := range c.tokens {
			g.h.QuantizePart(c.at+k, a*quant.GroupRows, min(b*quant.GroupRows, ffn))
		}
	})
}

func (g *gatedFFN) doQuantize(_, from, to int) {
	for _, i := range g.ready[from:to] {
		c := &g.chosen[i]
		for k := range c.tokens {
			g.h.Quantize(c.at + k)
		}
	}
}

func (g *gatedFFN) doDown(thread, from, to int) {
	g.groups(from, to, neuronGroups(g.rows), func(c *chosenExpert, a, b int) {
		first, end := groupUnits(&c.Down, a, b)
		kernel.MulEach(g.out[c.at*g.hidden+g.first:], g.hidden, &c.Down, first, end, g.h, g.all[c.at:c.at+len(c.tokens)], &g.p.threads[thread].Scratch)
	})
}

// doDownSum computes groups of rows of down of all ready networks, and adds them up.
func (g *gatedFFN) doDownSum(thread, from, to int) {
	for _, i := range g.ready {
		c := &g.chosen[i]
		first, end := groupUnits(&c.Down, from, to)
		kernel.MulEach(g.out[c.at*g.hidden:], g.hidden, &c.Down, first, end, g.h, g.all[c.at:c.at+len(c.tokens)], &g.p.threads[thread].Scratch)
	}
	for t := range g.p.n {
		g.sumRow(t, from*quant.GroupRows, min(to*quant.GroupRows, g.hidden))
	}
}

// observe shows the observer what the down matrices of the ready experts are multiplied with.
func (g *gatedFFN) observe(l int) {
	for _, i := range g.ready {
		c := &g.chosen[i]
		g.p.observer.DownInput(l, c.id, g.h.F[c.at*g.h.Cols:(c.at+len(c.tokens))*g.h.Cols], c.share)
	}
}

// add adds the outputs to x, those of experts times the weights that a row gives them.
func (g *gatedFFN) add() error {
	return g.p.pool.split(g.p.n*g.colParts(), g.colGrain(g.p.n), &g.do.sum)
}

func (g *gatedFFN) doSum(_, from, to int) {
	parts := g.colParts()
	for ; from < to; from++ {
		row, a := from/parts, from%parts*sumCols
		g.sumRow(row, a, min(a+sumCols, g.hidden))
	}
}

// sumRow adds columns [a, b) of a row's outputs to x.
func (g *gatedFFN) sumRow(row, a, b int) {
	if g.h != g.expert {
		kernel.Axpy(g.p.x[row*g.hidden:][a:b], 1, g.out[row*g.hidden:][a:b])
		return
	}
	g.addOutputs(row, a, b, g.p.choice.weights[row*g.topK:][:g.topK])
}
