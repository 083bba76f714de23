package main

import (
	"github.com/spf13/cobra"

	"st/convert"
	"st/convert/hub"
	"st/runtime"
)

func (a *app) convertCommand() *cobra.Command {
	opts := convert.Options{Tool: "st " + version()}
	var recipe recipeFlags
	var target, name string
	var keep, asJSON bool
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
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := outputFor(target, name)
			if err != nil {
				return err
			}
			if target == "" {
				return usagef("an output file is missing: -o model.stm, or --name NAME")
			}
			if err := runtime.CheckISA(); err != nil {
				return err
			}
			if err := recipe.set(&opts, cmd.Flags()); err != nil {
				return err
			}
			defer opts.Calibration.Close()
			if recipe.calibration != "" {
				if err := checkOutput(target, opts.Force, recipe.calibration); err != nil {
					return err
				}
			}
			if hub.HasScheme(args[0]) {
				ref, err := hub.ParseRef(args[0])
				if err != nil {
					return usagef("%v", err)
				}
				p := pulling{app: a, ref: ref, target: target, recipe: &recipe, opts: opts, json: asJSON, keep: keep}
				if err := p.run(cmd.Context()); err != nil {
					return err
				}
				a.noteKept(name, target)
				return nil
			}
			if keep {
				return usagef("--keep is for a source that comes from a Hub: hf://ORG/NAME")
			}
			result, stages, err := a.runConversion(cmd.Context(), converting, args[0], target, &recipe, opts)
			if err != nil {
				return err
			}
			a.noteConversion(target, result)
			a.noteKept(name, target)
			if asJSON {
				return a.printJSON(newConvertReport(target, result, stages))
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.VarP(fileFlag{&target}, "output", "o", "`file` to write (this or --name is required)")
	addNameFlag(flags, &name)
	recipe.add(flags)
	addThreadsFlag(flags, &opts.Threads, "one per CPU")
	addForceFlag(flags, &opts.Force)
	flags.BoolVar(&opts.AllowNonfinite, "allow-nonfinite", false, "go on when weights are NaN or infinite")
	flags.BoolVar(&keep, "keep", false, "download what comes from a Hub into its cache, too")
	flags.BoolVar(&asJSON, "json", false, "print a JSON object about the result; of a Hub, lines about the progress, too")
	return cmd
}
