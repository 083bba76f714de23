package convert

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/format"
	"st/quant"
)

// plan says which source tensor becomes which bytes of which record. Records are in the order of execution: the dense part
// layer by layer, then the experts.
type plan struct {
	records     []format.Record
	sources     [][]*checkpoint.Tensor // of each record's tensors
	fallbacks   []Fallback
	sourceBytes int64

	asked   quant.Type // of the matrices
	embed   quant.Type // of the embedding table
	weights *checkpoint.Checkpoint
	where   string // the checkpoint's directory, for errors
	used    map[string]bool
}

func newPlan(c *format.Config, s *source, asked, embed quant.Type) (*plan, error) {
	p := &plan{asked: asked, embed: embed, weights: s.weights, where: s.dir, used: map[string]bool{}}
	if err := p.smallThinker(c); err != nil {
		return nil, err
	}
	for _, t := range s.weights.Tensors() {
		switch {
		case p.used[t.Name]:
			p.sourceBytes += t.Bytes()
		case t.Name == "lm_head.weight" && c.TiedEmbeddings: // a copy of the embeddings
		case strings.HasSuffix(t.Name, ".rotary_emb.inv_freq"): // computed from rope_theta
		default:
			return nil, fmt.Errorf("%s: tensor %s %v is unknown: it does not belong to the model that %s describes",
				t.File, t.Name, t.Shape, filepath.Join(s.dir, "config.json"))
		}
	}
	return p, nil
}

// smallThinker plans the records of a SmallThinker model.
func (p *plan) smallThinker(c *format.Config) error {
	head, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	// Tied embeddings are one tensor if the head can do with the table that rows are looked up in, and two if not.
	const embeddings, lmHead = "model.embed_tokens.weight", "lm_head.weight"
	separate := !c.TiedEmbeddings || stored(p.embed, c.Hidden) != stored(p.asked, c.Hidden)
	embed := product
	if separate {
		embed = lookup
	}
	err := p.dense(-1, embeddings, embeddings, []int{c.Vocab, c.Hidden}, embed)
	for l := range c.Layers {
		prefix := fmt.Sprintf("model.layers.%d.", l)
		for _, t := range []struct {
			name  string
			shape []int
			use   use
		}{
			{"input_layernorm.weight", []int{c.Hidden}, exact},
			{"block_sparse_moe.primary_router.weight", []int{c.Experts, c.Hidden}, exact},
			{"self_attn.q_proj.weight", []int{head, c.Hidden}, product},
			{"self_attn.k_proj.weight", []int{kv, c.Hidden}, product},
			{"self_attn.v_proj.weight", []int{kv, c.Hidden}, product},
			{"self_attn.o_proj.weight", []int{c.Hidden, head}, product},
			{"post_attention_layernorm.weight", []int{c.Hidden}, exact},
		} {
			if err == nil {
				err = p.dense(l, prefix+t.name, prefix+t.name, t.shape, t.use)
			}
		}
	}
	if err == nil {
		err = p.dense(-1, "model.norm.weight", "model.norm.weight", []int{c.Hidden}, exact)
	}
	if err == nil && separate {
		from := lmHead
		if c.TiedEmbeddings {
			from = embeddings
		}
		err = p.dense(-1, lmHead, from, []int{c.Vocab, c.Hidden}, product)
	}
	for l := range c.Layers {
		for x := range c.Experts {
			if err == nil {
				err = p.expert(l, x, c.ExpertFFN, c.Hidden)
			}
		}
	}
	return err
}

// use is what a tensor is for, which decides its type and layout.
type use uint8

const (
	exact   use = iota // norms and routers: F32
	lookup             // embeddings that are looked up row by row
	product            // matrices whose rows are all multiplied
)

// take finds a source tensor and checks its shape.
func (p *plan) take(name string, shape []int) (*checkpoint.Tensor, error) {
	t, ok := p.weights.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("%s: tensor %s is missing: download the checkpoint again, or check its config.json", p.where, name)
	}
	if !slices.Equal(t.Shape, shape) {
		return nil, fmt.Errorf("%s: tensor %s has shape %v, config.json asks for %v", t.File, name, t.Shape, shape)
	}
	p.used[name] = true
	return t, nil
}

