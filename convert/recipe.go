package convert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"st/format"
	"st/quant"
)

// Class is what a tensor is for, which decides its type.
type Class uint8

// The classes that a recipe gives types to, and Exact: norms and routers, which are always F32.
const (
	Exact     Class = iota
	Attention       // q, k, v and o, and what else of Gemma 3n is multiplied beside them
	Experts         // gate, up and down, of experts and of layers without experts
	Embed           // the table that token embeddings are looked up in
	Head            // the language-model head
	Sparse          // gate, up and down of layers that leave out most neurons by a threshold of the gates
	Predictor       // of the rows of the head that matter: always Q8_0, or what it comes in if that is less
	numClasses
)

func (c Class) String() string {
	return [...]string{"norms and routers", "attention", "experts", "embed", "lm-head", "sparse layers", "the predictor of the head"}[c]
}

// classOf returns the class of tensors of a role.
func classOf(r format.Role) Class {
	switch r {
	case format.RoleEmbedding, format.RolePerLayerEmbedding:
		return Embed
	case format.RoleHead:
		return Head
	case format.RoleHeadPredictorIn, format.RoleHeadPredictorOut:
		return Predictor
	case format.RoleQuery, format.RoleKey, format.RoleValue, format.RoleAttnOutput, format.RolePerLayerModel, format.RoleAltUpProjection,
		format.RoleAltUpUnembedding, format.RolePerLayerGate, format.RolePerLayerProjection, format.RoleLaurelLeft, format.RoleLaurelRight:
		return Attention
	case format.RoleGate, format.RoleUp, format.RoleDown:
		return Experts
	}
	return Exact
}

// option is what provenance calls the class's type.
func (c Class) option() string {
	return [...]string{"", "attn", "experts", "embed", "lm-head", "sparse", "predictor"}[c]
}

// classIn returns the class of a layer's tensors of a role.
func classIn(config *format.Config, k key) Class {
	if c := classOf(k.role); c != Experts || k.expert >= 0 || !config.SparseFFN(k.layer) {
		return c
	}
	return Sparse
}

