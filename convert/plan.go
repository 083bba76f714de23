package convert

import (
	"cmp"
	"fmt"
	"slices"

	"st/format"
	"st/quant"
)

// plan says which source tensor becomes which bytes of which record. Records are in the order of execution: the dense part
// layer by layer, then the experts.
type plan struct {
	records     []format.Record
	sources     [][]tensor // of each record's tensors
	fallbacks   []Fallback
	again       map[requantized]int // tensors that were quantized already and are once more
	sourceBytes int64
	readBytes   int64  // what is read of them: a table of which a head is made, too, is read twice
	losses      []Loss // after write, if they were asked for

	types   [numClasses]quant.Type
	recipe  *Recipe
	keep    bool // types are kept where the recipe allows it
	exact   bool // F32 may be had of what comes in blocks
	arch    *architecture
	config  *format.Config
	weights weights
}

func newPlan(c *format.Config, w weights, recipe *Recipe) (*plan, error) {
	a, err := architectureOf(c)
	if err != nil {
		return nil, err
	}
	p := &plan{types: recipe.types(a), recipe: recipe, arch: a, config: c, weights: w, again: map[requantized]int{}}
	if g, ok := w.(*ggufWeights); ok {
		p.keep, p.exact = recipe.Keep && g.quantized(), true
	}
	dense, experts := a.keys(c)
	head, err := p.head()
	if err != nil {
		return nil, err
	}
	for _, k := range dense {
		switch {
		case k.role == format.RolePerLayerEmbedding:
			var src tensor
			if src, err = p.take(k); err == nil {
				err = p.dense(k, src, Embed, false)
			}
		case k.role == format.RoleUp && c.SparseFFN(k.layer):
			err = p.neurons(k)
		case k.role == format.RoleDown && c.SparseFFN(k.layer): // with up
		case k.role == format.RoleEmbedding:
			err = p.dense(k, head.embed, head.embedClass, head.isEmbed)
		case k.role == format.RoleHead:
			if !head.isEmbed {
				err = p.dense(k, head.tensor, Head, true)
			}
		default:
			var src tensor
			if src, err = p.take(k); err == nil {
				c := classIn(p.config, k)
				err = p.dense(k, src, c, c != Exact)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	for _, keys := range experts {
		if err := p.expert(keys); err != nil {
			return nil, err
		}
	}
	if t := w.unknown(c); t != nil {
		return nil, fmt.Errorf("%s: tensor %s %v %w: it does not belong to the model that %s describes",
			t.File(), t.Name(), t.Shape(), ErrUnknownTensor, w.config())
	}
	return p, nil
}

// headPlan says what the embedding table and the head are made from.
type headPlan struct {
	embed, tensor tensor
	embedClass    Class
	isEmbed       bool // the table is the head too
}

// head finds the two. Tied embeddings are one tensor if the head can do with the table that rows are looked up in, and two if not.
func (p *plan) head() (h headPlan, err error) {
	embedKey, headKey := key{format.RoleEmbedding, -1, -1}, key{format.RoleHead, -1, -1}
	h.embedClass = Embed
	if h.embed, err = p.take(embedKey); err != nil {
		return h, err
	}
	if !p.config.TiedEmbeddings {
		h.tensor, err = p.take(headKey)
		return h, err
	}
	h.tensor = h.embed
	embedType, err := p.typeOf(Embed, false, h.embed, p.config.Hidden, false)
	if err != nil {
		return h, err
	}
	headType, err := p.typeOf(Head, false, h.embed, p.config.Hidden, false)
	if err != nil {
		return h, err
	}
	if embedType == headType {
		h.isEmbed, h.embedClass = true, Head
		return h, nil
	}
	if t, ok := p.weights.lookup(headKey); ok {
		if typ, known := t.Type(); known && typ == headType {
			h.tensor = t // it has been made already
			p.sourceBytes += t.Bytes()
		}
	}
	return h, nil
}

// take finds a source tensor and checks its shape and type.
func (p *plan) take(k key) (tensor, error) {
	t, ok := p.weights.lookup(k)
	if !ok {
		return nil, fmt.Errorf("%s: tensor %s %w: %s asks for it", p.weights.where(), p.weights.nameOf(k), ErrMissing, p.weights.config())
	}
	if r, ok := t.(interface{ readable() error }); ok {
		if err := r.readable(); err != nil {
			return nil, err // before anything is written
		}
	}
	shape := p.config.Shape(k.role, k.layer, k.expert >= 0)
	if f, ok := t.(interface{ wanted() []int }); ok && f.wanted() != nil {
		shape = f.wanted()
	}
	if !slices.Equal(t.Shape(), shape) {
		return nil, fmt.Errorf("%s: tensor %s has shape %v, %w: %s asks for %v", t.File(), t.Name(), t.Shape(), ErrShape, p.weights.config(), shape)
	}
	p.sourceBytes += t.Bytes()
	return t, nil
}

// tensor begins a planned tensor as large as the source's, or as its transpose.
func (p *plan) tensor(k key, src tensor, c Class, transposed bool) (t format.Tensor, err error) {
	shape := p.config.Shape(k.role, k.layer, k.expert >= 0)
	t = format.Tensor{Name: p.arch.tensorName(k), Role: k.role, Vector: len(shape) == 1, Rows: 1, Cols: shape[len(shape)-1]}
	if !t.Vector {
		t.Rows = shape[0]
	}
	if transposed {
		t.Rows, t.Cols, t.Transposed = t.Cols, t.Rows, true
	}
	return t, p.setType(&t, c, src)
}

// dense plans a tensor of the dense part, a record of its own. A product's rows are all multiplied together.
func (p *plan) dense(k key, src tensor, c Class, product bool) error {
	t, err := p.tensor(k, src, c, false)
	if err != nil {
		return err
	}
	layMatrix(&t, 0, product)
	p.add(format.Record{Layer: k.layer, Expert: -1, Tensors: []format.Tensor{t}}, src)
	return nil
}

// neurons plans the record of up and down of a layer that leaves out neurons.
func (p *plan) neurons(up key) error {
	down := up
	down.role = format.RoleDown
	var sources [2]tensor
	var tensors [2]format.Tensor
	for i, k := range []key{up, down} {
		var err error
		if sources[i], err = p.take(k); err != nil {
			return err
		}
		if tensors[i], err = p.tensor(k, sources[i], classIn(p.config, k), k.role == format.RoleDown); err != nil {
			return err
		}
	}
	layNeurons(&tensors[0], &tensors[1], 0)
	p.add(format.Record{Layer: up.layer, Expert: -1, Tensors: tensors[:]}, sources[:]...)
	return nil
}

// expert plans an expert's record.
func (p *plan) expert(keys []key) error {
	tensors, sources := make([]format.Tensor, len(keys)), make([]tensor, len(keys))
	for i, k := range keys {
		var err error
		if sources[i], err = p.take(k); err != nil {
			return err
		}
		transposed := k.role == format.RoleDown && p.config.Activation == format.ReLU
		if tensors[i], err = p.tensor(k, sources[i], Experts, transposed); err != nil {
			return err
		}
	}
	layExpert(tensors, p.config.Activation)
	p.add(format.Record{Layer: keys[0].layer, Expert: keys[0].expert, Tensors: tensors}, sources...)
	return nil
}

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

// mainType returns the type that most weights have.
func (p *plan) mainType() quant.Type {
	number := map[quant.Type]int64{}
	for _, r := range p.records {
		for _, t := range r.Tensors {
			number[t.Type] += t.Params()
		}
	}
	return slices.MaxFunc(quant.Types(), func(a, b quant.Type) int { return cmp.Compare(number[a], number[b]) })
}
