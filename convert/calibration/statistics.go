package calibration

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/format"
)

// Sentinel errors, parts of a sentence that names the file.
var (
	ErrMissing       = errors.New("is missing")
	ErrOtherModel    = errors.New("the calibration was made for another model")
	ErrNotStatistics = errors.New("it is no calibration file")
	ErrOtherPart     = errors.New("the files are no parts of one calibration")
)

// Statistics are mean squares of inputs, by the place in the model:
//
//	model.layers.L.self_attn.qkv_proj.input          [hidden]            of q, k and v
//	model.layers.L.self_attn.o_proj.input            [heads·head_dim]
//	model.layers.L.block_sparse_moe.experts.input    [experts, hidden]   of each expert's gate and up
//	model.layers.L.block_sparse_moe.experts.tokens   [experts]           how many tokens chose it
//	model.layers.L.block_sparse_moe.experts.down.input [experts, ffn]    of each expert's down, behind a dense activation
//	model.layers.L.mlp.input                         [hidden]            of gate and up, in a layer without experts
//	model.layers.L.mlp.down_proj.input               [ffn]               of down, likewise, behind a dense activation
//	lm_head.input                                    [hidden]
//	tokens                                           [1]                 of the text
//
// and, if they were collected, the covariances Σ x·xᵀ, those of a layer's experts in one, and none of an expert's down: the upper
// triangle, row after row, under the name with ".covariance" after it. The names are the same for all architectures.
//
// An expert's inputs count by the square of the weight that the router gave it, and the layer's mean is mixed in, for 64 tokens. The two
// inputs of down may be missing. A down that is stored neuron by neuron needs none: all weights of a neuron are multiplied with the same
// number.
type Statistics struct {
	// Name is that of the file which they were read from.
	Name    string
	names   []string
	tensors map[string]matrix
	files   []*checkpoint.Checkpoint // none: everything is in tensors
}

