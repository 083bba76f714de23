package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"st/cmd/internal/terminal"
	"st/runtime"
)

func (a *app) generateCommand() *cobra.Command {
	var f generateFlags
	cmd := &cobra.Command{
		Use:   "generate MODEL -p PROMPT",
		Short: "Continue a text, or answer in a chat",
		Long:  help("generate"),
		Example: `  st generate small.stm -p "Once upon a time" -n 100
  st generate small.stm --chat -p "Why is the sky blue?" --temp 0 --stats
  st generate small.stm --chat --system "Answer in one sentence."
  st generate coder.stm -p "def area(r):" --suffix "print(area(2))"
  git log -5 | st generate small.stm --chat --system "Sum this up." --json`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := cmd.Flags().Changed("prompt") || cmd.Flags().Changed("file")
			if err := f.check(cmd.Flags(), given, a.inTerminal, a.outTerminal); err != nil {
				return err
			}
			if !cmd.Flags().Changed("prompt") && f.file == "" {
				f.file = "-"
			}
			return a.generate(cmd.Context(), args[0], f.chat && a.inTerminal && !given, &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.prompt, "prompt", "p", "", "`text` to continue, or the message with --chat; -: standard input")
	flags.StringVarP(&f.file, "file", "f", "", "`file` with the prompt; -: standard input")
	flags.StringVar(&f.suffix, "suffix", "", "`text` after a gap: generate what is between the prompt and it")
	flags.BoolVar(&f.chat, "chat", false, "use the model's chat template")
	flags.Var(fileFlag{&f.promptCache}, "prompt-cache", "keep the prompt's KV cache in `file`: a prompt that begins as it did is not run again")
	f.add(flags)
	return completesModels(cmd, 1)
}

// generate continues a prompt, which comes from f.file or is f.prompt, or begins a conversation.
func (a *app) generate(ctx context.Context, path string, conversation bool, f *generateFlags) (err error) {
	if path, err = a.locate(path); err != nil {
		return err
	}
	within, err := f.grammar.read(ctx, a)
	if err != nil {
		return err
	}
	f.engine.inputs = []string{f.promptCache, f.grammar.schema, f.grammar.file}
	text := ""
	if !conversation {
		if text, err = a.readPrompt(ctx, f); err != nil {
			return err
		}
	}
	f.engine.text, f.engine.learn = len(text)+len(f.suffix), fullLearning
	m, err := a.openTextModel(ctx, path, f.engine)
	if err != nil {
		return err
	}
	defer m.close(&err)
	g := f.options()
	g.Grammar = within
	if within != nil { // so that what is wrong with it is told before a prompt is run
		if _, err := m.CompileGrammarContext(ctx, within); err != nil {
			return err
		}
	}
	if conversation {
		return a.converse(ctx, m.Model, f, g)
	}
	return a.answer(ctx, m.Model, text, f, g)
}

// answer prints what follows a prompt, and how it came to be.
func (a *app) answer(ctx context.Context, m *runtime.Model, text string, f *generateFlags, g runtime.Generate) error {
	bar := a.newPromptProgress()
	g.Progress = bar.update
	mark := markPrompt(m, &g)
	pieces, done, err := a.pieces(ctx, m, text, f, g)
	if err != nil {
		return err
	}
	r, err := a.printPieces(pieces, !f.json)
	bar.finish()
	unsaved := done()
	if errors.Is(err, runtime.ErrContextFull) && f.session != "" {
		err = fmt.Errorf("the session %s: %v: give a larger --ctx, name another session, or leave PROMPT out on a terminal, where its oldest turns can be left out",
			f.session, err)
		return errors.Join(err, unsaved)
	}
	if err != nil && (r == nil || !errors.Is(err, context.Canceled)) {
		return errors.Join(err, unsaved)
	}
	err = errors.Join(err, unsaved) // a text that cannot be kept is shown all the same
	if f.json {
		if e := a.printJSON(newGenerateReport(m, r, *mark)); err == nil {
			err = e
		}
	} else {
		fmt.Fprintln(a.stdout)
	}
	if r.Stop == runtime.StopContext {
		a.note("note: the context of %d tokens is full: --ctx gives a larger one", m.Context())
	}
	a.noteUnfinished(r)
	if f.stats {
		a.printStats(m, r, *mark)
	}
	return err
}

// readPrompt returns the prompt, which comes from f.file, from standard input, or is f.prompt.
func (a *app) readPrompt(ctx context.Context, f *generateFlags) (string, error) {
	from := f.file
	if f.prompt == "-" {
		from = "-"
	}
	if from == "" {
		return f.prompt, nil
	}
	text, err := a.readText(ctx, from, &f.engine)
	if err == nil && f.chat && strings.TrimSpace(text) == "" {
		err = fmt.Errorf("the prompt is empty: there is no text in %s", inputName(from))
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), err // echo and editors add them
}

// pieces is what answers a message, or continues a text. done, which is called when they have ended, keeps what is to be kept, and gives back what they
// took.
func (a *app) pieces(ctx context.Context, m *runtime.Model, text string, f *generateFlags, g runtime.Generate) (pieces iter.Seq2[runtime.Piece, error], done func() error, err error) {
	encode := m.EncodePrompt
	switch {
	case f.chat:
		encode = func(text string) ([]int32, error) {
			return m.EncodeChat(ctx, []runtime.Message{{Role: "user", Content: text}}, runtime.System(f.system))
		}
	case f.suffix != "":
		encode = func(text string) ([]int32, error) {
			return m.InfillPrompt(runtime.Infill{Prefix: text, Suffix: f.suffix})
		}
	}
	switch {
	case f.promptCache != "":
		prompt, err := encode(text)
		if err != nil {
			return nil, nil, err
		}
		q, done, err := a.promptCache(ctx, m, f.promptCache, prompt, &g)
		if err != nil {
			return nil, nil, err
		}
		return q.Generate(ctx, prompt, g), done, nil
	case f.chat:
		chat, err := a.openChat(ctx, m, f)
		if err != nil {
			return nil, nil, err
		}
		return chat.Send(ctx, text, g), func() error {
			defer chat.close()
			return chat.save()
		}, nil
	}
	prompt, err := encode(text)
	if err != nil {
		return nil, nil, err
	}
	return m.GenerateTokens(ctx, prompt, g), func() error { return nil }, nil
}

// printPieces prints a text as it comes, if it is to be shown, and returns how it came to be. A terminal does not obey what is in it.
func (a *app) printPieces(pieces iter.Seq2[runtime.Piece, error], show bool) (r *runtime.Result, err error) {
	var w io.Writer = a.stdout
	if a.outTerminal {
		visible := terminal.NewVisible(w)
		defer visible.Flush()
		w = visible
	}
	for piece, e := range pieces {
		if show && piece.Text != "" {
			fmt.Fprint(w, piece.Text)
		}
		r, err = piece.Done, e
	}
	return r, err
}
