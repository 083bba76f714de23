package engine

import (
	"math"

	"st/format"
	"st/runtime/kernel"
)

// altUp holds a residual stream of several vectors: Alternating Updates (Baykal et al., arXiv 2301.13310), as Gemma 3n has it. A layer begins with a
// prediction of all vectors, each a mix of all; it computes with the active one, which is p.x meanwhile; and the others are corrected by what that
// has gained over its prediction. It also holds what else only Gemma 3n needs.
type altUp struct {
	p      *pass
	n      int // vectors
	active int
	x      [][]float32   // [n] of [rows, hidden]
	router []float32     // [rows, n] the router's outputs, after tanh
	coefs  []float32     // [rows, n²]
	in     *kernel.Input // [rows, hidden] what is multiplied with matrices of hidden columns
	mixing [][]float32   // by thread: [n+1, hidden]

	low    *kernel.Input // [rows, rank] of LAuReL
	lowOut []float32     // [rows, hidden]

	perLayer []float32     // [rows, layers·size] the layers' own embeddings
	gate     *kernel.Input // [rows, size] gated ones
	table    [][]float32   // by thread: [layers·size] a row of their table
	rows     *rowRequest   // rows of the table that were read; nil: they are in memory

	now struct { // arguments of the tasks
		model *gemma3n
		layer *gemma3nLayer
		altUp *altUpWeights
		norm  []float32
		other int // a vector of x
		own   int // number of the layer
	}
	do struct{ predict, join, correct, gate, inject, magnitude, load, perLayer, merge task }
}

// altUpWeights are those of a layer.
type altUpWeights struct {
	norm             []float32 // [hidden] of the router's input, divided by hidden
	router           []float32 // [n, hidden]
	predict, correct []float32 // [n², n], [n, n]
	scale            []float32 // [hidden] of what gates the layer's own embedding; nil: 1
}

// altUp binds a layer's.
func (b *binder) altUp(l int) altUpWeights {
	c := b.c
	n := c.AltUp.Inputs
	w := altUpWeights{
		norm: b.vector(format.RoleAltUpRouterNorm, l, c.Hidden), router: b.numbers(format.RoleAltUpRouter, l, n, c.Hidden),
		predict: b.numbers(format.RoleAltUpPredict, l, n*n, n), correct: b.numbers(format.RoleAltUpCorrect, l, n, n),
	}
	for i := range w.norm {
		w.norm[i] /= float32(c.Hidden)
	}
	if clip := float32(c.AltUp.CoefClip); clip > 0 {
		for i, v := range w.correct {
			w.correct[i] = min(clip, max(-clip, v))
		}
	}
	if c.AltUp.CorrectScale {
		w.scale = b.vector(format.RoleAltUpCorrectScale, l, c.Hidden)
	}
	return w
}

func newAltUp(p *pass, a *arena) *altUp {
	c, rows := p.config, p.rows
	u := &altUp{p: p, n: c.AltUp.Inputs, active: c.AltUp.Active}
	input := func(cols int) *kernel.Input {
		n := rows * cols
		return kernel.PlaceInput(take[float32](a, n), take[int8](a, n), take[float32](a, n/32), take[int32](a, n/32), rows, cols)
	}
	for range u.n {
		u.x = append(u.x, take[float32](a, rows*c.Hidden))
	}
	u.router, u.coefs = take[float32](a, rows*u.n), take[float32](a, rows*u.n*u.n)
	u.in, u.low, u.lowOut = input(c.Hidden), input(c.LaurelRank), take[float32](a, rows*c.Hidden)
	if own := c.PerLayerInput; own != nil {
		u.perLayer, u.gate = take[float32](a, rows*c.Layers*own.Size), input(own.Size)
	}
	for range p.threads {
		u.mixing = append(u.mixing, take[float32](a, (u.n+1)*c.Hidden))
		if own := c.PerLayerInput; own != nil {
			u.table = append(u.table, take[float32](a, c.Layers*own.Size))
		}
	}
	u.do.predict, u.do.join, u.do.correct, u.do.gate, u.do.inject = u.doPredict, u.doJoin, u.doCorrect, u.doGate, u.doInject
	u.do.magnitude, u.do.load, u.do.perLayer, u.do.merge = u.doMagnitude, u.doLoad, u.doPerLayer, u.doMerge
	return u
}

// each runs a task for all rows.
func (u *altUp) each(do *task) {
	if u.p.err == nil {
		u.p.check(u.p.pool.split(u.p.n, 1, do))
	}
}

// row returns a row [hidden].
func (u *altUp) row(x []float32, t int) []float32 {
	h := u.p.config.Hidden
	return x[t*h:][:h]
}

// project makes the vectors of the residual stream from the tokens' embeddings, which are the first one.
func (u *altUp) project(w []kernel.Matrix) {
	p := u.p
	if p.err != nil {
		return
	}
	copy(u.x[0], p.x[:p.n*p.config.Hidden])
	u.load(0)
	for i := range w {
		p.multiply(product{u.x[i+1], &w[i], u.in})
		u.now.other = i + 1
		u.each(&u.do.magnitude)
	}
}

// merge makes one vector of the residual stream, p.x: the mean of all, the others projected back.
func (u *altUp) merge(w []kernel.Matrix) {
	for i := range w {
		u.load(i + 1)
		u.p.multiply(product{u.x[i+1], &w[i], u.in})
		u.now.other = i + 1
		u.each(&u.do.magnitude)
	}
	u.each(&u.do.merge)
}

// load makes a vector the input.
func (u *altUp) load(i int) {
	u.now.other = i
	u.each(&u.do.load)
}

