package main

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"st/cmd/internal/report"
	"st/format"
	"st/runtime/experts"
)

//go:embed help/inspect.txt
var inspectHelp string

// inspectFlags say which parts of a file st inspect prints.
type inspectFlags struct {
	tensors, layers, experts, verify, json bool
	layer                                  int // −1: all
	cachePlan                              bool
	trace                                  string       // for cachePlan
	disk                                   experts.Disk // the same
	memory                                 int64        // the same: of the budget
	html                                   string       // file
	force                                  bool         // for html
}

func (a *app) inspectCommand() *cobra.Command {
	var f inspectFlags
	var activity activityFlags
	cmd := &cobra.Command{
		Use:        "inspect MODEL",
		Aliases:    []string{"show"},
		SuggestFor: []string{"info"},
		Short:      "Show what is in a model",
		Long:       strings.TrimSpace(inspectHelp),
		Example: `  st inspect small.stm
  st inspect small.stm --experts --layer 3
  st inspect small.stm --verify
  st inspect SmallThinker-4BA0.6B-Instruct
  st inspect other.gguf --tensors
  st inspect small.stm --cache-plan --trace small.trace
  st inspect small.stm --html small.html --run --text novel.txt
  st inspect small.stm --json | jq .parameters
  st inspect small.stm --run --text novel.txt --ctx 2048
  st inspect small.stm --run --text novel.txt --json > novel.json
  st inspect --compare novel.json code.json`,
		Args: activity.arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := activity.check(cmd.Flags()); err != nil {
				return err
			}
			if activity.asked() && f.html == "" {
				return a.inspectActivity(cmd.Context(), args, &activity, f.layer, f.json)
			}
			if err := f.check(cmd.Flags()); err != nil {
				return err
			}
			if f.cachePlan && !activity.run {
				f.memory = activity.engine.Memory
			}
			return a.inspectModel(cmd.Context(), args[0], f, &activity)
		},
	}
	f.add(cmd.Flags())
	activity.add(cmd.Flags())
	return completesModels(cmd, 1)
}

func (f *inspectFlags) add(flags *pflag.FlagSet) {
	f.layer = -1
	flags.BoolVar(&f.tensors, "tensors", false, "list the tensors and where they lie")
	flags.BoolVar(&f.layers, "layers", false, "statistics of the weights, by layer")
	flags.BoolVar(&f.experts, "experts", false, "statistics of the weights, by expert")
	flags.Var(intFlag{&f.layer, 0, 1 << 20}, "layer", "only layer `N`, with --tensors, --layers or --experts")
	flags.Lookup("layer").DefValue = "" // all layers, for which there is no number
	flags.BoolVar(&f.verify, "verify", false, "read the whole file and check every record")
	flags.BoolVar(&f.cachePlan, "cache-plan", false, "predict speed by --memory")
	flags.Var(fileFlag{&f.trace}, "trace", "`file` with the experts that tokens chose, for --cache-plan")
	flags.Var(rateFlag{&f.disk.Bandwidth}, "disk-bandwidth", "`SIZE` that the disk reads in a second, for --cache-plan; not given: it is measured")
	flags.Var(delayFlag{&f.disk.Latency}, "disk-latency", "`TIME` from a read to its first byte, such as 100us; not given: it is measured")
	flags.Var(intFlag{&f.disk.Queue, 1, 1 << 16}, "disk-queue", "`N` reads in flight, at most; not given: as many as st has")
	flags.Lookup("disk-queue").DefValue = ""
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	flags.Var(textFlag{fileFlag{&f.html}}, "html", "write everything to `file`, a page for a browser; -: standard output")
	addForceFlag(flags, &f.force)
}

// check finds flags that do not go together.
func (f *inspectFlags) check(flags *pflag.FlagSet) error {
	disk := changedFlag(flags, "disk-bandwidth", "disk-latency", "disk-queue")
	switch {
	case f.force && f.html == "":
		return usagef("--force is for --html")
	case f.trace != "" && !f.cachePlan && f.html == "":
		return usagef("--trace is for --cache-plan")
	case disk != "" && !f.cachePlan:
		return usagef("--%s is for --cache-plan", disk)
	case flags.Changed("layer") && !f.tensors && !f.layers && !f.experts:
		return usagef("--layer restricts --tensors, --layers or --experts: give one of them")
	}
	return nil
}

// inspectModel shows what the flags say of a file, or writes the page of it.
func (a *app) inspectModel(ctx context.Context, arg string, f inspectFlags, activity *activityFlags) error {
	path, err := a.locateAny(arg)
	if err != nil {
		return err
	}
	if report.IsOther(path) {
		return a.inspectCheckpoint(path, f)
	}
	r, err := format.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	if f.layer >= r.Config.Layers {
		return fmt.Errorf("--layer %d: %s has layers 0 to %d", f.layer, r.Path(), r.Config.Layers-1)
	}
	if f.html != "" {
		return a.inspectPage(ctx, r, f, activity)
	}
	return a.inspect(ctx, r, f)
}
