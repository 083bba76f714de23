package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/convert/gguf"
	"st/format"
)

// The predictor of the language-model head is two matrices without an activation between: fc1 [rank, hidden], fc2 [vocab, rank]. SmallThinker's
// repositories have it beside the weights, in a torch file; PowerInfer's GGUF files as one tensor, fc1 and then fc2.

// predictorFile is the file beside the weights.
const predictorFile = "model_lm_head.pt"

// predictorNames are what files call the two matrices: as the torch file does, after its own name.
var predictorNames = map[format.Role]string{
	format.RoleHeadPredictorIn:  "model_lm_head.fc1.weight",
	format.RoleHeadPredictorOut: "model_lm_head.fc2.weight",
}

// maxPredictorTensors is more than a predictor has, and few enough to name those that it should not have.
const maxPredictorTensors = 64

// hasPredictor reports whether models of an architecture may have a predictor of the head.
func hasPredictor(c *format.Config) bool { return c.Architecture == smallThinker.name }

// openPredictor opens the predictor beside a checkpoint's weights; nil: there is none.
func (s *source) openPredictor() error {
	path := filepath.Join(s.dir, predictorFile)
	if _, err := s.place.Lstat(path); !hasPredictor(&s.model) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var err error
	if s.predictor, err = checkpoint.OpenFrom(s.place, path, maxPredictorTensors); err != nil {
		return &PredictorError{err}
	}
	return nil
}

// PredictorError is about the predictor of the head, without which a model can be converted all the same: see Options.NoHeadPredictor.
type PredictorError struct{ Err error }

func (e *PredictorError) Error() string { return e.Err.Error() }
func (e *PredictorError) Unwrap() error { return e.Err }

// predictorError is about what the file of a predictor holds. It is of no other kind: the weights and config.json are not in doubt.
func predictorError(format string, args ...any) error {
	return &PredictorError{fmt.Errorf(format, args...)}
}

// takePredictor adds the predictor's matrices to the weights, and its rank to the config.
func (s *source) takePredictor(w *checkpointWeights, c *format.Config) error {
	if s.predictor == nil {
		return nil
	}
	path := filepath.Join(s.dir, predictorFile)
	w.predictor = map[format.Role]checkpointTensor{}
	for _, t := range s.predictor.Tensors() {
		role := format.RoleNone
		for r, name := range predictorNames {
			_, last, _ := strings.Cut(name, ".")
			if n := withoutWrappers(t.Name); n == last || strings.HasSuffix(n, "."+last) {
				role = r
			}
		}
		if _, twice := w.predictor[role]; role == format.RoleNone || twice {
			return predictorError("%s: tensor %s %v is unknown: the predictor of the head has fc1.weight and fc2.weight", path, t.Name, t.Shape)
		}
		if err := t.Readable(); err != nil {
			return &PredictorError{err}
		}
		w.predictor[role] = checkpointTensor{t: t, shape: t.Shape, rows: t.Rows(), cols: t.Cols()}
	}
	in, ok := w.predictor[format.RoleHeadPredictorIn]
	out, okOut := w.predictor[format.RoleHeadPredictorOut]
	switch {
	case !ok:
		return predictorError("%s: tensor fc1.weight is missing", path)
	case !okOut:
		return predictorError("%s: tensor fc2.weight is missing", path)
	case len(in.shape) != 2 || in.cols != c.Hidden || in.rows < 1:
		return predictorError("%s: tensor %s has shape %v, and %s asks for [rank, %d]", path, in.Name(), in.shape, w.configPath, c.Hidden)
	}
	c.HeadPredictorRank = in.rows
	if want := []int{c.Vocab, in.rows}; !slices.Equal(out.shape, want) {
		return predictorError("%s: tensor %s has shape %v, and %s and fc1.weight ask for %v", path, out.Name(), out.shape, w.configPath, want)
	}
	if err := c.Validate(); err != nil {
		return predictorError("%s: tensor %s has shape %v: %v", path, in.Name(), in.shape, err)
	}
	return nil
}

// takePredictor adds the rank of a GGUF file's predictor to the config, unless the predictor is to be left out.
func (s *ggufSource) takePredictor(m *material) error {
	t, ok := s.file.Lookup(gguf.HeadPredictor)
	c := &m.meta.Config
	if !ok || s.noPredictor {
		return nil
	}
	if !hasPredictor(c) {
		m.note("%s, which predicts the rows of the head that matter, is not used", gguf.HeadPredictor)
		return nil
	}
	n := int64(t.Rows()) * int64(t.Cols())
	per := int64(c.Hidden) + int64(c.Vocab)
	if n == 0 || n%per != 0 {
		return predictorError("%s: tensor %s has shape %v, and the metadata ask for rank·(%d + %d) weights", t.File(), t.Name, t.Shape, c.Hidden, c.Vocab)
	}
	rank := int(n / per)
	block := t.Type.Block()
	switch {
	case !t.Type.Decodable():
		return predictorError("%s: tensor %s is %s: %w", t.File(), t.Name, t.Type, gguf.ErrType)
	case c.Hidden%block != 0 || rank%block != 0:
		return predictorError("%s: tensor %s is %s of rank %d: its rows are not made of whole blocks of %d", t.File(), t.Name, t.Type, rank, block)
	}
	c.HeadPredictorRank = rank
	if err := c.Validate(); err != nil {
		return predictorError("%s: tensor %s has shape %v: %v", t.File(), t.Name, t.Shape, err)
	}
	return nil
}

// predictor returns one of the two matrices of the file's predictor.
func (w *ggufWeights) predictor(role format.Role) (tensor, bool) {
	t, ok := w.Lookup(gguf.HeadPredictor)
	if !ok {
		return nil, false
	}
	c := &w.model.Config
	rank := t.Rows() * t.Cols() / (c.Hidden + c.Vocab)
	first, shape := 0, []int{rank, c.Hidden}
	if role == format.RoleHeadPredictorOut {
		first, shape = rank*c.Hidden, []int{c.Vocab, rank}
	}
	return ggufTensor{t: t.View(first, shape[0], shape[1]), shape: shape}, true
}
