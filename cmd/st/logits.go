package main

import (
	"bufio"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"st/runtime/engine"
)

func (a *app) logitsCommand() *cobra.Command {
	opts := engineFlags{Options: engine.Options{KVType: engine.KVF32}}
	var list, target string
	var force bool
	cmd := &cobra.Command{
		Use:   "logits model.stm --tokens 1,2,3 -o out.npy",
		Short: "Write the logits after every token, for comparison with other engines",
		Long: `Run token ids through the model and write the logits after each of them to a NumPy file: float32 [tokens, vocabulary],
little-endian, in C order. st tokenize tells the ids of a text.`,
		Example: `  st logits small.stm --tokens 9707,11,1879 -o out.npy
  st logits small.stm --tokens "$(st tokenize small.stm 'Hello, world')" -o out.npy --force`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ids, err := parseIDs(list)
			switch {
			case err != nil:
				return usagef("--tokens: %v", err)
			case len(ids) == 0:
				return usagef("token ids are missing: --tokens 1,2,3")
			case target == "":
				return usagef("an output file is missing: -o out.npy")
			case sameName(target, opts.trace):
				return usagef("-o and --trace name the same file")
			}
			if err := checkOutput(target, force, args[0]); err != nil {
				return err
			}
			opts.Context = len(ids)
			m, err := a.openModel(args[0], opts)
			if err != nil {
				return err
			}
			defer m.close(&err)
			return a.writeLogits(cmd.Context(), m, ids, target)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&list, "tokens", "", "token `ids`, separated by commas or spaces (required)")
	flags.StringVarP(&target, "output", "o", "", "`file` to write (required)")
	addForceFlag(flags, &force)
	opts.add(flags)
	return cmd
}

func (a *app) writeLogits(ctx context.Context, m *model, ids []int32, target string) error {
	vocab := m.engine.Config().Vocab
	for _, id := range ids {
		if int(id) >= vocab {
			return fmt.Errorf("token %d is not in the vocabulary, which has the ids 0 to %d", id, vocab-1)
		}
	}
	p := a.newProgress("logits", "tokens")
	defer p.finish()
	return writeFile(target, func(w *bufio.Writer) error {
		w.Write(npyHeader(len(ids), vocab)) // a bufio.Writer keeps its error
		floats := floatWriter{w: w}
		return newSession(m.engine).ForwardAll(ctx, ids, func(i int, logits []float32) error {
			p.update(int64(i+1), int64(len(ids)))
			return floats.write(logits)
		})
	})
}
