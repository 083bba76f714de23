package engine

import (
	"fmt"
	"maps"
	"slices"

	"st/format"
	"st/runtime/kernel"
)

// weights are what every architecture has: the embedding table, the final norm, the head, and where experts are.
type weights struct {
	embed    embedding
	perLayer embedding // the layers' own; the tensor is nil if there are none
	norm     []float32
	head     kernel.Matrix     // [vocab, hidden]
	experts  [][]expertWeights // by layer; nil where a layer has none
}

// architecture is a kind of model: it has bound the weights of its layers by their roles, and takes the rows of a pass through them.
type architecture interface{ layer(p *pass, l int) }

// architectures are the kinds of models that the engine runs, by the name in a file's config.
var architectures = map[string]func(b *binder) architecture{
	"gemma3":       newGemma3,
	"gemma3n":      newGemma3n,
	"phi3":         newPhi3,
	"qwen3":        newQwen3,
	"qwen3moe":     newQwen3,
	"smallthinker": newSmallThinker,
}

// Architectures returns the names of the kinds of models that an engine runs, sorted.
func Architectures() []string { return slices.Sorted(maps.Keys(architectures)) }

// expertWeights tells where an expert's matrices lie in its record.
type expertWeights struct {
	record         *format.Record
	gate, up, down *format.Tensor
	bytes          int64 // of all three
	gateBytes      int64
	neuronBytes    int64 // of one neuron's rows of up and down
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
}

// binder finds the tensors that an architecture needs, by their roles, and keeps the first error.
type binder struct {
	r     *format.Reader
	c     *format.Config
	dense denseMemory
	err   error
}

// tensor returns a dense tensor that must have the given shape; layer is −1 for what belongs to none.
func (b *binder) tensor(role format.Role, layer, rows, cols int) (*format.Record, *format.Tensor) {
	return b.stored(role, layer, rows, cols, false)
}

// stored is tensor for one that may be stored transposed.
func (b *binder) stored(role format.Role, layer, rows, cols int, transposed bool) (*format.Record, *format.Tensor) {
	rec, t, ok := b.r.Role(role, layer)
	switch {
	case b.err != nil:
	case !ok && layer < 0:
		b.err = fmt.Errorf("%w: the tensor of role %s is missing", format.ErrCorrupt, role)
	case !ok:
		b.err = fmt.Errorf("%w: layer %d has no tensor of role %s", format.ErrCorrupt, layer, role)
	default:
		b.shape(t, rows, cols, transposed)
	}
	return rec, t
}

// shape checks how a tensor is stored.
func (b *binder) shape(t *format.Tensor, rows, cols int, transposed bool) {
	if b.err == nil && (t.Rows != rows || t.Cols != cols || t.Transposed != transposed) {
		b.err = fmt.Errorf("%w: tensor %s is stored as %d×%d (transposed: %t), the config asks for %d×%d (transposed: %t)",
			format.ErrCorrupt, t.Name, t.Rows, t.Cols, t.Transposed, rows, cols, transposed)
	}
}

// fail makes the file corrupt, if it is not already.
func (b *binder) fail(what string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("%w: config: %s", format.ErrCorrupt, fmt.Sprintf(what, args...))
	}
}

func (b *binder) matrix(role format.Role, layer, rows, cols int) kernel.Matrix {
	rec, t := b.tensor(role, layer, rows, cols)
	if b.err != nil {
		return kernel.Matrix{}
	}
	if b.dense.pieces.has(rec) {
		return shapeOf(t) // its bytes come when they are needed
	}
	return matrix(t, b.dense.record(rec))
}

// vector returns a vector's numbers.
func (b *binder) vector(role format.Role, layer, n int) []float32 {
	rec, t := b.tensor(role, layer, 1, n)
	if b.err != nil {
		return nil
	}
	v := make([]float32, n)
	t.DecodeRow(v, b.dense.record(rec), 0)
	return v
}

// numbers returns the numbers of a matrix [rows, cols], row by row.
func (b *binder) numbers(role format.Role, layer, rows, cols int) []float32 {
	rec, t := b.tensor(role, layer, rows, cols)
	if b.err != nil {
		return nil
	}
	v := make([]float32, rows*cols)
	for r := range rows {
		t.DecodeRow(v[r*cols:][:cols], b.dense.record(rec), r)
	}
	return v
}

// attention binds the weights of a layer's attention; window and RoPE are as the config says.
func (b *binder) attention(l int) attentionWeights {
	c := b.c
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	w := attentionWeights{
		kv: c.KVLayer(l), q: b.matrix(format.RoleQuery, l, q, c.Hidden), o: b.matrix(format.RoleAttnOutput, l, c.Hidden, q), rotate: c.RoPELayout[l], window: c.Window(l),
		local: c.LocalRoPE != nil && c.SlidingLayout[l],
	}
	if c.AttentionBias {
		w.bias = &attentionBias{q: b.vector(format.RoleQueryBias, l, q), o: b.vector(format.RoleAttnOutputBias, l, c.Hidden)}
	}
	if c.QKNorm {
		w.qNorm = b.vector(format.RoleQueryNorm, l, c.HeadDim)
	}
	if w.kv != l {
		return w
	}
	w.k, w.v = b.matrix(format.RoleKey, l, kv, c.Hidden), b.matrix(format.RoleValue, l, kv, c.Hidden)
	if c.AttentionBias {
		w.bias.k, w.bias.v = b.vector(format.RoleKeyBias, l, kv), b.vector(format.RoleValueBias, l, kv)
	}
	if c.QKNorm {
		w.kNorm = b.vector(format.RoleKeyNorm, l, c.HeadDim)
	}
	return w
}

