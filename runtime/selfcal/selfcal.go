package selfcal

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"time"

	"st/convert"
	"st/convert/calibration"
	"st/format"
	"st/format/outfile"
	"st/quant"
	"st/runtime/calibrate"
)

// Stage is a part of the work.
type Stage int

// The stages, in their order.
const (
	Draft     Stage = iota // bytes of the source's weights
	Text                   // tokens that are written
	Calibrate              // tokens that are run, once for each part of the covariances
	Encode                 // bytes of the source's weights
	NumStages
)

func (s Stage) String() string { return [...]string{"draft", "text", "calibrate", "encode"}[s] }

// DefaultTokens is the length of the text that the model writes.
const DefaultTokens = 20480

// Options say how a model is converted.
type Options struct {
	// Options are those of the conversion. Encoder, Calibration and Progress are not looked at: the encoder is GPTQ.
	convert.Options
	// RunThreads is the number of threads that run the model; 0: one per physical core. See runtime.Options.Memory for GOMAXPROCS.
	RunThreads int
	// Memory bounds what the process takes, in bytes; 0: [DefaultMemory]. A model that needs more gets that, and Exceeded, if not nil, is told how much, for
	// each time that the model is opened. With more than the least, experts stay in memory, and fewer of them are read again and again.
	Memory   int64
	Exceeded func(bytes int64)
	// Tokens is the length of the text; 0: [DefaultTokens]. Seed is that of the random numbers.
	Tokens    int
	Seed      uint64
	draftType *quant.Type // nil: Q4_0. Tests measure what others bring

	// Planned, if not nil, is told what is going to be done.
	Planned func(Plan)
	// StageProgress, if not nil, is told how far a stage is: see [Stage] for what is counted. Calls come from several goroutines.
	StageProgress func(s Stage, done, total int64)
}

// Plan tells what is going to be done.
type Plan struct {
	// DraftBytes and CalibrationBytes are what is kept beside the target meanwhile, and OutputBytes is about the target's size.
	DraftBytes, CalibrationBytes, OutputBytes int64
	// First is the stage to begin with: those before were done by a run that was interrupted.
	First Stage
	// Outdated says that what a run had left was made of another source, with other options or by another version: it is made anew.
	Outdated bool
}

// Result tells what was made.
type Result struct {
	*convert.Result
	// Stages tells how long each stage took; 0: it was done before. All are 0 if nothing becomes Q4_0, so that no calibration is needed.
	Stages [NumStages]time.Duration
	// Calibrated says that there was something to calibrate for.
	Calibrated bool
}

// source is what a model is made from: a checkpoint or an .stm file.
type source struct {
	convert func(ctx context.Context, src, dst string, opts convert.Options) (*convert.Result, error)
	survey  func(src, dst string, opts convert.Options) (*convert.Survey, error)
	files   func(src string) ([]string, error)
	names   bool // the provenance of what convert makes names the files
}

// Convert is [convert.Run] with GPTQ and a calibration on the model's own text. If it fails or ctx is cancelled, what was done is kept beside
// the target: [Files] names it.
func Convert(ctx context.Context, src, dst string, opts Options) (*Result, error) {
	return start(ctx, source{convert.Run, convert.SurveyRun, convert.SourceFiles, true}, src, dst, opts)
}

// Quantize is [convert.Quantize] with GPTQ and a calibration on the model's own text; see [Convert].
func Quantize(ctx context.Context, src, dst string, opts Options) (*Result, error) {
	file := func(src string) ([]string, error) { return []string{src}, nil }
	return start(ctx, source{convert.Quantize, convert.SurveyQuantize, file, false}, src, dst, opts)
}

// run is one of them.
type run struct {
	source
	Options
	src, dst string
	vocab    int
	journal  journal
	result   Result
}

