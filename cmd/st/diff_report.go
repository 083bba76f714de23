package main

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"st/format"
	"st/format/compare"
)

// diffReport is what st diff --json prints.
type diffReport struct {
	A       diffFile     `json:"a"`
	B       diffFile     `json:"b"`
	Same    bool         `json:"same"`
	Meta    []metaDiff   `json:"meta"`
	Classes []classDiff  `json:"classes"`
	Tensors []tensorDiff `json:"tensors"`
}

type diffFile struct {
	File  string `json:"file"`
	Bytes int64  `json:"file_bytes"`
}

// metaDiff is a field that differs. Values are JSON, or what a person is told of them.
type metaDiff struct {
	Part  string `json:"part"`
	Field string `json:"field"`
	A     string `json:"a"`
	B     string `json:"b"`
}

type valueDiff struct {
	Relative  float64 `json:"relative"`
	MaxAbs    float64 `json:"max_abs"`
	Cosine    float64 `json:"cosine"`
	NonFinite int64   `json:"nonfinite"`
}

type classDiff struct {
	Class   string     `json:"class"`
	Tensors int        `json:"tensors"`
	Changed int        `json:"changed"`
	TypesA  []string   `json:"types_a"`
	TypesB  []string   `json:"types_b"`
	BytesA  int64      `json:"bytes_a"`
	BytesB  int64      `json:"bytes_b"`
	Values  *valueDiff `json:"values,omitempty"`
}

type tensorDiff struct {
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
	Values  *valueDiff `json:"values,omitempty"`
}

func newDiffReport(a, b *format.Reader, tensors []compare.Tensor) *diffReport {
	r := &diffReport{A: diffFile{a.Path(), a.Size()}, B: diffFile{b.Path(), b.Size()}, Meta: diffMeta(a, b), Tensors: []tensorDiff{}}
	r.addClasses(tensors)
	for i := range tensors {
		if tensors[i].Changed() {
			r.Tensors = append(r.Tensors, newTensorDiff(&tensors[i]))
		}
	}
	slices.SortStableFunc(r.Tensors, func(x, y tensorDiff) int { return cmp.Compare(y.weight(), x.weight()) })
	r.Same = len(r.Tensors) == 0
	for _, m := range r.Meta {
		r.Same = r.Same && m.Part == partProvenance
	}
	return r
}

// weight orders tensors: those that cannot be compared first, then by how much they differ.
func (t *tensorDiff) weight() float64 {
	if t.Values == nil {
		return 1e300
	}
	return t.Values.Relative
}

func newTensorDiff(t *compare.Tensor) tensorDiff {
	d := tensorDiff{Name: t.Name, Layer: t.Layer, Expert: t.Expert}
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

func newValueDiff(v *compare.Values) *valueDiff {
	relative := v.Relative()
	return &valueDiff{min(relative, 1e300), v.MaxAbs, v.Cosine(), v.NonFinite} // JSON has no infinity
}

// addClasses sums up by what tensors are for. What is the same counts as such in a class's numbers only if something else was compared.
func (r *diffReport) addClasses(tensors []compare.Tensor) {
	index := map[string]int{}
	values := map[string]*compare.Values{}
	for i := range tensors {
		t := &tensors[i]
		class := tensorClass(&format.Record{Layer: t.Layer, Expert: t.Expert}, t.Name)
		if _, ok := index[class]; !ok {
			index[class] = len(r.Classes)
			r.Classes = append(r.Classes, classDiff{Class: class, TypesA: []string{}, TypesB: []string{}})
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

const partProvenance = "provenance"

// diffMeta compares what the files say of the model.
func diffMeta(a, b *format.Reader) []metaDiff {
	diffs := []metaDiff{}
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
				diffs = append(diffs, metaDiff{part.name, field, x[field], y[field]})
			}
		}
	}
	for _, part := range []struct{ name, a, b string }{
		{"tokenizer", string(a.Tokenizer), string(b.Tokenizer)}, {"chat_template", a.ChatTemplate, b.ChatTemplate},
	} {
		if part.a != part.b {
			diffs = append(diffs, metaDiff{part.name, "", plural(len(part.a), "byte"), plural(len(part.b), "byte")})
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
