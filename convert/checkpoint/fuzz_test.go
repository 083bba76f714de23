package checkpoint

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert/checkpoint/ckpttest"
)

// The fuzz targets start from the corpus of malformed files and from sound ones. What they accept must be readable; nothing may
// panic, and errors are one line.

// seed adds the files of the corpus whose names match a pattern.
func seed(f *testing.F, pattern string, add func(data []byte)) {
	paths, err := filepath.Glob(filepath.Join(malformedDir, pattern))
	must(f, err)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		must(f, err)
		add(data)
	}
}

// checkReader reads all tensors of a file that a reader has accepted.
func checkReader(t *testing.T, read reader, data []byte) {
	tensors, err := read("fuzz", &memFile{data: data}, 1000)
	if err != nil {
		if !strings.HasPrefix(err.Error(), "fuzz: ") || strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 4*maxShown {
			t.Errorf("error %q", err)
		}
		return
	}
	total := int64(0)
	for _, tensor := range tensors {
		if tensor.Bytes() > int64(len(data)) {
			t.Fatalf("%s: %d bytes in a file of %d", tensor.Name, tensor.Bytes(), len(data))
		}
		if total += tensor.Bytes(); total > 16<<20 || decoder(tensor.DType) == nil {
			continue // many tensors may share one storage
		}
		if err := tensor.ReadRows(make([]float32, tensor.Rows()*tensor.Cols()), 0, tensor.Rows()); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzSafetensors(f *testing.F) {
	seed(f, "*.safetensors", func(data []byte) {
		if len(data) >= 8 {
			n := min(binary.LittleEndian.Uint64(data), uint64(len(data)-8))
			f.Add(string(data[8:8+n]), data[8+n:])
		}
	})
	f.Fuzz(func(t *testing.T, header string, data []byte) {
		checkReader(t, readSafetensors, ckpttest.RawSafetensors(header, data))
		checkReader(t, readSafetensors, append([]byte(header), data...))
	})
}

func FuzzIndex(f *testing.F) {
	seed(f, "index-*/*.json", func(data []byte) { f.Add(data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := parseIndex("fuzz", data, 1000)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 4*maxShown {
				t.Errorf("error %q", err)
			}
			return
		}
		for _, shard := range x.shards {
			path := filepath.Join("dir", filepath.FromSlash(shard))
			if !strings.HasPrefix(path, "dir"+string(filepath.Separator)) {
				t.Errorf("shard %q is outside the directory", shard)
			}
		}
	})
}

func FuzzPickle(f *testing.F) {
	add := func(data []byte) {
		if z, err := openTorchZip("seed", &memFile{data: data}); err == nil {
			if p, err := z.read("data.pkl", maxPickleBytes); err == nil {
				f.Add(p)
			}
		}
	}
	seed(f, "*.bin", add)
	good, err := ckpttest.EncodeTorch(torchState(), nil)
	must(f, err)
	add(good)
	storage := strings.Repeat("abcd", 64)
	f.Fuzz(func(t *testing.T, pickle []byte) {
		checkReader(t, readTorch, torchFile(t, string(pickle), "abcdefgh", storage, storage[:32]))
	})
}

func FuzzTorchZip(f *testing.F) {
	seed(f, "*.bin", func(data []byte) { f.Add(data) })
	good, err := ckpttest.EncodeTorch(torchState(), nil)
	must(f, err)
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("archive/"), []byte("archive\\"), 1))
	f.Fuzz(func(t *testing.T, data []byte) { checkReader(t, readTorch, data) })
}
