package report

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/dustin/go-humanize"

	"st/format"
	"st/format/compare"
)

// Diff tells how two .stm files differ. Same is true if they are the same in all but provenance.
type Diff struct {
	A       DiffFile     `json:"a"`
	B       DiffFile     `json:"b"`
	Same    bool         `json:"same"`
	Meta    []MetaDiff   `json:"meta"`
	Classes []ClassDiff  `json:"classes"`
	Tensors []TensorDiff `json:"tensors"`
}

// DiffFile is one of the files.
type DiffFile struct {
	File  string `json:"file"`
	Bytes int64  `json:"file_bytes"`
}

// MetaDiff is a field of the metadata that differs. Values are JSON, or their length if they are long texts.
type MetaDiff struct {
	Part  string `json:"part"`
	Field string `json:"field"`
	A     string `json:"a"`
	B     string `json:"b"`
}

// ValueDiff compares the numbers of a and b: ‖a − b‖ / ‖a‖, the largest |a − b|, and a·b / (‖a‖·‖b‖).
type ValueDiff struct {
	Relative  float64 `json:"relative"`
	MaxAbs    float64 `json:"max_abs"`
	Cosine    float64 `json:"cosine"`
	NonFinite int64   `json:"nonfinite"`
}

// ClassDiff tells how the tensors of a class differ; Changed is how many do.
type ClassDiff struct {
	Class   Class      `json:"class"`
	Tensors int        `json:"tensors"`
	Changed int        `json:"changed"`
	TypesA  []string   `json:"types_a"`
	TypesB  []string   `json:"types_b"`
	BytesA  int64      `json:"bytes_a"`
	BytesB  int64      `json:"bytes_b"`
	Values  *ValueDiff `json:"values,omitempty"`
}

// TensorDiff tells how a tensor differs. Values are nil if the tensor is in one file only or its shape differs.
type TensorDiff struct {
	Name    string     `json:"name"`
	Layer   int        `json:"layer"`
	Expert  int        `json:"expert"`
	OnlyIn  string     `json:"only_in,omitempty"`
	ShapeA  []int      `json:"shape_a,omitempty"`
	ShapeB  []int      `json:"shape_b,omitempty"`
	TypeA   string     `json:"type_a,omitempty"`
	TypeB   string     `json:"type_b,omitempty"`
	LayoutA string     `json:"layout_a,omitempty"`
	LayoutB string     `json:"layout_b,omitempty"`
	BytesA  int64      `json:"bytes_a,omitempty"`
	BytesB  int64      `json:"bytes_b,omitempty"`
	Values  *ValueDiff `json:"values,omitempty"`
}

// NewDiff describes the difference of two files, whose tensors were compared before.
func NewDiff(a, b *format.Reader, tensors []compare.Tensor) *Diff {
	r := &Diff{A: DiffFile{a.Path(), a.Size()}, B: DiffFile{b.Path(), b.Size()}, Meta: diffMeta(a, b), Tensors: []TensorDiff{}}
	r.addClasses(tensors)
	for i := range tensors {
		if tensors[i].Changed() {
			r.Tensors = append(r.Tensors, newTensorDiff(&tensors[i]))
		}
	}
	slices.SortStableFunc(r.Tensors, func(x, y TensorDiff) int { return cmp.Compare(y.rank(), x.rank()) })
	r.Same = len(r.Tensors) == 0
	for _, m := range r.Meta {
		r.Same = r.Same && m.Part == partProvenance
	}
	return r
}

// rank orders tensors: those that cannot be compared first, then by how much they differ.
func (t *TensorDiff) rank() float64 {
	if t.Values == nil {
		return 1e300
	}
	return t.Values.Relative
}

func newTensorDiff(t *compare.Tensor) TensorDiff {
	d := TensorDiff{Name: t.Name, Layer: t.Layer, Expert: t.Expert}
	if t.A != nil {
		d.ShapeA, d.TypeA, d.LayoutA, d.BytesA = t.A.Shape(), t.A.Type.String(), t.A.Layout.String(), t.A.Bytes()
	} else {
		d.OnlyIn = "b"
	}
	if t.B != nil {
		d.ShapeB, d.TypeB, d.LayoutB, d.BytesB = t.B.Shape(), t.B.Type.String(), t.B.Layout.String(), t.B.Bytes()
	} else {
		d.OnlyIn = "a"
	}
	if t.Values != nil {
		d.Values = newValueDiff(t.Values)
	}
	return d
}

