package bench

import (
	"context"
	"slices"
	"time"

	"st/runtime"
	"st/runtime/engine"
	"st/runtime/process"
)

// Options say what is measured.
type Options struct {
	Depth   int  // tokens of context before the prompt, which are not measured
	Gen     int  // tokens to generate
	Repeat  int  // repetitions
	Profile bool // measure the stages of a token, too
	// Progress is told how many tokens are done of all; may be nil.
	Progress func(done, total int)
}

// Report is what [Run] measures.
type Report struct {
	// PromptPerSecond and GenPerSecond are the medians of PromptRuns and GenRuns, in tokens per second.
	PromptPerSecond float64   `json:"prompt_tokens_per_second"`
	GenPerSecond    float64   `json:"gen_tokens_per_second"`
	PromptRuns      []float64 `json:"prompt_runs"`
	GenRuns         []float64 `json:"gen_runs"`
	PromptTokens    int       `json:"prompt_tokens"`
	GenTokens       int       `json:"gen_tokens"`
	Depth           int       `json:"depth"`
	Threads         int       `json:"threads"`
	ISA             string    `json:"isa"`
	KVType          string    `json:"kv_type"`
	PeakRSSBytes    int64     `json:"peak_rss_bytes"`
	// NeuronDensity is the share of the routed experts' neurons that were active.
	NeuronDensity float64 `json:"neuron_density"`
	// WeightBytes are the bytes of weights that generating a token reads from memory, and WeightSpeed that times GenPerSecond.
	WeightBytes float64 `json:"weight_bytes_per_gen_token"`
	WeightSpeed float64 `json:"weight_bytes_per_second"`
	// KVBytes are the bytes of keys and values that generating a token reads besides: they grow with the context.
	KVBytes float64 `json:"kv_bytes_per_gen_token"`
	// Jobs is how many jobs the threads share to generate a token: they meet after each.
	Jobs       float64 `json:"jobs_per_gen_token"`
	ModelBytes int64   `json:"model_bytes"`
	// HeadRows is the share of the rows of the language-model head that were computed for a token, where they are predicted.
	HeadRows    float64 `json:"head_rows,omitempty"`
	LoadSeconds float64 `json:"load_seconds"`
	runtime.Residency
	// Reading is how computing and the disk went together while tokens were generated.
	Reading runtime.Reading `json:"gen_reading"`
	// Bandwidth is for the caller to fill in, with MeasureBandwidth.
	*Bandwidth
	// Parallel is for the caller to fill in, with MeasureParallel.
	Parallel []Parallel `json:"parallel,omitempty"`
	// Lookup is for the caller to fill in, with MeasureLookup.
	Lookup *Lookup `json:"lookup,omitempty"`
	// Profile is the mean time of each stage over all repetitions, and last that of sampling.
	Profile []Stage `json:"profile,omitempty"`
}

// Stage is a stage of computing a token, and its time in microseconds.
type Stage struct {
	Stage  string  `json:"stage"`
	Prompt float64 `json:"prompt_us_per_token"`
	Gen    float64 `json:"gen_us_per_token"`
}

// prefillTokens is how much of a prompt goes through the engine between two reports of progress.
const prefillTokens = 512

// repetition is what one measured.
type repetition struct {
	promptTime, genTime     time.Duration
	promptStages, genStages []time.Duration
	sampling                time.Duration
	weightBytes, kvBytes    int64 // of generation
	jobs                    int64
	reading                 runtime.Reading // of generation
}

// bench measures one model.
type bench struct {
	model    *runtime.Model
	engine   *engine.Engine
	session  *engine.Session
	options  Options
	progress func(done int)
}

// Run measures how fast a model runs opts.Depth tokens and then a prompt, both out of tokens, and generates after them.
func Run(ctx context.Context, m *runtime.Model, tokens []int32, opts Options) (*Report, error) {
	e := m.Engine()
	if err := e.Settle(ctx); err != nil {
		return nil, err
	}
	session, err := e.NewSession()
	if err != nil {
		return nil, err
	}
	defer session.Close()
	session.SetSparseHead(true) // where the model was opened for that
	b := &bench{model: m, engine: e, session: session, options: opts}
	var runs []repetition
	var warm runtime.Stats
	for i := range opts.Repeat + 1 {
		depth := opts.Depth
		if i == 0 && len(tokens) > depth {
			depth = 0 // to warm up, the prompt is enough
		}
		b.progress = func(done int) {
			if opts.Progress != nil {
				opts.Progress(max(0, i-1)*(len(tokens)+opts.Gen)+done, opts.Repeat*(len(tokens)+opts.Gen))
			}
		}
		run, err := b.once(ctx, tokens[opts.Depth-depth:], depth)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			warm = m.Stats()
			continue
		}
		runs = append(runs, run)
	}
	return newReport(m, len(tokens)-opts.Depth, &opts, runs, warm), nil
}

