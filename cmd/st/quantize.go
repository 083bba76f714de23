package main

import (
	"context"

	"github.com/spf13/cobra"

	"st/convert"
)

func (a *app) quantizeCommand() *cobra.Command {
	var f convertFlags
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
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) == 2 {
				f.target = args[1]
			}
			defer func() {
				f.opts.Calibration.Close()
				tidy(f.target, err)
			}()
			if err := f.check(cmd.Flags(), "OUT.stm"); err != nil {
				return err
			}
			return a.quantize(cmd.Context(), args[0], &f)
		},
	}
	flags := cmd.Flags()
	f.add(flags)
	flags.BoolVar(&f.opts.Report, "report", false, "tell what the weights lost")
	flags.BoolVar(&f.json, "json", false, "print a JSON object about the result")
	return completesModels(cmd, 1)
}

func (a *app) quantize(ctx context.Context, arg string, f *convertFlags) error {
	source, err := a.locate(arg)
	if err != nil {
		return err
	}
	if err := f.checkCalibration(); err != nil {
		return err
	}
	result, stages, err := a.runConversion(ctx, quantizing, source, f.target, &f.recipe, f.opts)
	if err != nil {
		return err
	}
	a.noteConversion(f.target, result)
	a.noteKept(f.name, f.target)
	switch {
	case f.json:
		return a.printJSON(newConvertReport(f.target, result, stages))
	case f.opts.Report:
		newLossReport(result.Losses).print(a.stdout)
		if f.opts.Encoder == convert.GPTQ {
			a.note("note: gptq makes the products of weights right, at the cost of the weights: st eval --base tells what it brings")
		}
	}
	return nil
}
