package main

import (
	"math"
	"strings"
)

// layer makes layer l for the stream that reaches it, writes it and moves the stream past it.
func (b *builder) layer(l int, density float64) (layerStats, error) {
	var routes []choice
	var err error
	if !b.qwen() { // the router reads the layer's input
		if routes, err = b.router(l, b.x); err != nil {
			return layerStats{}, err
		}
	}
	if err := b.attention(l); err != nil {
		return layerStats{}, err
	}
	name := layerPrefix(l) + "post_attention_layernorm.weight"
	norm := b.norm(name, b.Hidden, 1)
	if err := b.store(name, norm); err != nil {
		return layerStats{}, err
	}
	z := rmsNorm(b.x, norm, b.NormEps)
	if b.arch == qwen3 {
		err := b.dense(l, z)
		return b.measure(nil, nil), err
	}
	if b.qwen() {
		if routes, err = b.router(l, z); err != nil {
			return layerStats{}, err
		}
	}
	active, err := b.experts(l, density, routes, z)
	if err != nil {
		return layerStats{}, err
	}
	return b.measure(routes, active), nil
}

// router makes the router, which reads x, one row a token: its rows are scaled so that logits vary by 1 between tokens, and
// lean along the mean of x as far as each expert's popularity asks.
func (b *builder) router(l int, x []float32) ([]choice, error) {
	name := b.config.router(l)
	w := b.matrix(name, b.Experts, b.Hidden)
	cal := x[:b.calTokens*b.Hidden]
	mean := meanRow(cal, b.Hidden)
	response(w, mean, nil)
	scale := float32(1 / rms(project(cal, w, b.Hidden)))
	for i := range w {
		w[i] *= scale
	}
	r := stream(b.seed, name+" popularity", 0)
	share := popularity(b.Experts, b.TopK, b.coverage, &r)
	response(w, mean, balance(project(cal, w, b.Hidden), b.TopK, share))
	if err := b.store(name, w); err != nil {
		return nil, err
	}
	logits := project(x, w, b.Hidden)
	routes := make([]choice, len(x)/b.Hidden)
	for t := range routes {
		routes[t] = route(logits[t*b.Experts:(t+1)*b.Experts], &b.config)
	}
	return routes, nil
}

// attention makes the attention block and adds its output to the stream.
func (b *builder) attention(l int) error {
	p := layerPrefix(l)
	norm := b.norm(p+"input_layernorm.weight", b.Hidden, 1)
	if err := b.store(p+"input_layernorm.weight", norm); err != nil {
		return err
	}
	z := rmsNorm(b.x, norm, b.NormEps)
	mean := meanRow(z[:b.calTokens*b.Hidden], b.Hidden)
	qMean, kMean := b.recency()
	if b.RopeLayout[l] == 0 {
		qMean, kMean = nil, nil // without positions they would do nothing
	}
	q, err := b.attended(p+"self_attn.q_proj.weight", b.Heads, mean, qMean, z)
	if err != nil {
		return err
	}
	k, err := b.attended(p+"self_attn.k_proj.weight", b.KVHeads, mean, kMean, z)
	if err != nil {
		return err
	}
	if b.qwen() {
		for name, x := range map[string][]float32{"q": q, "k": k} {
			if err := b.normHeads(p+"self_attn."+name+"_norm.weight", x); err != nil {
				return err
			}
		}
	}
	name := p + "self_attn.v_proj.weight"
	wv := b.matrix(name, b.KVHeads*b.HeadDim, b.Hidden)
	if err := b.store(name, wv); err != nil {
		return err
	}
	window := b.Context
	if b.WindowLayout[l] == 1 {
		window = b.Window
	}
	if b.RopeLayout[l] == 1 {
		rotate(q, b.Heads*b.HeadDim, b.HeadDim, b.seq, b.RopeTheta)
		rotate(k, b.KVHeads*b.HeadDim, b.HeadDim, b.seq, b.RopeTheta)
	}
	y := attend(q, k, project(z, wv, b.Hidden), &b.config, b.seq, window)

	// Attention averages the values, so their mean passes through it unchanged: the output projection can turn exactly
	// that into what the stream's common part needs to keep its share.
	width := b.Heads * b.HeadDim
	vMean, through := project(mean, wv, b.Hidden), make([]float32, 0, width)
	for h := range b.Heads {
		g := h / (b.Heads / b.KVHeads) * b.HeadDim
		through = append(through, vMean[g:g+b.HeadDim]...)
	}
	name = p + "self_attn.o_proj.weight"
	wo := b.matrix(name, b.Hidden, width)
	gain := float32(b.locality / math.Sqrt(float64(b.TopK)))
	for i := range wo {
		wo[i] *= gain
	}
	response(wo, through, nil)
	response(wo, through, b.missing(project(y[:b.calTokens*width], wo, width)))
	if err := b.store(name, wo); err != nil {
		return err
	}
	axpy(b.x, 1, project(y, wo, width))
	return nil
}

