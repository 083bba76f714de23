package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"st/convert/calibration"
	"st/format"
	"st/format/outfile"
	"st/quant"
)

// Options say what Run and Quantize make.
type Options struct {
	Recipe
	// Encoder is the way to Q4_0.
	Encoder Encoder
	// Calibration, if not nil, tells [Search] how much each weight counts. [GPTQ] needs it, with covariances.
	Calibration *calibration.Statistics
	// Threads is the number of goroutines that quantize; 0 means one per CPU.
	Threads int
	// Force allows an existing target to be replaced.
	Force bool
	// AllowNonfinite goes on when a weight is NaN or infinite.
	AllowNonfinite bool
	// NoHeadPredictor leaves out the predictor of the language-model head, where the source has one.
	NoHeadPredictor bool
	// Report asks for the result's Losses.
	Report bool
	// Tool is recorded as the program that wrote the file.
	Tool string
	// Origin tells where the source is from. It is added to what the source says of itself: see [format.Provenance].
	Origin map[string]string
	// Progress, if not nil, is told how many bytes of the source's weights were read, of how many. Calls come from several
	// goroutines.
	Progress func(done, total int64)
	// Create makes the output file; nil makes one on disk. Tests put a full disk behind it.
	Create func(path string) (format.OutFile, error)

	// Check, if not nil, is told the files that were read, before the output gets its name, which it does not get on an error.
	Check func(sources []format.SourceFile) error

	inputs []string // files that are read
}

// output are the options of the file to write.
func (o *Options) output() outfile.Options {
	return outfile.Options{Replace: o.Force, Inputs: o.inputs, Open: o.Create}
}

// Result tells what Run made.
type Result struct {
	Type        quant.Type // that most weights have
	Tensors     int
	SourceBytes int64 // bytes of weights read
	OutputBytes int64 // size of the file written
	Elapsed     time.Duration
	Fallbacks   []Fallback
	Losses      []Loss   // of the tensors that were encoded, not copied; the largest first
	Notes       []string // what else the user should know
}

// Fallback is a tensor whose rows a block type cannot hold: it is stored as Used.
type Fallback struct {
	Tensor      string
	Cols        int // weights in a row
	Asked, Used quant.Type
}

// fallbackNote is part of what fallbackNotes says and marks it, so that those of the source are not kept for its successor.
const fallbackNote = "cannot hold: stored as"

// keptNotes are the notes of a source that are true of what is made from it too.
func keptNotes(notes []string) []string {
	return slices.DeleteFunc(slices.Clone(notes), func(n string) bool { return strings.Contains(n, fallbackNote) })
}

// fallbackNotes tells of fallbacks in one line for each length of rows and pair of types.
func fallbackNotes(all []Fallback) []string {
	count := map[Fallback]int{}
	var kinds []Fallback
	for _, f := range all {
		f.Tensor = ""
		if count[f] == 0 {
			kinds = append(kinds, f)
		}
		count[f]++
	}
	var notes []string
	for _, f := range kinds {
		notes = append(notes, fmt.Sprintf("%d tensors have rows of %d weights, which %s %s %s",
			count[f], f.Cols, f.Asked, fallbackNote, f.Used))
	}
	return notes
}

// input is a model that [Run] makes a file of.
type input interface {
	// files returns the paths of everything that the model is made from: the small files and those of weights.
	files() []string
	smallFiles() []string
	weightFiles() []string
	// read reads what there is besides the weights, and says where those are.
	read() (*material, error)
	close() error
}

// material is what a file is made of.
type material struct {
	meta    format.Meta
	notes   []string
	general map[string]string // see [format.Provenance]
	weights weights
}

func openInput(path string, opts *Options) (input, error) {
	if promisesGGUF(path) {
		return openGGUF(path, opts)
	}
	return openSource(path, opts)
}

// Run converts a model into the file dst. src is a checkpoint, a directory or a weights file beside its config.json; or a GGUF file, any one of a
// set if it is split. The target appears when it is complete and not before; on any error, or when ctx is cancelled, nothing is left behind. An error
// about the source is a [Diagnosis].
func Run(ctx context.Context, src, dst string, opts Options) (*Result, error) {
	result, err := run(ctx, src, dst, opts)
	if err != nil {
		return nil, Diagnose(src, err)
	}
	return result, nil
}

func run(ctx context.Context, src, dst string, opts Options) (*Result, error) {
	begin := time.Now()
	in, err := openInput(src, &opts)
	if err != nil {
		return nil, err
	}
	defer in.close()
	opts.inputs = in.files()
	if err := outfile.Check(dst, opts.output()); err != nil {
		return nil, err
	}
	m, err := in.read()
	if err != nil {
		return nil, err
	}
	return produce(ctx, begin, dst, m, opts, func(ctx context.Context) ([]format.SourceFile, error) {
		return HashFiles(ctx, in.files())
	})
}

