package main

import (
	"time"

	"github.com/spf13/cobra"

	"st/convert"
	"st/quant"
)

// exportReport is what st export --json prints.
type exportReport struct {
	Output      string   `json:"output"`
	Tensors     int      `json:"tensors"`
	SourceBytes int64    `json:"source_bytes"`
	OutputBytes int64    `json:"output_bytes"`
	Seconds     float64  `json:"seconds"`
	Notes       []string `json:"notes"`
}

func (a *app) exportCommand() *cobra.Command {
	var opts convert.ExportOptions
	var down quant.Type
	var target string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "export MODEL -o model.gguf",
		Short: "Write an .stm file as a GGUF file, for llama.cpp",
		Long:  help("export"),
		Example: `  st export small.stm -o small.gguf
  st export small.stm -o small.gguf --down q8_0`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if target == "" {
				return usagef("an output file is missing: -o model.gguf")
			}
			if cmd.Flags().Changed("down") {
				opts.Down = &down
			}
			path, err := a.locate(args[0])
			if err != nil {
				return err
			}
			p := a.newProgress("export", "B")
			opts.Progress = p.update
			result, err := convert.Export(cmd.Context(), path, target, opts)
			p.finish()
			if err != nil {
				return err
			}
			a.note("%s: %s, %s in %s", target, plural(result.Tensors, "tensor"), size(result.OutputBytes), result.Elapsed.Round(time.Millisecond))
			for _, n := range result.Notes {
				a.note("note: %s", n)
			}
			if asJSON {
				return a.printJSON(exportReport{target, result.Tensors, result.SourceBytes, result.OutputBytes, result.Elapsed.Seconds(),
					append([]string{}, result.Notes...)})
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.VarP(fileFlag{&target}, "output", "o", "`file` to write (required)")
	flags.Var(parsedFlag[quant.Type]{&down, quant.ParseType}, "down", "`type` of down matrices that are quantized a second time")
	flags.Lookup("down").DefValue = "" // theirs
	addThreadsFlag(flags, &opts.Threads)
	addForceFlag(flags, &opts.Force)
	flags.BoolVar(&asJSON, "json", false, "print a JSON object about the result")
	return completesModels(cmd, 1)
}
