package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"st/testdata"
)

// demoModel names the built-in model and the files made of it.
const demoModel = testdata.TinyDir

func (a *app) demoCommand() *cobra.Command {
	var keep string
	var force bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Convert, inspect and run a tiny model that is built in",
		Long: `Convert, inspect and run a SmallThinker of 5 million parameters that is built into this program. It was trained on
Shakespeare, the King James Bible and presidential addresses, and completes text in their style. Everything happens in a
temporary directory, which is removed.`,
		Example: `  st demo
  st demo --keep .`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.program() // what converting leaves behind is nothing that a command takes which has a process of its own
			dir, err := os.MkdirTemp("", "st-demo-")
			if err != nil {
				return fmt.Errorf("make a temporary directory (TMPDIR says where): %w", err)
			}
			defer os.RemoveAll(dir)
			source := filepath.Join(dir, demoModel)
			if err := unpackDemo(source); err != nil {
				return err
			}
			if keep != "" {
				dir = keep
			}
			return a.demo(cmd.Context(), source, filepath.Join(dir, demoModel+".stm"), force)
		},
	}
	cmd.Flags().StringVar(&keep, "keep", "", "leave the .stm file in `directory`")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file that --keep leaves, if it exists")
	return cmd
}

// unpackDemo writes the built-in checkpoint to a directory.
func unpackDemo(dir string) error {
	files, err := fs.Sub(testdata.Tiny, testdata.TinyDir)
	if err != nil {
		return err
	}
	return os.CopyFS(dir, files)
}

// demo runs the commands that a user would, and shows them.
func (a *app) demo(ctx context.Context, source, target string, force bool) error {
	convert := []string{"convert", source, "-o", target, "--type", "q4_0"}
	if force {
		convert = append(convert, "--force")
	}
	generate := []string{"generate", target, "-p", "To be, or not to be", "-n", "100", "--seed", "1"}
	if !a.quiet {
		generate = append(generate, "--stats")
	}
	for i, args := range [][]string{
		convert,
		{"inspect", target},
		{"inspect", target, "--verify"},
		generate,
	} {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprintln(a.stdout, "$ st "+shellWords(args))
		if a.quiet {
			args = append(args, "--quiet")
		}
		if _, err := a.execute(ctx, args); err != nil {
			return err
		}
	}
	return nil
}

// shellWords writes arguments the way they are typed.
func shellWords(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = arg
		if strings.ContainsAny(arg, " \\'\"$&|<>;()*?") {
			words[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