// once does one repetition. It samples as llama.cpp does by default: the likeliest token alone could run in circles.
func (b *bench) once(ctx context.Context, tokens []int32, depth int) (run repetition, err error) {
	sampler, err := runtime.NewSampler(runtime.DefaultSampling())
	if err != nil {
		return run, err
	}
	b.session.Truncate(0)
	var logits []float32
	forward := func(tokens []int32) error {
		if len(tokens) == 0 {
			return nil
		}
		logits, err = b.session.Forward(ctx, tokens)
		b.progress(b.session.Len())
		return err
	}
	for part := range slices.Chunk(tokens[:depth], prefillTokens) {
		if err := forward(part); err != nil {
			return run, err
		}
	}
	before := stageTimes(b.engine)
	begin := time.Now()
	for part := range slices.Chunk(tokens[depth:], prefillTokens) {
		if err := forward(part); err != nil {
			return run, err
		}
	}
	run.promptTime = time.Since(begin)
	run.promptStages = since(before, b.engine)

	before = stageTimes(b.engine)
	mark := b.model.Mark()
	stats := b.engine.Stats()
	begin = time.Now()
	next := make([]int32, 1)
	for range b.options.Gen {
		sample := time.Now()
		next[0] = sampler.SamplePeaks(logits, b.session.Peaks(logits))
		run.sampling += time.Since(sample)
		if err := forward(next); err != nil {
			return run, err
		}
	}
	run.genTime = time.Since(begin)
	run.genStages = since(before, b.engine)
	if b.options.Gen > 0 {
		run.reading = b.model.Reading(mark)
	}
	now := b.engine.Stats()
	run.weightBytes, run.kvBytes = now.DecodeWeightBytes-stats.DecodeWeightBytes, now.DecodeKVBytes-stats.DecodeKVBytes
	run.jobs = now.DecodeJobs - stats.DecodeJobs
	return run, nil
}

func stageTimes(e *engine.Engine) []time.Duration {
	var times []time.Duration
	for _, s := range engine.Stages() {
		times = append(times, e.StageTime(s))
	}
	return times
}

func since(before []time.Duration, e *engine.Engine) []time.Duration {
	times := stageTimes(e)
	for i := range times {
		times[i] -= before[i]
	}
	return times
}

func newReport(m *runtime.Model, prompt int, opts *Options, runs []repetition, warm runtime.Stats) *Report {
	stats := m.Stats()
	r := &Report{
		PromptRuns: []float64{}, GenRuns: []float64{}, PromptTokens: prompt, GenTokens: opts.Gen, Depth: opts.Depth,
		Threads: m.Threads(), ISA: runtime.ISA(), KVType: m.KVType().String(), PeakRSSBytes: process.PeakRSS(),
		NeuronDensity: stats.NeuronDensity, ModelBytes: stats.ModelBytes, LoadSeconds: m.LoadTime().Seconds(), Residency: m.Residency(warm),
	}
	var weights, kv, jobs int64
	for i := range runs {
		if prompt > 0 {
			r.PromptRuns = append(r.PromptRuns, float64(prompt)/runs[i].promptTime.Seconds())
		}
		if opts.Gen > 0 {
			r.GenRuns = append(r.GenRuns, float64(opts.Gen)/runs[i].genTime.Seconds())
		}
		weights, kv = weights+runs[i].weightBytes, kv+runs[i].kvBytes
		jobs += runs[i].jobs
		addReading(&r.Reading, &runs[i].reading, 1/float64(len(runs)))
	}
	if n := stats.HeadTokens - warm.HeadTokens; n > 0 {
		r.HeadRows = float64(stats.HeadRows-warm.HeadRows) / float64(n) / float64(m.Config().Vocab)
	}
	r.PromptPerSecond, r.GenPerSecond = median(r.PromptRuns), median(r.GenRuns)
	r.WeightBytes = float64(weights) / float64(max(1, len(runs)*opts.Gen))
	r.WeightSpeed = r.WeightBytes * r.GenPerSecond
	r.KVBytes = float64(kv) / float64(max(1, len(runs)*opts.Gen))
	r.Jobs = float64(jobs) / float64(max(1, len(runs)*opts.Gen))
	if opts.Profile {
		r.Profile = profile(prompt, opts.Gen, runs)
	}
	return r
}

// profile returns the mean time of each stage over all runs, and last that of sampling.
func profile(prompt, gen int, runs []repetition) []Stage {
	stages := engine.Stages()
	all := make([]Stage, len(stages)+1)
	perToken := func(d time.Duration, tokens int) float64 {
		return float64(d.Nanoseconds()) / 1e3 / float64(max(1, tokens*len(runs)))
	}
	for i := range runs {
		for j := range stages {
			all[j].Stage = stages[j].String()
			all[j].Prompt += perToken(runs[i].promptStages[j], prompt)
			all[j].Gen += perToken(runs[i].genStages[j], gen)
		}
		all[len(stages)].Stage = "sample"
		all[len(stages)].Gen += perToken(runs[i].sampling, gen)
	}
	return all
}

// median returns 0 for nothing.
func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// addReading adds a share of one repetition's figures.
func addReading(to, r *runtime.Reading, share float64) {
	for _, f := range []struct{ to, from *float64 }{
		{&to.Time, &r.Time}, {&to.Wait, &r.Wait}, {&to.Busy, &r.Busy}, {&to.QueueDepth, &r.QueueDepth}, {&to.Reads, &r.Reads}, {&to.Bytes, &r.Bytes},
		{&to.Voluntary, &r.Voluntary}, {&to.Involuntary, &r.Involuntary},
	} {
		*f.to += share * *f.from
	}
}
