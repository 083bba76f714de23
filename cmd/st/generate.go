package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"st/runtime"
	"st/runtime/engine"
	"st/runtime/kernel"
	"st/tokenizer"
)

// generateFlags are the flags of st generate.
type generateFlags struct {
	prompt, file, system string
	limit                int
	chat, stats, json    bool
	stops                []string
	sampler              runtime.SamplerOptions
	engine               engineFlags
}

// generateReport is what st generate --json prints.
type generateReport struct {
	Text            string  `json:"text"`
	StopReason      string  `json:"stop_reason"`
	PromptTokens    int     `json:"prompt_tokens"`
	GenTokens       int     `json:"gen_tokens"`
	Tokens          []int32 `json:"tokens"`
	Context         int     `json:"context"`
	Seed            uint64  `json:"seed"`
	Threads         int     `json:"threads"`
	ISA             string  `json:"isa"`
	LoadSeconds     float64 `json:"load_seconds"`
	FirstToken      float64 `json:"time_to_first_token_seconds"`
	PromptPerSecond float64 `json:"prompt_tokens_per_second"`
	GenPerSecond    float64 `json:"gen_tokens_per_second"`
	NeuronDensity   float64 `json:"neuron_density"`
	ModelBytes      int64   `json:"model_bytes"`
	KVBytes         int64   `json:"kv_bytes"`
	PeakRSSBytes    int64   `json:"peak_rss_bytes"`
	residencyReport
}

func (a *app) generateCommand() *cobra.Command {
	var f generateFlags
	cmd := &cobra.Command{
		Use:   "generate model.stm -p PROMPT",
		Short: "Continue a text, or answer in a chat",
		Long: `Continue a prompt, which comes from -p, from a file (-f), or from standard input (-p - or neither), less one newline at its
end. The prompt itself is not printed. With --chat the prompt is a message, written the way the model's chat template has
it; without a prompt, in a terminal, --chat starts a conversation.

Sampling flags that are not given are what the model's generation defaults say (st inspect shows them), and else those
below. The same seed with the same flags gives the same text on one machine, with any number of threads and any --memory.

--json prints one object instead of the text:
  text, tokens             the text, and its token ids
  stop_reason              eos, stop (a --stop string), length (-n), context (full) or interrupted
  prompt_tokens, gen_tokens, prompt_tokens_per_second, gen_tokens_per_second
  time_to_first_token_seconds, load_seconds
  context                  the longest sequence, in tokens, that the run had room for
  seed, threads, isa
  neuron_density           share of the routed experts' neurons that were active
  model_bytes, kv_bytes, peak_rss_bytes
` + residencyHelp,
		Example: `  st generate small.stm -p "Once upon a time" -n 100
  st generate small.stm --chat -p "Why is the sky blue?" --temp 0 --stats
  st generate small.stm --chat --system "Answer in one sentence."
  git log -5 | st generate small.stm --chat --system "Sum this up." --json`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd.Flags(), a.inTerminal, a.outTerminal); err != nil {
				return err
			}
			return a.generate(cmd.Context(), args[0], cmd.Flags(), &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.prompt, "prompt", "p", "", "`text` to continue, or the message with --chat; -: standard input")
	flags.StringVarP(&f.file, "file", "f", "", "`file` with the prompt; -: standard input")
	f.limit = -1
	flags.VarP(intFlag{&f.limit, -1, math.MaxInt}, "predict", "n", "generate up to `N` tokens; -1: until the text ends or the context is full")
	flags.BoolVar(&f.chat, "chat", false, "use the model's chat template")
	flags.StringVar(&f.system, "system", "", "system `message` of the chat")
	addSamplingFlags(flags, &f.sampler)
	flags.StringArrayVar(&f.stops, "stop", nil, "end before this `text`; may be repeated")
	flags.Var(intFlag{&f.engine.Context, 0, math.MaxInt32}, "ctx", "context of `N` tokens, prompt and text; 0: the model's")
	f.engine.add(flags)
	flags.BoolVar(&f.stats, "stats", false, "print speeds and memory to standard error at the end")
	flags.BoolVar(&f.json, "json", false, "print a JSON object instead of the text")
	return cmd
}

// check finds flags that do not go together.
func (f *generateFlags) check(flags *pflag.FlagSet, inTerminal, outTerminal bool) error {
	given := flags.Changed("prompt") || flags.Changed("file")
	switch {
	case flags.Changed("prompt") && flags.Changed("file"):
		return usagef("give the prompt with -p or with -f, not both")
	case flags.Changed("system") && !f.chat:
		return usagef("--system needs --chat")
	case slices.Contains(f.stops, ""):
		return usagef("--stop needs a text")
	case !given && inTerminal && !f.chat:
		return usagef("a prompt is missing: give -p PROMPT or -f FILE, or pipe one in; --chat starts a conversation")
	case !given && inTerminal && (!outTerminal || f.json):
		return usagef("a prompt is missing: give -p PROMPT or -f FILE, or pipe one in")
	}
	return nil
}

