package main

import (
	"time"

	"github.com/spf13/cobra"

	"st/convert"
	"st/quant"
	"st/runtime/kernel"
)

// convertReport is what st convert --json prints.
type convertReport struct {
	Output               string           `json:"output"`
	Type                 string           `json:"type"`
	Tensors              int              `json:"tensors"`
	SourceBytes          int64            `json:"source_bytes"`
	OutputBytes          int64            `json:"output_bytes"`
	Seconds              float64          `json:"seconds"`
	SourceBytesPerSecond float64          `json:"source_bytes_per_second"`
	PeakRSSBytes         int64            `json:"peak_rss_bytes"`
	Fallbacks            []fallbackReport `json:"fallbacks"`
	Notes                []string         `json:"notes"`
	Report               *lossReport      `json:"report,omitempty"`
}

type fallbackReport struct {
	Tensor    string `json:"tensor"`
	RowLength int    `json:"row_length"`
	Asked     string `json:"asked"`
	Used      string `json:"used"`
}

func (a *app) convertCommand() *cobra.Command {
	opts := convert.Options{Tool: "st " + version()}
	var recipe recipeFlags
	var target string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "convert SRC -o model.stm",
		Short: "Convert a checkpoint to an .stm file",
		Long: `Convert a SmallThinker checkpoint, as downloaded from Hugging Face, to one .stm file.

SRC is the checkpoint's directory, or a .safetensors or .bin file beside its config.json. Weights stream through, so
memory stays small whatever the model's size. The output appears when it is complete: an error or Ctrl-C leaves nothing.

` + recipeHelp + `

--json prints one object:
  output, type             the file written and its type
  tensors                  number of tensors in it
  source_bytes             bytes of weights read
  output_bytes             size of the file
  seconds, source_bytes_per_second, peak_rss_bytes
  fallbacks                tensors stored in another type: tensor, row_length, asked, used
  notes                    what else to know, an array of strings`,
		Example: `  st convert SmallThinker-4BA0.6B-Instruct -o small.stm
  st convert checkpoint/model.safetensors -o precise.stm --preset precise
  st convert SmallThinker-21BA3B-Instruct -o large.stm --force --json`,
		Args: arguments("SRC"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if target == "" || target == "-" {
				return usagef("an output file is missing: -o model.stm (a model is not written to standard output)")
			}
			if err := kernel.Err(); err != nil {
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
			p := a.newProgress("convert", "B")
			opts.Progress = p.update
			result, err := convert.Run(cmd.Context(), args[0], target, opts)
			p.finish()
			if err != nil {
				return err
			}
			a.noteConversion(target, opts.Type, result)
			if asJSON {
				return a.printJSON(newConvertReport(target, opts.Type, result))
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&target, "output", "o", "", "`file` to write (required)")
	recipe.add(flags)
	addThreadsFlag(flags, &opts.Threads, "one per CPU")
	addForceFlag(flags, &opts.Force)
	flags.BoolVar(&opts.AllowNonfinite, "allow-nonfinite", false, "go on when weights are NaN or infinite")
	flags.BoolVar(&asJSON, "json", false, "print a JSON object about the result")
	return cmd
}

// noteConversion sums up a conversion for a person.
func (a *app) noteConversion(target string, t quant.Type, r *convert.Result) {
	a.note("%s: %s, %s became %s of %s (%.0f %%) in %s, %s/s",
		target, plural(r.Tensors, "tensor"), size(r.SourceBytes), size(r.OutputBytes), t,
		100*float64(r.OutputBytes)/float64(max(1, r.SourceBytes)), r.Elapsed.Round(time.Millisecond), size(int64(sourceRate(r))))
	type kind struct {
		cols        int
		asked, used quant.Type
	}
	number := map[kind]int{}
	var kinds []kind
	for _, f := range r.Fallbacks {
		k := kind{f.Cols, f.Asked, f.Used}
		if number[k] == 0 {
			kinds = append(kinds, k)
		}
		number[k]++
	}
	for _, k := range kinds {
		verb := "have"
		if number[k] == 1 {
			verb = "has"
		}
		a.note("note: %s %s rows of %d weights, which %s cannot hold: stored as %s",
			plural(number[k], "tensor"), verb, k.cols, k.asked, k.used)
	}
	for _, n := range r.Notes {
		a.note("note: %s", n)
	}
}

func sourceRate(r *convert.Result) float64 {
	return float64(r.SourceBytes) / max(r.Elapsed.Seconds(), 1e-9)
}

func newConvertReport(target string, t quant.Type, r *convert.Result) convertReport {
	report := convertReport{
		Output: target, Type: t.String(), Tensors: r.Tensors, SourceBytes: r.SourceBytes, OutputBytes: r.OutputBytes,
		Seconds: r.Elapsed.Seconds(), SourceBytesPerSecond: sourceRate(r), PeakRSSBytes: peakRSS(),
		Fallbacks: []fallbackReport{}, Notes: append([]string{}, r.Notes...),
	}
	for _, f := range r.Fallbacks {
		report.Fallbacks = append(report.Fallbacks, fallbackReport{f.Tensor, f.Cols, f.Asked.String(), f.Used.String()})
	}
	if r.Losses != nil {
		report.Report = newLossReport(r.Losses)
	}
	return report
}
