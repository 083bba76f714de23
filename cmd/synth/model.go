package main

import (
	"context"
	"math"
)

// The statistics' constants; main.go explains the model they belong to.
const (
	embedStd     = 0.02 // rms of the embedding, and of the lm_head
	commonShare  = 0.2  // share of the residual stream's energy that all tokens have in common
	firstDensity = 0.25 // layer 0's density as a share of the mean
	neuronSpread = 0.75 // spread of the neurons' rates, as a standard deviation of their normal quantiles
	coldSpread   = 0.5  // spread of the cold experts' rates, as a standard deviation of their logarithm
	logitStd     = 2.5  // spread of the final logits over the vocabulary
	sampled      = 64   // tokens on which the spread of gates and of logits is measured
	sequence     = 48   // length of the calibration sequences
	calibration  = 8    // sequences to calibrate on
	heldOut      = 4    // sequences to report on
	rowsPerWrite = 1024 // grain of the vocabulary-sized tensors
	perLayerStd  = 0.06 // rms of the layers' own embeddings, so that they count as much as what is added to them
)

// targets are the statistics that flags set.
type targets struct {
	density  float64 // mean share of active neurons
	coverage float64 // share of the uses that the popular quarter of the experts takes
	locality float64 // size of attention's output, against the expert output's 1/sqrt(top-k)
}

// builder makes a checkpoint layer by layer, carrying the residual stream x of the calibration sequences, followed by
// the held-out ones, through the layers it has made.
type builder struct {
	config
	seed uint64
	targets
	out       *checkpoint
	common    []float32 // the direction all tokens share, of rms 1
	x         []float32
	seq       int // length of one sequence
	calTokens int // how many of x's tokens are for calibration
}

// newBuilder draws the common direction.
func newBuilder(c config, seed uint64, want targets, out *checkpoint) *builder {
	b := &builder{config: c, seed: seed, targets: want, out: out,
		common: make([]float32, c.Hidden), seq: min(sequence, c.Context)}
	b.calTokens = calibration * b.seq
	r := stream(seed, "common", 0)
	r.normal(b.common, 1)
	scale := float32(1 / rms(b.common))
	for i := range b.common {
		b.common[i] *= scale
	}
	return b
}

// calibrated writes the whole checkpoint, each layer fitted to the stream that reaches it. Between layers it calls
// progress and gives up when ctx ends.
func (b *builder) calibrated(ctx context.Context, progress func(layer int)) ([]layerStats, error) {
	if err := b.vocabulary("model.embed_tokens.weight"); err != nil {
		return nil, err
	}
	b.embed()
	stats := make([]layerStats, b.Layers)
	for l, density := range densities(b.Layers, b.density) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		progress(l)
		var err error
		if stats[l], err = b.layer(l, density); err != nil {
			return nil, err
		}
	}
	if err := b.head(); err != nil {
		return nil, err
	}
	return stats, nil
}

// uncalibrated writes plain random weights.
func (b *builder) uncalibrated(ctx context.Context) error {
	ts := b.tensors()
	return parallel(len(ts), func(i int) error {
		t := ts[i]
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case t.rows == b.Vocab && t.cols == b.Hidden:
			return b.vocabulary(t.name)
		case t.name == "model.embed_tokens_per_layer.weight":
			return b.table(t.name, t.rows, t.cols)
		case t.rows == 0:
			w := b.norm(t.name, t.cols, 1)
			if b.arch == gemma3 { // whose checkpoints hold these weights less 1
				for i := range w {
					w[i]--
				}
			}
			return b.store(t.name, w)
		}
		return b.store(t.name, b.matrix(t.name, t.rows, t.cols))
	})
}

// matrix draws a matrix with the deviation that keeps the size of what it is applied to.
func (b *builder) matrix(name string, rows, cols int) []float32 {
	w := make([]float32, rows*cols)
	for i := range rows {
		r := stream(b.seed, name, i)
		r.normal(w[i*cols:(i+1)*cols], float32(1/math.Sqrt(float64(cols))))
	}
	return w
}

// norm draws n norm weights spread around scale.
func (b *builder) norm(name string, n int, scale float32) []float32 {
	w := make([]float32, n)
	r := stream(b.seed, name, 0)
	r.normal(w, 0.1)
	for i := range w {
		w[i] = scale * (1 + w[i])
	}
	return w
}

// store rounds a tensor in place to what a reader will see, and writes it.
func (b *builder) store(name string, w []float32) error {
	b.round(w)
	return b.out.write(name, 0, w)
}

// embeddingRow fills row with token v's row of a vocabulary-sized tensor: its share of the common direction and a
// random rest at right angles to it. All rows having the same product with the common direction, what the stream has
// in common shifts all logits alike and favors no token.
func (b *builder) embeddingRow(name string, v int, row []float32) {
	r := stream(b.seed, name, v)
	r.normal(row, float32(embedStd*math.Sqrt(1-commonShare)))
	along := dot(row, b.common) / float32(b.Hidden)
	axpy(row, float32(embedStd*math.Sqrt(commonShare))-along, b.common)
	b.round(row)
}

// vocabulary writes the embedding or the head. That of tied embeddings is a copy.
func (b *builder) vocabulary(name string) error {
	draw := name
	if b.Tied {
		draw = "model.embed_tokens.weight"
	}
	return parallel((b.Vocab+rowsPerWrite-1)/rowsPerWrite, func(i int) error {
		from, to := i*rowsPerWrite, min((i+1)*rowsPerWrite, b.Vocab)
		rows := make([]float32, (to-from)*b.Hidden)
		for v := from; v < to; v++ {
			b.embeddingRow(draw, v, rows[(v-from)*b.Hidden:(v-from+1)*b.Hidden])
		}
		return b.out.write(name, from, rows)
	})
}

// embed starts the stream with sequences of random tokens.
func (b *builder) embed() {
	n := (calibration + heldOut) * b.seq
	b.x = make([]float32, n*b.Hidden)
	r := stream(b.seed, "tokens", 0)
	for t := range n {
		b.embeddingRow("model.embed_tokens.weight", r.intn(b.Vocab), b.x[t*b.Hidden:(t+1)*b.Hidden])
	}
}

func (b *builder) round(v []float32) {
	for i, x := range v {
		v[i] = b.out.dtype.round(x)
	}
}
