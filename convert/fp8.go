package convert

import (
	"fmt"
	"slices"
	"sync"

	"st/convert/checkpoint"
)

// FP8 checkpoints hold matrices [out, in] of eight-bit floats, and beside NAME the float32 scales with which they are multiplied:
//
//   - NAME_scale_inv, [⌈out/128⌉, ⌈in/128⌉]: one for each block, as DeepSeek-V3 has it (arXiv 2412.19437, section 3.3; weight_dequant of
//     its inference code) and Transformers' FineGrainedFP8; weight_block_size in quantization_config gives other blocks
//   - NAME_scale, likewise, as compressed-tensors has it: block_structure or group_size in its config_groups give the blocks
//   - NAME_scale, of one element, or [out, 1]: one for the matrix or for each row, as fbgemm_fp8, compressed-tensors and ModelOpt have it
//
// Whatever they are called, a weight is float32(eight bits) · scale.

// scaleSuffixes are what is put behind a matrix's name.
var scaleSuffixes = []string{"_scale_inv", "_scale"}

// defaultBlock is the size of blocks where quantization_config does not say it.
var defaultBlock = blockSize{128, 128}

// scales are those of a tensor [lead·rows, cols], in blocks.
type scales struct {
	load       func() ([]float32, error)
	source     *checkpoint.Tensor // what load reads; nil: nothing
	rows       int                // of each matrix
	block      blockSize
	down, over int  // blocks in a matrix
	one        bool // one scale for all matrices
}

// scalesOf returns the scales of a tensor, nil if it needs none. What is wrong with them is told when they are read.
func (w *checkpointWeights) scalesOf(name string, t *checkpoint.Tensor) *scales {
	if t.DType != checkpoint.F8E4M3 && t.DType != checkpoint.F8E5M2 {
		return nil
	}
	for _, suffix := range scaleSuffixes {
		if x, ok := w.names[name+suffix]; ok {
			w.asked[x] = true
			s, err := newScales(t, x, w.quantization.block())
			if err != nil {
				return &scales{load: func() ([]float32, error) { return nil, err }}
			}
			return s
		}
	}
	if w.quantization.Method == "" {
		return nil // numbers as they are
	}
	return &scales{load: func() ([]float32, error) {
		return nil, fmt.Errorf("%s: tensor %s: %w, %s or %s, are missing", t.File, t.Name, ErrScale, t.Name+scaleSuffixes[0], t.Name+scaleSuffixes[1])
	}}
}

func newScales(t, x *checkpoint.Tensor, block blockSize) (*scales, error) {
	s := &scales{rows: t.Rows(), source: x}
	lead := 1
	if d := len(t.Shape); d > 2 {
		s.rows = t.Shape[d-2]
		lead = t.Rows() / max(1, s.rows)
	}
	n := x.Rows() * x.Cols()
	down, over := (s.rows+block[0]-1)/block[0], (t.Cols()+block[1]-1)/block[1]
	want := append(slices.Clone(t.Shape[:max(0, len(t.Shape)-2)]), down, over)
	switch {
	case len(t.Shape) >= 2 && slices.Equal(x.Shape, want):
		s.block, s.down, s.over = block, down, over
	case n == 1 || n == lead:
		s.block, s.down, s.over, s.one = blockSize{s.rows, t.Cols()}, 1, 1, n == 1
	case n == lead*s.rows:
		s.block, s.down, s.over = blockSize{1, t.Cols()}, s.rows, 1
	default:
		return nil, fmt.Errorf("%s: tensor %s: %w have shape %v, which fits neither blocks of %d by %d of %v, %v, nor its rows",
			x.File, x.Name, ErrScale, x.Shape, block[0], block[1], t.Shape, want)
	}
	s.load = sync.OnceValues(func() ([]float32, error) {
		values := make([]float32, n)
		return values, x.ReadRows(values, 0, x.Rows())
	})
	return s, nil
}

// apply multiplies rows from row on, of which dst holds cols columns from col on.
func (s *scales) apply(dst []float32, row, col, cols int) error {
	values, err := s.load()
	if err != nil {
		return err
	}
	for ; len(dst) > 0; row++ {
		matrix := row / s.rows
		if s.one {
			matrix = 0
		}
		line := values[(matrix*s.down+row%s.rows/s.block[0])*s.over:][:s.over]
		for c := 0; c < cols; {
			scale := line[(col+c)/s.block[1]]
			end := min(cols, ((col+c)/s.block[1]+1)*s.block[1]-col)
			for i := range dst[c:end] {
				dst[c+i] *= scale
			}
			c = end
		}
		dst = dst[cols:]
	}
	return nil
}