// feedForward binds the network of a layer without experts. Its activation is dense, unless the layer leaves out neurons: down is stored by neuron
// then.
func (b *binder) feedForward(l int) kernel.Expert {
	c := b.c
	if c.Activation == format.ReLU {
		b.fail("layer %d has no experts, and the activation is ReLU, which only experts may have", l)
	}
	ffn := c.FFNOf(l)
	if c.SparseFFN(l) {
		w := kernel.Expert{Gate: b.matrix(format.RoleGate, l, ffn, c.Hidden), Up: b.matrix(format.RoleUp, l, ffn, c.Hidden)}
		rec, t := b.stored(format.RoleDown, l, ffn, c.Hidden, true)
		if b.err == nil {
			w.Down = matrix(t, b.dense.record(rec))
		}
		if w.Up.Grouped || w.Down.Grouped {
			b.err = fmt.Errorf("%w: layer %d: up and down are not stored by neuron", format.ErrCorrupt, l)
		}
		return w
	}
	return kernel.Expert{
		Gate: b.matrix(format.RoleGate, l, ffn, c.Hidden), Up: b.matrix(format.RoleUp, l, ffn, c.Hidden),
		Down: b.matrix(format.RoleDown, l, c.Hidden, ffn),
	}
}

// expert binds an expert of a layer. Where the activation is ReLU its down is stored by neurons.
func (b *binder) expert(layer, expert int) expertWeights {
	c := b.c
	var e expertWeights
	var ok bool
	if e.record, ok = b.r.Expert(layer, expert); !ok {
		if b.err == nil {
			b.err = fmt.Errorf("%w: layer %d has no expert %d", format.ErrCorrupt, layer, expert)
		}
		return e
	}
	ffn, hidden, byNeuron := c.MoE.ExpertFFN, c.Hidden, c.Activation == format.ReLU
	for _, m := range []struct {
		role format.Role
		to   **format.Tensor
	}{{format.RoleGate, &e.gate}, {format.RoleUp, &e.up}, {format.RoleDown, &e.down}} {
		t := e.record.Tensor(m.role)
		switch {
		case b.err != nil:
			return e
		case t == nil:
			b.err = fmt.Errorf("%w: %s has no tensor of role %s", format.ErrCorrupt, e.record, m.role)
			return e
		case m.role == format.RoleDown && !byNeuron:
			b.shape(t, hidden, ffn, false)
		default:
			b.shape(t, ffn, hidden, m.role == format.RoleDown)
		}
		*m.to = t
		e.bytes += t.Bytes()
	}
	if b.err == nil {
		e.gateBytes = e.gate.Bytes()
		e.neuronBytes = (e.up.Bytes() + e.down.Bytes()) / int64(ffn)
	}
	return e
}

// embedRecord returns the record and the tensor of the embedding table, and whether it is the language-model head too. Tied embeddings have a
// head of their own if it has another type than the table that rows are looked up in.
func embedRecord(r *format.Reader) (rec *format.Record, t *format.Tensor, isHead bool) {
	rec, t, _ = r.Role(format.RoleEmbedding, -1)
	_, _, separate := r.Role(format.RoleHead, -1)
	return rec, t, !separate && r.Config.TiedEmbeddings
}

// matrix returns a tensor as the kernels see it.
func matrix(t *format.Tensor, record []byte) kernel.Matrix {
	m := shapeOf(t)
	m.Data = record[t.Offset:]
	return m
}

// shapeOf is matrix without the bytes.
func shapeOf(t *format.Tensor) kernel.Matrix {
	return kernel.Matrix{Type: t.Type, Grouped: t.Layout == format.Groups16, Rows: t.Rows, Cols: t.Cols, Stride: int(t.Stride), ScaleOffset: int(t.ScaleOffset)}
}

// bind finds every tensor of a model, the dense ones in memory.
func bind(r *format.Reader, dense denseMemory) (*weights, architecture, error) {
	c := &r.Config
	b := &binder{r: r, c: c, dense: dense}
	w := &weights{experts: make([][]expertWeights, c.Layers)}
	for l := range w.experts {
		if c.HasExperts(l) {
			w.experts[l] = make([]expertWeights, c.MoE.Experts)
			for x := range w.experts[l] {
				w.experts[l][x] = b.expert(l, x)
			}
		}
	}
	w.norm = b.vector(format.RoleFinalNorm, -1, c.Hidden)
	rec, t := b.tensor(format.RoleEmbedding, -1, c.Vocab, c.Hidden)
	_, _, isHead := embedRecord(r)
	w.embed = embedding{tensor: t, record: rec}
	if b.err == nil && dense.has(rec) {
		w.embed.bytes = dense.record(rec)
	}
	if in := c.PerLayerInput; in != nil {
		rec, t := b.tensor(format.RolePerLayerEmbedding, -1, in.Vocab, c.Layers*in.Size)
		if b.err == nil {
			if w.perLayer = (embedding{tensor: t, record: rec}); dense.has(rec) {
				w.perLayer.bytes = dense.record(rec)
			}
		}
	}
	head := format.RoleHead
	if isHead {
		head = format.RoleEmbedding
	}
	w.head = b.matrix(head, -1, c.Vocab, c.Hidden)
	if c.Architecture != "gemma3n" && (c.AltUp != nil || c.LaurelRank > 0 || c.PerLayerInput != nil || c.KVShared > 0 || c.Sparsity != nil) {
		b.fail("architecture %s has no altup, laurel_rank, per_layer_input, kv_shared_layers or activation_sparsity", c.Architecture)
	}
	arch := architectures[c.Architecture](b)
	if b.err != nil {
		return nil, nil, b.err
	}
	return w, arch, nil
}
