package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"st/cmd/internal/npy"
	"st/format/outfile"
	"st/runtime"
)

// logitsFlags are the flags of st logits.
type logitsFlags struct {
	tokens, output string
	engine         engineFlags
}

func (a *app) logitsCommand() *cobra.Command {
	f := logitsFlags{engine: engineFlags{Options: runtime.Options{KVType: runtime.KVF32}}}
	cmd := &cobra.Command{
		Use:   "logits MODEL --tokens 1,2,3 -o out.npy",
		Short: "Write the logits after every token, for comparison with other engines",
		Long: `Run token ids through the model and write the logits after each of them to a NumPy file: float32 [tokens, vocabulary],
little-endian, in C order. st tokenize tells the ids of a text.`,
		Example: `  st logits small.stm --tokens 9707,11,1879 -o out.npy
  st logits small.stm --tokens "$(st tokenize small.stm 'Hello, world')" -o out.npy --force`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.logits(cmd.Context(), args[0], &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.tokens, "tokens", "", "token `ids`, separated by commas or spaces (required)")
	flags.VarP(fileFlag{&f.output}, "output", "o", "`file` to write (required)")
	f.engine.add(flags)
	return completesModels(cmd, 1)
}

func (a *app) logits(ctx context.Context, path string, f *logitsFlags) (err error) {
	ids, err := parseIDs(f.tokens)
	switch {
	case err != nil:
		return usagef("--tokens: %v", err)
	case len(ids) == 0:
		return usagef("token ids are missing: --tokens 1,2,3")
	case f.output == "":
		return usagef("an output file is missing: -o out.npy")
	}
	if err := f.engine.checkName("-o", f.output); err != nil {
		return err
	}
	if path, err = a.locate(path); err != nil {
		return err
	}
	if err := checkOutput(f.output, f.engine.force, path); err != nil {
		return err
	}
	f.engine.Context = len(ids)
	m, err := a.openModel(ctx, path, f.engine)
	if err != nil {
		return err
	}
	defer m.close(&err)
	vocab := m.Config().Vocab
	for _, id := range ids {
		if int(id) >= vocab {
			return fmt.Errorf("token %d is not in the vocabulary, which has the ids 0 to %d", id, vocab-1)
		}
	}
	p := a.newProgress("logits", "tokens")
	defer p.finish()
	return a.writeFile(f.output, outfile.Options{Replace: f.engine.force}, func(w io.Writer) error {
		rows, err := npy.NewWriter(w, len(ids), vocab)
		if err != nil {
			return err
		}
		return m.Logits(ctx, ids, func(i int, logits []float32) error {
			p.update(int64(i+1), int64(len(ids)))
			return rows.Write(logits)
		})
	})
}
