package main

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"st/runtime"
	"st/runtime/engine"
	"st/runtime/kernel"
)

// maxBenchTokens bounds --prompt, --gen and --depth: more tokens than any model's context.
const maxBenchTokens = 1 << 20

// benchFlags are the flags of st bench.
type benchFlags struct {
	prompt, gen, depth, repeat int
	text                       string
	profile, bandwidth, json   bool
	engine                     engineFlags
}

// benchReport is what st bench --json prints.
type benchReport struct {
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
	NeuronDensity   float64   `json:"neuron_density"`
	WeightBytes     float64   `json:"weight_bytes_per_gen_token"`
	WeightSpeed     float64   `json:"weight_bytes_per_second"`
	ModelBytes      int64     `json:"model_bytes"`
	LoadSeconds     float64   `json:"load_seconds"`
	residencyReport
	*bandwidthReport
	Profile []stageReport `json:"profile,omitempty"`
}

// bandwidthReport is what st bench --bandwidth adds, and all that it prints without a model.
type bandwidthReport struct {
	Bandwidth []threadBandwidth `json:"read_bandwidth"`
	Buffer    int64             `json:"read_buffer_bytes"`
}

type threadBandwidth struct {
	Threads        int     `json:"threads"`
	BytesPerSecond float64 `json:"bytes_per_second"`
}

// stageReport is one stage of the profile: microseconds per token.
type stageReport struct {
	Stage  string  `json:"stage"`
	Prompt float64 `json:"prompt_us_per_token"`
	Gen    float64 `json:"gen_us_per_token"`
}

func (a *app) benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [model.stm]",
		Short: "Measure speed",
		Long: `Measure how fast a model reads a prompt and generates after it. After a run to warm up, every repetition runs --depth
tokens that are not measured, the prompt, and then token by token, sampling included; medians are printed. The prompt is
English prose, or the --text, over and over until it is long enough.

--bandwidth measures how fast the machine reads memory, by number of threads: generation cannot be faster than the weights
of a token are read; the "limit" that is printed is that bandwidth over the "weights" of a token, inactive neurons left
out. Without a model, only the bandwidth is measured.

ST_ISA=generic, avx2 and so on in the environment choose the kernels; an unknown name lists those that this machine has.

--json prints one object:
  prompt_tokens_per_second, gen_tokens_per_second   medians
  prompt_runs, gen_runs           what they are the medians of
  prompt_tokens, gen_tokens, depth, threads, isa, kv_type
  peak_rss_bytes                  most memory that was resident, mapped weights counted in
  neuron_density                  share of the routed experts' neurons that were active
  weight_bytes_per_gen_token      bytes of weights that generating a token reads from memory
  weight_bytes_per_second         the same times gen_tokens_per_second
  model_bytes, load_seconds
` + residencyHelp + `                                  (all of these of all runs but the first)
  read_bandwidth                  with --bandwidth: threads and bytes_per_second, for each number of threads
  read_buffer_bytes               of memory that they read: 1 GiB, or a quarter of the memory that is allowed
  profile                         with --profile: stage, prompt_us_per_token and gen_us_per_token`,
		Example: `  st bench small.stm
  st bench small.stm --prompt 128 --gen 64 --repeat 3 --profile
  st bench small.stm --depth 16000 --prompt 16 --gen 32
  st bench --bandwidth`,
		Args: arguments("[MODEL]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && !f.bandwidth:
				return usagef("argument MODEL is missing: only --bandwidth does without")
			case f.prompt+f.depth == 0 && len(args) > 0:
				return usagef("--prompt or --depth must be more than 0: generation needs a token to go on from")
			case len(args) == 0:
				if name := changedFlag(cmd.Flags(), "prompt", "gen", "depth", "repeat", "text", "profile", "kv-type", "memory", "record-experts", "trace"); name != "" {
					return usagef("--%s needs a model", name)
				}
				return a.benchBandwidth(cmd.Context(), &f)
			}
			return a.bench(cmd.Context(), args[0], &f)
		},
	}
	flags := cmd.Flags()
	f.prompt, f.gen, f.repeat = 512, 128, 5
	flags.Var(intFlag{&f.prompt, 0, maxBenchTokens}, "prompt", "prompt of `N` tokens")
	flags.Var(intFlag{&f.gen, 0, maxBenchTokens}, "gen", "generate `N` tokens")
	flags.Var(intFlag{&f.depth, 0, maxBenchTokens}, "depth", "`N` tokens of context before the prompt")
	flags.Var(intFlag{&f.repeat, 1, math.MaxInt32}, "repeat", "`N` repetitions")
	flags.StringVar(&f.text, "text", "", "`file` with the text of the prompt; -: standard input")
	f.engine.add(flags)
	flags.BoolVar(&f.profile, "profile", false, "print the time of every stage of a token")
	flags.BoolVar(&f.bandwidth, "bandwidth", false, "measure how fast memory is read")
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	return cmd
}