// Recipe gives every class of tensors a type. The zero value is all F32.
type Recipe struct {
	// Type is the type of the weight matrices that have no other.
	Type quant.Type
	// Of a class of its own; nil: Type, or what goes with it. For Embed that is [EmbedType] of Type. For Attention it is F16 instead of Q8_0 where an
	// architecture's softmax is sharp (Phi: queries and keys are not normalised; Gemma 3n: their product is not scaled): their errors go into its exponents.
	// Experts is that of layers with a threshold (Gemma 3n's first ones) too. If it is nil, they are F16 instead of Q8_0: gates decide which neurons are
	// left out, the few others carry all, and only they are read.
	Attention, Experts, Embed, Head *quant.Type
	// Down is the type of the down matrices, of experts and of layers without them; nil: that of the others.
	Down *quant.Type
	// Keep: if the source is a GGUF file that is quantized, its tensors keep their types, or get the nearest that files have and that loses
	// little. Type is for other sources then, and a class's own type goes before.
	Keep bool
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

// class returns the type that was named for a class alone, or for the down matrices among it; nil: none.
func (r *Recipe) class(c Class, down bool) *quant.Type {
	if (c == Experts || c == Sparse) && down && r.Down != nil {
		return r.Down
	}
	return [numClasses]*quant.Type{Attention: r.Attention, Experts: r.Experts, Embed: r.Embed, Head: r.Head, Sparse: r.Experts}[c]
}

// asked returns the type that the user named for a class, and whether that was done.
func (r *Recipe) asked(a *architecture, c Class, down bool) (quant.Type, bool) {
	if t := r.class(c, down); t != nil {
		return *t, true
	}
	finer := c == Embed || r.Type == quant.Q8_0 && (c == Attention && a.fineAttention || c == Sparse)
	return r.Type, !finer
}

func (r *Recipe) types(a *architecture) (types [numClasses]quant.Type) {
	for c := Attention; c < numClasses; c++ {
		t, asked := r.asked(a, c, false)
		if !asked {
			t = EmbedType(t)
		}
		types[c] = t
	}
	return types
}

// options are what provenance keeps of the recipe: what is not as Type alone would have it, and embed in any case. kept tells that types were
// kept.
func (r *Recipe) options(a *architecture, kept bool) map[string]string {
	types := r.types(a)
	if kept {
		o := map[string]string{"type": "as in the source"}
		for c := Attention; c <= Head; c++ {
			if t := r.class(c, false); t != nil {
				o[c.option()] = t.String()
			}
		}
		r.downOption(o)
		return o
	}
	o := map[string]string{"type": r.Type.String(), "embed": types[Embed].String()}
	for c := Attention; c <= Head; c++ {
		if c != Embed && types[c] != r.Type {
			o[c.option()] = types[c].String()
		}
	}
	r.downOption(o)
	return o
}

func (r *Recipe) downOption(o map[string]string) {
	if r.Down != nil {
		o["down"] = r.Down.String()
	}
}

// rank orders types by precision. F16 has the finer steps and BF16 the wider range: neither is above the other.
func rank(t quant.Type) int {
	switch t {
	case quant.F32:
		return 3
	case quant.F16, quant.BF16:
		return 2
	case quant.Q8_0:
		return 1
	}
	return 0
}

// stored returns the type of a tensor with rows of cols weights: the one asked for, or F16 if its blocks do not fit.
func stored(asked quant.Type, cols int) quant.Type {
	if asked.Fits(cols) {
		return asked
	}
	return quant.F16
}

// want returns the type that a class's tensor should have, and whether the user named it. down tells that it is a down matrix.
func (p *plan) want(c Class, down bool, src tensor) (t quant.Type, asked bool) {
	if c == Predictor {
		return quant.Q8_0, false
	}
	named := p.recipe.class(c, down)
	if q, ok := src.(ggufTensor); ok && p.keep && named == nil {
		return q.nearest(c), false
	}
	if named != nil {
		return *named, true
	}
	_, asked = p.recipe.asked(p.arch, c, down)
	return p.types[c], asked
}

// typeOf returns the type that a class's tensor gets, with rows of cols weights. What was lost cannot be brought back, so a tensor
// is not stored in a better type than it comes in: that is refused if it was asked for, and if not the tensor stays as it is. It is
// another matter if its blocks have to be turned, which loses more. The exact numbers of a GGUF file may be had, as F32.
func (p *plan) typeOf(c Class, down bool, src tensor, cols int, turned bool) (quant.Type, error) {
	if c == Exact {
		return quant.F32, nil
	}
	asked, byUser := p.want(c, down, src)
	t := stored(asked, cols)
	from, known := src.Type()
	if !known || turned || rank(t) <= rank(from) || t == quant.F32 && p.exact {
		return t, nil
	}
	if byUser {
		return t, &PrecisionError{File: src.File(), Tensor: src.Name(), From: from, To: t, Class: c, TiedHead: c == Head && p.config.TiedEmbeddings,
			Down: down && p.recipe.Down != nil, Named: p.recipe.class(c, down) != nil}
	}
	return from, nil
}

// PrecisionError is about a tensor that was asked for in a better type than it comes in. It is an [ErrPrecision].
type PrecisionError struct {
	File, Tensor string
	From, To     quant.Type
	Class        Class // whose type To is
	Named        bool  // that class's own type was named, and is not Recipe.Type
	Down         bool  // it is Recipe.Down
	TiedHead     bool  // the tensor is the table of the embeddings, of which the head is made, too
}

func (e *PrecisionError) Error() string {
	head := ""
	if e.TiedHead {
		head = ", of which the head is made too,"
	}
	return fmt.Sprintf("%s: tensor %s%s is %s, and as %s it %v", e.File, e.Tensor, head, e.From, e.To, ErrPrecision)
}

func (e *PrecisionError) Unwrap() error { return ErrPrecision }

// setType sets a planned tensor's type, and takes note of what the user should know.
func (p *plan) setType(t *format.Tensor, c Class, src tensor) (err error) {
	turned, down := t.Transposed != src.Transposed(), t.Role == format.RoleDown
	if t.Type, err = p.typeOf(c, down, src, t.Cols, turned); err != nil {
		return err
	}
	if asked, _ := p.want(c, down, src); c != Exact && !asked.Fits(t.Cols) {
		p.fallbacks = append(p.fallbacks, Fallback{t.Name, t.Cols, asked, t.Type})
	}
	from, known := src.Type()
	name, quantized := from.String(), known && from.Block() > 1
	if g, ok := src.(ggufTensor); ok {
		name, quantized = g.quantized()
	}
	if quantized && t.Type.Block() > 1 && (turned || !known || from != t.Type) {
		p.again[requantized{strings.ToLower(name), t.Type, known, turned}]++
	}
	return nil
}

// requantized tells of tensors that were quantized before.
type requantized struct {
	from          string
	to            quant.Type
	known, turned bool // from is a type of files; the blocks lie along the other dimension
}

// againNotes tells of tensors that have lost precision before.
func (p *plan) againNotes() []string {
	var notes []string
	kinds := slices.SortedFunc(maps.Keys(p.again), func(a, b requantized) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), btoi(a.turned)-btoi(b.turned))
	})
	for _, k := range kinds {
		n := p.again[k]
		were := fmt.Sprintf("%d tensors were", n)
		if n == 1 {
			were = "1 tensor was"
		}
		more := ", weights lose more than if they came from the checkpoint"
		switch {
		case k.to == quant.Q8_0:
			more = ", which loses little more"
		case k.turned:
			more = "; as q8_0 they would lose almost nothing, and take almost twice the space"
		}
		switch {
		case k.turned:
			notes = append(notes, fmt.Sprintf("%s %s in blocks along the neurons, and neurons are stored one by one: quantized a second time, to %s%s",
				were, k.from, k.to, more))
		case !k.known:
			notes = append(notes, fmt.Sprintf("%s %s, which .stm files do not have: quantized a second time, to %s%s", were, k.from, k.to, more))
		default:
			notes = append(notes, fmt.Sprintf("%s %s already: quantized a second time, to %s%s", were, k.from, k.to, more))
		}
	}
	return notes
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