func start(ctx context.Context, from source, src, dst string, opts Options) (*Result, error) {
	begin := time.Now()
	r := &run{source: from, Options: opts, src: src, dst: dst}
	if r.Memory == 0 {
		r.Memory = DefaultMemory
	}
	if r.Tokens == 0 {
		r.Tokens = DefaultTokens
	}
	if r.StageProgress == nil {
		r.StageProgress = func(Stage, int64, int64) {}
	}
	survey, err := r.survey(src, dst, r.Options.Options)
	if err != nil {
		return nil, err
	}
	if survey.Searched == 0 {
		return r.plain(ctx)
	}
	// Two runs of one target would remove each other's files.
	claim, err := outfile.Create(claimPath(dst), outfile.Options{})
	if err != nil {
		return nil, err
	}
	defer claim.Abort()
	if err := r.resume(ctx, survey); err != nil {
		return nil, err
	}
	for stage, do := range []func(context.Context) error{r.draft, r.text, r.calibrate, r.encode} {
		stageBegin := time.Now()
		done, err := r.done(Stage(stage)), error(nil)
		if !done {
			err = do(ctx)
		}
		if err != nil {
			return nil, cmp.Or(ctx.Err(), err)
		}
		if !done {
			r.result.Stages[stage] = max(1, time.Since(stageBegin))
		}
	}
	r.remove()
	r.result.Calibrated, r.result.Elapsed = true, time.Since(begin)
	return &r.result, nil
}

// plain converts without a calibration, because nothing becomes Q4_0 that was not.
func (r *run) plain(ctx context.Context) (*Result, error) {
	opts := r.conversion(Encode)
	opts.Encoder = convert.Search
	result, err := r.convert(ctx, r.src, r.dst, opts)
	if err != nil {
		return nil, err
	}
	result.Notes = append(result.Notes, "gptq has nothing to do, and nothing was calibrated: no weights become q4_0 but those that it leaves to the search")
	return &Result{Result: result}, nil
}

// conversion are the options of a conversion that is a stage.
func (r *run) conversion(s Stage) convert.Options {
	opts := r.Options.Options
	opts.Calibration = nil
	opts.Progress = func(done, total int64) { r.StageProgress(s, done, total) }
	return opts
}

// draftOptions are those of the draft.
func (r *run) draftOptions() convert.Options {
	opts := r.conversion(Draft)
	opts.Recipe, opts.Encoder, opts.Report = convert.Recipe{Type: quant.Q4_0}, convert.Search, false
	if r.draftType != nil {
		opts.Recipe.Type = *r.draftType
	}
	opts.Force = true // what is there is of no use
	return opts
}

// resume reads what a run that was interrupted has left, and removes what is of no use.
func (r *run) resume(ctx context.Context, survey *convert.Survey) error {
	draft, err := r.survey(r.src, draftPath(r.dst), r.draftOptions())
	if err != nil {
		return err
	}
	r.vocab = survey.Config.Vocab
	r.journal.Key = Key{Tool: r.Tool, Tokens: r.Tokens, Window: min(maxWindow, survey.Config.Context), Seed: r.Seed}
	plan := Plan{DraftBytes: draft.OutputBytes, CalibrationBytes: calibration.CollectorBytes(&survey.Config, true), OutputBytes: survey.OutputBytes}
	if old := readJournal(r.dst); old != nil {
		if r.journal.Sources, err = r.sources(ctx); err != nil {
			return err
		}
		usable := old.Key.equal(&r.journal.Key)
		if usable {
			if usable, err = old.check(ctx, r.dst, r.vocab); err != nil {
				return err
			}
		}
		if usable {
			r.journal = *old
		} else {
			plan.Outdated = true
			r.remove()
		}
	}
	for plan.First < Encode && r.done(plan.First) {
		plan.First++
	}
	if r.Planned != nil {
		r.Planned(plan)
	}
	return nil
}

// done reports whether a stage's work is in the journal.
func (r *run) done(s Stage) bool {
	switch j := &r.journal; s {
	case Draft:
		return j.Draft.SHA256 != ""
	case Text:
		return len(j.Text) > 0
	case Calibrate:
		return len(j.Parts) > 0 && len(j.Calibration) == len(j.Parts)
	}
	return false
}

