package convert

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/format"
	"st/quant"
)

// checkpointWeights are a checkpoint's, under the names that its architecture gives them.
type checkpointWeights struct {
	tensors         []*checkpoint.Tensor
	names           map[string]*checkpoint.Tensor // by the architecture's names
	arch            *architecture
	model           *format.Config
	dir, configPath string
	quantization    quantization
	asked           map[*checkpoint.Tensor]bool
	fp8             int                              // tensors with scales
	predictor       map[format.Role]checkpointTensor // nil: there is none
}

// tensors returns the source's weights as those of a model, and notes about how they are read.
func (s *source) tensors(model *format.Config) (*checkpointWeights, []string, error) {
	a, err := architectureOf(model)
	if err != nil {
		return nil, nil, err
	}
	tensors, averages := withoutAverages(s.weights.Tensors())
	w := &checkpointWeights{tensors: tensors, arch: a, model: model, dir: s.dir, configPath: filepath.Join(s.dir, "config.json"),
		quantization: parseQuantization(s.config), asked: map[*checkpoint.Tensor]bool{}}
	var notes []string
	names, note := rename(w.tensors, a, model)
	w.names = names
	for _, n := range []string{averages, note} {
		if n != "" {
			notes = append(notes, n)
		}
	}
	others, cacheScales, heads := map[string]int{}, 0, map[string]int{}
	for _, t := range w.tensors {
		if head := partOf(t.Name, slices.Sorted(maps.Keys(otherHeads))); head != "" {
			heads[head]++
			w.asked[t] = true
			continue
		}
		if endsIn(t.Name, cacheScaleSuffixes) {
			cacheScales++
			w.asked[t] = true
			continue
		}
		if part := w.other(t); part != "" {
			others[part]++
			w.asked[t] = true
			continue
		}
		if t.DType == checkpoint.F8E4M3 || t.DType == checkpoint.F8E5M2 {
			w.fp8++
		}
	}
	if note := otherNote(others); note != "" {
		notes = append(notes, note)
	}
	if cacheScales > 0 {
		notes = append(notes, fmt.Sprintf("%s of a KV cache in FP8 left out: keys and values are kept in F16 or Q8_0", counted(cacheScales, "scale")))
	}
	for _, head := range slices.Sorted(maps.Keys(heads)) {
		notes = append(notes, fmt.Sprintf("%s of %s, %s, left out: no text is written with it", counted(heads[head], "tensor"), head, otherHeads[head]))
	}
	if n := w.leaveOut(); n > 0 {
		notes = append(notes, fmt.Sprintf("%s that the model does not compute with left out: those of keys and values of layers that share them, "+
			"and scales that config.json turns off", counted(n, "tensor")))
	}
	switch {
	case w.fp8 > 0:
		notes = append(notes, fmt.Sprintf("%d tensors are FP8, of %d: what is made of them is no better", w.fp8, len(w.tensors)))
	case w.quantization.Method != "":
		notes = append(notes, fmt.Sprintf("config.json has a quantization_config, %s, and the weights are not quantized: it is not used", &w.quantization))
	}
	return w, notes, nil
}

// other returns the part of a larger model that a tensor belongs to; "" if it is one of the text part.
func (w *checkpointWeights) other(t *checkpoint.Tensor) string {
	if w.arch.around[0] == "" {
		return ""
	}
	return partOf(t.Name, otherParts)
}

// leaveOut marks tensors that checkpoints have although the model does not compute with them, with their scales, and returns their number.
func (w *checkpointWeights) leaveOut() (n int) {
	roles := []format.Role{format.RoleKey, format.RoleValue, format.RoleKeyNorm, format.RoleAltUpCorrectScale}
	if w.model.AttentionBias {
		roles = append(roles, format.RoleKeyBias, format.RoleValueBias)
	}
	for _, role := range roles {
		for l := range w.model.Layers {
			if w.model.AltUp == nil || hasRole(w.model, role, l) {
				continue
			}
			name := w.arch.tensorName(key{role, l, -1})
			for _, suffix := range append([]string{""}, scaleSuffixes...) {
				if t := w.names[name+suffix]; t != nil {
					w.asked[t] = true
					n++
				}
			}
		}
	}
	return n
}

func (w *checkpointWeights) where() string  { return w.dir }
func (w *checkpointWeights) config() string { return w.configPath }

// nameOf returns the name of the fused tensor where the architecture has one outside experts: that is what its checkpoints are saved with.
func (w *checkpointWeights) nameOf(k key) string {
	if f, name := w.arch.fusedOf(k); f != nil && !f.experts {
		return name
	}
	if pattern := w.arch.stacked[k.role]; pattern != "" {
		for i := 0; ; i++ { // up to the first that is not there
			if name := fmt.Sprintf(pattern, i); w.names[name] == nil {
				return name
			}
		}
	}
	return w.arch.tensorName(k)
}