// stored returns the type of a tensor with rows of cols weights: the one asked for, or F16 if its blocks do not fit.
func stored(asked quant.Type, cols int) quant.Type {
	if asked.Fits(cols) {
		return asked
	}
	return quant.F16
}

// typeFor is stored, and takes note of a tensor that does not get the type asked for.
func (p *plan) typeFor(asked quant.Type, name string, cols int) quant.Type {
	t := stored(asked, cols)
	if t != asked {
		p.fallbacks = append(p.fallbacks, Fallback{name, cols, asked, t})
	}
	return t
}

// EmbedType returns the type that the embedding table has in a file of the given type, unless the user says otherwise: the
// next better one. Its error would go through every router and every layer, and a token reads one row of it, so a better
// type costs disk and neither time nor memory. README.md has the figures.
func EmbedType(t quant.Type) quant.Type {
	switch t {
	case quant.Q4_0:
		return quant.Q8_0
	case quant.Q8_0:
		return quant.F16
	}
	return t
}

// dense plans a tensor of the dense part, made from the source tensor of the given name: a record of its own.
func (p *plan) dense(layer int, name, from string, shape []int, u use) error {
	src, err := p.take(from, shape)
	if err != nil {
		return err
	}
	t := format.Tensor{Name: name, Vector: len(shape) == 1, Rows: src.Rows(), Cols: src.Cols()}
	switch u {
	case lookup:
		t.Type = p.typeFor(p.embed, name, t.Cols)
	case product:
		t.Type = p.typeFor(p.asked, name, t.Cols)
	}
	if u == product && t.Type.Block() > 1 {
		t.Layout = format.Groups16
	}
	place(&t)
	p.add(format.Record{Layer: layer, Expert: -1, Tensors: []format.Tensor{t}}, src)
	return nil
}

// expert plans an expert's record: the gate matrix, and then neuron by neuron its up row and its down column, so that a
// neuron that is skipped is one gap. See FORMAT.md, "Experts".
func (p *plan) expert(layer, expert, ffn, hidden int) error {
	prefix := fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.%d.", layer, expert)
	var src [3]*checkpoint.Tensor
	var t [3]format.Tensor
	for i, name := range []string{"gate", "up", "down"} {
		shape := []int{ffn, hidden}
		if name == "down" {
			shape = []int{hidden, ffn}
		}
		var err error
		if src[i], err = p.take(prefix+name+".weight", shape); err != nil {
			return err
		}
		t[i] = format.Tensor{Name: prefix + name + ".weight", Rows: ffn, Cols: hidden, Transposed: name == "down"}
		t[i].Type = p.typeFor(p.asked, t[i].Name, hidden)
	}
	gate, up, down := &t[0], &t[1], &t[2]
	if gate.Type.Block() > 1 {
		gate.Layout = format.Groups16
	}
	place(gate)
	upQuants, upScales := int64(up.Type.QuantBytes(hidden)), int64(up.Type.ScaleBytes(hidden))
	downQuants, downScales := int64(down.Type.QuantBytes(hidden)), int64(down.Type.ScaleBytes(hidden))
	neuron := alignUp(upQuants+downQuants+upScales+downScales, cacheLine)
	up.Offset = alignUp(int64(gate.Units())*gate.Stride, cacheLine)
	up.ScaleOffset = upQuants + downQuants
	down.Offset = up.Offset + upQuants
	down.ScaleOffset = downQuants + upScales
	up.Stride, down.Stride = neuron, neuron
	p.add(format.Record{Layer: layer, Expert: expert, Tensors: t[:]}, src[:]...)
	return nil
}

// place lays a tensor's units one after the other from the start of the record: groups aligned, rows packed.
func place(t *format.Tensor) {
	t.Stride = int64(t.UnitBytes())
	if t.Layout == format.Groups16 {
		t.Stride = alignUp(t.Stride, cacheLine)
	} else {
		t.ScaleOffset = int64(t.Type.QuantBytes(t.Cols))
	}
}

// cacheLine is what groups of rows and neurons are aligned to.
const cacheLine = 64

func alignUp(n, to int64) int64 { return (n + to - 1) / to * to }

func (p *plan) add(r format.Record, sources ...*checkpoint.Tensor) {
	p.records = append(p.records, r)
	p.sources = append(p.sources, sources)
}
