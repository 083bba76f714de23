package main

import (
	"github.com/spf13/cobra"

	"st/convert"
	"st/runtime/kernel"
)

func (a *app) quantizeCommand() *cobra.Command {
	opts := convert.Options{Tool: "st " + version()}
	var recipe recipeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "quantize IN.stm OUT.stm",
		Short: "Store a model's weights in smaller types",
		Long: `Store the weights of an .stm file in smaller types, in a new file. Weights stream through, so memory stays small whatever the
model's size. The output appears when it is complete: an error or Ctrl-C leaves nothing.

From a file that st convert made in the checkpoint's own type, such as bf16, this makes the same file, bit for bit, as st convert
does from the checkpoint in one step. Tensors that have their type already are copied. A better type than a tensor has is refused:
what was lost does not come back.

` + recipeHelp + `

--report decodes what was encoded, which takes several times as long, and tells what the weights lost: by class of tensors, by layer,
and the ten tensors that lost most. With gptq they lose more, and their products less: st eval --base tells of those. The error is the root mean
square of the weights' errors relative to that of the weights; outliers are weights of more than 5 times the root mean square of
their row.

--json prints one object:
  output, type             the file written and the type of weights that have no other
  tensors                  number of tensors in it
  source_bytes             bytes of weights read
  output_bytes             size of the file
  seconds, source_bytes_per_second, peak_rss_bytes
  fallbacks                tensors stored in another type: tensor, row_length, asked, used
  notes                    what else to know, an array of strings
  report                   with --report: classes[], layers[] and worst[], with name, layer (−1: none), tensors, weights, bytes,
                           bits_per_weight, relative_rms_error, max_error, outliers`,
		Example: `  st quantize model-bf16.stm small.stm
  st quantize model-bf16.stm fine.stm --preset fine --report
  st quantize model-bf16.stm small.stm --encoder gptq --calibration stats.safetensors`,
		Args: arguments("IN.stm", "OUT.stm"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] == "" {
				return usagef("an output file is missing: OUT.stm")
			}
			if err := kernel.Err(); err != nil {
				return err
			}
			if err := recipe.set(&opts, cmd.Flags()); err != nil {
				return err
			}
			defer opts.Calibration.Close()
			if recipe.calibration != "" {
				if err := checkOutput(args[1], opts.Force, recipe.calibration); err != nil {
					return err
				}
			}
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
	recipe.add(flags)
	addThreadsFlag(flags, &opts.Threads, "one per CPU")
	addForceFlag(flags, &opts.Force)
	flags.BoolVar(&opts.Report, "report", false, "tell what the weights lost")
	flags.BoolVar(&asJSON, "json", false, "print a JSON object about the result")
	return cmd
}
