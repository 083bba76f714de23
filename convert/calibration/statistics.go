package calibration

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/format"
)

// Statistics are mean squares of inputs, by the place in the model:
//
//	model.layers.L.self_attn.qkv_proj.input          [hidden]            of q, k and v
//	model.layers.L.self_attn.o_proj.input            [heads·head_dim]
//	model.layers.L.block_sparse_moe.experts.input    [experts, hidden]   of each expert's gate and up
//	model.layers.L.block_sparse_moe.experts.tokens   [experts]           how many tokens chose it
//	lm_head.input                                    [hidden]
//	tokens                                           [1]                 of the text
//
// and, if they were collected, the covariances Σ x·xᵀ of the four kinds of inputs, those of a layer's experts in one: the upper
// triangle, row after row, under the name with ".covariance" after it.
//
// An expert's inputs count by the square of the weight that the router gave it, and the layer's mean is mixed in, for 64 tokens.
// down has no importance: its rows are stored neuron by neuron, and all weights of a neuron are multiplied with the same number.
type Statistics struct {
	// Name is that of the file which they were read from.
	Name    string
	names   []string
	tensors map[string]matrix
	file    *checkpoint.Checkpoint // nil: everything is in tensors
}

type matrix struct {
	rows, cols int
	data       []float32 // nil: in the file
}

const (
	headIn       = "lm_head.input"
	tokensSeen   = "tokens"
	covarianceOf = ".covariance"
)

func attentionIn(l int) string  { return fmt.Sprintf("model.layers.%d.self_attn.qkv_proj.input", l) }
func attentionOut(l int) string { return fmt.Sprintf("model.layers.%d.self_attn.o_proj.input", l) }
func expertsIn(l int) string    { return fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.input", l) }
func expertsTokens(l int) string {
	return fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.tokens", l)
}

func (s *Statistics) put(name string, rows ...[]float32) {
	m := matrix{rows: len(rows), cols: len(rows[0]), data: rows[0]}
	if len(rows) > 1 {
		m.data = slices.Concat(rows...)
	}
	s.names = append(s.names, name)
	s.tensors[name] = m
}

// Tokens returns how many tokens the text had.
func (s *Statistics) Tokens() int { return int(s.tensors[tokensSeen].data[0]) }

// Uses returns how many tokens chose each expert of a layer.
func (s *Statistics) Uses(layer int) []float32 { return s.tensors[expertsTokens(layer)].data }

// Input returns the name of the inputs that a tensor of a checkpoint is multiplied with, and of which expert it is, −1 for none. The
// name is empty for tensors whose inputs are not known.
func Input(tensor string) (name string, expert int) {
	if tensor == "lm_head.weight" || tensor == "model.embed_tokens.weight" {
		return headIn, -1
	}
	var layer int
	if _, err := fmt.Sscanf(tensor, "model.layers.%d.", &layer); err != nil {
		return "", -1
	}
	rest := strings.TrimPrefix(tensor, fmt.Sprintf("model.layers.%d.", layer))
	switch rest {
	case "self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight":
		return attentionIn(layer), -1
	case "self_attn.o_proj.weight":
		return attentionOut(layer), -1
	}
	if _, err := fmt.Sscanf(rest, "block_sparse_moe.experts.%d.", &expert); err != nil || strings.HasSuffix(rest, ".down.weight") {
		return "", -1
	}
	return expertsIn(layer), expert
}

// Importance returns how much each column of a tensor counts, given the tensor's name in the checkpoint; nil: all the same, or
// nothing is known.
func (s *Statistics) Importance(tensor string) []float32 {
	if s == nil {
		return nil
	}
	name, expert := Input(tensor)
	m := s.tensors[name]
	if expert < 0 {
		return m.data
	}
	return m.data[expert*m.cols:][:m.cols]
}

// Covariance returns the covariance of inputs, named by [Input]: its upper triangle row after row. It is read from the file.
func (s *Statistics) Covariance(input string) ([]float32, error) {
	m, ok := s.tensors[input+covarianceOf]
	if !ok {
		return nil, fmt.Errorf("%s: tensor %s is missing: st calibrate collects it with --covariance", s.Name, input+covarianceOf)
	}
	if m.data != nil {
		return m.data, nil
	}
	return s.read(input + covarianceOf)
}

// HasCovariance reports whether covariances were collected.
func (s *Statistics) HasCovariance() bool {
	_, ok := s.tensors[headIn+covarianceOf]
	return ok
}

func (s *Statistics) read(name string) ([]float32, error) {
	t, _ := s.file.Lookup(name)
	data := make([]float32, t.Rows()*t.Cols())
	if err := t.ReadRows(data, 0, t.Rows()); err != nil {
		return nil, err
	}
	for _, v := range data {
		if !(math.Abs(float64(v)) <= math.MaxFloat32) || v < 0 && !strings.HasSuffix(name, covarianceOf) {
			return nil, fmt.Errorf("%s: tensor %s holds %v, which no mean of squares is: calibrate again", t.File, name, v)
		}
	}
	return data, nil
}

// Open opens a file that st calibrate wrote. What is in it is read when Check finds that it belongs to the model, and covariances when
// they are asked for; Close it when they are no more.
func Open(path string) (*Statistics, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: no such file: st calibrate makes one", path)
	}
	c, err := checkpoint.OpenSafetensors(path)
	if err != nil {
		return nil, err
	}
	s := &Statistics{Name: filepath.Base(path), tensors: map[string]matrix{}, file: c}
	for _, t := range c.Tensors() {
		s.names = append(s.names, t.Name)
		s.tensors[t.Name] = matrix{rows: t.Rows(), cols: t.Cols()}
	}
	if m := s.tensors[tokensSeen]; m.rows != 1 || m.cols != 1 {
		c.Close()
		return nil, fmt.Errorf("%s: there is no tensor %q: it is not a file that st calibrate made", path, tokensSeen)
	}
	if err := s.load(tokensSeen); err != nil {
		c.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the file.
func (s *Statistics) Close() error {
	if s == nil || s.file == nil {
		return nil
	}
	return s.file.Close()
}

// load reads a tensor into memory, unless it is there.
func (s *Statistics) load(name string) (err error) {
	m := s.tensors[name]
	if m.data == nil {
		if m.data, err = s.read(name); err == nil {
			s.tensors[name] = m
		}
	}
	return err
}

// Check reports what does not fit a model, and makes the rest ready for use.
func (s *Statistics) Check(c *format.Config) error {
	check := func(name string, rows, cols int) error {
		m, ok := s.tensors[name]
		switch {
		case !ok:
			return fmt.Errorf("%s: tensor %s is missing: it was made for another model", s.Name, name)
		case m.rows != rows || m.cols != cols:
			return fmt.Errorf("%s: tensor %s is %d×%d instead of %d×%d: it was made for another model", s.Name, name, m.rows, m.cols, rows, cols)
		}
		if strings.HasSuffix(name, covarianceOf) {
			return nil
		}
		return s.load(name)
	}
	input := func(name string, rows, cols int) error {
		if err := check(name, rows, cols); err != nil || !s.HasCovariance() {
			return err
		}
		return check(name+covarianceOf, 1, triangle(cols))
	}
	err := input(headIn, 1, c.Hidden)
	for l := range c.Layers {
		for _, e := range []error{
			input(attentionIn(l), 1, c.Hidden), input(attentionOut(l), 1, c.Heads*c.HeadDim),
			input(expertsIn(l), c.MoE.Experts, c.Hidden), check(expertsTokens(l), 1, c.MoE.Experts),
		} {
			if err == nil {
				err = e
			}
		}
	}
	return err
}