func (u *altUp) doLoad(_, from, to int) {
	for t := from; t < to; t++ {
		copy(u.in.Row(t), u.row(u.x[u.now.other], t))
		u.in.Quantize(t)
	}
}

// doMagnitude gives a vector the size of the first.
func (u *altUp) doMagnitude(_, from, to int) {
	square := func(x []float32) float64 { return float64(kernel.Dot(x, x)) / float64(len(x)) }
	for t := from; t < to; t++ {
		x := u.row(u.x[u.now.other], t)
		f := float32(math.Sqrt(square(u.row(u.x[0], t)) / max(square(x), 1e-5)))
		for i := range x {
			x[i] *= f
		}
	}
}

func (u *altUp) doMerge(_, from, to int) {
	f := 1 / float32(u.n)
	for t := from; t < to; t++ {
		dst := u.row(u.p.x, t)
		clear(dst)
		for i := range u.x {
			kernel.Axpy(dst, f, u.row(u.x[i], t))
		}
	}
}

// predict predicts the vectors of the residual stream. It leaves the active one in p.x, and its RMSNorm in p.normed.
func (u *altUp) predict(w *altUpWeights, norm []float32) {
	u.now.altUp, u.now.norm = w, norm
	u.each(&u.do.predict)
	u.p.clock.lap(StageNorm)
}

func (u *altUp) doPredict(thread, from, to int) {
	p, w, n := u.p, u.now.altUp, u.n
	h := p.config.Hidden
	mixing := u.mixing[thread]
	for t := from; t < to; t++ {
		router := u.route(w, u.row(u.x[u.active], t), t, mixing[n*h:])
		coefs := u.coefs[t*n*n:][:n*n]
		for i := range coefs {
			coefs[i] = kernel.Dot(w.predict[i*n:][:n], router)
		}
		for j := range n {
			copy(mixing[j*h:][:h], u.row(u.x[j], t))
			for i := range n {
				kernel.Axpy(mixing[j*h:][:h], coefs[j*n+i], u.row(u.x[i], t))
			}
		}
		for j := range n {
			copy(u.row(u.x[j], t), mixing[j*h:][:h])
		}
		x := u.row(p.x, t)
		copy(x, u.row(u.x[u.active], t))
		kernel.RMSNorm(p.normed.Row(t), x, u.now.norm, p.config.RMSNormEps)
		p.normed.Quantize(t)
	}
}

// route returns the router's outputs for a row that is x. scratch is [hidden].
func (u *altUp) route(w *altUpWeights, x []float32, t int, scratch []float32) []float32 {
	h := len(x)
	scratch = scratch[:h]
	kernel.RMSNorm(scratch, x, w.norm, u.p.config.RMSNormEps)
	router := u.router[t*u.n:][:u.n]
	for i := range router {
		router[i] = float32(math.Tanh(float64(kernel.Dot(w.router[i*h:][:h], scratch))))
	}
	return router
}

// correct adds the RMSNorm of the network's output to p.x, the active vector, and corrects the others by what it has gained. It leaves what gates
// the layer's own embedding in u.in.
func (u *altUp) correct(w *altUpWeights, post []float32) {
	u.now.altUp, u.now.norm = w, post
	u.each(&u.do.correct)
	u.p.clock.lap(StageSum)
}

func (u *altUp) doCorrect(thread, from, to int) {
	p, w, n := u.p, u.now.altUp, u.n
	h := p.config.Hidden
	scratch := u.mixing[thread][:h]
	for t := from; t < to; t++ {
		x, out := u.row(p.x, t), u.row(p.ffn.out, t)
		kernel.RMSNorm(out, out, u.now.norm, p.config.RMSNormEps)
		kernel.Axpy(x, 1, out)
		router := u.route(w, x, t, scratch)
		copy(scratch, x)
		kernel.Axpy(scratch, -1, u.row(u.x[u.active], t))
		for i := range n {
			kernel.Axpy(u.row(u.x[i], t), 1+kernel.Dot(w.correct[i*n:][:n], router), scratch)
		}
		gate := u.in.Row(t)
		copy(gate, u.row(u.x[u.active], t))
		for i, s := range w.scale {
			gate[i] *= s
		}
		u.in.Quantize(t)
	}
}

// laurel multiplies p.normed with the two matrices of low rank.
func (u *altUp) laurel(w *gemma3nLayer) {
	u.p.multiply(product{u.low.F, &w.laurelLeft, u.p.normed})
	u.p.quantize(u.low)
	u.p.multiply(product{u.lowOut, &w.laurelRight, u.low})
}

// join adds the RMSNorm of attention's output to p.x, and the residual of low rank with its own input, divides the sum by √2, and stores the RMSNorm
// of that in p.normed.
func (u *altUp) join(w *gemma3nLayer) {
	u.now.layer = w
	u.each(&u.do.join)
	u.p.clock.lap(StageNorm)
}

func (u *altUp) doJoin(_, from, to int) {
	p, w := u.p, u.now.layer
	eps := p.config.RMSNormEps
	for t := from; t < to; t++ {
		x, attn, low := u.row(p.x, t), u.row(p.proj, t), u.row(u.lowOut, t)
		kernel.RMSNorm(attn, attn, w.postAttnNorm, eps)
		kernel.RMSNorm(low, low, w.laurelNorm, eps)
		kernel.Axpy(x, 1, attn)
		kernel.Axpy(x, 1, p.normed.Row(t))
		kernel.Axpy(x, 1, low)
		for i := range x {
			x[i] *= 1 / math.Sqrt2
		}
		kernel.RMSNorm(p.normed.Row(t), x, w.ffnNorm, eps)
		p.normed.Quantize(t)
	}
}
