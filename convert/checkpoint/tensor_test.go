package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"st/convert/checkpoint/ckpttest"
)

func TestShape(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	must(t, ckpttest.WriteSafetensors(path, []ckpttest.Tensor{
		{Name: "scalar", DType: "F32", Data: ramp(1)},
		{Name: "vector", DType: "BF16", Shape: []int{5}, Data: ramp(5)},
		{Name: "matrix", DType: "F16", Shape: []int{2, 3}, Data: ramp(6)},
		{Name: "cube", DType: "F32", Shape: []int{2, 3, 4}, Data: ramp(24)},
		{Name: "empty", DType: "F32", Shape: []int{0, 4}},
	}))
	c := mustOpen(t, path)
	for _, want := range []struct {
		name       string
		rows, cols int
		bytes      int64
	}{{"scalar", 1, 1, 4}, {"vector", 1, 5, 10}, {"matrix", 2, 3, 12}, {"cube", 6, 4, 96}, {"empty", 0, 4, 0}} {
		tensor, ok := c.Lookup(want.name)
		if !ok || tensor.Rows() != want.rows || tensor.Cols() != want.cols || tensor.Bytes() != want.bytes {
			t.Errorf("%s: %d × %d, %d bytes; want %+v", want.name, tensor.Rows(), tensor.Cols(), tensor.Bytes(), want)
		}
		for i, v := range readTensor(t, c, want.name) {
			if v != float32(i) {
				t.Errorf("%s: element %d is %v", want.name, i, v)
			}
		}
	}
}

func TestReadRowsRange(t *testing.T) {
	f := &memFile{data: make([]byte, 4*3*2)}
	tensor, err := newTensor("f.safetensors", f, "w", BF16, []int{4, 3}, 0)
	must(t, err)
	for _, tc := range []struct{ length, row, n int }{
		{3, -1, 1}, {0, 0, -1}, {3, 4, 1}, {6, 3, 2}, {2, 0, 1}, {4, 0, 1}, {15, 0, 5},
		{3, math.MaxInt, 1}, {3, 1, math.MaxInt}, {0, 5, 0},
	} {
		wantError(t, tensor.ReadRows(make([]float32, tc.length), tc.row, tc.n), "f.safetensors", `"w"`)
	}
	must(t, tensor.ReadRows(nil, 4, 0))
}

// TestReadRowsPieces reads a tensor of several pieces whose rows do not divide a piece.
func TestReadRowsPieces(t *testing.T) {
	const rows, cols = 700, 333
	f := &memFile{data: make([]byte, 10, 10+rows*cols*4)}
	for i := range rows * cols {
		f.data = binary.LittleEndian.AppendUint32(f.data, math.Float32bits(float32(i)))
	}
	tensor, err := newTensor("f", f, "w", F32, []int{rows, cols}, 10)
	must(t, err)
	for _, span := range [][2]int{{0, rows}, {1, rows - 1}, {rows - 1, 1}, {123, 456}} {
		dst := make([]float32, span[1]*cols)
		must(t, tensor.ReadRows(dst, span[0], span[1]))
		for i, v := range dst {
			if v != float32(span[0]*cols+i) {
				t.Fatalf("rows %v: element %d is %v", span, i, v)
			}
		}
	}
}

func TestReadFailures(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail func(f *memFile)
		want string
	}{
		{"device error", func(f *memFile) { f.readErr = syscall.EIO }, syscall.EIO.Error()},
		{"short read", func(f *memFile) { f.short = true }, "changed while being read"},
		{"cut while open", func(f *memFile) { f.data = f.data[:20] }, "changed while being read"},
	} {
		for _, strides := range [][]int64{nil, {1, 4}} {
			f := &memFile{data: make([]byte, 32)}
			tensor, err := newTensor("f.bin", f, "w", F16, []int{4, 4}, 0)
			must(t, err)
			tensor.strides = strides
			tc.fail(f)
			err = tensor.ReadRows(make([]float32, 16), 0, 4)
			wantError(t, err, "f.bin", `tensor "w"`, tc.want)
		}
	}
}

