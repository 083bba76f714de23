package main

import (
	"github.com/spf13/cobra"

	"st/convert"
	"st/runtime"
)

func (a *app) quantizeCommand() *cobra.Command {
	opts := convert.Options{Tool: "st " + version()}
	var recipe recipeFlags
	var name string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "quantize MODEL OUT.stm",
		Short: "Store a model's weights in smaller types",
		Long:  help("quantize"),
		Example: `  st quantize model-bf16.stm small.stm
  st quantize model-bf16.stm fine.stm --preset fine --report
  st quantize Tiiny/SmallThinker-4BA0.6B-Instruct:bf16 --name small:q4_0
  st quantize model-bf16.stm small.stm --encoder gptq
  st quantize model-bf16.stm small.stm --encoder gptq --calibration stats.safetensors`,
		Args: arguments("MODEL", "[OUT.stm]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			target := ""
			if len(args) == 2 {
				target = args[1]
			}
			target, err := outputFor(target, name)
			if err != nil {
				return err
			}
			if target == "" {
				return usagef("an output file is missing: OUT.stm, or --name NAME")
			}
			if err := runtime.CheckISA(); err != nil {
				return err
			}
			if err := recipe.set(&opts, cmd.Flags()); err != nil {
				return err
			}
			defer opts.Calibration.Close()
			source, err := a.locate(args[0])
			if err != nil {
				return err
			}
			if recipe.calibration != "" {
				if err := checkOutput(target, opts.Force, recipe.calibration); err != nil {
					return err
				}
			}
			result, stages, err := a.runConversion(cmd.Context(), quantizing, source, target, &recipe, opts)
			if err != nil {
				return err
			}
			a.noteConversion(target, result)
			a.noteKept(name, target)
			if asJSON {
				return a.printJSON(newConvertReport(target, result, stages))
			}
			if opts.Report {
				newLossReport(result.Losses).print(a.stdout)
				if opts.Encoder == convert.GPTQ {
					a.note("note: gptq makes the products of weights right, at the cost of the weights: st eval --base tells what it brings")
				}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	addNameFlag(flags, &name)
	recipe.add(flags)
	addThreadsFlag(flags, &opts.Threads, "one per CPU")
	addForceFlag(flags, &opts.Force)
	flags.BoolVar(&opts.AllowNonfinite, "allow-nonfinite", false, "go on when weights are NaN or infinite")
	flags.BoolVar(&opts.Report, "report", false, "tell what the weights lost")
	flags.BoolVar(&asJSON, "json", false, "print a JSON object about the result")
	return completesModels(cmd, 1)
}
