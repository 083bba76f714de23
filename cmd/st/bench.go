package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"st/runtime"
	"st/runtime/bench"
)

// maxBenchTokens bounds --prompt, --gen and --depth: more tokens than any model's context.
const maxBenchTokens = 1 << 20

// benchFlags are the flags of st bench.
type benchFlags struct {
	prompt, gen, depth, repeat int
	parallel                   int
	lookup                     runtime.Lookup
	text                       string
	profile, bandwidth, json   bool
	engine                     engineFlags
}

func (a *app) benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [MODEL]",
		Short: "Measure speed",
		Long:  help("bench"),
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
			case f.parallel > 1 && f.gen == 0:
				return usagef("--parallel measures how fast sequences are generated: --gen must be more than 0")
			case len(args) == 0:
				if name := changedFlag(cmd.Flags(), "prompt", "gen", "depth", "repeat", "text", "parallel", "lookup", "profile", "kv-type", "memory", "record-experts", "trace", "force",
					"timeline", "timeline-tokens", "experts-per-token", "prefer-cached", "sparse-head"); name != "" {
					return usagef("--%s needs a model", name)
				}
				return a.benchBandwidth(cmd.Context(), &f)
			}
			if err := f.engine.checkForce(); err != nil {
				return err
			}
			return a.bench(cmd.Context(), args[0], &f)
		},
	}
	flags := cmd.Flags()
	f.prompt, f.gen, f.repeat, f.parallel = 512, 128, 5, 1
	flags.Var(intFlag{&f.prompt, 0, maxBenchTokens}, "prompt", "prompt of `N` tokens")
	flags.Var(intFlag{&f.gen, 0, maxBenchTokens}, "gen", "generate `N` tokens")
	flags.Var(intFlag{&f.depth, 0, maxBenchTokens}, "depth", "`N` tokens of context before the prompt")
	flags.Var(intFlag{&f.repeat, 1, math.MaxInt32}, "repeat", "`N` repetitions")
	flags.Var(intFlag{&f.parallel, 1, 256}, "parallel", "also generate 2, 4, … up to `N` sequences at once")
	f.lookup = runtime.LookupOff
	flags.Var(parsedFlag[runtime.Lookup]{&f.lookup, runtime.ParseLookup}, "lookup", "also measure guesses of up to `N` tokens, on the text; auto: as many as pay")
	flags.StringVar(&f.text, "text", "", "`file` with the text of the prompt; -: standard input")
	f.engine.add(flags)
	addSparseHeadFlag(flags, &f.engine.SparseHead)
	flags.BoolVar(&f.profile, "profile", false, "print the time of every stage of a token")
	flags.BoolVar(&f.bandwidth, "bandwidth", false, "measure how fast memory is read")
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	return completesModels(cmd, 1)
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

func (a *app) bench(ctx context.Context, path string, f *benchFlags) (err error) {
	if path, err = a.locate(path); err != nil {
		return err
	}
	text := bench.Text
	if f.text != "" {
		if text, err = a.readText(ctx, f.text, &f.engine); err != nil {
			return err
		}
		if text == "" {
			return fmt.Errorf("%s is empty", inputName(f.text))
		}
	}
	f.engine.Context, f.engine.Parallel, f.engine.learn = f.depth+f.prompt+f.gen, f.parallel, useLearning
	m, err := a.openModel(ctx, path, f.engine)
	if err != nil {
		return err
	}
	defer m.close(&err)
	tokens, err := bench.Tokens(m.Model, text, f.depth+f.prompt)
	if err != nil {
		return err
	}
	bar := a.newProgress("bench", "tokens")
	r, err := bench.Run(ctx, m.Model, tokens, bench.Options{
		Depth: f.depth, Gen: f.gen, Repeat: f.repeat, Profile: f.profile,
		Progress: func(done, total int) { bar.update(int64(done), int64(total)) },
	})
	bar.finish()
	if err != nil {
		return err
	}
	if f.bandwidth {
		if r.Bandwidth, err = bench.MeasureBandwidth(ctx, m.Threads()); err != nil {
			return err
		}
	}
	if f.parallel > 1 {
		if r.Parallel, err = bench.MeasureParallel(ctx, m.Model, tokens, f.parallel, f.gen); err != nil {
			return err
		}
	}
	if f.lookup != runtime.LookupOff {
		if r.Lookup, err = bench.MeasureLookup(ctx, m.Model, tokens, f.depth, f.lookup); err != nil {
			return err
		}
	}
	if f.json {
		return a.printJSON(r)
	}
	printBench(a.stdout, filepath.Base(path), r)
	return nil
}

// benchBandwidth measures the machine alone.
func (a *app) benchBandwidth(ctx context.Context, f *benchFlags) error {
	speeds, err := bench.MeasureBandwidth(ctx, f.engine.Threads)
	if err != nil {
		return err
	}
	if f.json {
		return a.printJSON(speeds)
	}
	printBandwidth(a.stdout, speeds)
	return nil
}
