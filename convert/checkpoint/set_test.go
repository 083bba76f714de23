package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"st/convert/checkpoint/ckpttest"
	"st/format"
)

// TestSets: which files of a directory, or of a set of which one is named, are read, and what is said of the others.
func TestSets(t *testing.T) {
	single := func(name string, v float32) func(dir string) error {
		return func(dir string) error {
			if strings.HasSuffix(name, ".bin") {
				return ckpttest.WriteTorch(filepath.Join(dir, name), norm(v), nil)
			}
			return ckpttest.WriteSafetensors(filepath.Join(dir, name), norm(v))
		}
	}
	text := func(name, content string) func(dir string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644) }
	}
	index := func(shards ...string) func(dir string) error {
		m := map[string]string{}
		for i, s := range shards {
			m[fmt.Sprint(i)] = s
		}
		return func(dir string) error {
			return ckpttest.WriteIndex(filepath.Join(dir, "model.safetensors.index.json"), m)
		}
	}
	shard := func(name, tensor string, v float32) func(dir string) error {
		return func(dir string) error {
			return ckpttest.WriteSafetensors(filepath.Join(dir, name), []ckpttest.Tensor{{Name: tensor, DType: "F32", Data: []float32{v}}})
		}
	}
	type files = []func(dir string) error
	for _, tt := range []struct {
		name  string
		files files
		src   string // in the directory
		value float32
		note  string // words of the only note
		kind  error
		want  string // words of the error
	}{
		{"a stale index beside a whole .bin", files{index("model-00001-of-00002.safetensors"), single("pytorch_model.bin", 1)}, "", 1,
			"1 of 1 shards are not there: model-00001-of-00002.safetensors: pytorch_model.bin is used", nil, ""},
		{"a pointer beside a whole .bin", files{text("model.safetensors", lfsPointer), single("pytorch_model.bin", 2)}, "", 2,
			"model.safetensors: a Git LFS pointer, not the file itself, which has 4974351472 bytes: pytorch_model.bin is used", nil, ""},
		{"a stale .bin index beside a safetensors file", files{single("model.safetensors", 3), text("pytorch_model.bin.index.json", "{}")}, "", 3, "", nil, ""},
		{"an index of other shards", files{index("model-00001-of-00003.safetensors"), shard("model-00001-of-00002.safetensors", "norm", 4),
			shard("model-00002-of-00002.safetensors", "b", 0)}, "", 4, "model-00001-of-00002.safetensors to model-00002-of-00002.safetensors is used", nil, ""},
		{"an index that is none", files{text("model.safetensors.index.json", "{"), single("pytorch_model.bin", 5)}, "", 5, "not JSON", nil, ""},
		{"an index as Python writes it", files{text("model.safetensors.index.json", "\ufeff"+`{"metadata":{"total_size":NaN},"weight_map":{"norm":"a.safetensors"}}`),
			shard("a.safetensors", "norm", 9)}, "", 9, "", nil, ""},
		{"an index that is no text", files{text("model.safetensors.index.json", "{\"\xe9\""), single("pytorch_model.bin", 5)}, "", 5, "it is not a text", nil, ""},
		{"shards without an index", files{shard("model-00001-of-00002.safetensors", "norm", 6), shard("model-00002-of-00002.safetensors", "b", 0)}, "", 6,
			"there is no index", nil, ""},
		{"one file of another name", files{single("my-model.safetensors", 7), single("optimizer.pt", 0), single("training_args.bin", 0)}, "", 7, "my-model.safetensors is used", nil, ""},
		{"one shard of two", files{shard("model-00001-of-00002.safetensors", "norm", 8), shard("model-00002-of-00002.safetensors", "b", 0)},
			"model-00002-of-00002.safetensors", 8, "is one of 2 shards: all", nil, ""},
		{"one shard of an index", files{index("a.safetensors", "b.safetensors"), shard("a.safetensors", "0", 0), shard("b.safetensors", "1", 0)}, "b.safetensors", 0, "is one of 2 shards", nil, ""},
		{"a torch file called safetensors", files{func(dir string) error {
			return ckpttest.WriteTorch(filepath.Join(dir, "model.safetensors"), norm(9), nil)
		}}, "", 9, "", nil, ""},
		{"a safetensors file called bin", files{func(dir string) error {
			return ckpttest.WriteSafetensors(filepath.Join(dir, "pytorch_model.bin"), norm(10))
		}}, "", 10, "", nil, ""},

		{"shards missing", files{shard("model-00002-of-00003.safetensors", "norm", 0)}, "model-00002-of-00003.safetensors", 0, "", ErrShard,
			"2 of 3 shards are not there: model-00001-of-00003.safetensors, model-00003-of-00003.safetensors"},
		{"shards missing of an index", files{index("a.safetensors", "b.safetensors"), shard("a.safetensors", "0", 0)}, "", 0, "", ErrShard, "1 of 2 shards are not there: b.safetensors"},
		{"two files of other names", files{single("a.safetensors", 0), single("b.safetensors", 0)}, "", 0, "", ErrNoWeights, "a.safetensors, b.safetensors"},
		{"an aria2 download", files{single("model.safetensors", 0), text("model.safetensors.aria2", "x")}, "", 0, "", ErrPartial, "model.safetensors.aria2 lies beside it"},
		{"reserved space", files{text("model.safetensors", strings.Repeat("\x00", 5000))}, "", 0, "", ErrZeros, "begins with zeros"},
		{"gzip", files{text("model.safetensors", "\x1f\x8b\x08\x00rest")}, "", 0, "", ErrPacked, "a gzip file"},
		{"an error of the Hub", files{text("model.safetensors", "Entry not found")}, "", 0, "", ErrText, `"Entry not found"`},
		{"a Xet pointer", files{text("model.safetensors", "# xet version 0\nfilesize = 7\n")}, "", 0, "", format.ErrXetPointer, "pointer"},
		{"a web page", files{text("pytorch_model.bin", "\ufeff<!DOCTYPE html><html>")}, "", 0, "", ErrWebPage, "a web page"},
		{"a link to nowhere", files{func(dir string) error { return os.Symlink("../blobs/0123", filepath.Join(dir, "model.safetensors")) }}, "", 0, "",
			os.ErrNotExist, "a link to ../blobs/0123, which does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, write := range tt.files {
				must(t, write(dir))
			}
			c, err := Open(filepath.Join(dir, tt.src))
			if tt.kind != nil {
				wantError(t, err, dir, tt.want)
				if !errors.Is(err, tt.kind) {
					t.Errorf("%v is not %v", err, tt.kind)
				}
				return
			}
			must(t, err)
			defer c.Close()
			if tensor, ok := c.Lookup("norm"); ok {
				got := make([]float32, 1)
				must(t, tensor.ReadRows(got, 0, 1))
				if got[0] != tt.value {
					t.Errorf("the tensor is that of another file: %v", got)
				}
			}
			notes := strings.Join(c.Notes(), "\n")
			if (notes == "") != (tt.note == "") || !strings.Contains(notes, tt.note) {
				t.Errorf("notes are %q, want %q", notes, tt.note)
			}
		})
	}
}

