package convert_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert"
	"st/convert/checkpoint/ckpttest"
	"st/convert/gguf"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
)

const predictorRank = 32

// predictor returns random factors for the model of small.
func predictor(rank int) []ckpttest.Tensor {
	rng := rand.New(rand.NewPCG(5, 5))
	random := func(name string, rows, cols int) ckpttest.Tensor {
		t := ckpttest.Tensor{Name: name, DType: "F32", Shape: []int{rows, cols}, Data: make([]float32, rows*cols)}
		for i := range t.Data {
			t.Data[i] = float32(rng.NormFloat64())
		}
		return t
	}
	return []ckpttest.Tensor{random("fc1.weight", rank, 64), random("fc2.weight", 40, rank)}
}

// checkPredictor compares a file's predictor with what it was made from.
func checkPredictor(t *testing.T, r *format.Reader, want []ckpttest.Tensor) {
	t.Helper()
	if r.Config.HeadPredictorRank != want[0].Shape[0] {
		t.Fatalf("the rank is %d", r.Config.HeadPredictorRank)
	}
	for i, role := range []format.Role{format.RoleHeadPredictorIn, format.RoleHeadPredictorOut} {
		rec, x, ok := r.Role(role, -1)
		if !ok || x.Type != quant.Q8_0 || x.Name != "model_lm_head."+want[i].Name || x.Rows != want[i].Shape[0] || x.Cols != want[i].Shape[1] {
			t.Fatalf("%s: %v %+v", role, ok, x)
		}
		data, row := make([]byte, rec.Length), make([]float32, x.Cols)
		if err := r.ReadRecord(rec, data); err != nil {
			t.Fatal(err)
		}
		for j := range x.Rows {
			x.DecodeRow(row, data, j)
			for k, v := range row {
				if d := math.Abs(float64(v - want[i].Data[j*x.Cols+k])); d > 0.02 {
					t.Fatalf("%s[%d, %d] is %v, want %v", role, j, k, v, want[i].Data[j*x.Cols+k])
				}
			}
		}
	}
}

// The predictor beside the weights comes into the file, stays there when it is quantized, and may be left out of either.
func TestHeadPredictor(t *testing.T) {
	dir, want := t.TempDir(), predictor(predictorRank)
	if err := errors.Join(small().Write(dir), ckpttest.WriteTorch(filepath.Join(dir, "model_lm_head.pt"), want, nil)); err != nil {
		t.Fatal(err)
	}
	_, r := convertTo(t, dir, convert.Options{Recipe: convert.Recipe{Type: quant.F32}})
	checkPredictor(t, r, want)
	if n := len(r.Provenance.Sources); r.Provenance.Sources[n-1].Name != "model_lm_head.pt" {
		t.Errorf("the sources are %+v", r.Provenance.Sources)
	}
	for _, without := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "q.stm")
		if _, err := convert.Quantize(t.Context(), r.Path(), path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}, NoHeadPredictor: without}); err != nil {
			t.Fatal(err)
		}
		q, err := format.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		if !without {
			checkPredictor(t, q, want)
		} else if _, _, ok := q.Role(format.RoleHeadPredictorIn, -1); ok || q.Config.HeadPredictorRank != 0 {
			t.Errorf("the predictor is there: rank %d", q.Config.HeadPredictorRank)
		}
	}
	if _, r := convertTo(t, dir, convert.Options{NoHeadPredictor: true}); r.Config.HeadPredictorRank != 0 {
		t.Errorf("the predictor is there: rank %d", r.Config.HeadPredictorRank)
	}
}

// A predictor that does not fit is told by its file and tensor, and nothing is written.
func TestHeadPredictorErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(x []ckpttest.Tensor) []ckpttest.Tensor
		want string
	}{
		"hidden":  {func(x []ckpttest.Tensor) []ckpttest.Tensor { x[0].Shape = []int{64, predictorRank}; return x }, "tensor fc1.weight has shape [64 32], and"},
		"vocab":   {func(x []ckpttest.Tensor) []ckpttest.Tensor { x[1].Shape = []int{20, 64}; return x }, "tensor fc2.weight has shape [20 64], and"},
		"missing": {func(x []ckpttest.Tensor) []ckpttest.Tensor { return x[:1] }, "tensor fc2.weight is missing"},
		"another": {func(x []ckpttest.Tensor) []ckpttest.Tensor { x[1].Name = "fc2.bias"; return x }, "tensor fc2.bias [40 32] is unknown"},
		"one more": {func(x []ckpttest.Tensor) []ckpttest.Tensor {
			return append(x, ckpttest.Tensor{Name: "fc3.weight", DType: "F32", Shape: []int{1}, Data: []float32{1}})
		}, "fc3.weight [1] is unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "model_lm_head.pt")
			if err := errors.Join(small().Write(dir), ckpttest.WriteTorch(path, tt.edit(predictor(predictorRank)), nil)); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "x.stm")
			_, err := convert.Run(t.Context(), dir, out, convert.Options{})
			var kind *convert.PredictorError
			if !errors.As(err, &kind) || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("there is an output")
			}
			if _, err := convert.Run(t.Context(), dir, out, convert.Options{NoHeadPredictor: true}); err != nil {
				t.Error(err)
			}
		})
	}
	dir := t.TempDir()
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("0", 64) + "\nsize 1\n"
	if err := errors.Join(small().Write(dir), os.WriteFile(filepath.Join(dir, "model_lm_head.pt"), []byte(pointer), 0o666)); err != nil {
		t.Fatal(err)
	}
	var kind *convert.PredictorError
	if _, err := convert.Run(t.Context(), dir, filepath.Join(t.TempDir(), "x.stm"), convert.Options{}); !errors.As(err, &kind) || !strings.Contains(err.Error(), "Git LFS") {
		t.Errorf("a pointer: %v", err)
	}
}

// PowerInfer's GGUF files have both matrices in one tensor.
func TestGGUFHeadPredictor(t *testing.T) {
	want := predictor(predictorRank)
	m := small()
	write := func(values []float32) string {
		data := make([]byte, 0, 4*len(values))
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		return writeGGUF(t, m, modeltest.GGUF{Type: quant.Q8_0, Edit: func(_ *gguf.Metadata, tensors *[]modeltest.GGUFTensor) {
			*tensors = append(*tensors, modeltest.GGUFTensor{Info: gguf.Info{Name: gguf.HeadPredictor, Shape: []int{len(values)}, Type: gguf.F32}, Data: data})
		}})
	}
	both := append(append([]float32{}, want[0].Data...), want[1].Data...)
	_, r := convertTo(t, write(both), convert.Options{Recipe: convert.Recipe{Keep: true}})
	checkPredictor(t, r, want)

	path := write(both[1:])
	_, err := convert.Run(t.Context(), path, filepath.Join(t.TempDir(), "x.stm"), convert.Options{})
	if err == nil || !strings.HasPrefix(err.Error(), path+": tensor lm_head_profiler.weight has shape [3327], ") {
		t.Error(err)
	}
	result, err := convert.Export(t.Context(), r.Path(), filepath.Join(t.TempDir(), "x.gguf"), convert.ExportOptions{})
	if err != nil || !strings.Contains(strings.Join(result.Notes, "\n"), "the predictor of the head is left out") {
		t.Errorf("export: %v", err)
	}
}
