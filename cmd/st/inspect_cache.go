package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"st/format"
	"st/runtime"
	"st/runtime/cache"
)

// cacheReport is what st inspect --cache-plan prints.
type cacheReport struct {
	Source       string              `json:"source"` // of what is known of the experts
	Tokens       int64               `json:"tokens"`
	Context      int                 `json:"context"`
	DiskSpeed    float64             `json:"disk_bytes_per_second"`
	MemorySpeed  float64             `json:"memory_bytes_per_second"`
	Plans        []runtime.CachePlan `json:"plans"`
	ExpertNumber int                 `json:"experts"`
}

// planContext is the context that budgets are planned for, if the model's is not shorter.
const planContext = 4096

// planCache predicts how a model runs within budgets from the smallest to the one that holds it all.
func (a *app) planCache(ctx context.Context, r *format.Reader, tracePath string) (*cacheReport, error) {
	c := &r.Config
	report := &cacheReport{Context: min(planContext, c.Context), ExpertNumber: c.Layers * c.Experts}
	var trace *cache.Trace
	usage, err := r.Usage()
	switch {
	case tracePath != "":
		f, err := os.Open(tracePath)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", tracePath, cause(err))
		}
		defer f.Close()
		if trace, err = cache.ReadTrace(f); err != nil {
			return nil, fmt.Errorf("%s: %w", tracePath, err)
		}
		report.Source, report.Tokens = tracePath, int64(len(trace.Tokens))
	case err != nil:
		return nil, err
	case usage == nil:
		return nil, fmt.Errorf("nothing is known of the experts that %s uses: give a --trace, which st generate --trace FILE writes, or run st generate with --record-experts first", r.Path())
	default:
		report.Source, report.Tokens = "recorded usage", usage.Tokens
	}
	if report.DiskSpeed, err = runtime.DiskSpeed(ctx, r); err != nil {
		return nil, err
	}
	speeds, err := runtime.Bandwidth(ctx, runtime.PhysicalCores())
	if err != nil {
		return nil, err
	}
	report.MemorySpeed = speeds[0]
	opts := runtime.Options{Context: report.Context, Other: residentBytes()}
	report.Plans, err = runtime.PlanCache(r, opts, trace, usage, runtime.Budgets(r, opts), report.DiskSpeed, report.MemorySpeed)
	return report, err
}

func (c *cacheReport) print(w io.Writer) {
	fmt.Fprintf(w, "by %s of %s; context %d; experts are read at %.0f MB/s here, memory at %.1f GB/s\n\n", c.Source, plural(int(c.Tokens), "token"),
		c.Context, c.DiskSpeed/1e6, c.MemorySpeed/1e9)
	t := newTable(">--memory", ">experts kept", ">of all", ">found", ">at best", ">read a token", ">tokens/s, at most")
	for _, p := range c.Plans {
		bound := "–"
		if p.Bound > 0 {
			bound = fmt.Sprintf("%.1f %%", 100*p.Bound)
		}
		t.AppendRow([]any{fmt.Sprintf("%dMiB", (p.Memory+(1<<20)-1)>>20), p.Experts, fmt.Sprintf("%.0f %%", 100*float64(p.Experts)/float64(c.ExpertNumber)),
			fmt.Sprintf("%.1f %%", 100*p.HitRate), bound, size(int64(p.BytesPerToken)), fmt.Sprintf("%.1f", p.TokensPerSecond)})
	}
	printTable(w, t)
}
