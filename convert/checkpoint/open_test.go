package checkpoint

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/convert/checkpoint/ckpttest"
)

// norm is a checkpoint of one tensor that tells by its value where it came from.
func norm(value float32) []ckpttest.Tensor {
	return []ckpttest.Tensor{{Name: "norm", DType: "F32", Shape: []int{1}, Data: []float32{value}}}
}

// TestPreference removes one layout after the other from a directory that has them all.
func TestPreference(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, ckpttest.WriteSafetensors(at("model.safetensors"), norm(1)))
	must(t, ckpttest.WriteShards(dir, [][]ckpttest.Tensor{norm(2)}))
	must(t, ckpttest.WriteTorch(at("pytorch_model.bin"), norm(3), nil))
	must(t, ckpttest.WriteTorch(at("pytorch_model-00001-of-00001.bin"), norm(4), nil))
	must(t, ckpttest.WriteIndex(at("pytorch_model.bin.index.json"), map[string]string{"norm": "pytorch_model-00001-of-00001.bin"}))
	files := []string{"model.safetensors", "model-00001-of-00001.safetensors", "pytorch_model.bin", "pytorch_model-00001-of-00001.bin"}
	for i, layout := range layouts {
		c := mustOpen(t, dir)
		if got := readTensor(t, c, "norm")[0]; got != float32(i+1) {
			t.Errorf("with %s: value %v", layout.name, got)
		}
		if want := []string{at(files[i])}; !slices.Equal(c.Files(), want) {
			t.Errorf("with %s: files %v, want %v", layout.name, c.Files(), want)
		}
		must(t, c.Close())
		must(t, os.Remove(at(layout.name)))
	}
	_, err := Open(dir)
	wantError(t, err, dir, "several weight files, and no index", files[1]+", "+files[3])
	dir = t.TempDir()
	_, err = Open(dir)
	wantError(t, err, dir, "no weights", "pytorch_model.bin.index.json")
}

func TestOpenSingle(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"x.bin", "x.pt", "X.PTH"} {
		path := filepath.Join(dir, name)
		must(t, ckpttest.WriteTorch(path, norm(1), nil))
		mustOpen(t, path)
	}
	path := writeFile(t, []byte("GGUF"), dir, "model.gguf")
	_, err := Open(path)
	wantError(t, err, path, "not a weight file")

	path = filepath.Join(dir, "absent")
	_, err = Open(path)
	wantError(t, err, path, "no such file")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