type matrix struct {
	rows, cols int
	data       []float32          // nil: in the file
	stored     *checkpoint.Tensor // nil: in no file
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

func expertsDown(l int) string {
	return fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.down.input", l)
}
func ffnIn(l int) string  { return fmt.Sprintf("model.layers.%d.mlp.input", l) }
func downIn(l int) string { return fmt.Sprintf("model.layers.%d.mlp.down_proj.input", l) }

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

// Place is where in a model a matrix gets its inputs: their name in the file, empty if they are not collected, and the expert, −1 for
// none.
type Place struct {
	Name   string
	Expert int
}

// PlaceOf returns the place of a tensor by what it is for. layer and expert are −1 for none.
func PlaceOf(role format.Role, layer, expert int) Place {
	switch role {
	case format.RoleEmbedding, format.RoleHead: // the table may be the head
		return Place{headIn, -1}
	case format.RoleQuery, format.RoleKey, format.RoleValue:
		return Place{attentionIn(layer), -1}
	case format.RoleAttnOutput:
		return Place{attentionOut(layer), -1}
	case format.RoleGate, format.RoleUp:
		if expert >= 0 {
			return Place{expertsIn(layer), expert}
		}
		return Place{ffnIn(layer), -1}
	case format.RoleDown:
		if expert >= 0 {
			return Place{expertsDown(layer), expert}
		}
		return Place{downIn(layer), -1}
	}
	return Place{"", -1}
}

// Importance returns how much each input of a place counts; nil: all the same, or nothing is known.
func (s *Statistics) Importance(p Place) []float32 {
	if s == nil {
		return nil
	}
	m, ok := s.tensors[p.Name]
	if !ok || p.Expert < 0 {
		return m.data
	}
	return m.data[p.Expert*m.cols:][:m.cols]
}

// HasCovarianceOf reports whether the covariance of a place can be had: all gates and ups of a layer's experts share one.
func (s *Statistics) HasCovarianceOf(place string) bool {
	_, ok := s.tensors[place+covarianceOf]
	return ok
}

// Covariance returns the covariance of the inputs of a place: its upper triangle row after row. It is read from the file.
func (s *Statistics) Covariance(place string) ([]float32, error) {
	m, ok := s.tensors[place+covarianceOf]
	if !ok {
		return nil, fmt.Errorf("%s: tensor %s %w", s.Name, place+covarianceOf, ErrMissing)
	}
	if m.data != nil {
		return m.data, nil
	}
	return s.read(place + covarianceOf)
}

// HasCovariance reports whether covariances were collected.
func (s *Statistics) HasCovariance() bool {
	if s == nil {
		return false
	}
	_, ok := s.tensors[headIn+covarianceOf]
	return ok
}

func (s *Statistics) read(name string) ([]float32, error) {
	t := s.tensors[name].stored
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

// Open opens a file that Write wrote, or several with the parts of one: see [Part]. What is in it is read when Check finds that it belongs to
// the model, and covariances when they are asked for; Close it when they are no more.
func Open(paths ...string) (*Statistics, error) {
	s := &Statistics{Name: filepath.Base(paths[0]), tensors: map[string]matrix{}}
	for _, path := range paths {
		if err := s.open(path); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *Statistics) open(path string) error {
	c, err := checkpoint.OpenSafetensors(path)
	if err != nil {
		return err
	}
	s.files = append(s.files, c)
	before, several := s.tensors[tokensSeen]
	for _, t := range c.Tensors() {
		switch _, ok := s.tensors[t.Name]; {
		case !ok:
			s.names = append(s.names, t.Name)
		case t.Name != tokensSeen:
			return fmt.Errorf("%s: tensor %s is in %s too: %w", path, t.Name, s.Name, ErrOtherPart)
		}
		s.tensors[t.Name] = matrix{rows: t.Rows(), cols: t.Cols(), stored: t}
	}
	if m := s.tensors[tokensSeen]; m.rows != 1 || m.cols != 1 || m.data != nil {
		return fmt.Errorf("%s: %w: there is no tensor %q", path, ErrNotStatistics, tokensSeen)
	}
	if err := s.load(tokensSeen); err != nil {
		return err
	}
	if n := s.Tokens(); several && n != int(before.data[0]) {
		return fmt.Errorf("%s: it saw %d tokens, and %s %d: %w", path, n, s.Name, int(before.data[0]), ErrOtherPart)
	}
	return nil
}

// Close closes the files.
func (s *Statistics) Close() (err error) {
	if s == nil {
		return nil
	}
	for _, f := range s.files {
		err = cmp.Or(err, f.Close())
	}
	return err
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
			return fmt.Errorf("%s: tensor %s %w: %w", s.Name, name, ErrMissing, ErrOtherModel)
		case m.rows != rows || m.cols != cols:
			return fmt.Errorf("%s: tensor %s is %d×%d instead of %d×%d: %w", s.Name, name, m.rows, m.cols, rows, cols, ErrOtherModel)
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
	has := func(name string) bool { _, ok := s.tensors[name]; return ok }
	err := input(headIn, 1, c.Hidden)
	for l := 0; l < c.Layers && err == nil; l++ {
		err = cmp.Or(input(attentionIn(l), 1, c.Hidden), input(attentionOut(l), 1, c.Heads*c.HeadDim))
		if err == nil && c.HasExperts(l) {
			err = cmp.Or(input(expertsIn(l), c.MoE.Experts, c.Hidden), check(expertsTokens(l), 1, c.MoE.Experts))
			if err == nil && has(expertsDown(l)) {
				err = check(expertsDown(l), c.MoE.Experts, c.MoE.ExpertFFN)
			}
		} else if err == nil {
			if err = input(ffnIn(l), 1, c.Hidden); err == nil && has(downIn(l)) {
				err = input(downIn(l), 1, c.FFNOf(l))
			}
		}
	}
	return err
}
