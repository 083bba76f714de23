package convert

import (
	"context"
	"fmt"
	"slices"

	"st/convert/gguf"
	"st/format"
	"st/quant"
)

// ggufWeights are a GGUF file's, or those of a set of files that one was split into.
type ggufWeights struct {
	*gguf.File
	model *gguf.Model
	asked map[string]bool
}

func newGGUFWeights(f *gguf.File, m *gguf.Model) *ggufWeights {
	return &ggufWeights{f, m, map[string]bool{}}
}

func (w *ggufWeights) where() string  { return w.Paths()[0] }
func (w *ggufWeights) config() string { return "the metadata of " + w.Paths()[0] }

// quantized reports whether any weights come in blocks.
func (w *ggufWeights) quantized() bool {
	return slices.ContainsFunc(w.Tensors, func(t *gguf.Tensor) bool { return t.Type.Block() > 1 })
}

func (w *ggufWeights) nameOf(k key) string {
	name, _ := w.place(k.role, k.layer, k.expert >= 0)
	return name
}

// place returns the name of the tensor that holds those of a role, and what it holds together with it; nil: nothing.
func (w *ggufWeights) place(role format.Role, layer int, experts bool) (name string, fused *gguf.Fused) {
	name = gguf.Name{Role: role, Layer: layer, Experts: experts}.String()
	if fused = gguf.FusedOf(w.model.Config.Architecture, role); fused == nil || experts {
		return name, nil
	}
	first := gguf.Name{Role: fused.Roles[0], Layer: layer}.String() // what a file has where they are apart
	if _, apart := w.Lookup(first); apart {
		return name, nil
	}
	return fused.Name(layer), fused
}

func (w *ggufWeights) lookup(k key) (tensor, bool) {
	if k.role.HeadPredictor() {
		return w.predictor(k.role)
	}
	name, fused := w.place(k.role, k.layer, k.expert >= 0)
	t, ok := w.Lookup(name)
	if !ok {
		return nil, false
	}
	w.asked[t.Name] = true
	if fused != nil {
		first := 0
		for _, r := range fused.Roles[:slices.Index(fused.Roles, k.role)] {
			first += w.model.Config.Shape(r, k.layer, false)[0]
		}
		n := w.model.Config.Shape(k.role, k.layer, false)[0]
		if len(t.Shape) != 2 || first+n > t.Rows() {
			return ggufTensor{t: t, shape: t.Shape}, true // the plan refuses it
		}
		t = t.Part(first, n)
	}
	if k.expert >= 0 {
		if len(t.Shape) != 3 || k.expert >= t.Shape[0] {
			return ggufTensor{t: t, shape: t.Shape}, true // the plan refuses it
		}
		t = t.Slice(k.expert)
	}
	x := ggufTensor{t: t, shape: stackedShape(k.role, t.Shape)}
	if w.transposed(k.role, k.expert >= 0) && len(t.Shape) == 2 {
		x.shape, x.transposed = []int{t.Shape[1], t.Shape[0]}, true
	}
	return x, true
}

// stackedShape returns the shape of a tensor whose matrices, if it has several, lie one below the other: [n, out, in] is [n·out, in].
func stackedShape(role format.Role, shape []int) []int {
	if len(shape) == 3 && (role == format.RoleAltUpProjection || role == format.RoleAltUpUnembedding) {
		return []int{shape[0] * shape[1], shape[2]}
	}
	return shape
}

// transposed reports whether matrices of a role are stored transposed.
func (w *ggufWeights) transposed(role format.Role, experts bool) bool {
	return experts && role == format.RoleDown && w.model.DownTransposed
}

func (w *ggufWeights) unknown(c *format.Config) tensor {
	for _, t := range w.Tensors {
		factors := t.Name == gguf.LongFactors || t.Name == gguf.ShortFactors // which are part of the config
		if !w.asked[t.Name] && t.Name != gguf.HeadPredictor && !unusedKV(c, t.Name) && !(factors && c.Architecture == "phi3") && gguf.OfText(c.Architecture, t.Name) {
			return ggufTensor{t: t, shape: t.Shape}
		}
	}
	return nil
}

// unusedKV reports whether a tensor belongs to keys or values of a layer that attends to those of another.
func unusedKV(c *format.Config, name string) bool {
	n, ok := gguf.ParseName(name)
	return ok && !n.Experts && n.Layer >= 0 && n.Layer < c.Layers && c.KVLayer(n.Layer) != n.Layer &&
		(n.Role == format.RoleKey || n.Role == format.RoleValue || n.Role == format.RoleKeyNorm)
}

// ggufTensor is a tensor of a GGUF file, or that of one expert.
type ggufTensor struct {
	t          *gguf.Tensor
	shape      []int // [out, in]
	transposed bool
}

func (g ggufTensor) Name() string             { return g.t.Name }
func (g ggufTensor) File() string             { return g.t.File() }
func (g ggufTensor) Shape() []int             { return g.shape }
func (g ggufTensor) Rows() int                { return g.t.Rows() }
func (g ggufTensor) Cols() int                { return g.t.Cols() }
func (g ggufTensor) Transposed() bool         { return g.transposed }
func (g ggufTensor) Bytes() int64             { return g.t.Bytes() }
func (g ggufTensor) Type() (quant.Type, bool) { return g.t.Type.Quant() }

