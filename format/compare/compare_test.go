package compare_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/format"
	"st/format/compare"
	"st/quant"
)

func shape() modeltest.Shape {
	return modeltest.Shape{Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 3, TopK: 2, FFN: 40, Vocab: 50, Context: 32}
}

// made returns a model, changed by change, as an open file of a type.
func made(t *testing.T, typ quant.Type, s modeltest.Shape, change func(*modeltest.Model)) *format.Reader {
	t.Helper()
	m := modeltest.New(s, 1)
	if change != nil {
		change(m)
	}
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.stm")
	if _, err := convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: typ}}); err != nil {
		t.Fatal(err)
	}
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func weights(t *testing.T, a, b *format.Reader) map[string]compare.Tensor {
	t.Helper()
	all, err := compare.Weights(t.Context(), a, b, compare.Options{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]compare.Tensor{}
	for _, x := range all {
		byName[x.Name] = x
	}
	return byName
}

// What is the same in two files is not read, and what differs is told exactly.
func TestOneWeight(t *testing.T) {
	const name = "model.layers.1.block_sparse_moe.experts.2.down.weight"
	var norm float64
	a := made(t, quant.F32, shape(), nil)
	b := made(t, quant.F32, shape(), func(m *modeltest.Model) {
		w := m.Tensor(name).Data
		for _, v := range w {
			norm += float64(v) * float64(v)
		}
		w[77] += 0.5
	})
	for _, x := range weights(t, a, b) {
		if x.Changed() != (x.Name == name) {
			t.Errorf("%s: changed is %t", x.Name, x.Changed())
		}
		if x.Name != name {
			continue
		}
		v := x.Values
		if math.Abs(v.MaxAbs-0.5) > 1e-6 || math.Abs(v.Relative()-0.5/math.Sqrt(norm)) > 1e-6 || v.Weights != 64*40 || v.Cosine() >= 1 {
			t.Errorf("%+v, relative %g, norm %g", v, v.Relative(), math.Sqrt(norm))
		}
	}
}

// Files of different types and layouts are compared as numbers, against what decoding every row gives.
func TestTypes(t *testing.T) {
	for _, typ := range []quant.Type{quant.F16, quant.Q8_0, quant.Q4_0} {
		a, b := made(t, quant.F32, shape(), nil), made(t, typ, shape(), nil)
		all := weights(t, a, b)
		for name, x := range all {
			if x.A == nil || x.B == nil {
				t.Errorf("%s: %s is in one file only", typ, name)
				continue
			}
			if x.Same {
				continue
			}
			var squares, norm float64
			ra, _, _ := a.Lookup(name)
			rb, _, _ := b.Lookup(name)
			if ra == nil { // the head, which is the embedding table
				ra, _, _ = a.Lookup("model.embed_tokens.weight")
			}
			da, db := make([]byte, ra.Length), make([]byte, rb.Length)
			if err := errors.Join(a.ReadRecord(ra, da), b.ReadRecord(rb, db)); err != nil {
				t.Fatal(err)
			}
			p, q := make([]float32, x.A.Cols), make([]float32, x.A.Cols)
			for r := range x.A.Rows {
				x.A.DecodeRow(p, da, r)
				x.B.DecodeRow(q, db, r)
				for i := range p {
					squares += (float64(p[i]) - float64(q[i])) * (float64(p[i]) - float64(q[i]))
					norm += float64(p[i]) * float64(p[i])
				}
			}
			if got, want := x.Values.Relative(), math.Sqrt(squares/norm); math.Abs(got-want) > 1e-9 {
				t.Errorf("%s: %s: relative difference %g, want %g", typ, name, got, want)
			}
		}
	}
}

func TestShapes(t *testing.T) {
	small, untied := shape(), shape()
	small.Layers, small.FFN = 1, 32
	untied.Untied = true
	a, b := made(t, quant.F32, untied, nil), made(t, quant.F32, small, nil)
	all := weights(t, a, b)
	if x := all["model.layers.1.self_attn.q_proj.weight"]; x.B != nil || !x.Changed() || x.Layer != 1 {
		t.Errorf("a layer that only A has: %+v", x)
	}
	if x := all["model.layers.0.block_sparse_moe.experts.0.up.weight"]; x.Values != nil || x.Same || !x.Changed() {
		t.Errorf("other shapes: %+v", x)
	}
	if x := all["lm_head.weight"]; x.B == nil || x.Values == nil {
		t.Errorf("a head and a tied one are not compared: %+v", x)
	}
	if x := weights(t, b, a)["lm_head.weight"]; x.A == nil || x.Values == nil {
		t.Errorf("a tied head and one apart are not compared: %+v", x)
	}
}

func TestBad(t *testing.T) {
	a := made(t, quant.F32, shape(), nil)
	b := made(t, quant.Q8_0, shape(), nil)
	data, err := os.ReadFile(b.Path())
	if err != nil {
		t.Fatal(err)
	}
	last := b.Records()[len(b.Records())-1]
	data[last.Offset+5] ^= 1
	path := filepath.Join(t.TempDir(), "damaged.stm")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	damaged, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer damaged.Close()
	if _, err := compare.Weights(t.Context(), a, damaged, compare.Options{}); !errors.Is(err, format.ErrCorrupt) || !strings.Contains(err.Error(), "layer 1 expert 2") {
		t.Errorf("a damaged file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compare.Weights(ctx, a, b, compare.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNotFinite(t *testing.T) {
	var v compare.Values
	zero := compare.Values{Weights: 1, SumB: 1, Squares: 1, MaxAbs: 1}
	v.Merge(&zero)
	if !math.IsInf(v.Relative(), 1) || v.Cosine() != 0 {
		t.Errorf("against nothing: relative %g, cosine %g", v.Relative(), v.Cosine())
	}
	if v := (compare.Values{}); v.Relative() != 0 || v.Cosine() != 1 {
		t.Errorf("nothing against nothing: relative %g, cosine %g", v.Relative(), v.Cosine())
	}
}
