package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"st/cmd/internal/terminal"
	"st/runtime"
)

// app is what the subcommands share.
type app struct {
	stdin  io.Reader
	stdout *output
	stderr io.Writer
	// inTerminal, outTerminal and errTerminal tell whether a person is at the other end of the three streams.
	inTerminal, outTerminal, errTerminal bool

	quiet      bool
	started    bool  // the command line was understood, a command runs
	unknown    error // the help of what is no command was asked for
	interrupts *interrupts
	program    func() int64 // what the program takes of a budget, as it was when that was first asked for: who asks twice has one answer
}

// run runs one command line and returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return runContext(context.Background(), args, stdin, stdout, stderr)
}

func runContext(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	interrupts := &interrupts{}
	ctx, cancel, stop := interrupts.watch(ctx)
	defer stop()
	defer cancel()
	a := &app{
		stdin: stdin, stdout: &output{w: stdout, onError: cancel}, stderr: stderr,
		inTerminal: isTerminal(stdin), outTerminal: isTerminal(stdout), errTerminal: isTerminal(stderr),
		interrupts: interrupts, program: sync.OnceValue(runtime.ProgramMemory),
	}
	defer func() {
		if r := recover(); r != nil {
			code = a.failPanic(r, debug.Stack())
		}
	}()
	cmd, err := a.execute(ctx, args)
	return a.exitCode(ctx, cmd, err)
}

// execute runs one command line and returns the command that it named.
func (a *app) execute(ctx context.Context, args []string) (*cobra.Command, error) {
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return cmd, cmp.Or(err, a.unknown)
}

// exitCode reports the outcome of a command on standard error.
func (a *app) exitCode(ctx context.Context, cmd *cobra.Command, err error) int {
	var usage *usageError
	switch {
	case isClosedPipe(a.stdout.err):
		return exitOK // the reader has seen enough, as in "st inspect model.stm --tensors | head -1"
	case a.stdout.err != nil:
		return a.fail(fmt.Errorf("write to standard output: %w", cause(a.stdout.err)))
	case err == nil:
		return exitOK
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(a.stderr, "st: interrupted")
		return exitInterrupted
	case !a.started || errors.As(err, &usage):
		a.fail(err)
		fmt.Fprintf(a.stderr, "run '%s --help' for usage\n", cmd.CommandPath())
		return exitUsage
	}
	return a.fail(err)
}

// fail prints an error in one line. A terminal does not obey what is in it: parts of it may come from a file.
func (a *app) fail(err error) int {
	fmt.Fprintf(a.stderr, "st: %s\n", terminal.Show(strings.ReplaceAll(strings.TrimSpace(advise(err)), "\n", " ")))
	return exitFailure
}

// failPanic prints in one line what the program panicked with, and then where, for the report of the fault. A panic on another goroutine tells in
// further lines where that was.
func (a *app) failPanic(value any, stack []byte) int {
	what, where, _ := strings.Cut(fmt.Sprint(value), "\n")
	a.fail(fmt.Errorf("internal error: %s", what))
	if where = strings.TrimSpace(where); where != "" {
		where += "\n\n"
	}
	fmt.Fprintf(a.stderr, "\n%s%s", terminal.Show(where), stack)
	return exitFailure
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "st",
		Short: "Convert and run language models on a weak machine",
		Long: `st runs language models on the CPU, mixtures of experts above all: SmallThinker, Qwen3, Gemma 3, Gemma 3n, Phi-3 and Phi-4. It converts
checkpoints of Hugging Face, and GGUF files, to .stm files, one self-contained file a model.

Results go to standard output; progress, notes and statistics go to standard error.
Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.`,
		Example: `  st run Tiiny/SmallThinker-4BA0.6B-Instruct "Why is the sky blue?"
  st list
  st convert SmallThinker-4BA0.6B-Instruct -o small.stm
  st inspect small.stm
  st run small.stm "Why is the sky blue?"`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownCommand(cmd, args[0])
		},
		PersistentPreRun:           func(*cobra.Command, []string) { a.started = true },
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("st {{.Version}}\n")
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "print no progress and no notes")
	root.AddCommand(
		a.pullCommand(),
		a.convertCommand(),
		a.quantizeCommand(),
		a.exportCommand(),
		a.calibrateCommand(),
		a.inspectCommand(),
		a.diffCommand(),
		a.runCommand(),
		a.listCommand(),
		a.removeCommand(),
		a.copyCommand(),
		a.serveCommand(),
		a.generateCommand(),
		a.benchCommand(),
		a.evalCommand(),
		a.logitsCommand(),
		a.tokenizeCommand(),
		a.demoCommand(),
		a.versionCommand(),
	)
	completeFlags(root)
	root.SetFlagErrorFunc(explainFlag)
	a.setHelp(root)
	addCompletion(root)
	return root
}

// addCompletion adds the command completion. Cobra's own would print its help and succeed whatever shell is named.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.HasSubCommands() {
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// setHelp has help about what is no command be an error: that of --help, and that of the command help.
func (a *app) setHelp(root *cobra.Command) {
	// Cobra looks at --help first, and would answer what is no command with the help of all of them.
	printHelp := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd.HasSubCommands() && cmd.Args != nil {
			if a.unknown = cmd.Args(cmd, cmd.Flags().Args()); a.unknown != nil {
				return
			}
		}
		printHelp(cmd, args)
	})
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [command]",
		Short: "Help about a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("unknown command %q", args[len(args)-len(rest)])
			}
			return about.Help()
		},
	})
}

// note prints a line that is not a result, unless --quiet, as fail prints an error.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintln(a.stderr, terminal.Show(fmt.Sprintf(format, args...)))
	}
}

// printJSON prints a value on one line, as a result.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
