package convert

import (
	"fmt"

	"st/format"
	"st/quant"
)

// Class is what a tensor is for, which decides its type.
type Class uint8

// The classes that a recipe gives types to, and Exact: norms and routers, which are always F32.
const (
	Exact     Class = iota
	Attention       // q, k, v and o
	Experts         // gate, up and down, of experts and of layers without experts
	Embed           // the table that token embeddings are looked up in
	Head            // the language-model head
	numClasses
)

func (c Class) String() string {
	return [...]string{"norms and routers", "attention", "experts", "embed", "lm-head"}[c]
}

// classOf returns the class of tensors of a role.
func classOf(r format.Role) Class {
	switch r {
	case format.RoleEmbedding:
		return Embed
	case format.RoleHead:
		return Head
	case format.RoleQuery, format.RoleKey, format.RoleValue, format.RoleAttnOutput:
		return Attention
	case format.RoleGate, format.RoleUp, format.RoleDown:
		return Experts
	}
	return Exact
}

// option is what provenance calls the class's type.
func (c Class) option() string {
	return [...]string{"", "attn", "experts", "embed", "lm-head"}[c]
}

// Recipe gives every class of tensors a type. The zero value is all F32.
type Recipe struct {
	// Type is the type of the weight matrices that have no other.
	Type quant.Type
	// Of a class of its own; nil: Type, or for Embed [EmbedType] of Type.
	Attention, Experts, Embed, Head *quant.Type
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

// asked returns the type that the user named for a class, and whether that was done.
func (r *Recipe) asked(c Class) (quant.Type, bool) {
	if t := [numClasses]*quant.Type{Attention: r.Attention, Experts: r.Experts, Embed: r.Embed, Head: r.Head}[c]; t != nil {
		return *t, true
	}
	return r.Type, c != Embed
}

func (r *Recipe) types() (types [numClasses]quant.Type) {
	for c := Attention; c < numClasses; c++ {
		t, asked := r.asked(c)
		if !asked {
			t = EmbedType(t)
		}
		types[c] = t
	}
	return types
}

// options are what provenance keeps of the recipe: what is not as Type alone would have it, and embed in any case.
func (r *Recipe) options() map[string]string {
	types := r.types()
	o := map[string]string{"type": r.Type.String(), "embed": types[Embed].String()}
	for c := Attention; c < numClasses; c++ {
		if c != Embed && types[c] != r.Type {
			o[c.option()] = types[c].String()
		}
	}
	return o
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

// typeOf returns the type that a class's tensor gets, with rows of cols weights. What was lost cannot be brought back, so a tensor
// is not stored in a better type than it comes in: that is refused if it was asked for, and if not the tensor stays as it is.
func (p *plan) typeOf(c Class, src tensor, cols int) (quant.Type, error) {
	if c == Exact {
		return quant.F32, nil
	}
	t := stored(p.types[c], cols)
	from, known := src.Type()
	if !known || rank(t) <= rank(from) {
		return t, nil
	}
	if _, asked := p.recipe.asked(c); asked {
		return t, fmt.Errorf("%s: tensor %s is %s, and as %s it %w: choose another type for %s, "+
			"or begin with a file that is more precise", src.File(), src.Name(), from, t, ErrPrecision, c)
	}
	return from, nil
}

// setType sets a planned tensor's type, and takes note of what the user should know.
func (p *plan) setType(t *format.Tensor, c Class, src tensor) (err error) {
	if t.Type, err = p.typeOf(c, src, t.Cols); err != nil {
		return err
	}
	if asked := p.types[c]; c != Exact && !asked.Fits(t.Cols) {
		p.fallbacks = append(p.fallbacks, Fallback{t.Name, t.Cols, asked, t.Type})
	}
	if from, known := src.Type(); known && from != t.Type && from.Block() > 1 {
		p.again[[2]quant.Type{from, t.Type}]++
	}
	return nil
}

// againNotes tells of tensors that have lost precision before.
func (p *plan) againNotes() []string {
	var notes []string
	for _, from := range quant.Types() {
		for _, to := range quant.Types() {
			if n := p.again[[2]quant.Type{from, to}]; n > 0 {
				were := fmt.Sprintf("%d tensors were", n)
				if n == 1 {
					were = "1 tensor was"
				}
				notes = append(notes, fmt.Sprintf("%s %s already: quantized a second time, to %s, weights lose more than if they came from the checkpoint",
					were, from, to))
			}
		}
	}
	return notes
}
