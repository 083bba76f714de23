package convert

import (
	"fmt"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/format"
	"st/quant"
)

// checkpointWeights are a checkpoint's, under the names that its architecture gives them.
type checkpointWeights struct {
	*checkpoint.Checkpoint
	arch            *architecture
	model           *format.Config
	dir, configPath string
	asked           map[string]bool
}

func newCheckpointWeights(c *checkpoint.Checkpoint, a *architecture, model *format.Config, dir, configPath string) *checkpointWeights {
	return &checkpointWeights{c, a, model, dir, configPath, map[string]bool{}}
}

func (w *checkpointWeights) where() string       { return w.dir }
func (w *checkpointWeights) config() string      { return w.configPath }
func (w *checkpointWeights) nameOf(k key) string { return w.arch.tensorName(k) }

func (w *checkpointWeights) lookup(k key) (tensor, bool) {
	name := w.arch.tensorName(k)
	if t, ok := w.Lookup(name); ok {
		w.asked[name] = true
		return checkpointTensor{t: t, shape: t.Shape, rows: t.Rows(), cols: t.Cols()}, true
	}
	for _, f := range w.arch.fused {
		if f.role != k.role || k.expert < 0 {
			continue
		}
		name := fmt.Sprintf(f.pattern, k.layer)
		if t, ok := w.Lookup(name); ok {
			w.asked[name] = true
			return f.tensor(t, w.model.MoE.Experts, k.expert, w.model.Shape(k.role, true)), true
		}
	}
	return nil, false
}

// tensor returns an expert's part, which is to have the given shape. One that has not is returned as it is: the plan refuses it.
func (f *fusedName) tensor(t *checkpoint.Tensor, experts, expert int, shape []int) tensor {
	out, in := shape[0], shape[1]
	switch {
	case slices.Equal(t.Shape, []int{experts, f.parts * out, in}):
		return checkpointTensor{t: t, shape: shape, row: (expert*f.parts + f.part) * out, rows: out, cols: in}
	case slices.Equal(t.Shape, []int{experts, in, f.parts * out}):
		return checkpointTensor{t: t, shape: shape, row: expert * in, rows: in, col: f.part * out, cols: out, transposed: true}
	}
	return checkpointTensor{t: t, shape: t.Shape, rows: t.Rows(), cols: t.Cols()}
}

func (w *checkpointWeights) unknown(c *format.Config) tensor {
	for _, t := range w.Tensors() {
		switch {
		case w.asked[t.Name]:
		case c.TiedEmbeddings && t.Name == w.arch.tensorName(key{format.RoleHead, -1, -1}): // a copy of the embeddings
		case strings.HasSuffix(t.Name, ".rotary_emb.inv_freq"): // computed from rope_theta
		default:
			return checkpointTensor{t: t, shape: t.Shape, rows: t.Rows(), cols: t.Cols()}
		}
	}
	return nil
}

// checkpointTensor is a tensor of a checkpoint, or rows and columns of one from row and col on.
type checkpointTensor struct {
	t          *checkpoint.Tensor
	shape      []int
	row, rows  int
	col, cols  int
	transposed bool
}

func (c checkpointTensor) Name() string             { return c.t.Name }
func (c checkpointTensor) File() string             { return c.t.File }
func (c checkpointTensor) Shape() []int             { return c.shape }
func (c checkpointTensor) Rows() int                { return c.rows }
func (c checkpointTensor) Cols() int                { return c.cols }
func (c checkpointTensor) Transposed() bool         { return c.transposed }
func (c checkpointTensor) Type() (quant.Type, bool) { return 0, false }

func (c checkpointTensor) Bytes() int64 {
	if c.rows == c.t.Rows() && c.cols == c.t.Cols() {
		return c.t.Bytes()
	}
	return c.t.Bytes() / int64(c.t.Rows()*c.t.Cols()) * int64(c.rows*c.cols)
}

func (c checkpointTensor) Read(dst []float32, row, n int, buf *readBuffer) error {
	if c.cols == c.t.Cols() {
		return c.t.ReadRows(dst, c.row+row, n)
	}
	whole := grow(&buf.floats, n*c.t.Cols())
	if err := c.t.ReadRows(whole, c.row+row, n); err != nil {
		return err
	}
	for r := range n {
		copy(dst[r*c.cols:][:c.cols], whole[r*c.t.Cols()+c.col:])
	}
	return nil
}