func (g ggufTensor) spans(row, n int) ([]span, bool) {
	at, bytes := g.t.Offset(), int64(g.t.RowBytes())
	return []span{{g.t.File(), at + int64(row)*bytes, at + int64(row+n)*bytes}}, true
}

// Read is short, so whoever wants to stop it waits for it.
func (g ggufTensor) Read(dst []float32, row, n int, _ *readBuffer) error {
	return g.t.ReadRows(context.Background(), dst, row, n)
}

// quantized returns the name of the type if the weights lost precision when they were stored in it.
func (g ggufTensor) quantized() (name string, ok bool) {
	return g.t.Type.String(), g.t.Type.Block() > 1
}

// nearest returns the type that the weights of a quantized file are stored in if nobody asks for another.
func (g ggufTensor) nearest(c Class) quant.Type {
	if typ, known := g.t.Type.Quant(); known {
		return typ
	}
	if c == Embed || c == Head {
		return quant.Q8_0
	}
	return nearestTypes[g.t.Type]
}

// nearestTypes are what types become that .stm files do not have: four bits stay four bits, and more become eight, as the table of embeddings and the
// head do in any case, where a second rounding does most harm. docs/gguf.md tells what that was measured to lose.
var nearestTypes = map[gguf.Type]quant.Type{
	gguf.Q2_K: quant.Q4_0, gguf.Q3_K: quant.Q4_0, gguf.Q4_K: quant.Q4_0, gguf.Q4_1: quant.Q4_0, gguf.IQ4_NL: quant.Q4_0, gguf.IQ4_XS: quant.Q4_0,
	gguf.Q5_0: quant.Q8_0, gguf.Q5_1: quant.Q8_0, gguf.Q5_K: quant.Q8_0, gguf.Q6_K: quant.Q8_0,
}

// ReadBlocks is for blocks: other numbers are read one by one, and looked at.
func (g ggufTensor) ReadBlocks(quants, scales []byte, row, n int, _ *readBuffer) error {
	return g.t.ReadQuants(context.Background(), quants, scales, row, n)
}

// checked: whoever wrote the file may have stored anything.
func (g ggufTensor) checked() bool { return false }

// CheckGGUF tells whether [Run] converts a GGUF file: nil, or an error that says what keeps it from that. Only headers are looked at.
func CheckGGUF(f *gguf.File) error {
	m, err := f.Model()
	if err != nil {
		return err
	}
	return checkGGUF(f, m)
}

// checkGGUF checks that the file has the tensors that its metadata tells of, all of them and no others. What is checked is there once for each layer,
// so a header that tells of more layers or experts than the file has is found out before anything is made for each of them.
func checkGGUF(f *gguf.File, m *gguf.Model) error {
	w := newGGUFWeights(f, m)
	check := func(role format.Role, layer int, experts bool) error {
		name, fused := w.place(role, layer, experts)
		t, ok := f.Lookup(name)
		if !ok {
			return fmt.Errorf("%s: tensor %s %w: %s asks for it", w.where(), name, ErrMissing, w.config())
		}
		w.asked[name] = true
		want := slices.Clone(m.Config.Shape(role, layer, experts))
		if fused != nil {
			want[0] = 0
			for _, r := range fused.Roles {
				want[0] += m.Config.Shape(r, layer, false)[0]
			}
		}
		if w.transposed(role, experts) {
			want = []int{want[1], want[0]}
		}
		if experts {
			want = append([]int{m.Config.MoE.Experts}, want...)
		}
		if !slices.Equal(stackedShape(role, t.Shape), want) {
			return fmt.Errorf("%s: tensor %s has shape %v, %w: %s asks for %v", t.File(), t.Name, t.Shape, ErrShape, w.config(), want)
		}
		if !t.Type.Decodable() {
			return fmt.Errorf("%s: tensor %s is %s: %w", t.File(), t.Name, t.Type, gguf.ErrType)
		}
		return nil
	}
	a, err := architectureOf(&m.Config)
	if err != nil {
		return err
	}
	for _, t := range a.tensors {
		if t.role.PerLayer() || t.role == format.RoleHead && m.Config.TiedEmbeddings {
			continue
		}
		if err := check(t.role, -1, false); err != nil {
			return err
		}
	}
	for l := range m.Config.Layers {
		for _, t := range a.tensors {
			experts := t.perExpert()
			if !t.role.PerLayer() || experts && !m.Config.HasExperts(l) || !experts && !hasRole(&m.Config, t.role, l) {
				continue
			}
			if err := check(t.role, l, experts); err != nil {
				return err
			}
		}
	}
	if t := w.unknown(&m.Config); t != nil {
		return fmt.Errorf("%s: tensor %q %v %w: it does not belong to the model that %s describes", t.File(), t.Name(), t.Shape(), ErrUnknownTensor,
			w.config())
	}
	return nil
}
