package calibration

import (
	"fmt"
	"math"
	"path/filepath"
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
// An expert's inputs count by the square of the weight that the router gave it, and the layer's mean is mixed in, for 64 tokens.
// down has no importance: its rows are stored neuron by neuron, and all weights of a neuron are multiplied with the same number.
type Statistics struct {
	// Name is that of the file which they were read from.
	Name    string
	names   []string
	tensors map[string]matrix
}

type matrix struct {
	rows, cols int
	data       []float32
}

const (
	headIn     = "lm_head.input"
	tokensSeen = "tokens"
)

func attentionIn(l int) string  { return fmt.Sprintf("model.layers.%d.self_attn.qkv_proj.input", l) }
func attentionOut(l int) string { return fmt.Sprintf("model.layers.%d.self_attn.o_proj.input", l) }
func expertsIn(l int) string    { return fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.input", l) }
func expertsTokens(l int) string {
	return fmt.Sprintf("model.layers.%d.block_sparse_moe.experts.tokens", l)
}

func (s *Statistics) put(name string, rows ...[]float32) {
	m := matrix{rows: len(rows), cols: len(rows[0])}
	for _, r := range rows {
		m.data = append(m.data, r...)
	}
	s.names = append(s.names, name)
	s.tensors[name] = m
}

// Tokens returns how many tokens the text had.
func (s *Statistics) Tokens() int { return int(s.tensors[tokensSeen].data[0]) }

// Uses returns how many tokens chose each expert of a layer.
func (s *Statistics) Uses(layer int) []float32 { return s.tensors[expertsTokens(layer)].data }

// Importance returns how much each column of a tensor counts, given the tensor's name in the checkpoint; nil: all the same, or
// nothing is known.
func (s *Statistics) Importance(tensor string) []float32 {
	if s == nil {
		return nil
	}
	if tensor == "lm_head.weight" || tensor == "model.embed_tokens.weight" {
		return s.tensors[headIn].data
	}
	var layer, expert int
	if _, err := fmt.Sscanf(tensor, "model.layers.%d.", &layer); err != nil {
		return nil
	}
	name := strings.TrimPrefix(tensor, fmt.Sprintf("model.layers.%d.", layer))
	switch name {
	case "self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight":
		return s.tensors[attentionIn(layer)].data
	case "self_attn.o_proj.weight":
		return s.tensors[attentionOut(layer)].data
	}
	if _, err := fmt.Sscanf(name, "block_sparse_moe.experts.%d.", &expert); err != nil || strings.HasSuffix(name, ".down.weight") {
		return nil
	}
	m := s.tensors[expertsIn(layer)]
	return m.data[expert*m.cols:][:m.cols]
}

// Read reads a file that st calibrate wrote.
func Read(path string) (*Statistics, error) {
	c, err := checkpoint.OpenSafetensors(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s := &Statistics{Name: filepath.Base(path), tensors: map[string]matrix{}}
	for _, t := range c.Tensors() {
		m := matrix{t.Rows(), t.Cols(), make([]float32, t.Rows()*t.Cols())}
		if err := t.ReadRows(m.data, 0, m.rows); err != nil {
			return nil, err
		}
		for _, v := range m.data {
			if !(v >= 0 && v <= math.MaxFloat32) {
				return nil, fmt.Errorf("%s: tensor %s holds %v: mean squares are neither negative nor infinite", path, t.Name, v)
			}
		}
		s.names = append(s.names, t.Name)
		s.tensors[t.Name] = m
	}
	if m := s.tensors[tokensSeen]; m.rows != 1 || m.cols != 1 {
		return nil, fmt.Errorf("%s: there is no tensor %q: it is not a file that st calibrate made", path, tokensSeen)
	}
	return s, nil
}

// Check reports what does not fit a model.
func (s *Statistics) Check(c *format.Config) error {
	want := map[string][2]int{headIn: {1, c.Hidden}}
	order := []string{headIn}
	for l := range c.Layers {
		for _, t := range []struct {
			name       string
			rows, cols int
		}{
			{attentionIn(l), 1, c.Hidden}, {attentionOut(l), 1, c.Heads * c.HeadDim},
			{expertsIn(l), c.Experts, c.Hidden}, {expertsTokens(l), 1, c.Experts},
		} {
			want[t.name] = [2]int{t.rows, t.cols}
			order = append(order, t.name)
		}
	}
	for _, name := range order {
		m, ok := s.tensors[name]
		switch {
		case !ok:
			return fmt.Errorf("%s: tensor %s is missing: it was made for another model", s.Name, name)
		case m.rows != want[name][0] || m.cols != want[name][1]:
			return fmt.Errorf("%s: tensor %s is %d×%d instead of %d×%d: it was made for another model", s.Name, name,
				m.rows, m.cols, want[name][0], want[name][1])
		}
	}
	return nil
}