func (w *checkpointWeights) lookup(k key) (tensor, bool) {
	if k.role.HeadPredictor() {
		t, ok := w.predictor[k.role]
		return t, ok
	}
	if t, ok := w.take(w.arch.tensorName(k)); ok {
		if w.arch.unitNorms && isNorm(k.role) {
			t.plus = 1
		}
		return t, true
	}
	if pattern := w.arch.stacked[k.role]; pattern != "" {
		return w.stack(pattern, k)
	}
	if f, name := w.arch.fusedOf(k); f != nil {
		if t, ok := w.take(name); ok {
			return f.tensor(t, w.model, k, w.turned(k.layer)), true
		}
	}
	return nil, false
}

// stack returns the matrices of a pattern, which are as many as the model has room for, one below the other; ok is false unless all are there. Of those
// that have another shape it is the first, which the plan refuses.
func (w *checkpointWeights) stack(pattern string, k key) (t tensor, ok bool) {
	shape := w.model.Shape(k.role, k.layer, false)
	want := []int{shape[1], shape[1]}
	var s stackedTensor
	for i := range shape[0] / shape[1] {
		part, ok := w.take(fmt.Sprintf(pattern, i))
		switch {
		case !ok:
			return nil, false
		case !slices.Equal(part.shape, want):
			part.want = want
			return part, true
		}
		s.parts = append(s.parts, part)
	}
	return s, true
}

// take returns a whole tensor, with its scales if it has any.
func (w *checkpointWeights) take(name string) (checkpointTensor, bool) {
	t, ok := w.names[name]
	if !ok {
		return checkpointTensor{}, false
	}
	w.asked[t] = true
	return checkpointTensor{t: t, shape: t.Shape, rows: t.Rows(), cols: t.Cols(), scales: w.scalesOf(name, t)}, true
}

// turned reports whether a layer's experts are fused as [experts, in, out]. A tensor of square matrices does not tell, but the other of the layer does:
// both cannot be square, for gate_up has twice as many rows as down has columns.
func (w *checkpointWeights) turned(layer int) bool {
	return slices.ContainsFunc(w.arch.fused, func(f fusedName) bool {
		t, ok := w.names[fmt.Sprintf(f.pattern, layer)]
		if !ok || !f.experts {
			return false
		}
		plain := f.shape(w.model, layer)
		return plain[1] != plain[2] && slices.Equal(t.Shape, []int{plain[0], plain[2], plain[1]})
	})
}

// shape returns that of the whole tensor, not transposed.
func (f *fusedName) shape(m *format.Config, layer int) []int {
	all, in := 0, 0
	for _, r := range f.roles {
		shape := m.Shape(r, layer, f.experts)
		all, in = all+shape[0], shape[1]
	}
	if f.experts {
		return []int{m.MoE.Experts, all, in}
	}
	return []int{all, in}
}

// tensor returns the part of a fused tensor that a key asks for. One that has not the shape that it should have is returned as it is: the plan
// refuses it. turned tells how experts lie whose shape does not.
func (f *fusedName) tensor(c checkpointTensor, m *format.Config, k key, turned bool) tensor {
	shape, want := m.Shape(k.role, k.layer, f.experts), f.shape(m, k.layer)
	out, in := shape[0], shape[1]
	all := want[len(want)-2]
	first := 0 // rows before the role's
	for _, r := range f.roles[:slices.Index(f.roles, k.role)] {
		first += m.Shape(r, k.layer, f.experts)[0]
	}
	expert := max(0, k.expert)
	switch {
	case slices.Equal(c.t.Shape, want) && !(f.experts && all == in && turned):
		c.shape, c.row, c.rows, c.cols = shape, expert*all+first, out, in
	case f.experts && slices.Equal(c.t.Shape, []int{m.MoE.Experts, in, all}):
		c.shape, c.row, c.rows, c.col, c.cols, c.transposed = shape, expert*in, in, first, out, true
	default:
		c.want = want
	}
	return c
}

// readable returns an error if the tensor or its scales are of a type that is not read.
func (c checkpointTensor) readable() error {
	if c.scales != nil && c.scales.source != nil {
		if err := c.scales.source.Readable(); err != nil {
			return err
		}
	}
	return c.t.Readable()
}

// wanted returns the shape that a fused or stacked tensor should have and has not; nil: it is neither, or as it should be.
func (c checkpointTensor) wanted() []int { return c.want }

// rotaryModule begins the names of modules whose tensors are angles, such as rotary_emb.inv_freq and rotary_emb_local.inv_freq: they are computed from
// config.json.
const rotaryModule = ".rotary_emb"

// otherHeads are modules beside the head that writes text, and what they are: of TRL's AutoModelForCausalLMWithValueHead, and of Transformers'
// AutoModelForSequenceClassification.
var otherHeads = map[string]string{
	"v_head": "a head that rates texts in training by reinforcement",
	"score":  "a head that classifies texts",
}

