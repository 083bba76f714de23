package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"st/runtime/engine"
)

// defaultWindow is llama-perplexity's.
const defaultWindow = 512

// evalFlags are the flags of st eval.
type evalFlags struct {
	engine           engineFlags
	text, base, save string // files; "": none
	window           int
	windowGiven      bool
	force, json      bool
}

func (a *app) evalCommand() *cobra.Command {
	f := evalFlags{engine: engineFlags{Options: engine.Options{KVType: engine.KVF32}}, window: defaultWindow}
	cmd := &cobra.Command{
		Use:   "eval model.stm --text FILE",
		Short: "Measure perplexity over a text, and divergence from another model",
		Long: `Measure the perplexity of a model over a text, as llama-perplexity does: the text is cut into windows of --ctx tokens, a
rest at its end is left out, the first token of a window is replaced by the BOS token if the model's texts begin with one,
and in every window the tokens of the second half, but for its first one, are scored. A text shorter than a window is one
window. Perplexity is exp(mean(−log Q(t))), where Q(t) is the probability that the model gives to the token t of the text.

--save-logits keeps what a model predicts, and --base compares another model with that, as llama-perplexity --kl-divergence
does. P is what the base predicts, Q what this model does; both say how probable every token of the vocabulary is.
  KL divergence  Σ P·(log P − log Q), in nats; over the scored positions its mean, and quantiles
  same top       share of positions where both find the same token most probable
  Δp             Q(t) − P(t) for the token t of the text, in percent; mean(Δp), and RMS √mean(Δp²)
  ratio          of perplexities, this model's to the base's: exp(mean(log P(t) − log Q(t)))
After ± stands the standard error of a mean, √((mean(x²) − mean(x)²)/(n−1)) for n positions, and what follows from it for
exp(x) and √x. Between two positions, quantiles are interpolated.

Logits are kept in 16 bits, 304 KB a position with a vocabulary of 151,936: to 1/4096 nat, and not below 32 nats from the
largest. This adds about 1e-8 to KL divergence; perplexities, Δp and the same top are exact. The file also keeps the tokens,
so that --base needs no --text; one that is given must be the same text. It appears when it is complete.

--json prints one object:
  perplexity, standard_error
  nll_mean                 mean negative log-likelihood, in nats: the logarithm of perplexity
  tokens, scored_tokens    tokens in the text, and scored
  windows, ctx             number of windows, and tokens in each
  seconds, tokens_per_second
  divergence               with --base:
    base_perplexity, base_perplexity_standard_error
    perplexity_ratio, perplexity_ratio_standard_error
    kl_mean, kl_mean_standard_error
    kl_min, kl_median, kl_p90, kl_p99, kl_p99_9, kl_max       quantiles: p90 is exceeded by 10 % of positions
    same_top_percent, same_top_percent_standard_error
    delta_p_mean_percent, delta_p_mean_percent_standard_error
    delta_p_rms_percent, delta_p_rms_percent_standard_error`,
		Example: `  st eval small.stm --text wiki.test.raw
  st eval small.stm --text wiki.test.raw --ctx 2048 --json
  st eval small-f16.stm --text wiki.test.raw --save-logits f16.logits
  st eval small-q4_0.stm --base f16.logits`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.windowGiven = cmd.Flags().Changed("ctx")
			switch {
			case f.text == "" && f.base == "":
				return usagef("a text is missing: --text FILE, or --base FILE, which holds one")
			case f.force && f.save == "":
				return usagef("--force needs --save-logits: nothing else is written")
			}
			return a.eval(cmd.Context(), args[0], &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.text, "text", "", "`file` with the text; -: standard input")
	flags.Var(intFlag{&f.window, minWindow, math.MaxInt32}, "ctx", "`N` tokens in a window; with --base: as there")
	flags.Var(fileFlag{&f.base}, "base", "compare with the logits in this `file`, which --save-logits wrote")
	flags.Var(fileFlag{&f.save}, "save-logits", "write the logits of all scored positions to this `file`")
	addForceFlag(flags, &f.force)
	f.engine.add(flags)
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	return cmd
}

func (a *app) eval(ctx context.Context, path string, f *evalFlags) (err error) {
	if f.save != "" {
		if sameName(f.save, f.engine.trace) {
			return usagef("--save-logits and --trace name the same file")
		}
		if err := checkOutput(f.save, f.force, path, f.text, f.base); err != nil {
			return err
		}
	}
	p := &perplexity{}
	if f.base != "" {
		if p.base, err = openLogits(f.base); err != nil {
			return err
		}
		defer p.base.close()
		if f.windowGiven && f.window != p.base.length {
			return fmt.Errorf("%s has windows of %d tokens, which --ctx %d cannot change: leave --ctx out", f.base, p.base.length, f.window)
		}
	}
	var text string
	if f.text != "" {
		if text, err = a.readAll(ctx, f.text); err != nil {
			return err
		}
		if !utf8.ValidString(text) {
			return fmt.Errorf("%s is not a text: it holds bytes that are not UTF-8", inputName(f.text))
		}
	}
	f.engine.window = f.window
	if p.base != nil {
		f.engine.window = p.base.length
	}
	if p.model, err = a.openTextModel(path, f.engine); err != nil {
		return err
	}
	defer p.model.close(&err)
	tokens, err := a.chooseText(p, f, text)
	if err != nil {
		return err
	}
	bar := a.newProgress("eval", "tokens")
	begin := time.Now()
	run := func() error {
		defer bar.finish()
		return p.run(ctx, func(done int) { bar.update(int64(done), int64(len(p.text.tokens))) })
	}
	if f.save == "" {
		err = run()
	} else {
		err = a.saveLogits(p, f.save, run)
	}
	if err != nil {
		return err
	}
	report := newEvalReport(p, tokens, time.Since(begin))
	if f.json {
		return a.printJSON(report)
	}
	report.print(a.stdout)
	return nil
}

// chooseText decides what is scored, and returns the number of tokens in the text.
func (a *app) chooseText(p *perplexity, f *evalFlags, text string) (tokens int, err error) {
	window := f.window
	if p.base != nil {
		if err := p.base.checkModel(p.model); err != nil {
			return 0, err
		}
		if f.text == "" {
			p.text = p.base.textWindows
			return len(p.text.tokens), nil
		}
		window = p.base.length
	} else if limit := p.model.engine.Context(); window > limit {
		if f.windowGiven {
			a.note("note: windows of %d tokens, which is the model's context", limit)
		}
		window = limit
	}
	ids := p.model.encode(text)
	if p.text, err = cutWindows(p.model, ids, window); err != nil {
		return 0, err
	}
	if p.base != nil {
		if err := p.base.checkText(p.text, inputName(f.text)); err != nil {
			return 0, err
		}
	}
	if p.text.length < window {
		a.note("note: the text has only %d tokens: one shorter window, of which the second half is scored", len(ids))
	} else if rest := len(ids) - len(p.text.tokens); rest > 0 {
		a.note("note: the last %s make no whole window and are left out", plural(rest, "token"))
	}
	return len(ids), nil
}

// saveLogits has run write a logits file.
func (a *app) saveLogits(p *perplexity, path string, run func() error) error {
	header := logitsHeader{vocab: p.model.engine.Config().Vocab, fingerprint: fingerprint(p.model.tok), textWindows: p.text}
	a.note("%s: logits of %s, %s", path, plural(p.text.scored(), "position"), size(header.size()))
	return writeFile(path, func(w *bufio.Writer) error {
		w.Write(header.encode()) // a bufio.Writer keeps its error
		p.save = w
		return run()
	})
}
