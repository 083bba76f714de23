package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"st/format"
	"st/format/outfile"
	"st/runtime/calibrate"
	"st/runtime/eval"
)

// calibrateReport is what st calibrate --json prints.
type calibrateReport struct {
	Output  string `json:"output"`
	Context int    `json:"ctx"`
	calibrate.Coverage
	Seconds         float64 `json:"seconds"`
	TokensPerSecond float64 `json:"tokens_per_second"`
}

// calibrateFlags are the flags of st calibrate.
type calibrateFlags struct {
	text, output     string
	window           int
	covariance, json bool
	engine           engineFlags
}

func (a *app) calibrateCommand() *cobra.Command {
	var f calibrateFlags
	cmd := &cobra.Command{
		Use:   "calibrate MODEL --text FILE -o stats.safetensors",
		Short: "Measure on a text which weights count most",
		Long:  help("calibrate"),
		Example: `  st calibrate model.stm --text sample.txt -o stats.safetensors --covariance
  st quantize model-bf16.stm small.stm --encoder gptq --calibration stats.safetensors`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.calibrate(cmd.Context(), args[0], &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.text, "text", "", "`file` with the text (required); -: standard input")
	flags.VarP(fileFlag{&f.output}, "output", "o", "`file` to write (required)")
	f.window = defaultWindow
	flags.Var(intFlag{&f.window, eval.MinWindow, math.MaxInt32}, "ctx", "`N` tokens in a window")
	flags.BoolVar(&f.covariance, "covariance", false, "collect what --encoder gptq needs, too")
	f.engine.add(flags)
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	return completesModels(cmd, 1)
}

func (a *app) calibrate(ctx context.Context, path string, f *calibrateFlags) (err error) {
	switch {
	case f.text == "":
		return usagef("a text is missing: --text FILE")
	case f.output == "":
		return usagef("an output file is missing: -o stats.safetensors")
	}
	if err := f.engine.checkName("-o", f.output); err != nil {
		return err
	}
	if path, err = a.locate(path); err != nil {
		return err
	}
	if err := checkOutput(f.output, f.engine.force, path, f.text); err != nil {
		return err
	}
	text, err := a.readText(ctx, f.text, &f.engine)
	if err != nil {
		return err
	}
	f.engine.window = f.window
	f.engine.other = func(c *format.Config) int64 { return calibrate.MemoryBytes(c, f.covariance) }
	m, err := a.openTextModel(ctx, path, f.engine)
	if err != nil {
		return err
	}
	defer m.close(&err)
	tokens, err := m.Encode(text)
	if err != nil {
		return err
	}
	window := a.windowOf(m, f.window, len(tokens))
	begin := time.Now()
	bar := a.newProgress("calibrate", "tokens")
	stats, err := calibrate.Run(ctx, m.Model, tokens, calibrate.Options{
		Window: window, Covariance: f.covariance, Progress: func(done int) { bar.update(int64(done), int64(len(tokens))) },
	})
	bar.finish()
	if err != nil {
		return err
	}
	if err := a.writeFile(f.output, outfile.Options{Replace: f.engine.force}, stats.Write); err != nil {
		return err
	}
	r := calibrateReport{Output: f.output, Context: window, Coverage: calibrate.NewCoverage(m.Config(), stats)}
	r.Seconds = time.Since(begin).Seconds()
	r.TokensPerSecond = float64(r.Tokens) / r.Seconds
	if f.json {
		return a.printJSON(r)
	}
	fmt.Fprintf(a.stdout, "%s: %s; of %s, %d were never chosen and %d by fewer than %d tokens (median %s)\n", f.output,
		plural(r.Tokens, "token"), plural(r.Experts, "expert"), r.Unreached, r.Rare, calibrate.RareTokens, humanize.Comma(int64(r.MedianTokens)))
	return nil
}