// TestTooMany: headers and indexes that name more tensors than a model has are refused at once. Parsing this one, of the largest size that
// the format allows, took 21 to 31 seconds and 1.4 GB.
func TestTooMany(t *testing.T) {
	const entry, line = `"0123":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},`, `"0123":"a.safetensors",`
	dir := t.TempDir()
	header := "{" + strings.Repeat(entry, maxHeaderBytes/len(entry)-1) // names do not repeat in a sound one, which is not looked at
	path := writeFile(t, ckpttest.RawSafetensors(header, nil), dir, "model.safetensors")
	x := writeFile(t, []byte(`{"weight_map":{`+strings.Repeat(line, maxIndexBytes/len(line)-1)), dir, "x.safetensors.index.json")
	begin := time.Now()
	for _, p := range []string{path, x} {
		for _, max := range []int{1000, MaxTensors} {
			_, err := OpenLimited(p, max)
			wantError(t, err, p, "too many tensors", fmt.Sprint(max))
			if !errors.Is(err, ErrTooMany) {
				t.Errorf("%v is not ErrTooMany", err)
			}
		}
	}
	t.Log("refused four times in", time.Since(begin))

	// Names that are spelled otherwise are found by the parser.
	escaped := `{"a":{"dtype":"F32","shape":[0],"data\u005foffsets":[0,0]},"b":{"dtype":"F32","shape":[0],"data\u005foffsets":[0,0]}}`
	path = writeFile(t, ckpttest.RawSafetensors(escaped, nil), dir, "escaped.safetensors")
	_, err := OpenLimited(path, 1)
	wantError(t, err, "too many tensors")
	c := mustOpen(t, path)
	if len(c.Tensors()) != 2 {
		t.Errorf("%d tensors", len(c.Tensors()))
	}
}

// TestMetadata: __metadata__ is taken as Hugging Face's library takes it.
func TestMetadata(t *testing.T) {
	const a = `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`
	for metadata, want := range map[string]string{
		`null`:                         "",
		`{}`:                           "",
		`{"format":"pt","x":"1"}`:      "",
		`{"format":1}`:                 "not a string",
		`{"format":null}`:              "not a string",
		`["pt"]`:                       "__metadata__",
		`{"total_size":{"bytes":"8"}}`: "not a string",
	} {
		path := writeFile(t, ckpttest.RawSafetensors(`{"__metadata__":`+metadata+`,`+a+`}`, make([]byte, 8)), t.TempDir(), "m.safetensors")
		c, err := Open(path)
		if err == nil {
			c.Close()
		}
		if want != "" {
			wantError(t, err, path, want)
		} else if err != nil {
			t.Errorf("%s: %v", metadata, err)
		}
	}
}