// changedFlag returns the first of the named flags that was given.
func changedFlag(flags *pflag.FlagSet, names ...string) string {
	for _, name := range names {
		if flags.Changed(name) {
			return name
		}
	}
	return ""
}

// benchRun is one repetition.
type benchRun struct {
	promptTime, genTime     time.Duration
	promptStages, genStages []time.Duration
	sampling                time.Duration
	weightBytes             int64
}

func (a *app) bench(ctx context.Context, path string, f *benchFlags) (err error) {
	f.engine.Context = f.depth + f.prompt + f.gen
	m, err := a.openModel(path, f.engine)
	if err != nil {
		return err
	}
	defer m.close(&err)
	tokens, err := a.benchTokens(ctx, m, f)
	if err != nil {
		return err
	}
	session := newSession(m.engine)
	bar := a.newProgress("bench", "tokens")
	var runs []benchRun
	var warm engine.Stats
	for i := range f.repeat + 1 {
		depth := f.depth
		if i == 0 && f.prompt > 0 {
			depth = 0 // to warm up, the prompt is enough
		}
		run, err := benchOnce(ctx, m, session, tokens[f.depth-depth:], depth, f.gen, func(done int) {
			bar.update(int64(max(0, i-1)*(len(tokens)+f.gen)+done), int64(f.repeat*(len(tokens)+f.gen)))
		})
		if err != nil {
			bar.finish()
			return err
		}
		if i == 0 {
			warm = m.engine.Stats()
			continue
		}
		runs = append(runs, run)
	}
	bar.finish()
	r := newBenchReport(m, f, runs, warm)
	if f.bandwidth {
		if r.bandwidthReport, err = measureBandwidth(ctx, m.engine.Threads()); err != nil {
			return err
		}
	}
	if f.json {
		return a.printJSON(r)
	}
	a.printBench(filepath.Base(path), r)
	return nil
}

//go:embed bench.txt
var benchText string

// benchTokens returns depth + prompt tokens.
func (a *app) benchTokens(ctx context.Context, m *model, f *benchFlags) ([]int32, error) {
	text := benchText
	if f.text != "" {
		var err error
		if text, err = a.readAll(ctx, f.text); err != nil {
			return nil, err
		}
		if !utf8.ValidString(text) || text == "" {
			return nil, fmt.Errorf("%s is not a text: it is empty or holds bytes that are not UTF-8", inputName(f.text))
		}
	}
	n := f.depth + f.prompt
	if m.tok == nil {
		if f.text != "" {
			return nil, fmt.Errorf("%s has no tokenizer: --text needs one", m.reader.Path())
		}
		tokens := make([]int32, n)
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range tokens {
			tokens[i] = rng.Int32N(int32(m.reader.Config.Vocab))
		}
		return tokens, nil
	}
	once := m.encode(text)
	var tokens []int32
	for len(tokens) < n {
		tokens = append(tokens, once...)
	}
	return tokens[:n], nil
}

