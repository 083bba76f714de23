package main

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"st/format"
)

// inspectFlags say which parts of a file st inspect prints.
type inspectFlags struct {
	tensors, layers, experts, verify, json bool
	layer                                  int // −1: all
	cachePlan                              bool
	trace                                  string // for cachePlan
	html                                   string // file
	force                                  bool   // for html
}

func (a *app) inspectCommand() *cobra.Command {
	f := inspectFlags{layer: -1}
	var activity activityFlags
	cmd := &cobra.Command{
		Use:   "inspect model.stm",
		Short: "Show what is in a model",
		Long: `Show what is in an .stm file: architecture, sizes, tokenizer, generation defaults and where it came from.

The summary reads only the header: does the model fit here, where are the bytes, what does a token read. --tensors lists where
every tensor lies in the file. --layers and --experts read the weights of all layers, or of --layer, and tell what they are like:
  rms                root mean square of the weights, about zero; beside the experts' as a strip, to see which stand out
  max/rms            the largest |w|, in RMS of its own matrix
  outliers           share of the weights beyond 6 times the RMS of their own matrix
  scales             smallest and largest magnitude of a block scale, zeros left out
  dead               neurons that can never act: their row of gate, row of up or column of down is zero
  nearest, cosine    the most similar other expert of the layer, by the cosine of all weights of gate, up and down, position by
                     position: finds experts that were made from the same weights, and not those whose neurons are in another
                     order. It is estimated by a random projection to 4096 numbers, so unrelated experts have some too
  alike              pairs of experts whose cosine is above 0.9
--tensors, --layers, --experts, --verify and --cache-plan print their own part instead of the summary, and combine.

Colours appear on a terminal only, and not if NO_COLOR is set or TERM is dumb.

--json prints one object with the summary and, where the flags ask for them, tensors, layers, experts and verify:
  file, file_bytes, format_version
  architecture             the model's sizes and layouts
  parameters               total; active_per_token and active_without_head (attention, norms, routers and the experts
                           chosen for a token, with and without the head; the embedding lookup reads one row)
  bits_per_weight          of all weights in the file, scales counted in
  types[]                  type, bits_per_weight, tensors, parameters, bytes
  sizes[]                  class, bytes, share; for weights parameters, bits_per_weight, types[]
  read_per_token           what a generated token reads if no neuron is skipped: bytes, dense_bytes, expert_bytes (of the
                           experts chosen in every layer), parts[] (class, bytes)
  memory                   available_bytes (0: not known), available_from; needed_bytes (without --memory) with a context of
                           context tokens, and whether it fits; budgets[] (name: smallest, half or all of the experts;
                           memory_bytes, context, experts)
  kv_cache[]               context, f32_bytes, f16_bytes, q8_0_bytes (a sliding layer keeps its window only)
  tokenizer                kind, vocab_size, add_bos, special_tokens[] (id, token); null if there is none
  chat_template            whether there is one
  generation               defaults of the checkpoint; those it does not give are absent
  provenance               tool, options, sources[] (name, bytes, sha256), notes[]
  checked[]                parts of the file that were compared with their checksums
  tensors[]                name, shape, type, layout, transposed, bytes, offset, layer, expert (−1: none)
  layers[]                 layer, position (rope, nope), window (0: all), attention_bytes, experts_bytes,
                           attention_types[], expert_types[], statistics (attention, router, norms, experts, gate, up, down,
                           matrices: each WEIGHTS; expert_rms[], dead_neurons, alike[]: experts[2], cosine, standard_error)
  experts[]                layer, expert, offset, bytes, types (gate, up, down), statistics (all, gate, up, down: WEIGHTS;
                           dead_neurons, nearest: expert, cosine, standard_error; null if there is no other)
  WEIGHTS                  weights, rms, max_abs, max_over_rms, outliers, outlier_share, scale_min, scale_max (0: no
                           scales), zero_rows (as stored), nonfinite (NaN and infinite weights, left out of the rest)
  verify                   ok, records, bytes, damaged[]
  cache_plan               source, tokens, context, disk_bytes_per_second, memory_bytes_per_second, experts, plans[]
                           (memory_bytes, experts, hit_rate, hit_rate_bound, bytes_read_per_token,
                           tokens_per_second_at_most)

--cache-plan helps to choose --memory: for budgets from the smallest to the one that holds all experts, how many uses would find
their expert in memory, by a --trace that st generate, bench or eval wrote, or else by what --record-experts counted in the
file; "at best" is a cache that knows the future. tokens/s, tokens_per_second_at_most in JSON, is an estimate: about what disk and
memory allow, as fast as they were in the seconds in which st inspect measured them.

--html writes everything to one page for a browser, which needs no network: sizes, layers, experts and tensors, with --run what the
experts do on the text, and with --cache-plan, --trace or recorded usage the speeds by --memory.

A checkpoint's directory, a .safetensors file, torch's .bin, an index of shards or a .gguf file in place of the model is shown by its
headers, with --tensors its tensors and with --layers its bytes by layer. --json prints one object then:
  kind, path, files[] (name, bytes), bytes
  architecture             of a SmallThinker's config.json; null if it is none. unsupported tells why
  metadata[]               key, value: of a GGUF file, or of another config.json
  parameters, bits_per_weight, types[], sizes[]   as above
  tensors[]                name, shape, type, parameters, bytes, file` + activityHelp,
		Example: `  st inspect small.stm
  st inspect small.stm --experts --layer 3
  st inspect small.stm --verify
  st inspect SmallThinker-4BA0.6B-Instruct
  st inspect other.gguf --tensors
  st inspect small.stm --cache-plan --trace small.trace
  st inspect small.stm --html small.html --run --text novel.txt
  st inspect small.stm --json | jq .parameters` + activityExample,
		Args: activity.arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := activity.check(cmd.Flags()); err != nil {
				return err
			}
			if activity.asked() && f.html == "" {
				return a.inspectActivity(cmd.Context(), args, &activity, f.layer, f.json)
			}
			if f.force && f.html == "" {
				return usagef("--force is for --html")
			}
			if f.trace != "" && !f.cachePlan && f.html == "" {
				return usagef("--trace is for --cache-plan")
			}
			if cmd.Flags().Changed("layer") && !f.tensors && !f.layers && !f.experts {
				return usagef("--layer restricts --tensors, --layers or --experts: give one of them")
			}
			if isForeign(args[0]) {
				return a.inspectWeights(args[0], f)
			}
			r, err := format.Open(args[0])
			if err != nil {
				return err
			}
			defer r.Close()
			if f.layer >= r.Config.Layers {
				return fmt.Errorf("--layer %d: %s has layers 0 to %d", f.layer, r.Path(), r.Config.Layers-1)
			}
			if f.html != "" {
				return a.inspectPage(cmd.Context(), r, f, &activity)
			}
			return a.inspect(cmd.Context(), r, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.tensors, "tensors", false, "list the tensors and where they lie")
	flags.BoolVar(&f.layers, "layers", false, "statistics of the weights, by layer")
	flags.BoolVar(&f.experts, "experts", false, "statistics of the weights, by expert")
	flags.Var(intFlag{&f.layer, 0, 1 << 20}, "layer", "only layer `N`, with --tensors, --layers or --experts")
	flags.Lookup("layer").DefValue = "" // all layers, for which there is no number
	flags.BoolVar(&f.verify, "verify", false, "read the whole file and check every record")
	flags.BoolVar(&f.cachePlan, "cache-plan", false, "predict speed by --memory")
	flags.Var(fileFlag{&f.trace}, "trace", "`file` with the experts that tokens chose, for --cache-plan")
	activity.add(flags)
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	flags.Var(fileFlag{&f.html}, "html", "write everything to `file`, a page for a browser")
	addForceFlag(flags, &f.force)
	return cmd
}

func (a *app) inspect(ctx context.Context, r *format.Reader, f inspectFlags) error {
	report, err := newFileReport(r)
	if err != nil {
		return err
	}
	if f.tensors {
		report.Tensors = tensorReports(r, f.layer)
	}
	if f.layers {
		report.Layers = layerReports(r, f.layer)
	}
	if f.experts {
		report.Experts = expertReports(r, f.layer)
	}
	if f.layers || f.experts {
		if err := a.addStatistics(ctx, r, report, f.layer); err != nil {
			return err
		}
	}
	if !f.json {
		if f == (inspectFlags{layer: -1}) {
			report.print(a.stdout, a.screen())
			return nil
		}
		report.printLists(a.stdout, a.screen())
	}
	if f.verify {
		if report.Verify, err = a.verify(ctx, r); err != nil {
			return err
		}
		if !f.json {
			report.Verify.print(a.stdout)
		}
	}
	if f.cachePlan {
		if report.CachePlan, err = a.planCache(ctx, r, f.trace); err != nil {
			return err
		}
		if !f.json {
			report.CachePlan.print(a.stdout)
		}
	}
	if f.json {
		if err := a.printJSON(report); err != nil {
			return err
		}
	}
	if v := report.Verify; v != nil && !v.OK {
		return fmt.Errorf("%s is damaged: copy or convert it again", r.Path())
	}
	return nil
}

// verify reads the whole file. The error is about reading being interrupted, not about what was found.
func (a *app) verify(ctx context.Context, r *format.Reader) (*verifyReport, error) {
	v := &verifyReport{Records: len(r.Records()), Damaged: []string{}}
	for _, rec := range r.Records() {
		v.Bytes += rec.Length
	}
	var done atomic.Int64
	p := a.newProgress("verify", "B")
	errs := r.Verify(ctx, goruntime.GOMAXPROCS(0), func(n int64) { p.update(done.Add(n), v.Bytes) })
	p.finish()
	for _, err := range errs {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		if errors.Is(err, format.ErrUsage) {
			a.note("note: %s; the model is intact", advise(err))
			continue
		}
		v.Damaged = append(v.Damaged, strings.TrimPrefix(err.Error(), r.Path()+": "))
	}
	v.OK = len(v.Damaged) == 0
	return v, nil
}