func TestOrder(t *testing.T) {
	dir := t.TempDir()
	one := func(name string) ckpttest.Tensor {
		return ckpttest.Tensor{Name: name, DType: "BF16", Shape: []int{2}, Data: ramp(2)}
	}
	must(t, ckpttest.WriteShards(dir, [][]ckpttest.Tensor{{one("z"), one("b")}, {one("y"), one("a")}}))
	var got []string
	for _, tensor := range mustOpen(t, dir).Tensors() {
		got = append(got, tensor.Name)
	}
	if diff := cmp.Diff([]string{"z", "b", "y", "a"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDuplicateAcrossShards(t *testing.T) {
	dir := t.TempDir()
	must(t, ckpttest.WriteShards(dir, [][]ckpttest.Tensor{norm(1), append(norm(2), ckpttest.Tensor{Name: "b", DType: "F32", Data: ramp(1)})}))
	must(t, ckpttest.WriteIndex(filepath.Join(dir, "model.safetensors.index.json"),
		map[string]string{"norm": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}))
	_, err := Open(dir)
	wantError(t, err, "model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors", `"norm"`)
}

// TestShardLink: downloads of the Hugging Face hub are symbolic links into a store beside the checkpoint.
func TestShardLink(t *testing.T) {
	dir, store := t.TempDir(), t.TempDir()
	must(t, ckpttest.WriteSafetensors(filepath.Join(store, "blob"), norm(5)))
	if err := os.Symlink(filepath.Join(store, "blob"), filepath.Join(dir, "model.safetensors")); err != nil {
		t.Skip(err)
	}
	if got := readTensor(t, mustOpen(t, dir), "norm")[0]; got != 5 {
		t.Errorf("value %v", got)
	}
}

func TestClose(t *testing.T) {
	dir := t.TempDir()
	must(t, ckpttest.WriteShards(dir, [][]ckpttest.Tensor{norm(1)}))
	c := mustOpen(t, dir)
	tensor := c.Tensors()[0]
	must(t, c.Close())
	wantError(t, tensor.ReadRows(make([]float32, 1), 0, 1), `"norm"`, os.ErrClosed.Error())
	must(t, c.Close())
}

// TestOpenFailures: when a device fails, the error tells and no file stays open.
func TestOpenFailures(t *testing.T) {
	dir := t.TempDir()
	must(t, ckpttest.WriteShards(dir, [][]ckpttest.Tensor{norm(1)}))
	torch := filepath.Join(dir, "m.bin")
	must(t, ckpttest.WriteTorch(torch, norm(1), nil))
	for _, path := range []string{dir, torch} {
		for good := range 20 { // reads that succeed
			closed, opened := 0, 0
			_, err := open(path, disk{func(path string) (file, error) {
				data, err := os.ReadFile(path)
				opened++
				return &countdown{memFile{data: data, closed: &closed}, &good}, err
			}}, MaxTensors)
			if err != nil {
				wantError(t, err, dir, syscall.EIO.Error())
			}
			if err == nil && good < 0 {
				t.Errorf("%s: a failed read went unnoticed", path)
			}
			if err != nil && closed != opened {
				t.Errorf("%s: %d files opened, %d closed", path, opened, closed)
			}
		}
	}
}

// countdown is a file whose reads fail after a number of them.
type countdown struct {
	memFile
	good *int
}

func (f *countdown) ReadAt(p []byte, off int64) (int, error) {
	if *f.good--; *f.good < 0 {
		return 0, syscall.EIO
	}
	return f.memFile.ReadAt(p, off)
}

// TestTiny reads the trained model of the repository.
func TestTiny(t *testing.T) {
	c := mustOpen(t, "../../testdata/tiny-smallthinker")
	if len(c.Files()) != 2 || len(c.Tensors()) != 332 {
		t.Fatalf("%d files, %d tensors", len(c.Files()), len(c.Tensors()))
	}
	var bytes int64
	for _, tensor := range c.Tensors() {
		bytes += tensor.Bytes()
		if tensor.DType != BF16 {
			t.Errorf("%s is %s", tensor.Name, tensor.DType)
		}
	}
	if bytes != 10462080 { // total_size of the index
		t.Errorf("%d bytes", bytes)
	}
	for _, want := range []struct {
		name  string
		shape []int
		row   int
		start []float32
	}{
		{"model.embed_tokens.weight", []int{4096, 192}, 4095, []float32{0.1064453125, -0.2333984375, -0.349609375}},
		{"model.layers.3.self_attn.q_proj.weight", []int{256, 192}, 17, []float32{-0.033447265625, -0.050048828125, -0.01904296875}},
		{"model.layers.5.block_sparse_moe.experts.15.down.weight", []int{192, 64}, 191, []float32{0.0859375, 0.0181884765625, 0.021728515625}},
		{"model.norm.weight", []int{192}, 0, []float32{1.5078125, 1.5625, 1.578125}},
	} {
		tensor, ok := c.Lookup(want.name)
		if !ok || !slices.Equal(tensor.Shape, want.shape) {
			t.Errorf("%s: %v, %t", want.name, tensor, ok)
			continue
		}
		row := make([]float32, tensor.Cols())
		must(t, tensor.ReadRows(row, want.row, 1))
		if !slices.Equal(row[:3], want.start) {
			t.Errorf("%s: row %d begins with %v, want %v", want.name, want.row, row[:3], want.start)
		}
	}
}
