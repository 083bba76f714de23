package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"st/convert"
	ckpt "st/convert/checkpoint"
	"st/convert/gguf"
	"st/format"
)

// Checkpoint is what the headers of weights that are in no .stm file tell: a checkpoint's, or a GGUF file's.
type Checkpoint struct {
	Kind          string             `json:"kind"`
	Path          string             `json:"path"`
	Files         []CheckpointFile   `json:"files"`
	Bytes         int64              `json:"bytes"`
	Architecture  *format.Config     `json:"architecture"`
	Unsupported   string             `json:"unsupported,omitempty"`
	Metadata      []MetadataEntry    `json:"metadata"`
	Parameters    int64              `json:"parameters"`
	BitsPerWeight float64            `json:"bits_per_weight"`
	Types         []TypeSize         `json:"types"`
	Sizes         []ClassSize        `json:"sizes"`
	Tensors       []CheckpointTensor `json:"tensors,omitempty"`

	all []CheckpointTensor
}

// CheckpointFile is one of the files that the weights are in.
type CheckpointFile struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// MetadataEntry is an entry of a GGUF file's metadata, or a field of a config.json.
type MetadataEntry struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// CheckpointTensor is a tensor as its header describes it.
type CheckpointTensor struct {
	Name       string  `json:"name"`
	Shape      []int64 `json:"shape"`
	Type       string  `json:"type"`
	Parameters int64   `json:"parameters"`
	Bytes      int64   `json:"bytes"`
	File       string  `json:"file"`
}

// IsOther reports whether a path leads to weights in another format than .stm. What begins like an .stm file does not, however short
// it is, and a name that ends in .stm promises to be one.
func IsOther(path string) bool {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return false
	case info.IsDir():
		return true
	case !info.Mode().IsRegular() || filepath.Ext(path) == ".stm":
		return false
	}
	first, err := firstBytes(path, 4)
	return err == nil && (len(first) == 0 || !strings.HasPrefix("\x89STM", string(first)))
}

// OpenCheckpoint reads the headers of a checkpoint or a GGUF file.
func OpenCheckpoint(path string) (*Checkpoint, error) {
	if first, err := firstBytes(path, 4); err == nil && string(first) == "GGUF" {
		return describeGGUF(path)
	}
	c, err := ckpt.Open(path)
	if errors.Is(err, ckpt.ErrUnknown) {
		return nil, fmt.Errorf("%s is none of the files that st knows: .stm, a checkpoint's (.safetensors, torch's .bin, their index, "+
			"or the directory of them) or .gguf", path)
	}
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return describeCheckpoint(path, c)
}

// firstBytes returns the first n bytes of a regular file, or all if it is shorter.
func firstBytes(path string, n int) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(n)))
}

func describeCheckpoint(path string, c *ckpt.Checkpoint) (*Checkpoint, error) {
	r := &Checkpoint{Kind: "safetensors", Path: path, Metadata: []MetadataEntry{}}
	if first, err := firstBytes(c.Files()[0], 2); err == nil && string(first) == "PK" { // a zip file
		r.Kind = "torch"
	}
	if err := r.addFiles(c.Files()); err != nil {
		return nil, err
	}
	for _, t := range c.Tensors() {
		r.addTensor(t.Name, t.Shape, t.DType.String(), int64(t.Rows())*int64(t.Cols()), t.Bytes(), t.File)
	}
	dir := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		dir = filepath.Dir(path)
	}
	text, err := convert.ReadConfig(dir)
	switch {
	case errors.Is(err, format.ErrPointer) || errors.Is(err, format.ErrXetPointer): // of a clone that is to be completed: the weights are next
		return nil, err
	case err != nil: // the weights can be shown all the same
		what := strings.TrimPrefix(err.Error(), "read ")
		r.Unsupported = "config.json: " + strings.TrimPrefix(what, filepath.Join(dir, "config.json")+": ")
	case text != nil:
		r.addConfig(text)
	}
	r.sumUp()
	return r, nil
}