// TestReadStrided compares random views with a plain loop over their elements.
func TestReadStrided(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const numel = 6000
	f := &memFile{}
	for i := range numel {
		f.data = binary.LittleEndian.AppendUint32(f.data, math.Float32bits(float32(i)))
	}
	storage := &torchStorage{"0", F32, numel}
	views := 0
	for range 3000 {
		p := &torchTensor{storage: storage, offset: rng.IntN(50)}
		elements := 1
		for range 1 + rng.IntN(4) {
			d := 1 + rng.IntN(6)
			p.size = append(p.size, d)
			p.stride = append(p.stride, []int{0, 1, 2, 7, 40, 300}[rng.IntN(6)])
			elements *= d
		}
		strides, err := checkView(p)
		if err != nil {
			continue
		}
		views++
		tensor, err := newTensor("f", f, "w", F32, p.size, int64(p.offset)*4)
		must(t, err)
		tensor.strides = strides
		row := rng.IntN(tensor.Rows())
		n := 1 + rng.IntN(tensor.Rows()-row)
		got := make([]float32, n*tensor.Cols())
		must(t, tensor.ReadRows(got, row, n))
		for i := range got {
			want := p.offset
			for d, rest := len(p.size)-1, row*tensor.Cols()+i; d >= 0; d-- {
				want += rest % p.size[d] * p.stride[d]
				rest /= p.size[d]
			}
			if got[i] != float32(want) {
				t.Fatalf("size %v, stride %v, offset %d: element %d from row %d is %v, want %d", p.size, p.stride, p.offset, i, row, got[i], want)
			}
		}
	}
	if views < 1000 {
		t.Errorf("only %d of the random views were valid", views)
	}
}

// TestReadStridedLarge reads a transposed matrix that is wider than a window and has gaps too wide to read along.
func TestReadStridedLarge(t *testing.T) {
	const rows, cols = 500, 3000 // stored as 3000 × 500
	f := &memFile{}
	for i := range rows * cols {
		f.data = binary.LittleEndian.AppendUint32(f.data, math.Float32bits(float32(i)))
	}
	for _, view := range []*torchTensor{
		{size: []int{rows, cols}, stride: []int{1, rows}},
		{size: []int{rows / 5, cols / 10}, stride: []int{5, 10 * rows}},
		{size: []int{rows, cols / 10}, stride: []int{cols, 10}},
	} {
		view.storage = &torchStorage{"0", F32, rows * cols}
		strides, err := checkView(view)
		must(t, err)
		tensor, err := newTensor("f", f, "w", F32, view.size, 0)
		must(t, err)
		tensor.strides = strides
		got := make([]float32, tensor.Rows()*tensor.Cols())
		must(t, tensor.ReadRows(got, 0, tensor.Rows()))
		for i, v := range got {
			want := i/tensor.Cols()*view.stride[0] + i%tensor.Cols()*view.stride[1]
			if v != float32(want) {
				t.Fatalf("stride %v: element %d is %v, want %d", view.stride, i, v, want)
			}
		}
	}
}

func TestReadConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pytorch_model.bin")
	must(t, ckpttest.WriteTorch(path, []ckpttest.Tensor{
		{Name: "a", DType: "F32", Shape: []int{50, 40}, Data: ramp(2000)},
		{Name: "b", DType: "F32", Shape: []int{50, 40}, Data: ramp(2000), Strides: []int{1, 50}},
	}, nil))
	c := mustOpen(t, path)
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for i := range 8 {
		wg.Go(func() {
			tensor := c.Tensors()[i%2]
			row := make([]float32, 40)
			for r := range 50 {
				if err := tensor.ReadRows(row, r, 1); err != nil {
					errs <- err
					return
				}
				for j, v := range row {
					if v != float32(r*40+j) {
						errs <- fmt.Errorf("%s[%d][%d] is %v", tensor.Name, r, j, v)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

func TestReadUnsupported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	for dtype, bytes := range map[string]int{
		"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "U32": 4, "I32": 4, "U64": 8, "I64": 8, "C64": 8, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1,
	} {
		header := fmt.Sprintf(`{"steps":{"dtype":%q,"shape":[1],"data_offsets":[0,%d]}}`, dtype, bytes)
		must(t, os.WriteFile(path, ckpttest.RawSafetensors(header, make([]byte, bytes)), 0o644))
		tensor := mustOpen(t, path).Tensors()[0]
		if err := tensor.Readable(); dtype == "F8_E8M0" {
			must(t, err) // as scales are
		} else {
			wantError(t, err, path, `"steps"`, dtype)
			wantError(t, tensor.ReadRows(make([]float32, 1), 0, 1), path, `"steps"`, dtype)
		}
	}
}
