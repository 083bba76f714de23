package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"st/convert/calibration"
	"st/format"
	"st/runtime/kernel"
)

// calibrateReport is what st calibrate --json prints.
type calibrateReport struct {
	Output          string  `json:"output"`
	Tokens          int     `json:"tokens"`
	Context         int     `json:"ctx"`
	Experts         int     `json:"experts"`
	Unreached       int     `json:"unreached_experts"`
	Rare            int     `json:"rare_experts"`
	FewestTokens    int     `json:"fewest_tokens"`
	MedianTokens    int     `json:"median_tokens"`
	Seconds         float64 `json:"seconds"`
	TokensPerSecond float64 `json:"tokens_per_second"`
}

// rareTokens is the number of tokens below which an expert is reported as rarely reached: as many as the layer's mean stands for.
const rareTokens = calibration.Shrink

func (a *app) calibrateCommand() *cobra.Command {
	var opts engineFlags
	window := defaultWindow
	var path, target string
	var covariance, force, asJSON bool
	cmd := &cobra.Command{
		Use:   "calibrate model.stm --text FILE -o stats.safetensors",
		Short: "Measure on a text which weights count most",
		Long: `Run a text through a model and measure which weights count most: the mean square of what every column of its matrices is
multiplied with, in a safetensors file for --calibration of st convert and st quantize. Any type of the model will do; the more
precise, the better. An expert that few tokens reach is mostly taken for an average one of its layer: the output tells how many
of them there are. More text, of the kind that the model is for, helps; some ten thousand tokens are a good beginning.

--covariance also collects how inputs go together, which --encoder gptq needs: hidden_size² / 2 numbers for each of three places in
a layer, 0.46 GB for the 4B model, in memory as in the file, and about half the speed.

--json prints one object:
  output, tokens, ctx      the file, tokens in the text, and tokens in a window, each of which begins anew
  experts                  number of experts in all layers
  unreached_experts        those that no token chose
  rare_experts             those that fewer than 64 tokens chose
  fewest_tokens, median_tokens   that chose an expert
  seconds, tokens_per_second`,
		Example: `  st calibrate model.stm --text sample.txt -o stats.safetensors --covariance
  st quantize model-bf16.stm small.stm --encoder gptq --calibration stats.safetensors`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			switch {
			case path == "":
				return usagef("a text is missing: --text FILE")
			case target == "":
				return usagef("an output file is missing: -o stats.safetensors")
			case sameName(target, opts.trace):
				return usagef("-o and --trace name the same file")
			}
			if err := checkOutput(target, force, args[0], path); err != nil {
				return err
			}
			text, err := a.readAll(cmd.Context(), path)
			if err != nil {
				return err
			}
			if !utf8.ValidString(text) {
				return fmt.Errorf("%s is not a text: it holds bytes that are not UTF-8", inputName(path))
			}
			opts.window = window
			m, err := a.openTextModel(args[0], opts)
			if err != nil {
				return err
			}
			defer m.close(&err)
			return a.calibrate(cmd.Context(), m, m.encode(text), min(window, m.engine.Context()), covariance, target, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&path, "text", "", "`file` with the text (required); -: standard input")
	flags.StringVarP(&target, "output", "o", "", "`file` to write (required)")
	flags.Var(intFlag{&window, minWindow, math.MaxInt32}, "ctx", "`N` tokens in a window")
	flags.BoolVar(&covariance, "covariance", false, "collect what --encoder gptq needs, too")
	addForceFlag(flags, &force)
	opts.add(flags)
	flags.BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func (a *app) calibrate(ctx context.Context, m *model, tokens []int32, window int, covariance bool, target string, asJSON bool) error {
	if len(tokens) == 0 {
		return errors.New("the text is empty: there is nothing to measure")
	}
	begin := time.Now()
	var add calibration.AddScaled
	if covariance {
		add = kernel.Axpy4
	}
	collector := calibration.NewCollector(m.engine.Config(), add)
	m.engine.Observe(collector)
	bar := a.newProgress("calibrate", "tokens")
	err := m.runWindows(ctx, tokens, window, func(done int) { bar.update(int64(done), int64(len(tokens))) })
	bar.finish()
	if err != nil {
		return err
	}
	stats := collector.Statistics()
	if err := writeFile(target, func(w *bufio.Writer) error { return stats.Write(w) }); err != nil {
		return err
	}
	r := newCalibrateReport(m.engine.Config(), stats)
	r.Output, r.Context, r.Seconds = target, window, time.Since(begin).Seconds()
	r.TokensPerSecond = float64(r.Tokens) / r.Seconds
	if asJSON {
		return a.printJSON(r)
	}
	fmt.Fprintf(a.stdout, "%s: %s; of %s, %d were never chosen and %d by fewer than %d tokens (median %s)\n", target,
		plural(r.Tokens, "token"), plural(r.Experts, "expert"), r.Unreached, r.Rare, rareTokens, humanize.Comma(int64(r.MedianTokens)))
	return nil
}

func newCalibrateReport(c *format.Config, s *calibration.Statistics) calibrateReport {
	var uses []float32
	for l := range c.Layers {
		uses = append(uses, s.Uses(l)...)
	}
	slices.Sort(uses)
	r := calibrateReport{Tokens: s.Tokens(), Experts: len(uses), FewestTokens: int(uses[0]), MedianTokens: int(uses[len(uses)/2])}
	for _, n := range uses {
		if n == 0 {
			r.Unreached++
		}
		if n < rareTokens {
			r.Rare++
		}
	}
	return r
}

// runWindows runs a text through a model in windows, each of which begins anew, with BOS if the model's texts do.
func (m *model) runWindows(ctx context.Context, tokens []int32, window int, progress func(done int)) error {
	s := newSession(m.engine)
	bos, replace := m.tok.BOS()
	replace = replace && m.tok.AddBOS()
	for at := 0; at < len(tokens); at += window {
		part := slices.Clone(tokens[at:min(at+window, len(tokens))])
		if replace {
			part[0] = bos
		}
		s.Truncate(0)
		if _, err := s.Forward(ctx, part); err != nil {
			return err
		}
		progress(at + len(part))
	}
	return nil
}
