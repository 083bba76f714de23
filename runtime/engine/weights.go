package engine

import (
	"fmt"

	"st/format"
	"st/runtime/kernel"
)

// weights are a model's dense tensors, bound to their bytes, and the shape of its experts.
type weights struct {
	embed  embedding
	layers []layerWeights
	norm   []float32
	head   kernel.Matrix // [vocab, hidden]
}

type layerWeights struct {
	attnNorm, ffnNorm []float32
	q, k, v, o        kernel.Matrix
	router            kernel.Matrix // [experts, hidden]
	experts           []expertWeights
	denseBytes        int64 // of q, k, v, o and router
	gateBytes         int64 // of one expert's gate
	neuronBytes       int64 // of one neuron's rows of up and down
}

// measure sets the sizes, which are those of expert 0.
func (l *layerWeights) measure() {
	for _, m := range []*kernel.Matrix{&l.q, &l.k, &l.v, &l.o, &l.router} {
		l.denseBytes += m.Bytes()
	}
	x := &l.experts[0]
	l.gateBytes = x.gate.Bytes()
	l.neuronBytes = (x.up.Bytes() + x.down.Bytes()) / int64(x.up.Rows)
}

// expertWeights tells where an expert's matrices lie in its record.
type expertWeights struct {
	record         *format.Record
	gate, up, down *format.Tensor
}

// in returns the expert's matrices, given its record's bytes.
func (e *expertWeights) in(record []byte) kernel.Expert {
	return kernel.Expert{Gate: matrix(e.gate, record), Up: matrix(e.up, record), Down: matrix(e.down, record)}
}

// embedding looks tokens up in the embedding matrix.
type embedding struct {
	tensor *format.Tensor
	record *format.Record
	bytes  []byte // the record's; nil: rows are read one by one
	isHead bool   // the matrix is the language-model head too
}

// binder collects the tensors that an architecture needs, and keeps the first error.
type binder struct {
	r     *format.Reader
	dense denseMemory
	err   error
}

// tensor returns a tensor that must have the given shape as stored and transposed flag.
func (b *binder) tensor(name string, rows, cols int, transposed bool) (*format.Record, *format.Tensor) {
	rec, t, ok := b.r.Lookup(name)
	switch {
	case b.err != nil:
	case !ok:
		b.err = fmt.Errorf("tensor %s is missing: convert the checkpoint again", name)
	case t.Rows != rows || t.Cols != cols || t.Transposed != transposed:
		b.err = fmt.Errorf("tensor %s is stored as %d×%d (transposed: %t), the config asks for %d×%d (transposed: %t)",
			name, t.Rows, t.Cols, t.Transposed, rows, cols, transposed)
	}
	return rec, t
}

func (b *binder) matrix(name string, rows, cols int) kernel.Matrix {
	rec, t := b.tensor(name, rows, cols, false)
	if b.err != nil {
		return kernel.Matrix{}
	}
	return matrix(t, b.dense.record(rec))
}

// vector returns a vector's numbers.
func (b *binder) vector(name string, n int) []float32 {
	rec, t := b.tensor(name, 1, n, false)
	if b.err != nil {
		return nil
	}
	v := make([]float32, n)
	t.DecodeRow(v, b.dense.record(rec), 0)
	return v
}

const embedName = "model.embed_tokens.weight"

// headName returns the tensor that is the language-model head, and whether it is the embedding table. Tied embeddings have a
// head of their own if it has another type than the table that rows are looked up in.
func headName(r *format.Reader) (name string, isEmbed bool) {
	const head = "lm_head.weight"
	if _, _, ok := r.Lookup(head); !ok && r.Config.TiedEmbeddings {
		return embedName, true
	}
	return head, false
}

// matrix returns a tensor as the kernels see it.
func matrix(t *format.Tensor, record []byte) kernel.Matrix {
	return kernel.Matrix{
		Type: t.Type, Grouped: t.Layout == format.Groups16, Rows: t.Rows, Cols: t.Cols,
		Data: record[t.Offset:], Stride: int(t.Stride), ScaleOffset: int(t.ScaleOffset),
	}
}

// bind finds every tensor of a SmallThinker model, the dense ones in memory. The names are those of the checkpoint.
func bind(r *format.Reader, dense denseMemory) (*weights, error) {
	c := &r.Config
	b := &binder{r: r, dense: dense}
	w := &weights{layers: make([]layerWeights, c.Layers)}
	for l := range w.layers {
		prefix := fmt.Sprintf("model.layers.%d.", l)
		lw := &w.layers[l]
		lw.attnNorm = b.vector(prefix+"input_layernorm.weight", c.Hidden)
		lw.ffnNorm = b.vector(prefix+"post_attention_layernorm.weight", c.Hidden)
		lw.q = b.matrix(prefix+"self_attn.q_proj.weight", c.Heads*c.HeadDim, c.Hidden)
		lw.k = b.matrix(prefix+"self_attn.k_proj.weight", c.KVHeads*c.HeadDim, c.Hidden)
		lw.v = b.matrix(prefix+"self_attn.v_proj.weight", c.KVHeads*c.HeadDim, c.Hidden)
		lw.o = b.matrix(prefix+"self_attn.o_proj.weight", c.Hidden, c.Heads*c.HeadDim)
		lw.router = b.matrix(prefix+"block_sparse_moe.primary_router.weight", c.MoE.Experts, c.Hidden)
		lw.experts = make([]expertWeights, c.MoE.Experts)
		for x := range lw.experts {
			lw.experts[x] = b.expert(fmt.Sprintf("%sblock_sparse_moe.experts.%d.", prefix, x), l, x)
		}
	}
	w.norm = b.vector("model.norm.weight", c.Hidden)
	rec, t := b.tensor(embedName, c.Vocab, c.Hidden, false)
	head, isHead := headName(r)
	w.embed = embedding{tensor: t, record: rec, isHead: isHead}
	if b.err == nil && (isHead || !dense.partial) {
		w.embed.bytes = dense.record(rec)
	}
	w.head = b.matrix(head, c.Vocab, c.Hidden)
	if b.err != nil {
		return nil, b.err
	}
	for l := range w.layers {
		w.layers[l].measure()
	}
	return w, nil
}

func (b *binder) expert(prefix string, layer, expert int) expertWeights {
	c := &b.r.Config
	var e expertWeights
	e.record, _ = b.r.Expert(layer, expert)
	for _, m := range []struct {
		name       string
		to         **format.Tensor
		transposed bool
	}{{"gate", &e.gate, false}, {"up", &e.up, false}, {"down", &e.down, true}} {
		rec, t := b.tensor(prefix+m.name+".weight", c.MoE.ExpertFFN, c.Hidden, m.transposed)
		if b.err == nil && rec != e.record {
			b.err = fmt.Errorf("tensor %s%s.weight is not in the record of layer %d expert %d", prefix, m.name, layer, expert)
		}
		if b.err == nil && m.name != "gate" && t.Layout != format.Rows {
			b.err = fmt.Errorf("tensor %s%s.weight has layout %s: an expert's up and down have layout %s",
				prefix, m.name, t.Layout, format.Rows)
		}
		*m.to = t
	}
	return e
}

// maxBatch is the number of tokens that go through the layers together in prefill.
const maxBatch = 512
