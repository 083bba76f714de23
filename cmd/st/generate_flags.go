package main

import (
	"math"
	"slices"

	"github.com/spf13/pflag"

	"st/runtime"
)

// generateFlags are the flags of st generate and st run.
type generateFlags struct {
	prompt, file, system string
	suffix               string // what comes after a gap
	session, promptCache string // a kept conversation, a file with the prompt's KV cache
	limit                int
	chat, stats, json    bool
	stops                []string
	lookup               runtime.Lookup
	sampling             samplingFlags
	grammar              grammarFlags
	engine               engineFlags
}

// add adds the flags that st generate and st run have in common.
func (f *generateFlags) add(flags *pflag.FlagSet) {
	f.limit = -1
	flags.VarP(intFlag{&f.limit, -1, math.MaxInt}, "predict", "n", "generate up to `N` tokens; -1: until the text ends or the context is full")
	flags.StringVar(&f.system, "system", "", "system `message` of the chat")
	f.sampling.add(flags)
	flags.StringArrayVar(&f.stops, "stop", nil, "end before this `text`; may be repeated")
	f.grammar.add(flags)
	addLookupFlag(flags, &f.lookup)
	flags.Var(intFlag{&f.engine.Context, 0, math.MaxInt32}, "ctx", "context of `N` tokens, prompt and text; 0: the model's")
	f.engine.add(flags)
	addSparseHeadFlag(flags, &f.engine.SparseHead)
	flags.BoolVar(&f.stats, "stats", false, "print speeds and memory to standard error at the end")
	flags.BoolVar(&f.json, "json", false, "print a JSON object instead of the text")
}

// check finds flags that do not go together. given tells whether there is a prompt.
func (f *generateFlags) check(flags *pflag.FlagSet, given, inTerminal, outTerminal bool) error {
	switch {
	case flags.Changed("prompt") && flags.Changed("file"):
		return usagef("give the prompt with -p or with -f, not both")
	case flags.Changed("system") && !f.chat:
		return usagef("--system needs --chat")
	case f.suffix != "" && f.chat:
		return usagef("--suffix and --chat do not go together: a chat has no gap to fill")
	case f.promptCache != "" && !given && inTerminal:
		return usagef("--prompt-cache needs a prompt: st run --session keeps a conversation")
	case flags.Changed("file") && f.file == "":
		return usagef("--file needs a name")
	case flags.Changed("session") && !sessionName.MatchString(f.session):
		return usagef("--session %q: a name has letters, digits, dots, dashes and underscores, and begins with one of the first two", f.session)
	case slices.Contains(f.stops, ""):
		return usagef("--stop needs a text")
	case !given && inTerminal && !f.chat:
		return usagef("a prompt is missing: give -p PROMPT or -f FILE, or pipe one in; --chat starts a conversation")
	case !given && inTerminal && (!outTerminal || f.json) && flags.Lookup("prompt") == nil: // st run
		return usagef("a prompt is missing: give PROMPT after the model, or pipe one in")
	case !given && inTerminal && (!outTerminal || f.json):
		return usagef("a prompt is missing: give -p PROMPT or -f FILE, or pipe one in")
	}
	texts := [][2]string{{"--prompt", f.prompt}, {"--suffix", f.suffix}, {"--system", f.system}}
	for _, stop := range f.stops {
		texts = append(texts, [2]string{"--stop", stop})
	}
	for _, t := range texts {
		if err := checkArgument(t[0], t[1]); err != nil {
			return err
		}
	}
	if err := f.engine.checkName("--prompt-cache", f.promptCache); err != nil {
		return err
	}
	if err := f.engine.checkForce(); err != nil {
		return err
	}
	return f.grammar.check(flags)
}

// options returns what the flags say about a text.
func (f *generateFlags) options() runtime.Generate {
	g := runtime.Generate{MaxTokens: f.limit, Stop: f.stops, Lookup: f.lookup}
	switch f.limit {
	case -1:
		g.MaxTokens = 0 // as many as there is room for
	case 0:
		g.MaxTokens = -1
	}
	f.sampling.set(&g)
	return g
}
