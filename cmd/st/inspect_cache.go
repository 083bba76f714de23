package main

import (
	"context"
	"fmt"
	"io"
	"os"
	goruntime "runtime"

	"st/format"
	"st/runtime/engine"
	"st/runtime/experts"
	"st/tokenizer"
)

// cacheReport is what st inspect --cache-plan prints.
type cacheReport struct {
	Source       string             `json:"source"` // of what is known of the experts
	Tokens       int64              `json:"tokens"`
	Context      int                `json:"context"`
	DiskSpeed    float64            `json:"disk_bytes_per_second"`
	MemorySpeed  float64            `json:"memory_bytes_per_second"`
	Plans        []engine.CachePlan `json:"plans"`
	ExpertNumber int                `json:"experts"`
}

// planContext is the context that budgets are planned for, if the model's is not shorter.
const planContext = 4096

// planCache predicts how a model runs within budgets from the smallest to the one that holds it all.
func (a *app) planCache(ctx context.Context, r *format.Reader, tracePath string) (*cacheReport, error) {
	c := &r.Config
	report := &cacheReport{Context: min(planContext, c.Context), ExpertNumber: c.ExpertCount()}
	opts := engine.Options{Context: report.Context}
	var err error
	if opts.Other, err = otherBytes(r); err != nil {
		return nil, err
	}
	var trace *experts.Trace
	usage, err := r.Usage()
	switch {
	case tracePath != "":
		if trace, err = readTrace(tracePath, r); err != nil {
			return nil, err
		}
		report.Source, report.Tokens = tracePath, int64(len(trace.Tokens))
	case err != nil:
		return nil, err
	case usage == nil:
		return nil, fmt.Errorf("nothing is known of the experts that %s uses: give a --trace, which st generate --trace FILE writes, or run st generate with --record-experts first", r.Path())
	default:
		report.Source, report.Tokens = "recorded usage", usage.Tokens
	}
	if report.DiskSpeed, err = engine.DiskSpeed(ctx, r); err != nil {
		return nil, err
	}
	speeds, err := engine.Bandwidth(ctx, engine.PhysicalCores())
	if err != nil {
		return nil, err
	}
	report.MemorySpeed = speeds[0]
	report.Plans, err = engine.PlanCache(r, opts, trace, usage, engine.Budgets(r, opts), report.DiskSpeed, report.MemorySpeed)
	return report, err
}

// otherBytes returns what a program that runs the model takes besides the engine: what this one takes with the tokenizer, and
// some more, because that is not the same each time.
func otherBytes(r *format.Reader) (int64, error) {
	var tok *tokenizer.Tokenizer
	if len(r.Tokenizer) > 0 {
		var err error
		if tok, err = tokenizer.Load(r.Tokenizer); err != nil {
			return 0, fmt.Errorf("%s: %w", r.Path(), err)
		}
	}
	n := residentBytes() + 1<<20
	goruntime.KeepAlive(tok)
	return n, nil
}

// readTrace reads a trace of the model.
func readTrace(path string, r *format.Reader) (*experts.Trace, error) {
	// A pipe that nobody writes to would be waited for.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file: give a trace that st generate --trace wrote", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, cause(err))
	}
	defer f.Close()
	trace, err := experts.ReadTrace(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c := &r.Config
	if trace.Shape != traceShape(c) {
		return nil, fmt.Errorf("%s is of a model with %d layers of %d experts, %d active, and %s has %d of %d, %d active: record it anew, with st generate %s --trace FILE",
			path, trace.Layers, trace.Experts, trace.TopK, r.Path(), c.Layers, c.MoE.Experts, c.MoE.ExpertsPerToken, r.Path())
	}
	return trace, nil
}

func (c *cacheReport) print(w io.Writer) {
	fmt.Fprintf(w, "by %s of %s; context %d; experts are read at %.0f MB/s here, memory at %.1f GB/s\n\n", c.Source, plural(int(c.Tokens), "token"),
		c.Context, c.DiskSpeed/1e6, c.MemorySpeed/1e9)
	t := newTable(">--memory", ">experts kept", ">of all", ">found", ">at best", ">read a token", ">tokens/s, about")
	for _, p := range c.Plans {
		bound := "–"
		if p.Bound > 0 {
			bound = fmt.Sprintf("%.1f %%", 100*p.Bound)
		}
		t.AppendRow([]any{fmt.Sprintf("%dMiB", p.Memory>>20), p.Experts, fmt.Sprintf("%.0f %%", 100*float64(p.Experts)/float64(c.ExpertNumber)),
			fmt.Sprintf("%.1f %%", 100*p.HitRate), bound, size(int64(p.BytesPerToken)), fmt.Sprintf("%.1f", p.TokensPerSecond)})
	}
	printTable(w, t)
}
