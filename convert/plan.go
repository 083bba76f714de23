package convert

import (
	"fmt"
	"slices"
	"strings"

	"st/format"
	"st/quant"
)

// plan says which source tensor becomes which bytes of which record. Records are in the order of execution: the dense part
// layer by layer, then the experts.
type plan struct {
	records     []format.Record
	sources     [][]tensor // of each record's tensors
	fallbacks   []Fallback
	again       map[[2]quant.Type]int // tensors that were quantized already and are once more, by both types
	sourceBytes int64
	readBytes   int64  // what is read of them: a table that is the head too is read twice
	losses      []Loss // after write, if they were asked for

	types   [numClasses]quant.Type
	recipe  *Recipe
	weights weights
	used    map[string]bool
}

func newPlan(c *format.Config, w weights, recipe *Recipe) (*plan, error) {
	p := &plan{types: recipe.types(), recipe: recipe, weights: w, used: map[string]bool{}, again: map[[2]quant.Type]int{}}
	if err := p.smallThinker(c); err != nil {
		return nil, err
	}
	for _, t := range w.all() {
		switch {
		case p.used[t.Name()]:
			p.sourceBytes += t.Bytes()
		case t.Name() == lmHead && c.TiedEmbeddings: // a copy of the embeddings
		case strings.HasSuffix(t.Name(), ".rotary_emb.inv_freq"): // computed from rope_theta
		default:
			return nil, fmt.Errorf("%s: tensor %s %v is unknown: it does not belong to the model that %s describes",
				t.File(), t.Name(), t.Shape(), w.config())
		}
	}
	return p, nil
}

const (
	embeddings = "model.embed_tokens.weight"
	lmHead     = "lm_head.weight"
)

// smallThinker plans the records of a SmallThinker model.
func (p *plan) smallThinker(c *format.Config) error {
	head, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	embed, err := p.take(embeddings, []int{c.Vocab, c.Hidden})
	if err != nil {
		return err
	}
	// Tied embeddings are one tensor if the head can do with the table that rows are looked up in, and two if not.
	from := embed
	separate := true
	if c.TiedEmbeddings {
		embedType, err := p.typeOf(Embed, embed, c.Hidden)
		if err != nil {
			return err
		}
		headType, err := p.typeOf(Head, embed, c.Hidden)
		if err != nil {
			return err
		}
		separate = embedType != headType
		if m, ok := p.weights.lookup(lmHead); ok && separate && isType(m, headType) {
			from, p.used[lmHead] = m, true // it has been made already
		}
	} else if from, err = p.take(lmHead, []int{c.Vocab, c.Hidden}); err != nil {
		return err
	}
	class := Embed
	if !separate {
		class = Head
	}
	if err := p.dense(-1, format.RoleEmbedding, embeddings, embed, class, !separate); err != nil {
		return err
	}
	for l := range c.Layers {
		prefix := fmt.Sprintf("model.layers.%d.", l)
		for _, t := range []struct {
			role  format.Role
			name  string
			shape []int
			class Class
		}{
			{format.RoleAttnNorm, "input_layernorm.weight", []int{c.Hidden}, Exact},
			{format.RoleRouter, "block_sparse_moe.primary_router.weight", []int{c.MoE.Experts, c.Hidden}, Exact},
			{format.RoleQuery, "self_attn.q_proj.weight", []int{head, c.Hidden}, Attention},
			{format.RoleKey, "self_attn.k_proj.weight", []int{kv, c.Hidden}, Attention},
			{format.RoleValue, "self_attn.v_proj.weight", []int{kv, c.Hidden}, Attention},
			{format.RoleAttnOutput, "self_attn.o_proj.weight", []int{c.Hidden, head}, Attention},
			{format.RoleFFNNorm, "post_attention_layernorm.weight", []int{c.Hidden}, Exact},
		} {
			src, err := p.take(prefix+t.name, t.shape)
			if err != nil {
				return err
			}
			if err := p.dense(l, t.role, prefix+t.name, src, t.class, t.class != Exact); err != nil {
				return err
			}
		}
	}
	norm, err := p.take("model.norm.weight", []int{c.Hidden})
	if err != nil {
		return err
	}
	if err := p.dense(-1, format.RoleFinalNorm, "model.norm.weight", norm, Exact, false); err != nil {
		return err
	}
	if separate {
		if err := p.dense(-1, format.RoleHead, lmHead, from, Head, true); err != nil {
			return err
		}
	}
	for l := range c.Layers {
		for x := range c.MoE.Experts {
			if err := p.expert(l, x, c.MoE.ExpertFFN, c.Hidden); err != nil {
				return err
			}
		}
	}
	return nil
}

// take finds a source tensor and checks its shape.
func (p *plan) take(name string, shape []int) (tensor, error) {
	t, ok := p.weights.lookup(name)
	if !ok {
		return nil, fmt.Errorf("%s: tensor %s is missing: download the checkpoint again, or check its config.json", p.weights.where(), name)
	}
	if !slices.Equal(t.Shape(), shape) {
		return nil, fmt.Errorf("%s: tensor %s has shape %v, %s asks for %v", t.File(), name, t.Shape(), p.weights.config(), shape)
	}
	p.used[name] = true
	return t, nil
}

// dense plans a tensor of the dense part, a record of its own. A product's rows are all multiplied together.
func (p *plan) dense(layer int, role format.Role, name string, src tensor, c Class, product bool) error {
	t := format.Tensor{Name: name, Role: role, Vector: len(src.Shape()) == 1, Rows: src.Rows(), Cols: src.Cols()}
	if err := p.setType(&t, c, src); err != nil {
		return err
	}
	if product && t.Type.Block() > 1 {
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
	var src [3]tensor
	var t [3]format.Tensor
	roles := []format.Role{format.RoleGate, format.RoleUp, format.RoleDown}
	for i, name := range []string{"gate", "up", "down"} {
		shape := []int{ffn, hidden}
		if name == "down" {
			shape = []int{hidden, ffn}
		}
		var err error
		if src[i], err = p.take(prefix+name+".weight", shape); err != nil {
			return err
		}
		t[i] = format.Tensor{Name: prefix + name + ".weight", Role: roles[i], Rows: ffn, Cols: hidden, Transposed: name == "down"}
		if err := p.setType(&t[i], Experts, src[i]); err != nil {
			return err
		}
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

func (p *plan) add(r format.Record, sources ...tensor) {
	for _, s := range sources {
		p.readBytes += s.Bytes()
	}
	p.records = append(p.records, r)
	p.sources = append(p.sources, sources)
}

// has reports whether a planned tensor has a type.
func (p *plan) has(t quant.Type) bool {
	return slices.ContainsFunc(p.records, func(r format.Record) bool {
		return slices.ContainsFunc(r.Tensors, func(x format.Tensor) bool { return x.Type == t })
	})
}
