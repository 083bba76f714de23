package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"st/cmd/internal/report"
	"st/cmd/internal/tables"
	"st/format"
	"st/format/compare"
)

// diffFlags say what st diff prints.
type diffFlags struct {
	top                 int
	all, exitCode, json bool
	threads             int
}

// errDiffer is the outcome of st diff --exit-code.
var errDiffer = errors.New("the files differ")

func (a *app) diffCommand() *cobra.Command {
	f := diffFlags{top: 20}
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show how two .stm files differ",
		Long: `Show how two .stm files differ: in what they say of the model, in which tensors they have, and in the tensors' types, layouts and
numbers. Weights are decoded, so files of different types can be compared, such as one in q4_0 with the bf16 file that it was
made from. Parts that are the same, by the checksums in the files, are not read: st inspect --verify tells whether a file is damaged.

For each tensor and class of tensors:
  relative                 ‖a − b‖ / ‖a‖, of the vectors of all weights
  max                      the largest |a − b|
  cosine                   a·b / (‖a‖·‖b‖)

The exit code is 0 whether or not they differ; with --exit-code it is 1 if they do, in anything but where the files came from.

--json prints one object:
  a, b                     file, file_bytes
  same                     whether they are the same in all but provenance
  meta[]                   what differs: part, field, a, b
  classes[]                class, tensors, changed (how many differ), types_a[], types_b[], bytes_a, bytes_b, values
  tensors[]                those that differ, the most first: name, layer, expert (−1: none), only_in ("a" or "b"), shape_a, shape_b,
                           type_a, type_b, layout_a, layout_b, bytes_a, bytes_b, values
    values                 relative, max_abs, cosine, nonfinite; absent if no numbers were compared`,
		Example: `  st diff model-bf16.stm small.stm
  st diff old.stm new.stm --exit-code -q
  st diff a.stm b.stm --json | jq '.tensors[] | select(.values.relative > 0.1) | .name'`,
		Args: arguments("A", "B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			one, err := a.openFile(args[0])
			if err != nil {
				return err
			}
			defer one.Close()
			two, err := a.openFile(args[1])
			if err != nil {
				return err
			}
			defer two.Close()
			return a.diff(cmd.Context(), one, two, f)
		},
	}
	flags := cmd.Flags()
	flags.Var(intFlag{&f.top, 0, 1 << 30}, "top", "list the `N` tensors that differ most")
	flags.BoolVar(&f.all, "all", false, "list all tensors that differ")
	flags.BoolVar(&f.exitCode, "exit-code", false, "fail if the files differ")
	addThreadsFlag(flags, &f.threads)
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	return completesModels(cmd, 2)
}

func (a *app) diff(ctx context.Context, one, two *format.Reader, f diffFlags) error {
	p := a.newProgress("diff", "B")
	tensors, err := compare.Weights(ctx, one, two, compare.Options{Workers: f.threads, Progress: p.update})
	p.finish()
	if err != nil {
		return err
	}
	d := report.NewDiff(one, two, tensors)
	if f.all {
		f.top = len(d.Tensors)
	}
	if !f.json {
		tables.Diff(a.stdout, a.screen(), d, f.top)
	} else if err := a.printJSON(d); err != nil {
		return err
	}
	if f.exitCode && !d.Same {
		return errDiffer
	}
	return nil
}
