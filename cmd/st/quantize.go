package main

import (
	"github.com/spf13/cobra"

	"st/convert"
)

func (a *app) quantizeCommand() *cobra.Command {
	opts := convert.Options{Tool: "st " + version()}
	var recipe recipeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "quantize IN.stm OUT.stm",
		Short: "Store a model's weights in smaller types",
		Args:  arguments("IN.stm", "OUT.stm"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := recipe.set(&opts, cmd.Flags()); err != nil {
				return err
			}
			defer opts.Calibration.Close()
			p := a.newProgress("quantize", "B")
			opts.Progress = p.update
			result, err := convert.Quantize(cmd.Context(), args[0], args[1], opts)
			p.finish()
			if err != nil {
				return err
			}
			a.noteConversion(args[1], opts.Type, result)
			if asJSON {
				return a.printJSON(newConvertReport(args[1], opts.Type, result))
			}
			return nil
		},
	}
	flags := cmd.Flags()
	recipe.add(flags)
	addThreadsFlag(flags, &opts.Threads, "one per CPU")
	addForceFlag(flags, &opts.Force)
	flags.BoolVar(&asJSON, "json", false, "print a JSON object about the result")
	return cmd
}
