package calibration

import (
	goruntime "runtime"

	"golang.org/x/sync/errgroup"

	"st/format"
)

// Collector adds up squares and products of what a run of a model shows it, as the runtime's observer.
type Collector struct {
	config *format.Config
	part   Part
	add    AddScaled // nil: no covariances
	tokens int64
	layers []layerSums
	head   sums
}

// AddScaled adds Σ w[i]·x[i] to y, for four vectors as long as y.
type AddScaled func(y []float32, w *[4]float32, x *[4][]float32)

// sums of squares, weighted; in float64, because millions of tokens are added up.
type sums struct {
	squares  []float64
	weight   float64
	tokens   int64
	products []float32 // upper triangle of Σ x·xᵀ, if it is collected
	seen     bool      // by the products
}

type layerSums struct {
	in, out, ffn sums   // of attention, and of the feed-forward network: of all experts together
	experts      []sums // inputs weighted with the squares of the router's weights, which the output's errors are multiplied with
	// Inputs of down, if the activation is dense: of a layer without experts, or of each expert, weighted likewise.
	down        sums
	expertsDown []sums
}

// NewCollector returns one for a model. If add is given it collects covariances too.
func NewCollector(c *format.Config, add AddScaled) *Collector {
	return NewPartCollector(c, everything(c, add != nil), add)
}

// NewPartCollector returns one that collects a part of what there is.
func NewPartCollector(c *format.Config, p Part, add AddScaled) *Collector {
	k := &Collector{config: c, part: p, add: add, layers: make([]layerSums, c.Layers)}
	input := func(cols int, covariance bool) sums {
		s := sums{}
		if p.Means {
			s.squares = make([]float64, cols)
		}
		if covariance {
			s.products = make([]float32, triangle(cols))
		}
		return s
	}
	k.head = input(c.Hidden, p.Head)
	for l := range k.layers {
		layer, covariance := &k.layers[l], p.From <= l && l < p.To
		*layer = layerSums{in: input(c.Hidden, covariance), out: input(c.Heads*c.HeadDim, covariance), ffn: input(c.Hidden, covariance)}
		if !c.HasExperts(l) {
			layer.down = input(c.FFNOf(l), covariance)
			continue
		}
		layer.experts, layer.expertsDown = make([]sums, c.MoE.Experts), make([]sums, c.MoE.Experts)
		for x := range layer.experts {
			layer.experts[x], layer.expertsDown[x] = input(c.Hidden, false), input(c.MoE.ExpertFFN, false)
		}
	}
	return k
}

// triangle returns the number of elements on and above the diagonal of an n×n matrix.
func triangle(n int) int { return n * (n + 1) / 2 }

// row adds the squares of one vector.
func (s *sums) row(x []float32, weight float64) {
	for i, v := range x[:len(s.squares)] {
		s.squares[i] += weight * float64(v) * float64(v)
	}
	s.weight += weight
	s.tokens++
}

// all adds every vector [n] of a batch.
func (s *sums) all(x []float32, n int, add AddScaled) {
	for t := 0; s.squares != nil && t < len(x); t += n {
		s.row(x[t:], 1)
	}
	if s.products == nil {
		return
	}
	s.seen = true
	var group errgroup.Group
	const step = 32 // rows of the triangle, which are of unequal lengths
	group.SetLimit(goruntime.GOMAXPROCS(0))
	for from := 0; from < n; from += step {
		group.Go(func() error {
			var four fourVectors // one for all rows: add makes it escape
			for i := from; i < min(from+step, n); i++ {
				at := triangle(n) - triangle(n-i)
				four.productsRow(s.products[at:at+n-i], x, i, n, add)
			}
			return nil
		})
	}
	group.Wait()
}

// fourVectors are the arguments of [AddScaled].
type fourVectors struct {
	weights [4]float32
	x       [4][]float32
}

// productsRow adds row i of the products of vectors [n], from the diagonal on.
func (f *fourVectors) productsRow(row, x []float32, i, n int, add AddScaled) {
	for t := 0; t < len(x); t += 4 * n {
		for k := range f.x {
			if at := t + k*n; at < len(x) {
				f.weights[k], f.x[k] = x[at+i], x[at+i:at+n]
			} else {
				f.weights[k], f.x[k] = 0, f.x[0]
			}
		}
		add(row, &f.weights, &f.x)
	}
}

// mean returns the mean squares.
func (s *sums) mean() []float32 {
	m := make([]float32, len(s.squares))
	if s.weight > 0 {
		for i, v := range s.squares {
			m[i] = float32(v / s.weight)
		}
	}
	return m
}