// Quantize makes from the .stm file src the file dst, in which weights have other types: those of a checkpoint that was
// converted without loss become, bit for bit, what Run makes of the checkpoint itself. A better type than a tensor comes in is
// refused. Tensors that have the type already are copied. As with Run the target appears complete or not at all.
func Quantize(ctx context.Context, src, dst string, opts Options) (*Result, error) {
	begin := time.Now()
	r, err := format.Open(src)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	opts.inputs = []string{src}
	if err := outfile.Check(dst, opts.output()); err != nil {
		return nil, err
	}
	weights, err := newModelWeights(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	m := &material{meta: withoutPredictor(r.Meta, &opts), notes: keptNotes(r.Provenance.Notes), general: r.Provenance.General, weights: weights}
	return produce(ctx, begin, dst, m, opts, func(ctx context.Context) ([]format.SourceFile, error) {
		// Experts are verified as they are read, dense records here: they are read in pieces.
		for i := range r.Records() {
			if rec := &r.Records()[i]; !rec.IsExpert() {
				if err := r.VerifyRecord(ctx, nil, rec); err != nil {
					return nil, err
				}
			}
		}
		return r.Provenance.Sources, nil
	})
}

// withoutPredictor returns what there is besides the weights, without a predictor if it is to be left out.
func withoutPredictor(m format.Meta, opts *Options) format.Meta {
	if opts.NoHeadPredictor {
		m.Config.HeadPredictorRank = 0
	}
	return m
}

// produce plans, quantizes and writes. check goes over the sources in the meantime, and names them.
func produce(ctx context.Context, begin time.Time, dst string, m *material, opts Options,
	check func(context.Context) ([]format.SourceFile, error)) (*Result, error) {

	p, err := m.plan(&opts)
	if err != nil {
		return nil, err
	}
	w, err := format.Create(dst, m.meta, p.records, format.CreateOptions{Force: opts.Force, Inputs: opts.inputs, Create: opts.Create})
	if err != nil {
		return nil, err
	}
	defer w.Abort()

	var sources []format.SourceFile
	var nonfinite int64
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		sources, err = check(groupCtx)
		return err
	})
	group.Go(func() (err error) {
		nonfinite, err = p.write(groupCtx, w, opts)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, interrupted(err)
	}
	if opts.Check != nil {
		if err := opts.Check(sources); err != nil {
			return nil, err
		}
	}
	notes, provenance := p.provenance(m, opts, sources, nonfinite)
	if err := w.Commit(provenance); err != nil {
		return nil, err
	}
	if _, ok := m.weights.(*modelWeights); ok && p.copies() {
		notes = append(notes, "all weights have these types already: they are as they were")
	}
	for _, l := range w.Leftovers() {
		notes = append(notes, fmt.Sprintf("%s, %d bytes that a run which was killed had left behind, was removed", l.Path, l.Bytes))
	}
	return p.result(dst, notes, begin)
}

// plan checks the options and makes the plan.
func (m *material) plan(opts *Options) (*plan, error) {
	if opts.Threads <= 0 {
		opts.Threads = goruntime.GOMAXPROCS(0)
	}
	if opts.Calibration != nil {
		if err := opts.Calibration.Check(&m.meta.Config); err != nil {
			return nil, err
		}
	}
	switch {
	case opts.Encoder != GPTQ || opts.Calibration.HasCovariance():
	case opts.Calibration != nil && opts.Calibration.Name != "":
		return nil, fmt.Errorf("%s has no covariances: the encoder gptq %w with them", opts.Calibration.Name, ErrCalibration)
	default:
		return nil, fmt.Errorf("the encoder gptq %w, with covariances", ErrCalibration)
	}
	return newPlan(&m.meta.Config, m.weights, &opts.Recipe)
}

// provenance returns the notes about what was made, and what the file says of how it came to be.
func (p *plan) provenance(m *material, opts Options, sources []format.SourceFile, nonfinite int64) ([]string, format.Provenance) {
	notes := m.notes
	if nonfinite > 0 {
		notes = append(notes, fmt.Sprintf("%d weights are NaN or infinite", nonfinite))
	}
	if opts.Encoder == GPTQ && !p.has(quant.Q4_0) {
		notes = append(notes, "nothing is stored as q4_0: the encoder gptq has nothing to do")
	}
	notes = append(notes, p.againNotes()...)
	if _, ok := m.weights.(*ggufWeights); ok && opts.Keep && !p.keep {
		notes = append(notes, fmt.Sprintf("nothing in the source is quantized: its matrices are stored as %s, as those of a checkpoint are", opts.Type))
	}
	return notes, format.Provenance{
		Tool:    opts.Tool,
		Options: opts.provenance(p.arch, p.keep),
		General: withOrigin(m.general, opts.Origin),
		Sources: sources,
		Notes:   append(slices.Clone(notes), fallbackNotes(p.fallbacks)...),
	}
}

// withOrigin adds where a source is from to what it says of itself.
func withOrigin(general, origin map[string]string) map[string]string {
	if len(origin) == 0 {
		return general
	}
	all := maps.Clone(origin)
	for k, v := range general {
		if _, ok := all[k]; !ok {
			all[k] = v
		}
	}
	return all
}

// copies reports whether all weights have their types already.
func (p *plan) copies() bool {
	for i := range p.records {
		for j := range p.records[i].Tensors {
			if from, known := p.sources[i][j].Type(); !known || from != p.records[i].Tensors[j].Type {
				return false
			}
		}
	}
	return true
}

// result tells of the file that was made.
func (p *plan) result(dst string, notes []string, begin time.Time) (*Result, error) {
	result := &Result{SourceBytes: p.sourceBytes, Elapsed: time.Since(begin), Fallbacks: p.fallbacks, Losses: p.losses, Notes: notes,
		Type: p.mainType()}
	for i := range p.records {
		result.Tensors += len(p.records[i].Tensors)
	}
	info, err := os.Stat(dst)
	if err != nil {
		return nil, err
	}
	result.OutputBytes = info.Size()
	return result, nil
}

// provenance are the options that shape the result.
func (o *Options) provenance(a *architecture, kept bool) map[string]string {
	options := o.Recipe.options(a, kept)
	options["encoder"] = o.Encoder.String()
	if o.Calibration != nil {
		options["calibration"] = o.Calibration.Name
	}
	if o.NoHeadPredictor {
		options["head-predictor"] = "none"
	}
	return options
}

// interrupted gives a cancelled context one face, wherever it was noticed.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	return err
}