// unusedFP8Suffixes are how activations were to be quantized beside FP8 weights.
var unusedFP8Suffixes = []string{".input_scale", ".input_scale_ub", ".activation_scale", ".act_scale"}

// cacheScaleSuffixes are the scales of keys, values and what is computed with them in eight bits, as vLLM, ModelOpt and compressed-tensors name
// them. Checkpoints have them beside weights of any type.
var cacheScaleSuffixes = []string{".k_scale", ".v_scale", ".kv_scale", ".q_scale", ".prob_output_scale", ".k_proj.output_scale", ".v_proj.output_scale"}

// endsIn reports whether a name ends in one of some suffixes.
func endsIn(name string, suffixes []string) bool {
	return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
}

func (w *checkpointWeights) unknown(c *format.Config) tensor {
	head := w.names[w.arch.tensorName(key{format.RoleHead, -1, -1})]
	for _, t := range w.tensors {
		switch {
		case w.asked[t]:
		case c.TiedEmbeddings && t == head: // a copy of the embeddings
		case strings.Contains(t.Name, rotaryModule):
		case w.fp8 > 0 && endsIn(t.Name, unusedFP8Suffixes):
		default:
			return checkpointTensor{t: t, shape: t.Shape, rows: t.Rows(), cols: t.Cols()}
		}
	}
	return nil
}

// stackedTensor is several matrices of one shape, one below the other.
type stackedTensor struct{ parts []checkpointTensor }

func (s stackedTensor) Name() string             { return s.parts[0].Name() }
func (s stackedTensor) File() string             { return s.parts[0].File() }
func (s stackedTensor) Shape() []int             { return []int{s.Rows(), s.Cols()} }
func (s stackedTensor) Rows() int                { return len(s.parts) * s.parts[0].Rows() }
func (s stackedTensor) Cols() int                { return s.parts[0].Cols() }
func (s stackedTensor) Transposed() bool         { return false }
func (s stackedTensor) Type() (quant.Type, bool) { return 0, false }

func (s stackedTensor) Bytes() (n int64) {
	for _, p := range s.parts {
		n += p.Bytes()
	}
	return n
}

func (s stackedTensor) readable() error {
	for _, p := range s.parts {
		if err := p.readable(); err != nil {
			return err
		}
	}
	return nil
}

func (s stackedTensor) spans(row, n int) (all []span, ok bool) {
	ok = true
	s.each(row, n, func(p checkpointTensor, row, n int) {
		more, known := p.spans(row, n)
		all, ok = append(all, more...), ok && known
	})
	return all, ok
}

func (s stackedTensor) Read(dst []float32, row, n int, buf *readBuffer) error {
	var err error
	s.each(row, n, func(p checkpointTensor, row, n int) {
		if err == nil {
			err = p.Read(dst[:n*s.Cols()], row, n, buf)
			dst = dst[n*s.Cols():]
		}
	})
	return err
}

// each calls do with the parts that have rows [row, row+n), and which of theirs those are.
func (s stackedTensor) each(row, n int, do func(p checkpointTensor, row, n int)) {
	for per := s.parts[0].Rows(); n > 0; {
		k := min(n, per-row%per)
		do(s.parts[row/per], row%per, k)
		row, n = row+k, n-k
	}
}

// checkpointTensor is a tensor of a checkpoint, or rows and columns of one from row and col on.
type checkpointTensor struct {
	t          *checkpoint.Tensor
	shape      []int
	row, rows  int
	col, cols  int
	transposed bool
	scales     *scales // nil: none
	plus       float32 // what is added to all numbers
	want       []int   // of a fused or stacked tensor that has another shape
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

func (c checkpointTensor) spans(row, n int) ([]span, bool) {
	from, to, ok := c.t.Span(c.row+row, n)
	all := []span{{c.t.File, from, to}}
	if c.scales != nil && c.scales.source != nil {
		x := c.scales.source
		from, to, contiguous := x.Span(0, x.Rows())
		all, ok = append(all, span{x.File, from, to}), ok && contiguous
	}
	return all, ok
}

func (c checkpointTensor) Read(dst []float32, row, n int, buf *readBuffer) error {
	if err := c.read(dst, c.row+row, n, buf); err != nil {
		return err
	}
	if c.plus != 0 {
		for i := range dst[:n*c.cols] {
			dst[i] += c.plus
		}
	}
	if c.scales == nil {
		return nil
	}
	return c.scales.apply(dst, c.row+row, c.col, c.cols)
}

func (c checkpointTensor) read(dst []float32, row, n int, buf *readBuffer) error {
	if c.cols == c.t.Cols() {
		return c.t.ReadRows(dst, row, n)
	}
	whole := grow(&buf.floats, n*c.t.Cols())
	if err := c.t.ReadRows(whole, row, n); err != nil {
		return err
	}
	for r := range n {
		copy(dst[r*c.cols:][:c.cols], whole[r*c.t.Cols()+c.col:])
	}
	return nil
}