// normHeads makes the norm of queries or keys and applies it in place. It leaves their size as it is in the mean.
func (b *builder) normHeads(name string, x []float32) error {
	w := b.norm(name, b.HeadDim, float32(rms(x)))
	if err := b.store(name, w); err != nil {
		return err
	}
	copy(x, rmsNorm(x, w, b.NormEps))
	return nil
}

// attended makes a query or key projection with a given response to the mean and applies it.
func (b *builder) attended(name string, heads int, mean, target, z []float32) ([]float32, error) {
	w := b.matrix(name, heads*b.HeadDim, b.Hidden)
	if target != nil {
		response(w, mean, target)
	}
	if err := b.store(name, w); err != nil {
		return nil, err
	}
	return project(z, w, b.Hidden), nil
}

// recency gives the queries' and keys' means. When both have equal parts in all pairs of RoPE, whose frequencies are
// spaced logarithmically, their product falls with the logarithm of the distance, and attention as its power: -p for a
// slope of p. The heads' powers run from 0.5 to 1.25, so that some look at the last few tokens and some far back.
func (b *builder) recency() (q, k []float32) {
	pairsPerE := float64(b.HeadDim/2) / math.Log(b.RopeTheta)
	unit := math.Sqrt(math.Sqrt(float64(b.HeadDim)) / pairsPerE / 2) // of both halves of a pair
	q, k = make([]float32, b.Heads*b.HeadDim), make([]float32, b.KVHeads*b.HeadDim)
	for i := range k {
		k[i] = float32(unit)
	}
	for i := range q {
		power := 0.5 + 0.75*(float64(i/b.HeadDim)+0.5)/float64(b.Heads)
		q[i] = float32(unit * power)
	}
	return q, k
}

// missing is what must be added to every token, after the attention output y, for the common direction to have its
// share of the calibration stream's energy.
func (b *builder) missing(y []float32) []float32 {
	h := append([]float32(nil), b.x[:b.calTokens*b.Hidden]...)
	axpy(h, 1, y)
	mean := meanRow(h, b.Hidden)
	along := dot(mean, b.common) / float32(b.Hidden)
	for t := 0; t < len(h); t += b.Hidden {
		axpy(h[t:t+b.Hidden], -along, b.common)
	}
	want := float32(rms(h) * math.Sqrt(commonShare/(1-commonShare)))
	add := make([]float32, b.Hidden)
	axpy(add, want-along, b.common)
	return add
}

// dense makes the feed-forward network of a layer without experts and adds its output for z to the stream.
func (b *builder) dense(l int, z []float32) error {
	y, _, err := b.network(l, -1, 1, meanRow(z[:b.calTokens*b.Hidden], b.Hidden), z, z)
	if err == nil {
		axpy(b.x, 1, y)
	}
	return err
}

// experts makes the experts, applies them to the tokens of z routed to them and returns each token's active neurons.
func (b *builder) experts(l int, density float64, routes []choice, z []float32) ([]int, error) {
	mean := meanRow(z[:b.calTokens*b.Hidden], b.Hidden)

	// Outputs are kept by (token, rank) and summed below, in an order that does not depend on who finishes first.
	out := make([]float32, len(routes)*b.TopK*b.Hidden)
	active := make([]int, len(routes)*b.TopK)
	err := parallel(b.Experts, func(e int) error {
		var slots []int
		var in []float32
		for t, r := range routes {
			for rank, i := range r.experts {
				if i == e {
					slots = append(slots, t*b.TopK+rank)
					in = append(in, z[t*b.Hidden:(t+1)*b.Hidden]...)
				}
			}
		}
		y, n, err := b.network(l, e, density, mean, z, in)
		for i, s := range slots {
			copy(out[s*b.Hidden:], y[i*b.Hidden:(i+1)*b.Hidden])
			active[s] = n[i]
		}
		return err
	})
	for s := range active {
		t, rank := s/b.TopK, s%b.TopK
		axpy(b.x[t*b.Hidden:(t+1)*b.Hidden], routes[t].weights[rank], out[s*b.Hidden:(s+1)*b.Hidden])
	}
	return active, err
}

