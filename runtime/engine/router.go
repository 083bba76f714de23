package engine

import (
	"st/format"
	"st/runtime/kernel"
)

// route is a batch's choice of experts: which tokens go to which expert and with what weight.
type route struct {
	topK    int
	experts []int32   // [batch, top-k], best first
	weights []float32 // [batch, top-k]; of sum 1, unless they are of the softmax of all logits
	// The same by expert: the tokens that chose expert e are tokens[first[e]:first[e+1]].
	first       []int32
	tokens      []int32
	tokenWeight []float32
	at          []int32     // [batch, top-k]: where a choice lies in tokens
	next        []int32     // scratch
	prefer      *preference // nil: the router alone chooses
}

func newRoute(rows, experts, topK int, a *arena) *route {
	return &route{
		topK:        topK,
		experts:     take[int32](a, rows*topK),
		weights:     take[float32](a, rows*topK),
		first:       make([]int32, experts+1),
		tokens:      take[int32](a, rows*topK),
		tokenWeight: take[float32](a, rows*topK),
		at:          take[int32](a, rows*topK),
		next:        make([]int32, experts),
	}
}

// pick chooses the top-k experts of row t by its router logits. Their weights are the softmax of the chosen logits, or those of the softmax of
// all logits, or their sigmoids divided by the sigmoids' sum. Of equal logits the lower expert wins; NaN loses to every number.
func (r *route) pick(t int, logits []float32, m *format.MoE) {
	best := r.experts[t*r.topK:][:r.topK]
	n := 0
	for e, v := range logits {
		i := n
		for ; i > 0 && better(v, logits[best[i-1]]); i-- {
			if i < r.topK {
				best[i] = best[i-1]
			}
		}
		if i < r.topK {
			best[i] = int32(e)
			n = min(n+1, r.topK)
		}
	}
	if r.prefer != nil {
		r.prefer.move(best, logits, r.weights[t*r.topK:][:r.topK], m)
	}
	if m.SoftmaxAll {
		kernel.Softmax(logits)
	}
	w := r.weights[t*r.topK:][:r.topK]
	for i, e := range best {
		w[i] = logits[e]
	}
	switch {
	case m.SoftmaxAll:
	case m.RouterSoftmax:
		kernel.Softmax(w)
	default:
		var sum float32
		for i, v := range w {
			w[i] = sigmoid(v)
			sum += w[i]
		}
		for i := range w {
			w[i] /= sum
		}
	}
}

// better reports whether logit a comes before b, which belongs to a lower expert.
func better(a, b float32) bool { return a > b || a == a && b != b }

// group sorts the choices of n tokens by expert, tokens in order.
func (r *route) group(n int) {
	clear(r.first)
	chosen := r.experts[:n*r.topK]
	for _, e := range chosen {
		r.first[e+1]++
	}
	for e := 1; e < len(r.first); e++ {
		r.first[e] += r.first[e-1]
	}
	copy(r.next, r.first)
	for i, e := range chosen {
		at := r.next[e]
		r.tokens[at], r.tokenWeight[at], r.at[i] = int32(i/r.topK), r.weights[i], at
		r.next[e]++
	}
}

// of returns the tokens that chose an expert, and their weights.
func (r *route) of(expert int) (tokens []int32, weights []float32) {
	from, to := r.first[expert], r.first[expert+1]
	return r.tokens[from:to], r.tokenWeight[from:to]
}

// route chooses a layer's experts by the product of router and in, and asks the store for them: reading starts.
func (p *pass) route(l int, in *kernel.Input, router *kernel.Matrix) {
	p.multiply(product{p.router, router, in})
	p.choose(l)
}

// routeEarly is route before the layer's attention. Where no expert has to be read, the router's product is computed together with those of the
// attention: the threads have to meet once less. Where experts are read, those of the layer after the next one are foreseen.
func (p *pass) routeEarly(l int, in *kernel.Input, router *kernel.Matrix) {
	if p.streamed == nil || p.streamed.complete() {
		p.early = product{p.router, router, in}
		return
	}
	if l+2 >= p.config.Layers || !p.foresees(far) {
		p.route(l, in, router) // reading starts
		return
	}
	bytes := p.bytes
	p.multiply(product{p.router, router, in}, p.foreseen(l+2, nil))
	p.bytes = bytes + router.Bytes() // what is only foreseen is not counted
	p.choose(l)
	p.expected(l+2, far)
	p.clock.lap(StageRouter)
}

// choose chooses a layer's experts by the router's logits.
func (p *pass) choose(l int) {
	if p.err != nil {
		return
	}
	m := p.config.MoE
	if p.guess != nil && p.n == 1 {
		p.guess.layers[p.moe[l]].chosen(p.router[:m.Experts])
	}
	p.rate(p.moe[l])
	p.noteChances()
	p.choice.prefer = p.prefer(p.moe[l])
	p.check(p.pool.split(p.n, 16, &p.do.pick))
	p.cutDraft(l)
	p.chosen(l)
	p.clock.lap(StageRouter)
}

// chooseBeside is choose for the present layer in the job that computes the router's logits, where no expert has to be read.
func (p *pass) chooseBeside(int) {
	p.choice.prefer = nil
	p.noteChances()
	p.doPick(0, 0, p.n)
	p.chosen(p.now.layer)
}

// chosen lists the experts that the rows chose, and asks the store for them.
func (p *pass) chosen(l int) {
	m := p.config.MoE
	p.choice.group(p.n)
	if p.trace != nil {
		p.notes.chose(p.choice.experts[:p.n*m.ExpertsPerToken])
	}
	p.ffn.choose(p.weights.experts[l])
	first := p.moe[l] * m.Experts
	for i := range p.ffn.chosen {
		c := &p.ffn.chosen[i]
		p.uses[first+c.id].Add(int64(len(c.tokens)))
	}
	p.store.want(p.moe[l], p.n, p.ffn.chosen)
}

// rate tells the store what the router's logits say of a layer's experts, also of those that are not chosen. Layers that have experts are counted from 0.
func (p *pass) rate(layer int) {
	if p.streamed == nil || p.measuring {
		return
	}
	m := p.config.MoE
	p.streamed.rate(layer, p.router[:(p.n-p.drafted())*m.Experts], p.singles, m.ExpertsPerToken)
}

func (p *pass) doPick(_, from, to int) {
	m := p.config.MoE
	for t := from; t < to; t++ {
		p.choice.pick(t, p.router[t*m.Experts:][:m.Experts], m)
	}
}
