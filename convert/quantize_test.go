package convert_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
)

var q8 = quant.Q8_0

// In one step from the checkpoint and in two, by way of a file that loses nothing, the same file comes out.
func TestOneStepEqualsTwo(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dtype   string
		untied  bool
		between quant.Type
		opts    convert.Options
	}{
		{"bf16, q4_0", "BF16", false, quant.BF16, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}},
		{"f32, q4_0 by search", "F32", true, quant.F32, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}, Encoder: convert.Search}},
		{"f16, q8_0", "F16", false, quant.F16, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}}},
		{"f32, mixed", "F32", false, quant.F32, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0, Attention: &q8, Head: &q8}}},
		{"bf16 in f32, bf16", "BF16", true, quant.F32, convert.Options{Recipe: convert.Recipe{Type: quant.BF16}}},
		{"nothing to do", "F32", true, quant.F32, convert.Options{Recipe: convert.Recipe{Type: quant.F32}}},
	} {
		for name, m := range map[string]*modeltest.Model{"smallthinker": small(), "qwen3moe": smallQwen3MoE()} {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				dir := t.TempDir()
				shape := m.Shape
				shape.DType, shape.Untied = tt.dtype, tt.untied
				if err := modeltest.New(shape, 3).Write(dir); err != nil {
					t.Fatal(err)
				}
				one, between, two := filepath.Join(dir, "1.stm"), filepath.Join(dir, "b.stm"), filepath.Join(dir, "2.stm")
				opts := tt.opts
				if _, err := convert.Run(t.Context(), dir, one, opts); err != nil {
					t.Fatal(err)
				}
				if _, err := convert.Run(t.Context(), dir, between, convert.Options{Recipe: convert.Recipe{Type: tt.between}, Encoder: opts.Encoder}); err != nil {
					t.Fatal(err)
				}
				opts.Threads = 3
				if _, err := convert.Quantize(t.Context(), between, two, opts); err != nil {
					t.Fatal(err)
				}
				a, b := readAll(t, one), readAll(t, two)
				if !bytes.Equal(a, b) {
					t.Errorf("the files differ: %d and %d bytes", len(a), len(b))
				}
			})
		}
	}
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// made returns a small model as an .stm file.
func made(t *testing.T, opts convert.Options) string {
	t.Helper()
	dir := t.TempDir()
	if err := small().Write(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "in.stm")
	if _, err := convert.Run(t.Context(), dir, path, opts); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestQuantizeRefuses(t *testing.T) {
	q4 := made(t, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
	for _, tt := range []struct {
		name   string
		recipe convert.Recipe
		want   string // part of the error; empty: none
	}{
		{"better", convert.Recipe{Type: quant.Q8_0}, "self_attn.q_proj.weight is q4_0, and as q8_0 it would be larger but no better"},
		{"better in part", convert.Recipe{Type: quant.Q4_0, Attention: &q8}, "self_attn.q_proj.weight is q4_0, and as q8_0 it would be larger but no better"},
		{"the same", convert.Recipe{Type: quant.Q4_0}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.stm")
			_, err := convert.Quantize(t.Context(), q4, out, convert.Options{Recipe: tt.recipe})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
			if err != nil {
				mustBeEmpty(t, filepath.Dir(out))
			}
		})
	}
	if _, err := convert.Quantize(t.Context(), q4, q4, convert.Options{Force: true}); err == nil || !strings.Contains(err.Error(), "is an input too") {
		t.Errorf("over the input: %v", err)
	}
}

// Tensors that have their type are copied, whatever the encoder would have made of them; the others tell that they lose twice.
func TestQuantizeAgain(t *testing.T) {
	in := made(t, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}})
	out := filepath.Join(t.TempDir(), "out.stm")
	q4 := quant.Q4_0
	result, err := convert.Quantize(t.Context(), in, out, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0, Experts: &q4}, Report: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Notes) == 0 || !strings.Contains(result.Notes[len(result.Notes)-1], "were q8_0 already") {
		t.Errorf("the notes are %q", result.Notes)
	}
	a, b := open(t, in), open(t, out)
	for i := range a.Records() {
		rec := &a.Records()[i]
		if rec.IsExpert() {
			continue
		}
		other, _, _ := b.Lookup(rec.Tensors[0].Name)
		if other.Checksum != rec.Checksum {
			t.Errorf("%s is not a copy", rec.Tensors[0].Name)
		}
	}
	for _, l := range result.Losses {
		if l.Class != convert.Experts || l.Type != quant.Q4_0 {
			t.Errorf("%s is reported, which was copied", l.Tensor)
		}
		if e := l.RelativeRMS(); e < 0.03 || e > 0.15 || l.MaxError <= 0 || l.Weights == 0 || l.Bits() != 4.5 {
			t.Errorf("%s: relative error %g, %+v", l.Tensor, e, l)
		}
	}
}

func open(t *testing.T, path string) *format.Reader {
	t.Helper()
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// Every byte of the weights is checked on the way.
func TestQuantizeDamaged(t *testing.T) {
	in := made(t, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
	r := open(t, in)
	for _, rec := range []*format.Record{&r.Records()[0], &r.Records()[len(r.Records())-1]} {
		bad := readAll(t, in)
		bad[rec.Offset+rec.Length/2] ^= 1
		dir := t.TempDir()
		path := filepath.Join(dir, "bad.stm")
		if err := os.WriteFile(path, bad, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := convert.Quantize(t.Context(), path, filepath.Join(dir, "out.stm"), convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
		if !errors.Is(err, format.ErrCorrupt) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s damaged: %v", rec, err)
		}
		os.Remove(path)
		mustBeEmpty(t, dir)
	}
}

func TestQuantizeCancel(t *testing.T) {
	in := made(t, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	_, err := convert.Quantize(ctx, in, filepath.Join(dir, "out.stm"), convert.Options{Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	mustBeEmpty(t, dir)
}
