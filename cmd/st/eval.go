package main

import (
	"context"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"st/runtime"
)

// defaultWindow is llama-perplexity's.
const defaultWindow = 512

// evalReport is what st eval --json prints.
type evalReport struct {
	Perplexity      float64 `json:"perplexity"`
	StandardError   float64 `json:"standard_error"`
	NLLMean         float64 `json:"nll_mean"`
	Tokens          int     `json:"tokens"`
	ScoredTokens    int     `json:"scored_tokens"`
	Windows         int     `json:"windows"`
	Context         int     `json:"ctx"`
	Seconds         float64 `json:"seconds"`
	TokensPerSecond float64 `json:"tokens_per_second"`
}

func (a *app) evalCommand() *cobra.Command {
	opts := engineFlags{Options: runtime.Options{KVType: runtime.KVF32}}
	window := defaultWindow
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "eval model.stm --text FILE",
		Short: "Measure perplexity over a text",
		Long: `Measure the perplexity of a model over a text, as llama-perplexity does: the text is cut into windows of --ctx tokens, a
rest at its end is left out, and in every window the tokens of the second half are scored. A text shorter than a window is
one window.

--json prints one object:
  perplexity, standard_error
  nll_mean                 mean negative log-likelihood, in nats: the logarithm of perplexity
  tokens, scored_tokens    tokens in the text, and scored
  windows, ctx             number of windows, and tokens in each
  seconds, tokens_per_second`,
		Example: `  st eval small.stm --text wiki.test.raw
  st eval small.stm --text wiki.test.raw --ctx 2048 --json`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if path == "" {
				return usagef("a text is missing: --text FILE")
			}
			text, err := a.readAll(cmd.Context(), path)
			if err != nil {
				return err
			}
			if !utf8.ValidString(text) {
				return fmt.Errorf("%s is not a text: it holds bytes that are not UTF-8", inputName(path))
			}
			m, err := a.openTextModel(args[0], opts)
			if err != nil {
				return err
			}
			defer m.close(&err)
			if limit := m.engine.Context(); window > limit {
				if cmd.Flags().Changed("ctx") {
					a.note("note: windows of %d tokens, which is the model's context", limit)
				}
				window = limit
			}
			return a.eval(cmd.Context(), m, text, window, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&path, "text", "", "`file` with the text (required); -: standard input")
	flags.Var(intFlag{&window, minWindow, math.MaxInt32}, "ctx", "`N` tokens in a window")
	opts.add(flags)
	flags.BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func (a *app) eval(ctx context.Context, m *model, text string, window int, asJSON bool) error {
	p, err := newPerplexity(m, m.encode(text), window)
	if err != nil {
		return err
	}
	total := len(p.tokens) / p.window * p.window
	if p.window < window {
		a.note("note: the text has only %d tokens: one shorter window, of which the second half is scored", len(p.tokens))
	} else if rest := len(p.tokens) - total; rest > 0 {
		a.note("note: the last %s make no whole window and are left out", plural(rest, "token"))
	}
	bar := a.newProgress("eval", "tokens")
	begin := time.Now()
	err = p.run(ctx, func(done int) { bar.update(int64(done), int64(total)) })
	bar.finish()
	if err != nil {
		return err
	}
	seconds := time.Since(begin).Seconds()
	mean, ppl, standardError := p.result()
	if asJSON {
		return a.printJSON(evalReport{ppl, standardError, mean, len(p.tokens), p.scored, p.windows, p.window,
			seconds, float64(total) / seconds})
	}
	fmt.Fprintf(a.stdout, "perplexity %.4f ± %.4f over %s in %s of %d\n", ppl, standardError,
		plural(p.scored, "scored token"), plural(p.windows, "window"), p.window)
	return nil
}
