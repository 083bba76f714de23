package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"st/runtime/activity"
)

// activityFlags are those of st inspect --run and --compare.
type activityFlags struct {
	run, compare bool
	text, prompt string
	window       int
	engine       engineFlags
}

const activityHelp = `

--run runs the model over a text (--text or -p), in windows of --ctx tokens that each begin anew, and tells what its experts do:
  entropy                  of the layer's distribution of uses over experts; even use would give the number behind it
  50 %, 80 %, 95 %         the fewest experts that have so many of the uses: what a cache has to hold
  kept                     share of a token's experts that the token before used; by chance: if tokens chose independently
  neurons                  share of a chosen expert's neurons that are active, over tokens and their experts
  pairs                    experts of a layer that tokens choose together, and how often, over what chance would bring (lift)
--layer shows a row for each expert of one layer. --memory, --threads and --kv-type are as in st generate.

--compare A.json B.json tells how two runs differ, of two texts or of two files of one model; both were written by --run --json:
  variation                share of the uses that go to other experts; by chance: what texts of this length differ by anyway
  JS                       Jensen-Shannon divergence of the distributions of uses, in bits, 0 to 1
  same 50 %, 80 %, 95 %    what the experts that have so many of the uses have in common: of both, over of either
Formulas are in the documentation of package runtime/activity.

--run --json prints one object:
  report, version          "activity", 1
  model, text, ctx         where it comes from
  tokens, windows
  shape                    layers, experts (of a layer), top_k (chosen by a token), neurons (of an expert)
  hot_set                  experts of all layers that have most uses: uses_50, uses_80, uses_95
  density                  active neurons: mean, min, q25, median, q75, q95, max; 0 to 1
  layers[]                 layer, entropy_bits, max_entropy_bits, locality, locality_by_chance, hot_set, density, and
    experts[]              expert, uses, frequency (uses / tokens), mean_weight (of the router, when chosen), density (mean),
                           partner (the expert of the strongest pair with it; −1: none), partner_lift
    pairs[]                the strongest ten: experts[2], together (tokens), expected, lift
--compare --json prints one object:
  report, version          "activity comparison", 1
  a, b                     model, text, tokens, density
  shape
  total_variation, total_variation_by_chance, jensen_shannon_bits   means of the layers
  hot_overlap              uses_50, uses_80, uses_95; 0 to 1
  density_difference       mean of b − mean of a
  changed[]                ten experts: layer, expert, frequency_a, frequency_b, frequency_difference
  layers[]                 layer, the same as above, experts[] (as changed[], all of them)`

const activityExample = `
  st inspect small.stm --run --text novel.txt --ctx 2048
  st inspect small.stm --run --text novel.txt --json > novel.json
  st inspect --compare novel.json code.json`

func (f *activityFlags) add(flags *pflag.FlagSet) {
	f.window = defaultWindow
	flags.BoolVar(&f.run, "run", false, "run the model over a text, and tell what its experts do")
	flags.StringVar(&f.text, "text", "", "`file` with the text for --run; -: standard input")
	flags.StringVarP(&f.prompt, "prompt", "p", "", "`text` for --run; -: standard input")
	flags.Var(intFlag{&f.window, minWindow, math.MaxInt32}, "ctx", "`N` tokens in a window of --run")
	addKVTypeFlag(flags, &f.engine.KVType)
	addMemoryFlag(flags, &f.engine.Memory)
	addThreadsFlag(flags, &f.engine.Threads, physicalCores)
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
		case !f.run && slices.Contains(runFlags, given.Name):
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
	return nil
}

// inspectActivity is st inspect --run and --compare.
func (a *app) inspectActivity(ctx context.Context, args []string, f *activityFlags, layer int, asJSON bool) (err error) {
	view := activityView{a.stdout, a.screen(), heatStrip{a.screen().color}}
	if f.compare {
		c, err := compareFiles(args[0], args[1], layer)
		switch {
		case err != nil:
			return err
		case asJSON:
			return a.printJSON(c)
		case layer >= 0:
			view.compareLayer(c, layer)
		default:
			view.compare(c)
		}
		return nil
	}
	r, err := a.runActivity(ctx, args[0], f, layer)
	switch {
	case err != nil:
		return err
	case asJSON:
		return a.printJSON(r)
	case layer >= 0:
		view.layer(r, &r.Layers[layer])
	default:
		view.report(r)
	}
	return nil
}

// runActivity runs a model over a text. The layer, if it is not −1, must be one of the model's.
func (a *app) runActivity(ctx context.Context, path string, f *activityFlags, layer int) (r *activity.Report, err error) {
	text, from, file := f.prompt, "prompt", f.text
	if text == "-" {
		file = "-"
	}
	if file != "" {
		if text, err = a.readAll(ctx, file); err != nil {
			return nil, err
		}
		from = inputName(file)
	}
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%s is not a text: it holds bytes that are not UTF-8", from)
	}
	m, err := a.openTextModel(path, f.engine)
	if err != nil {
		return nil, err
	}
	defer m.close(&err)
	c := m.engine.Config()
	tokens := m.encode(text)
	switch {
	case layer >= c.Layers:
		return nil, fmt.Errorf("--layer %d: %s has layers 0 to %d", layer, path, c.Layers-1)
	case len(tokens) == 0:
		return nil, errors.New("the text is empty: there is nothing to run")
	}
	window := min(f.window, m.engine.Context())
	if window < f.window && len(tokens) > window {
		a.note("note: windows of %d tokens, which is the model's context", window)
	}
	collector := activity.NewCollector(activity.Shape{Layers: c.Layers, Experts: c.MoE.Experts, TopK: c.MoE.ExpertsPerToken, Neurons: c.MoE.ExpertFFN})
	m.engine.ObserveExperts(collector)
	bar := a.newProgress("run", "tokens")
	err = m.runWindows(ctx, tokens, window, func(done int) {
		collector.EndSequence()
		bar.update(int64(done), int64(len(tokens)))
	})
	bar.finish()
	if err != nil {
		return nil, err
	}
	if r, err = collector.Report(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Model, r.Text, r.Context = path, from, window
	return r, nil
}
