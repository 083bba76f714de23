package main

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"st/format"
	"st/format/outfile"
	"st/runtime"
	"st/runtime/eval"
)

// defaultWindow is llama-perplexity's.
const defaultWindow = 512

// evalFlags are the flags of st eval.
type evalFlags struct {
	engine           engineFlags
	text, base, save string // files; "": none
	window           int
	windowGiven      bool
	json             bool
	decode           bool
}

func (a *app) evalCommand() *cobra.Command {
	f := evalFlags{engine: engineFlags{Options: runtime.Options{KVType: runtime.KVF32}}, window: defaultWindow}
	cmd := &cobra.Command{
		Use:        "eval MODEL --text FILE",
		SuggestFor: []string{"perplexity"},
		Short:      "Measure perplexity over a text, and divergence from another model",
		Long:       help("eval"),
		Example: `  st eval small.stm --text wiki.test.raw
  st eval small.stm --text wiki.test.raw --ctx 2048 --json
  st eval small-f16.stm --text wiki.test.raw --save-logits f16.logits
  st eval small-q4_0.stm --base f16.logits
  st eval small.stm --text wiki.test.raw --sparse-head=-1`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.windowGiven = cmd.Flags().Changed("ctx")
			switch {
			case f.text == "" && f.base == "":
				return usagef("a text is missing: --text FILE, or --base FILE, which holds one")
			case f.engine.force && f.save == "" && f.engine.trace == "" && f.engine.times == "":
				return usagef("--force is for --save-logits, --trace and --timeline: no other file is refused because it exists")
			}
			return a.eval(cmd.Context(), args[0], &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.text, "text", "", "`file` with the text; -: standard input")
	flags.Var(intFlag{&f.window, eval.MinWindow, math.MaxInt32}, "ctx", "`N` tokens in a window; with --base: as there")
	flags.Var(fileFlag{&f.base}, "base", "compare with the logits in this `file`, which --save-logits wrote")
	flags.Var(fileFlag{&f.save}, "save-logits", "write the logits of all scored positions to this `file`")
	flags.BoolVar(&f.decode, "decode", false, "run scored tokens one at a time, as they are generated; --prefer-cached implies it")
	f.engine.add(flags)
	addSparseHeadFlag(flags, &f.engine.SparseHead)
	flags.Lookup("sparse-head").Usage = "tell what leaving out the rows of the language-model head would do that the model's predictor gives no more than `T` (-2 without T)"
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	return completesModels(cmd, 1)
}

func (a *app) eval(ctx context.Context, path string, f *evalFlags) (err error) {
	if err := f.engine.checkName("--save-logits", f.save); err != nil {
		return err
	}
	if path, err = a.locate(path); err != nil {
		return err
	}
	if f.save != "" {
		if err := checkOutput(f.save, f.engine.force, path, f.text, f.base); err != nil {
			return err
		}
	}
	f.engine.inputs = []string{f.base}
	opts := eval.Options{Decode: f.decode || f.engine.PreferCached > 0, Head: f.engine.SparseHead != nil}
	f.engine.window = f.window
	if f.base != "" {
		if opts.Base, err = eval.Open(f.base); err != nil {
			return err
		}
		defer opts.Base.Close()
		f.engine.window = opts.Base.Text().Length
		if f.windowGiven && f.window != f.engine.window {
			return fmt.Errorf("%s has windows of %d tokens, which --ctx %d cannot change: leave --ctx out", f.base, f.engine.window, f.window)
		}
	}
	var text string
	if f.text != "" {
		if text, err = a.readText(ctx, f.text, &f.engine); err != nil {
			return err
		}
	}
	f.engine.other = func(c *format.Config) int64 { return eval.MemoryBytes(c, f.base != "", f.save != "", opts.Head) }
	m, err := a.openTextModel(ctx, path, f.engine)
	if err != nil {
		return err
	}
	defer m.close(&err)
	windows, tokens, err := a.chooseText(m.Model, opts.Base, f, text)
	if err != nil {
		return err
	}
	report, err := a.runEval(ctx, m.Model, windows, opts, f)
	if err != nil {
		return err
	}
	report.Tokens = tokens
	if f.json {
		return a.printJSON(report)
	}
	printEval(a.stdout, report)
	return nil
}

// runEval scores windows, and writes their logits to the file of --save-logits.
func (a *app) runEval(ctx context.Context, m *runtime.Model, windows eval.Windows, opts eval.Options, f *evalFlags) (report *eval.Report, err error) {
	bar := a.newProgress("eval", "tokens")
	defer bar.finish()
	opts.Progress = func(done int) { bar.update(int64(done), int64(len(windows.Tokens))) }
	if f.save == "" {
		return eval.Run(ctx, m, windows, opts)
	}
	err = a.writeFile(f.save, outfile.Options{Replace: f.engine.force}, func(w io.Writer) (err error) {
		opts.Save = w
		report, err = eval.Run(ctx, m, windows, opts)
		return err
	})
	bar.finish() // before the note
	if err != nil {
		return nil, err
	}
	a.note("%s: logits of %s, %s", f.save, plural(windows.Scored(), "position"), size(eval.SavedBytes(m, windows)))
	return report, nil
}

// chooseText decides what is scored, and returns the number of tokens in the text.
func (a *app) chooseText(m *runtime.Model, base *eval.Logits, f *evalFlags, text string) (w eval.Windows, tokens int, err error) {
	window := f.engine.window
	if base != nil {
		if err := base.CheckModel(m); err != nil {
			return w, 0, err
		}
		if f.text == "" {
			return base.Text(), len(base.Text().Tokens), nil
		}
	} else if limit := m.Context(); window > limit {
		if f.windowGiven {
			a.note("note: windows of %d tokens, which is the model's context", limit)
		}
		window = limit
	}
	ids, err := m.EncodePlain(text)
	if err != nil {
		return w, 0, err
	}
	if w, err = eval.Cut(m.Tokenizer(), ids, window); err != nil {
		return w, 0, err
	}
	if base != nil {
		if err := base.CheckText(w, inputName(f.text)); err != nil {
			return w, 0, err
		}
	}
	if w.Length < window {
		a.note("note: the text has only %d tokens: one shorter window, of which the second half is scored", len(ids))
	} else if rest := len(ids) - len(w.Tokens); rest > 0 {
		a.note("note: the last %s make no whole window and are left out", plural(rest, "token"))
	}
	return w, len(ids), nil
}