// addConfig reads config.json: as an architecture if it is a known one, and otherwise the fields that tell most.
func (r *Checkpoint) addConfig(text []byte) {
	config, err := convert.ParseConfig(text)
	if err == nil {
		r.Architecture = &config
		return
	}
	r.Unsupported = fmt.Sprintf("config.json: %v", err)
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return
	}
	for _, name := range []string{"architectures", "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
		"intermediate_size", "num_experts", "num_local_experts", "moe_intermediate_size", "num_experts_per_tok", "vocab_size", "max_position_embeddings",
		"tie_word_embeddings", "torch_dtype"} {
		if value, ok := fields[name]; ok {
			r.Metadata = append(r.Metadata, MetadataEntry{name, compact(value)})
		}
	}
}

// compact returns JSON without white space.
func compact(value []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		return string(value)
	}
	return b.String()
}

func describeGGUF(path string) (*Checkpoint, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &Checkpoint{Kind: fmt.Sprintf("gguf version %d", f.Version), Path: path, Metadata: []MetadataEntry{}}
	if err := r.addFiles(f.Paths()); err != nil {
		return nil, err
	}
	for _, e := range f.Metadata {
		r.Metadata = append(r.Metadata, MetadataEntry{e.Key, e.Text()})
	}
	for _, t := range f.Tensors {
		r.addTensor(t.Name, t.Shape, t.Type.String(), int64(t.Rows())*int64(t.Cols()), t.Bytes(), t.File())
	}
	if m, err := f.Model(); err == nil {
		r.Architecture = &m.Config
	}
	if err := convert.CheckGGUF(f); err != nil {
		r.Unsupported = strings.TrimPrefix(err.Error(), f.Paths()[0]+": ")
	}
	r.sumUp()
	return r, nil
}

func (r *Checkpoint) addTensor(name string, shape []int, typ string, params, bytes int64, file string) {
	dims := make([]int64, len(shape))
	for i, n := range shape {
		dims[i] = int64(n)
	}
	r.all = append(r.all, CheckpointTensor{name, dims, strings.ToLower(typ), params, bytes, filepath.Base(file)})
}

func (r *Checkpoint) addFiles(paths []string) error {
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		r.Files = append(r.Files, CheckpointFile{filepath.Base(p), info.Size()})
		r.Bytes += info.Size()
	}
	return nil
}

// sumUp counts by type and by class.
func (r *Checkpoint) sumUp() {
	s := newSums()
	for i := range r.all {
		t := &r.all[i]
		r.Parameters += t.Parameters
		s.add(ClassOfName(t.Name), t.Type, t.Parameters, t.Bytes)
	}
	r.Types, r.BitsPerWeight = s.byType()
	r.Sizes = s.byClass(r.Bytes)
	slices.SortStableFunc(r.Sizes, func(a, b ClassSize) int { return cmp.Compare(b.Bytes, a.Bytes) })
}

// TensorsOf returns the tensors of a layer; −1: all.
func (r *Checkpoint) TensorsOf(layer int) []CheckpointTensor {
	return slices.DeleteFunc(slices.Clone(r.all), func(t CheckpointTensor) bool { return layer >= 0 && layerOfName(t.Name) != layer })
}

// LayerBytes returns the bytes of each layer by class; those of layer −1 belong to none.
func (r *Checkpoint) LayerBytes() map[int]map[Class]int64 {
	bytes := map[int]map[Class]int64{}
	for _, t := range r.all {
		l := layerOfName(t.Name)
		if bytes[l] == nil {
			bytes[l] = map[Class]int64{}
		}
		bytes[l][ClassOfName(t.Name)] += t.Bytes
	}
	return bytes
}

// Layers returns the layers that tensors belong to, in ascending order.
func (r *Checkpoint) Layers() []int {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.LayerBytes())), func(layer int) bool { return layer < 0 })
}

// TensorCount returns the number of tensors.
func (r *Checkpoint) TensorCount() int { return len(r.all) }
