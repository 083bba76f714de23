package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"st/convert"
	"st/convert/hub"
	"st/runtime"
)

// convertFlags are the flags of st convert and st quantize.
type convertFlags struct {
	recipe       recipeFlags
	opts         convert.Options
	target, name string // of the output: one of the two
	keep, json   bool
}

// add adds the flags that st convert and st quantize have in common.
func (f *convertFlags) add(flags *pflag.FlagSet) {
	f.opts.Tool = "st " + version()
	addNameFlag(flags, &f.name)
	f.recipe.add(flags)
	addThreadsFlag(flags, &f.opts.Threads)
	addForceFlag(flags, &f.opts.Force)
	flags.BoolVar(&f.opts.AllowNonfinite, "allow-nonfinite", false, "go on when weights are NaN or infinite")
}

// check completes the options with what the flags say, and finds flags that do not go together. missing tells how an output is named. Whoever calls it
// closes the calibration.
func (f *convertFlags) check(flags *pflag.FlagSet, missing string) (err error) {
	if f.target, err = outputFor(f.target, f.name); err != nil {
		return err
	}
	if f.target == "" {
		return usagef("an output file is missing: %s, or --name NAME", missing)
	}
	if err := runtime.CheckISA(); err != nil {
		return err
	}
	return f.recipe.set(&f.opts, flags)
}

// checkCalibration refuses an output that would replace the calibration.
func (f *convertFlags) checkCalibration() error {
	if f.recipe.calibration == "" {
		return nil
	}
	return checkOutput(f.target, f.opts.Force, f.recipe.calibration)
}

func (a *app) convertCommand() *cobra.Command {
	var f convertFlags
	cmd := &cobra.Command{
		Use:        "convert SRC -o model.stm",
		SuggestFor: []string{"import", "create"},
		Short:      "Convert a checkpoint or a GGUF file to an .stm file",
		Long:       help("convert"),
		Example: `  st convert SmallThinker-4BA0.6B-Instruct -o small.stm
  st convert checkpoint/model.safetensors -o precise.stm --preset precise
  st convert SmallThinker-4B-A0.6B-Instruct-QAT.Q4_0.gguf -o small.stm
  st convert SmallThinker-4BA0.6B-Instruct -o best.stm --encoder gptq
  st convert SmallThinker-4BA0.6B-Instruct --name small
  st convert hf://Tiiny/SmallThinker-4BA0.6B-Instruct -o small.stm
  st convert SmallThinker-21BA3B-Instruct -o large.stm --force --json`,
		Args: arguments("SRC"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			defer func() {
				f.opts.Calibration.Close()
				tidy(f.target, err)
			}()
			if err := f.check(cmd.Flags(), "-o model.stm"); err != nil {
				return err
			}
			return a.convert(cmd.Context(), args[0], &f)
		},
	}
	flags := cmd.Flags()
	f.add(flags)
	flags.VarP(fileFlag{&f.target}, "output", "o", "`file` to write (this or --name is required)")
	flags.BoolVar(&f.keep, "keep", false, "download what comes from a Hub into its cache, too")
	flags.BoolVar(&f.json, "json", false, "print a JSON object about the result; of a Hub, lines about the progress, too")
	return cmd
}

func (a *app) convert(ctx context.Context, source string, f *convertFlags) error {
	if err := f.checkCalibration(); err != nil {
		return err
	}
	if hub.HasScheme(source) {
		return a.convertHub(ctx, source, f)
	}
	if f.keep {
		return usagef("--keep is for a source that comes from a Hub: hf://ORG/NAME")
	}
	result, stages, err := a.runConversion(ctx, converting, source, f.target, &f.recipe, f.opts)
	if err != nil {
		return err
	}
	a.noteConversion(f.target, result)
	a.noteKept(f.name, f.target)
	if f.json {
		return a.printJSON(newConvertReport(f.target, result, stages))
	}
	return nil
}

// convertHub converts a repository while it comes, as st pull does.
func (a *app) convertHub(ctx context.Context, source string, f *convertFlags) error {
	ref, err := hub.ParseRef(source)
	if err != nil {
		return usagef("%v", err)
	}
	p := pulling{app: a, ref: ref, target: f.target, recipe: &f.recipe, opts: f.opts, json: f.json, keep: f.keep}
	if err := p.run(ctx); err != nil {
		return err
	}
	a.noteKept(f.name, f.target)
	return nil
}