// network makes an expert, or the network of a layer without experts if e is −1, and returns its output for the tokens of in, and how many
// neurons were active for each.
func (b *builder) network(l, e int, density float64, mean, z, in []float32) (y []float32, active []int, err error) {
	name := func(matrix string) string { return b.config.network(l, e, matrix) }
	gate, up := b.matrix(name("gate"), b.FFN, b.Hidden), b.matrix(name("up"), b.FFN, b.Hidden)
	down := b.matrix(name("down"), b.Hidden, b.FFN)
	response(up, mean, nil) // neurons without a mean of their own leave the stream's mean to attention
	response(gate, mean, nil)
	var g []float32
	if !b.qwen() {
		sample := b.sample(z)
		g = make([]float32, len(sample)/b.Hidden*b.FFN)
		matmul(g, sample, gate, b.Hidden, 0, b.FFN)
		response(gate, mean, b.rates(strings.TrimSuffix(name("gate"), "gate.weight"), density, deviations(g, b.FFN)))
	}
	for matrix, w := range map[string][]float32{"gate": gate, "up": up, "down": down} {
		if err := b.store(name(matrix), w); err != nil {
			return nil, nil, err
		}
	}
	n := len(in) / b.Hidden
	g = make([]float32, n*b.FFN)
	u := make([]float32, n*b.FFN)
	matmul(g, in, gate, b.Hidden, 0, b.FFN)
	matmul(u, in, up, b.Hidden, 0, b.FFN)
	for t := range n {
		act := reglu
		if b.qwen() {
			act = swiglu
		}
		active = append(active, act(g[t*b.FFN:(t+1)*b.FFN], u[t*b.FFN:(t+1)*b.FFN]))
	}
	y = make([]float32, n*b.Hidden)
	matmul(y, g, down, b.FFN, 0, b.Hidden)
	return y, active, nil
}

// sample picks tokens of x evenly from all calibration sequences.
func (b *builder) sample(x []float32) []float32 {
	s := make([]float32, 0, sampled*b.Hidden)
	for i := range sampled {
		t := i * b.calTokens / sampled
		s = append(s, x[t*b.Hidden:(t+1)*b.Hidden]...)
	}
	return s
}

// rates draws each neuron's mean pre-activation, in units of its deviation over tokens. With these normal quantiles
// spread normally, the rates spread like a beta distribution, and their mean is exactly the density.
func (b *builder) rates(prefix string, density float64, deviation []float32) []float32 {
	r := stream(b.seed, prefix+"rates", 0)
	m := make([]float32, len(deviation))
	r.normal(m, neuronSpread)
	center := float32(quantile(density) * math.Sqrt(1+neuronSpread*neuronSpread))
	for i := range m {
		m[i] = (m[i] + center) * deviation[i]
	}
	return m
}

// head writes the final norm, scaled for logits that vary by logitStd over the vocabulary, and the lm_head if any.
func (b *builder) head() error {
	name := "model.embed_tokens.weight"
	if !b.Tied || b.writeHead {
		if err := b.vocabulary("lm_head.weight"); err != nil {
			return err
		}
	}
	if !b.Tied {
		name = "lm_head.weight"
	}
	norm := b.norm("model.norm.weight", b.Hidden, 1)
	rows := make([]float32, min(rowsPerWrite, b.Vocab)*b.Hidden)
	for v := range len(rows) / b.Hidden {
		b.embeddingRow(name, v, rows[v*b.Hidden:(v+1)*b.Hidden])
	}
	logits := project(rows, rmsNorm(b.sample(b.x), norm, b.NormEps), b.Hidden)
	var sum float64
	for _, d := range deviations(logits, sampled) {
		sum += float64(d)
	}
	norm = b.norm("model.norm.weight", b.Hidden, float32(logitStd*sampled/sum))
	if err := b.store("model.norm.weight", norm); err != nil || !b.headPredictor {
		return err
	}
	return b.predictor(name, norm)
}