func (r *run) sources(ctx context.Context) ([]format.SourceFile, error) {
	files, err := r.files(r.src)
	if err != nil {
		return nil, err
	}
	return convert.HashFiles(ctx, files)
}

// sourcesOf returns the hashes of the files that a draft was just made from.
func (r *run) sourcesOf(ctx context.Context, draft string) ([]format.SourceFile, error) {
	if !r.names {
		return r.sources(ctx)
	}
	f, err := format.Open(draft)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Provenance.Sources, nil
}

func (r *run) draft(ctx context.Context) (err error) {
	path := draftPath(r.dst)
	if _, err = r.convert(ctx, r.src, path, r.draftOptions()); err != nil {
		return err
	}
	if r.journal.Sources, err = r.sourcesOf(ctx, path); err != nil {
		return err
	}
	if r.journal.Draft, err = hash(ctx, path); err != nil {
		return err
	}
	return r.journal.write(r.dst)
}

func (r *run) text(ctx context.Context) error {
	window := r.journal.Window
	m, b, err := r.open(ctx, draftPath(r.dst), window, func(f *format.Reader) budget { return r.textBudget(f, window) })
	if err != nil {
		return err
	}
	defer m.Close()
	w, err := newWriter(ctx, m, &r.journal.Key)
	if err != nil {
		return err
	}
	r.journal.Text, err = w.write(ctx, r.Tokens, b.parallel, func(done, total int64) { r.StageProgress(Text, done, total) })
	if err != nil {
		return err
	}
	return r.journal.write(r.dst)
}

func (r *run) calibrate(ctx context.Context) error {
	j := &r.journal
	for j.Parts == nil || len(j.Calibration) < len(j.Parts) {
		if err := r.part(ctx, len(j.Calibration)); err != nil {
			return err
		}
	}
	return nil
}

// part collects a part of what there is to know of the inputs.
func (r *run) part(ctx context.Context, i int) error {
	j := &r.journal
	m, _, err := r.open(ctx, draftPath(r.dst), j.Window, func(f *format.Reader) budget {
		if j.Parts == nil {
			j.Parts = r.parts(f, j.Window)
		}
		return r.partBudget(f, j.Window, j.Parts[i])
	})
	if err != nil {
		return err
	}
	defer m.Close()
	n, large := int64(len(j.Text)), j.Parts[i].Bytes(m.Config()) > 16<<20
	progress := func(done int) {
		if large {
			goruntime.GC() // Go lets garbage become as large as what is in use
		}
		r.StageProgress(Calibrate, int64(i)*n+int64(done), int64(len(j.Parts))*n)
	}
	stats, err := calibrate.Run(ctx, m, j.Text, calibrate.Options{Window: j.Window, Part: &j.Parts[i], Progress: progress})
	if err != nil {
		return err
	}
	path := partPath(r.dst, i, len(j.Parts))
	if err := outfile.Write(path, outfile.Options{Replace: true}, func(w io.Writer) error { return stats.Write(w) }); err != nil {
		return err
	}
	file, err := hash(context.WithoutCancel(ctx), path) // what is done is kept
	if err != nil {
		return err
	}
	j.Calibration = append(j.Calibration, file)
	return j.write(r.dst)
}

func (r *run) encode(ctx context.Context) (err error) {
	debug.FreeOSMemory()
	paths := make([]string, len(r.journal.Parts))
	for i := range paths {
		paths[i] = partPath(r.dst, i, len(paths))
	}
	opts := r.conversion(Encode)
	opts.Encoder = convert.GPTQ
	if opts.Calibration, err = calibration.Open(paths...); err != nil {
		return err
	}
	defer opts.Calibration.Close()
	opts.Calibration.Name = fmt.Sprintf("the model's own text, %d tokens, seed %d", len(r.journal.Text), r.Seed)
	r.result.Result, err = r.convert(ctx, r.src, r.dst, opts)
	return err
}

// remove removes what is kept beside the target, the journal last.
func (r *run) remove() {
	for _, path := range Files(r.dst) {
		if path != journalPath(r.dst) {
			os.Remove(path)
		}
	}
	os.Remove(journalPath(r.dst))
}