func (a *app) generate(ctx context.Context, path string, flags *pflag.FlagSet, f *generateFlags) (err error) {
	conversation := f.chat && a.inTerminal && !flags.Changed("prompt") && !flags.Changed("file")
	text := f.prompt
	if !conversation && (!flags.Changed("prompt") || text == "-") {
		from := "-"
		if flags.Changed("file") {
			from = f.file
		}
		if text, err = a.readAll(ctx, from); err != nil {
			return err
		}
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r") // echo and editors add them
	}
	m, err := a.openTextModel(path, f.engine)
	if err != nil {
		return err
	}
	defer m.close(&err)
	g := &generator{model: m, session: newSession(m.engine), stops: f.stops, limit: f.limit,
		progress: func() *progress { return a.newProgress("prompt", "tokens") }}
	f.sampler = sampling(flags, f.sampler, &m.reader.Generation)
	if g.sampler, err = runtime.NewSampler(f.sampler); err != nil {
		return fmt.Errorf("%s: its default %w", path, err)
	}
	if conversation {
		return a.converse(ctx, g, f)
	}
	prompt, err := promptTokens(ctx, m, text, f)
	if err != nil {
		return err
	}
	emit := func(piece string) { fmt.Fprint(a.stdout, piece) }
	if f.json {
		emit = func(string) {}
	}
	c, err := g.run(ctx, prompt, emit)
	if err != nil {
		return err
	}
	if f.json {
		err = a.printJSON(newGenerateReport(g, c, f))
	} else {
		fmt.Fprintln(a.stdout)
	}
	if f.stats {
		a.printStats(g, c, f)
	}
	if c.stopReason == stopInterrupted {
		return ctx.Err()
	}
	return err
}

// promptTokens returns what the model is given for a prompt.
func promptTokens(ctx context.Context, m *model, text string, f *generateFlags) ([]int32, error) {
	if f.chat {
		template, err := chatTemplate(m)
		if err != nil {
			return nil, err
		}
		rendered, err := template.render(ctx, append(systemMessage(f.system), tokenizer.Message{Role: "user", Content: text}))
		if err != nil {
			return nil, err
		}
		return m.tok.Encode(rendered, true), nil
	}
	ids := m.encode(text)
	if len(ids) == 0 {
		bos, ok := m.bos()
		if !ok {
			return nil, errors.New("the prompt is empty, and the model has no token that begins a text")
		}
		ids = []int32{bos}
	}
	return ids, nil
}

func newGenerateReport(g *generator, c *completion, f *generateFlags) generateReport {
	stats := g.model.engine.Stats()
	return generateReport{
		Text: c.text, StopReason: c.stopReason, PromptTokens: c.promptTokens, GenTokens: len(c.ids),
		Tokens: append([]int32{}, c.ids...), Context: g.model.engine.Context(), Seed: f.sampler.Seed, Threads: g.model.engine.Threads(), ISA: kernel.ISA(),
		LoadSeconds: g.model.loadTime.Seconds(), FirstToken: c.firstToken.Seconds(),
		PromptPerSecond: c.promptSpeed, GenPerSecond: c.tokenSpeed, NeuronDensity: stats.NeuronDensity,
		ModelBytes: stats.ModelBytes, KVBytes: g.session.KVBytes(), PeakRSSBytes: peakRSS(),
		residencyReport: newResidencyReport(g.model.engine, engine.Stats{}),
	}
}

// printStats prints speeds and memory for a person.
func (a *app) printStats(g *generator, c *completion, f *generateFlags) {
	r := newGenerateReport(g, c, f)
	w := a.stderr
	fmt.Fprintf(w, "load       %s, %s of weights, %s, %s\n", g.model.loadTime.Round(time.Millisecond), size(r.ModelBytes), plural(r.Threads, "thread"), r.ISA)
	fmt.Fprintf(w, "prompt     %s, %.1f tokens/s, first token after %s\n", plural(r.PromptTokens, "token"), r.PromptPerSecond, c.firstToken.Round(time.Millisecond))
	fmt.Fprintf(w, "generated  %s, %.1f tokens/s, ended by %s\n", plural(r.GenTokens, "token"), r.GenPerSecond, r.StopReason)
	fmt.Fprintf(w, "memory     peak %s, KV cache %s\n", size(r.PeakRSSBytes), size(r.KVBytes))
	r.residencyReport.print(w)
	fmt.Fprintf(w, "neurons    %.1f %% active\n", 100*r.NeuronDensity)
	fmt.Fprintf(w, "seed       %d\n", r.Seed)
}
