package main

import (
	"math"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"st/runtime/eval"
)

// activityFlags are those of st inspect --run and --compare.
type activityFlags struct {
	run, compare bool
	text, prompt string
	window       int
	engine       engineFlags
}

func (f *activityFlags) add(flags *pflag.FlagSet) {
	f.window = defaultWindow
	flags.BoolVar(&f.run, "run", false, "run the model over a text, and tell what its experts do")
	flags.StringVar(&f.text, "text", "", "`file` with the text for --run; -: standard input")
	flags.StringVarP(&f.prompt, "prompt", "p", "", "`text` for --run; -: standard input")
	flags.Var(intFlag{&f.window, eval.MinWindow, math.MaxInt32}, "ctx", "`N` tokens in a window of --run")
	addKVTypeFlag(flags, &f.engine.KVType)
	addMemoryFlag(flags, &f.engine.Memory, &f.engine.auto)
	addAutoThreadsFlag(flags, &f.engine.Threads)
	flags.BoolVar(&f.compare, "compare", false, "compare two reports of --run --json")
}

func (f *activityFlags) asked() bool { return f.run || f.compare }

// arguments are a model, or two reports to compare.
func (f *activityFlags) arguments(cmd *cobra.Command, args []string) error {
	if f.compare {
		return arguments("A.json", "B.json")(cmd, args)
	}
	return arguments("MODEL")(cmd, args)
}

var (
	runFlags      = []string{"text", "prompt", "ctx", "kv-type", "memory", "threads"}
	commonFlags   = []string{"json", "layer", "quiet"}
	runAllows     = slices.Concat([]string{"run"}, runFlags, commonFlags)
	pageAllows    = slices.Concat([]string{"html", "force", "cache-plan", "trace"}, runAllows)
	compareAllows = slices.Concat([]string{"compare"}, commonFlags)
)

// check finds flags that do not go together.
func (f *activityFlags) check(flags *pflag.FlagSet) (err error) {
	allows := runAllows
	if flags.Changed("html") {
		allows = pageAllows
	}
	flags.Visit(func(given *pflag.Flag) {
		switch {
		case f.run && !slices.Contains(allows, given.Name):
			err = usagef("--run and --%s exclude each other", given.Name)
		case f.compare && !slices.Contains(compareAllows, given.Name):
			err = usagef("--compare and --%s exclude each other", given.Name)
		case !f.run && slices.Contains(runFlags, given.Name) && !(given.Name == "memory" && flags.Changed("cache-plan")):
			err = usagef("--%s is for --run", given.Name)
		}
	})
	text, prompt := flags.Changed("text"), flags.Changed("prompt")
	switch {
	case err != nil:
		return err
	case f.asked() && flags.Changed("json") && flags.Changed("layer"):
		return usagef("--json tells of all layers: leave out --layer")
	case f.run && !text && !prompt:
		return usagef("a text is missing: --text FILE or -p PROMPT")
	case text && prompt:
		return usagef("give the text with --text or with -p, not both")
	}
	return checkArgument("--prompt", f.prompt)
}