func newValueDiff(v *compare.Values) *ValueDiff {
	relative := v.Relative()
	return &ValueDiff{min(relative, 1e300), v.MaxAbs, v.Cosine(), v.NonFinite} // JSON has no infinity
}

// addClasses sums up by what tensors are for. What is the same counts as such in a class's numbers only if something else was compared.
func (r *Diff) addClasses(tensors []compare.Tensor) {
	index := map[Class]int{}
	values := map[Class]*compare.Values{}
	for i := range tensors {
		t := &tensors[i]
		class := classOf(roleOf(t), t.Expert >= 0)
		if _, ok := index[class]; !ok {
			index[class] = len(r.Classes)
			r.Classes = append(r.Classes, ClassDiff{Class: class, TypesA: []string{}, TypesB: []string{}})
		}
		c := &r.Classes[index[class]]
		c.Tensors++
		if t.Changed() {
			c.Changed++
		}
		if t.A != nil {
			c.TypesA, c.BytesA = appendNew(c.TypesA, t.A.Type.String()), c.BytesA+t.A.Bytes()
		}
		if t.B != nil {
			c.TypesB, c.BytesB = appendNew(c.TypesB, t.B.Type.String()), c.BytesB+t.B.Bytes()
		}
		if t.Values != nil {
			if values[class] == nil {
				values[class] = &compare.Values{}
			}
			values[class].Merge(t.Values)
		}
	}
	for i := range r.Classes {
		if v := values[r.Classes[i].Class]; v != nil {
			r.Classes[i].Values = newValueDiff(v)
		}
	}
}

// roleOf returns the role of a tensor that at least one of the files has. A head that only one of them has is compared with the other's
// table of embeddings, and remains a head.
func roleOf(t *compare.Tensor) format.Role {
	switch {
	case t.A == nil:
		return t.B.Role
	case t.B != nil && t.B.Role == format.RoleHead:
		return format.RoleHead
	}
	return t.A.Role
}

const partProvenance = "provenance"

// diffMeta compares what the files say of the model.
func diffMeta(a, b *format.Reader) []MetaDiff {
	diffs := []MetaDiff{}
	for _, part := range []struct {
		name string
		a, b any
	}{
		{"config", a.Config, b.Config}, {"generation", a.Generation, b.Generation},
		{partProvenance, provenanceFields(&a.Provenance), provenanceFields(&b.Provenance)},
	} {
		x, y := fieldsOf(part.a), fieldsOf(part.b)
		for _, field := range slices.Sorted(maps.Keys(union(x, y))) {
			if x[field] != y[field] {
				diffs = append(diffs, MetaDiff{part.name, field, x[field], y[field]})
			}
		}
	}
	for _, part := range []struct{ name, a, b string }{
		{"tokenizer", string(a.Tokenizer), string(b.Tokenizer)}, {"chat_template", a.ChatTemplate, b.ChatTemplate},
	} {
		if part.a != part.b {
			diffs = append(diffs, MetaDiff{part.name, "", byteCount(part.a), byteCount(part.b)})
		}
	}
	return diffs
}

// provenanceFields are the parts of a provenance, options one by one.
func provenanceFields(p *format.Provenance) map[string]any {
	fields := map[string]any{"tool": p.Tool, "sources": p.Sources, "notes": p.Notes}
	for name, value := range p.Options {
		fields["option "+name] = value
	}
	return fields
}

// fieldsOf returns the fields of a struct or map, as JSON.
func fieldsOf(v any) map[string]string {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil
	}
	fields := map[string]string{}
	for name, value := range raw {
		fields[name] = string(value)
	}
	return fields
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func byteCount(s string) string {
	if len(s) == 1 {
		return "1 byte"
	}
	return humanize.Comma(int64(len(s))) + " bytes"
}