// AttentionInput, AttentionOutput, ExpertInput, FFNInput, DownInput and HeadInput are an observer's: see the runtime package.
func (k *Collector) AttentionInput(layer int, x []float32) {
	k.layers[layer].in.all(x, k.config.Hidden, k.add)
}

// AttentionOutput is shown the input [n, heads·head_dim] of o.
func (k *Collector) AttentionOutput(layer int, x []float32) {
	k.layers[layer].out.all(x, k.config.Heads*k.config.HeadDim, k.add)
}

// ExpertInput is shown the input [n, hidden] of a layer's experts, those that each token chose [n, top-k], and their weights.
func (k *Collector) ExpertInput(layer int, x []float32, experts []int32, weights []float32) {
	l := &k.layers[layer]
	l.ffn.all(x, k.config.Hidden, k.add)
	if !k.part.Means {
		return
	}
	for i, expert := range experts {
		row := x[i/k.config.MoE.ExpertsPerToken*k.config.Hidden:][:k.config.Hidden]
		l.experts[expert].row(row, float64(weights[i])*float64(weights[i]))
	}
}

// FFNInput is shown the input [n, hidden] of the feed-forward network of a layer without experts.
func (k *Collector) FFNInput(layer int, x []float32) {
	k.layers[layer].ffn.all(x, k.config.Hidden, k.add)
}

// DownInput is shown the input [n, ffn] of a down matrix behind a dense activation: of an expert, with the router's weights of the n
// tokens, or, if expert is −1, of a layer without experts.
func (k *Collector) DownInput(layer, expert int, x, weights []float32) {
	l := &k.layers[layer]
	if expert < 0 {
		l.down.all(x, k.config.FFNOf(layer), k.add)
		return
	}
	if !k.part.Means {
		return
	}
	s := &l.expertsDown[expert]
	for t, w := range weights {
		s.row(x[t*len(s.squares):], float64(w)*float64(w))
	}
}

// HeadInput is shown the input [n, hidden] of the head.
func (k *Collector) HeadInput(x []float32) {
	k.head.all(x, k.config.Hidden, k.add)
	k.tokens += int64(len(x) / k.config.Hidden)
}

// Shrink is the number of tokens' worth of the layer's mean that is mixed into every expert's: one that few tokens have
// reached is mostly taken for an average one.
const Shrink = 64

// Statistics returns the means of what was seen so far.
func (k *Collector) Statistics() *Statistics {
	s := &Statistics{Name: "the statistics", tensors: map[string]matrix{}}
	input := func(name string, of *sums) {
		if of.squares != nil {
			s.put(name, of.mean())
		}
		if of.products != nil {
			s.put(name+covarianceOf, of.products)
		}
	}
	for l := range k.layers {
		layer := &k.layers[l]
		input(attentionIn(l), &layer.in)
		input(attentionOut(l), &layer.out)
		if !k.config.HasExperts(l) {
			input(ffnIn(l), &layer.ffn)
			if layer.down.weight > 0 || layer.down.seen {
				input(downIn(l), &layer.down)
			}
			continue
		}
		input(expertsIn(l), &sums{products: layer.ffn.products}) // the means are each expert's
		if k.part.Means {
			k.experts(s, l)
		}
	}
	input(headIn, &k.head)
	s.put(tokensSeen, []float32{float32(k.tokens)})
	return s
}

// experts puts what was seen of each expert of a layer.
func (k *Collector) experts(s *Statistics, l int) {
	layer := &k.layers[l]
	s.put(expertsIn(l), shrunk(layer.experts)...)
	tokens := make([]float32, len(layer.experts))
	seen := false
	for x := range layer.experts {
		tokens[x] = float32(layer.experts[x].tokens)
		seen = seen || layer.expertsDown[x].weight > 0
	}
	s.put(expertsTokens(l), tokens)
	if seen {
		s.put(expertsDown(l), shrunk(layer.expertsDown)...)
	}
}

// shrunk returns the mean squares of each expert, with the layer's mean mixed in.
func shrunk(experts []sums) (rows [][]float32) {
	all := sums{squares: make([]float64, len(experts[0].squares))}
	for x := range experts {
		for i, v := range experts[x].squares {
			all.squares[i] += v
		}
		all.weight += experts[x].weight
	}
	average := all.mean()
	for x := range experts {
		e := &experts[x]
		m := e.mean()
		own := float32(e.tokens) / float32(e.tokens+Shrink)
		for i := range m {
			m[i] = own*m[i] + (1-own)*average[i]
		}
		rows = append(rows, m)
	}
	return rows
}

// CollectorBytes returns the memory that a [Collector] of a model and its [Statistics] take.
func CollectorBytes(c *format.Config, covariance bool) (n int64) {
	return everything(c, covariance).Bytes(c)
}
