package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"st/convert"
	ckpt "st/convert/checkpoint"
	"st/convert/gguf"
	"st/format"
)

// weightsReport is what st inspect prints of weights that are not in an .stm file: a checkpoint's, or a GGUF file's.
type weightsReport struct {
	Kind          string            `json:"kind"`
	Path          string            `json:"path"`
	Files         []weightsFile     `json:"files"`
	Bytes         int64             `json:"bytes"`
	Architecture  *format.Config    `json:"architecture"`
	Unsupported   string            `json:"unsupported,omitempty"`
	Metadata      []weightsMetadata `json:"metadata"`
	Parameters    int64             `json:"parameters"`
	BitsPerWeight float64           `json:"bits_per_weight"`
	Types         []typeReport      `json:"types"`
	Sizes         []sizeReport      `json:"sizes"`
	Tensors       []weightsTensor   `json:"tensors,omitempty"`

	all []weightsTensor
}

type weightsFile struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

type weightsMetadata struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type weightsTensor struct {
	Name       string  `json:"name"`
	Shape      []int64 `json:"shape"`
	Type       string  `json:"type"`
	Parameters int64   `json:"parameters"`
	Bytes      int64   `json:"bytes"`
	File       string  `json:"file"`
}

// isForeign reports whether a path leads to weights other than an .stm file.
func isForeign(path string) bool {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return err == nil
	}
	if !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	first := make([]byte, 4)
	n, _ := io.ReadFull(f, first)
	return !bytes.HasPrefix(first[:n], []byte("\x89STM"))
}

// openWeights reads the headers of a checkpoint or a GGUF file.
func openWeights(path string) (*weightsReport, error) {
	if first, err := firstBytes(path, 4); err == nil && string(first) == "GGUF" {
		return ggufReport(path)
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
	return checkpointReport(path, c)
}

// firstBytes returns how a regular file begins.
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
	b := make([]byte, n)
	_, err = io.ReadFull(f, b)
	return b, err
}

func checkpointReport(path string, c *ckpt.Checkpoint) (*weightsReport, error) {
	r := &weightsReport{Kind: "safetensors", Path: path, Metadata: []weightsMetadata{}}
	if first, err := firstBytes(c.Files()[0], 2); err == nil && string(first) == "PK" { // a zip file
		r.Kind = "torch"
	}
	if err := r.addFiles(c.Files()); err != nil {
		return nil, err
	}
	for _, t := range c.Tensors() {
		params := int64(t.Rows()) * int64(t.Cols())
		shape := make([]int64, len(t.Shape))
		for i, n := range t.Shape {
			shape[i] = int64(n)
		}
		r.all = append(r.all, weightsTensor{t.Name, shape, strings.ToLower(t.DType.String()), params, t.Bytes(), filepath.Base(t.File)})
	}
	dir := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		dir = filepath.Dir(path)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "config.json")); err == nil {
		r.addConfig(text)
	}
	r.sumUp()
	return r, nil
}

// addConfig reads config.json: as an architecture if it is a known one, and otherwise the fields that tell most.
func (r *weightsReport) addConfig(text []byte) {
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
			r.Metadata = append(r.Metadata, weightsMetadata{name, string(value)})
		}
	}
}

func ggufReport(path string) (*weightsReport, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &weightsReport{Kind: fmt.Sprintf("gguf version %d", f.Version), Path: path, Metadata: []weightsMetadata{}}
	if err := r.addFiles(f.Paths()); err != nil {
		return nil, err
	}
	for _, e := range f.Metadata {
		r.Metadata = append(r.Metadata, weightsMetadata{e.Key, e.Text()})
	}
	for _, t := range f.Tensors {
		params := int64(t.Rows()) * int64(t.Cols())
		shape := make([]int64, len(t.Shape))
		for i, n := range t.Shape {
			shape[i] = int64(n)
		}
		r.all = append(r.all, weightsTensor{t.Name, shape, strings.ToLower(t.Type.String()), params, t.Bytes(), filepath.Base(t.File())})
	}
	r.sumUp()
	return r, nil
}

func (r *weightsReport) addFiles(paths []string) error {
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return fmt.Errorf("%s: %w", p, cause(err))
		}
		r.Files = append(r.Files, weightsFile{filepath.Base(p), info.Size()})
		r.Bytes += info.Size()
	}
	return nil
}

// sumUp counts by type and by class.
func (r *weightsReport) sumUp() {
	types, sizes := map[string]*typeReport{}, map[string]*sizeReport{}
	var bytes int64
	for i := range r.all {
		t := &r.all[i]
		r.Parameters, bytes = r.Parameters+t.Parameters, bytes+t.Bytes
		if types[t.Type] == nil {
			types[t.Type] = &typeReport{Type: t.Type}
		}
		k := types[t.Type]
		k.Tensors, k.Parameters, k.Bytes = k.Tensors+1, k.Parameters+t.Parameters, k.Bytes+t.Bytes
		class := foreignClass(t.Name)
		if sizes[class] == nil {
			sizes[class] = &sizeReport{Class: class}
		}
		s := sizes[class]
		s.Bytes, s.Parameters, s.Types = s.Bytes+t.Bytes, s.Parameters+t.Parameters, appendNew(s.Types, t.Type)
	}
	r.Types, r.Sizes = []typeReport{}, []sizeReport{}
	for _, k := range types {
		k.BitsPerWeight = 8 * float64(k.Bytes) / float64(max(1, k.Parameters))
		r.Types = append(r.Types, *k)
	}
	for _, s := range sizes {
		s.Share = float64(s.Bytes) / float64(max(1, r.Bytes))
		s.BitsPerWeight = 8 * float64(s.Bytes) / float64(max(1, s.Parameters))
		r.Sizes = append(r.Sizes, *s)
	}
	r.BitsPerWeight = 8 * float64(bytes) / float64(max(1, r.Parameters))
	slices.SortFunc(r.Types, func(a, b typeReport) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Type, b.Type)) })
	slices.SortFunc(r.Sizes, func(a, b sizeReport) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Class, b.Class)) })
}

// layerName finds the layer in a tensor's name: model.layers.3.… in checkpoints, blk.3.… in GGUF files.
var layerName = regexp.MustCompile(`(?:^|\.)(?:layers|blk)\.(\d+)\.`)

// foreignLayer returns a tensor's layer, −1 for none.
func foreignLayer(name string) int {
	if m := layerName.FindStringSubmatch(name); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return -1
}

// foreignClass returns what a tensor is for, by its name in a checkpoint or in a GGUF file.
func foreignClass(name string) string {
	if class := tensorClass(&format.Record{Expert: -1}, name); class != classOther && !strings.Contains(name, ".experts.") {
		return class
	}
	for _, c := range []struct{ part, class string }{
		{".experts.", classExperts}, {"_exps.", classExperts}, {"ffn_gate_inp", classRouters}, {"norm", classNorms}, {"attn", classAttention},
		{"token_embd", classEmbedding}, {"embed_tokens", classEmbedding}, {"mlp.", classFFN}, {"ffn_", classFFN},
	} {
		if strings.Contains(name, c.part) {
			return c.class
		}
	}
	if name == "output.weight" {
		return classHead
	}
	return classOther
}

// classFFN is a feed-forward network that is not made of experts.
const classFFN = "dense ffn"
