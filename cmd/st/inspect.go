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
}

func (a *app) inspectCommand() *cobra.Command {
	f := inspectFlags{layer: -1}
	cmd := &cobra.Command{
		Use:   "inspect model.stm",
		Short: "Show what is in an .stm file",
		Long: `Show what is in an .stm file: architecture, sizes, tokenizer, generation defaults and where it came from.

Only the header is read, unless --verify is given. --tensors, --layers, --experts and --verify print their own part
instead of the summary, and combine.

--json prints one object with the summary and, where the flags ask for them, tensors, layers, experts and verify:
  file, file_bytes, format_version
  architecture             the model's sizes and layouts
  parameters               total; active_per_token and active_without_head (attention, norms, routers and the experts
                           chosen for a token, with and without the head; the embedding lookup reads one row)
  types[]                  type, bits_per_weight, tensors, parameters, bytes
  sizes[]                  class, bytes, share
  kv_cache[]               context, f32_bytes, f16_bytes, q8_0_bytes (a sliding layer keeps its window only)
  tokenizer                kind, vocab_size, add_bos, special_tokens[] (id, token); null if there is none
  chat_template            whether there is one
  generation               defaults of the checkpoint; those it does not give are absent
  provenance               tool, options, sources[] (name, bytes, sha256), notes[]
  tensors[]                name, shape, type, layout, transposed, bytes, offset, layer, expert (−1: none)
  layers[]                 layer, position (rope, nope), window (0: all), attention_bytes, experts_bytes,
                           attention_types[], expert_types[]
  experts[]                layer, expert, offset, bytes, types (gate, up, down)
  verify                   ok, records, bytes, damaged[]
  cache_plan               source, tokens, context, disk_bytes_per_second, memory_bytes_per_second, experts, plans[]
                           (memory_bytes, experts, hit_rate, hit_rate_bound, bytes_read_per_token,
                           tokens_per_second_at_most)

--cache-plan helps to choose --memory: for budgets from the smallest to the one that holds all experts, how many uses would find
their expert in memory, by a --trace that st generate, bench or eval wrote, or else by what --record-experts counted in the
file; "at best" is a cache that knows the future. tokens/s is what disk and memory, which are measured, allow at most.`,
		Example: `  st inspect small.stm
  st inspect small.stm --experts --layer 3
  st inspect small.stm --verify
  st inspect small.stm --cache-plan --trace small.trace
  st inspect small.stm --json | jq .parameters`,
		Args: arguments("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.trace != "" && !f.cachePlan {
				return usagef("--trace is for --cache-plan")
			}
			if cmd.Flags().Changed("layer") && !f.tensors && !f.layers && !f.experts {
				return usagef("--layer restricts --tensors, --layers or --experts: give one of them")
			}
			r, err := format.Open(args[0])
			if err != nil {
				return err
			}
			defer r.Close()
			if f.layer >= r.Config.Layers {
				return fmt.Errorf("--layer %d: %s has layers 0 to %d", f.layer, r.Path(), r.Config.Layers-1)
			}
			return a.inspect(cmd.Context(), r, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.tensors, "tensors", false, "list the tensors")
	flags.BoolVar(&f.layers, "layers", false, "list the layers")
	flags.BoolVar(&f.experts, "experts", false, "list the expert records")
	flags.Var(intFlag{&f.layer, 0, 1 << 20}, "layer", "list layer `N` only")
	flags.Lookup("layer").DefValue = "" // all layers, for which there is no number
	flags.BoolVar(&f.verify, "verify", false, "read the whole file and check every record")
	flags.BoolVar(&f.cachePlan, "cache-plan", false, "predict speed by --memory")
	flags.StringVar(&f.trace, "trace", "", "`file` with the experts that tokens chose, for --cache-plan")
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
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
	if !f.json {
		if f == (inspectFlags{layer: -1}) {
			report.print(a.stdout)
			return nil
		}
		report.printLists(a.stdout)
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
		v.Damaged = append(v.Damaged, strings.TrimPrefix(err.Error(), r.Path()+": "))
	}
	v.OK = len(errs) == 0
	return v, nil
}