// benchOnce does one repetition. It samples as llama.cpp does by default: the likeliest token alone could run in circles.
func benchOnce(ctx context.Context, m *model, s *engine.Session, tokens []int32, depth, gen int, progress func(done int)) (benchRun, error) {
	sampler, err := runtime.NewSampler(defaultSampling)
	if err != nil {
		return benchRun{}, err
	}
	s.Truncate(0)
	var run benchRun
	var logits []float32
	forward := func(tokens []int32) error {
		if len(tokens) == 0 {
			return nil
		}
		logits, err = s.Forward(ctx, tokens)
		progress(s.Len())
		return err
	}
	if err := forward(tokens[:depth]); err != nil {
		return run, err
	}
	before := stageTimes(m.engine)
	begin := time.Now()
	for rest := tokens[depth:]; len(rest) > 0; {
		n := min(len(rest), prefillTokens)
		if err := forward(rest[:n]); err != nil {
			return run, err
		}
		rest = rest[n:]
	}
	run.promptTime = time.Since(begin)
	run.promptStages = since(before, m.engine)

	before = stageTimes(m.engine)
	weights := m.engine.Stats().DecodeWeightBytes
	begin = time.Now()
	next := make([]int32, 1)
	for range gen {
		sample := time.Now()
		next[0] = sampler.Sample(logits)
		run.sampling += time.Since(sample)
		if err := forward(next); err != nil {
			return run, err
		}
	}
	run.genTime = time.Since(begin)
	run.genStages = since(before, m.engine)
	run.weightBytes = m.engine.Stats().DecodeWeightBytes - weights
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

func newBenchReport(m *model, f *benchFlags, runs []benchRun, warm engine.Stats) *benchReport {
	stats := m.engine.Stats()
	r := &benchReport{
		PromptRuns: []float64{}, GenRuns: []float64{}, PromptTokens: f.prompt, GenTokens: f.gen, Depth: f.depth,
		Threads: m.engine.Threads(), ISA: kernel.ISA(), KVType: f.engine.KVType.String(), PeakRSSBytes: peakRSS(),
		NeuronDensity: stats.NeuronDensity, ModelBytes: stats.ModelBytes, LoadSeconds: m.loadTime.Seconds(),
		residencyReport: newResidencyReport(m.engine, warm),
	}
	var weights int64
	for i := range runs {
		if f.prompt > 0 {
			r.PromptRuns = append(r.PromptRuns, float64(f.prompt)/runs[i].promptTime.Seconds())
		}
		if f.gen > 0 {
			r.GenRuns = append(r.GenRuns, float64(f.gen)/runs[i].genTime.Seconds())
		}
		weights += runs[i].weightBytes
	}
	r.PromptPerSecond, r.GenPerSecond = median(r.PromptRuns), median(r.GenRuns)
	r.WeightBytes = float64(weights) / float64(max(1, len(runs)*f.gen))
	r.WeightSpeed = r.WeightBytes * r.GenPerSecond
	if f.profile {
		r.Profile = benchProfile(f, runs)
	}
	return r
}

// benchProfile returns the mean time of each stage over all runs, and last that of sampling.
func benchProfile(f *benchFlags, runs []benchRun) []stageReport {
	stages := engine.Stages()
	profile := make([]stageReport, len(stages)+1)
	perToken := func(d time.Duration, tokens int) float64 {
		return float64(d.Nanoseconds()) / 1e3 / float64(max(1, tokens*len(runs)))
	}
	for i := range runs {
		for j := range stages {
			profile[j].Stage = stages[j].String()
			profile[j].Prompt += perToken(runs[i].promptStages[j], f.prompt)
			profile[j].Gen += perToken(runs[i].genStages[j], f.gen)
		}
		profile[len(stages)].Stage = "sample"
		profile[len(stages)].Gen += perToken(runs[i].sampling, f.gen)
	}
	return profile
}

// median returns 0 for nothing.
func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// benchBandwidth measures the machine alone.
func (a *app) benchBandwidth(ctx context.Context, f *benchFlags) error {
	threads := f.engine.Threads
	if threads == 0 {
		threads = engine.PhysicalCores()
	}
	r, err := measureBandwidth(ctx, threads)
	if err != nil {
		return err
	}
	if f.json {
		return a.printJSON(r)
	}
	a.printBandwidth(r)
	return nil
}

// measureBandwidth measures with 1, 2, 4, … threads up to the given number.
func measureBandwidth(ctx context.Context, threads int) (*bandwidthReport, error) {
	var numbers []int
	for n := 1; n < threads; n *= 2 {
		numbers = append(numbers, n)
	}
	numbers = append(numbers, threads)
	speed, err := engine.Bandwidth(ctx, numbers...)
	if err != nil {
		return nil, err
	}
	r := &bandwidthReport{Buffer: speed.Buffer}
	for i, n := range numbers {
		r.Bandwidth = append(r.Bandwidth, threadBandwidth{n, speed.BytesPerSecond[i]})
	}
	return r, nil
}

func (a *app) printBandwidth(r *bandwidthReport) {
	for _, b := range r.Bandwidth {
		fmt.Fprintf(a.stdout, "memory     %.1f GB/s read by %s, from %s\n", b.BytesPerSecond/1e9, plural(b.Threads, "thread"), size(r.Buffer))
	}
}

func (a *app) printBench(name string, r *benchReport) {
	w := a.stdout
	fmt.Fprintf(w, "model      %s, %s, loaded in %.2f s, %s, %s\n", name, size(r.ModelBytes), r.LoadSeconds, plural(r.Threads, "thread"), r.ISA)
	line := func(label string, tokens int, speed float64, runs []float64) {
		if len(runs) > 0 {
			fmt.Fprintf(w, "%-10s %s: %.1f tokens/s, median of %d (%.1f to %.1f)\n", label, plural(tokens, "token"),
				speed, len(runs), slices.Min(runs), slices.Max(runs))
		}
	}
	line("prompt", r.PromptTokens, r.PromptPerSecond, r.PromptRuns)
	line("generated", r.GenTokens, r.GenPerSecond, r.GenRuns)
	if r.GenTokens > 0 {
		fmt.Fprintf(w, "weights    %.1f MB a generated token, %.1f GB/s\n", r.WeightBytes/1e6, r.WeightSpeed/1e9)
	}
	if r.bandwidthReport != nil {
		a.printBandwidth(r.bandwidthReport)
		best := r.Bandwidth[len(r.Bandwidth)-1].BytesPerSecond
		if r.GenTokens > 0 {
			fmt.Fprintf(w, "limit      %.1f tokens/s by memory, %.0f %% reached\n", best/r.WeightBytes, 100*r.WeightSpeed/best)
		}
	}
	fmt.Fprintf(w, "memory     peak %s\n", size(r.PeakRSSBytes))
	r.residencyReport.print(w)
	fmt.Fprintf(w, "neurons    %.1f %% active\n", 100*r.NeuronDensity)
	if r.Profile == nil {
		return
	}
	fmt.Fprintln(w)
	var prompt, gen float64
	for _, s := range r.Profile {
		prompt, gen = prompt+s.Prompt, gen+s.Gen
	}
	t := newTable("stage", ">prompt µs/token", ">%", ">generated µs/token", ">%")
	for _, s := range append(r.Profile, stageReport{"total", prompt, gen}) {
		t.AppendRow([]any{s.Stage, fmt.Sprintf("%.1f", s.Prompt), percent(s.Prompt, prompt), fmt.Sprintf("%.1f", s.Gen), percent(s.Gen, gen)})
	}
	printTable(w, t)
}

func percent(part, whole float64) string {
	if whole == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", 100*part/whole)
}
