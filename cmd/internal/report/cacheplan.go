package report

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"st/format"
	"st/runtime/engine"
	"st/runtime/experts"
)

// CachePlan predicts how a model runs within memory budgets, from the smallest to the one that holds all experts or, of a dense model, all layers.
type CachePlan struct {
	Source      string             `json:"source"` // of what is known of the experts: a trace's file, recordedUsage or rememberedUsage
	Tokens      int64              `json:"tokens"`
	Generated   int                `json:"generated_tokens,omitempty"` // of a trace: those that plans count
	Context     int                `json:"context"`
	DiskSpeed   float64            `json:"disk_bytes_per_second"`
	DiskLatency float64            `json:"disk_latency_seconds"`
	DiskQueue   int                `json:"disk_queue_depth"`
	MemorySpeed float64            `json:"memory_bytes_per_second"`
	Computing   float64            `json:"computing_seconds_per_token,omitempty"` // with everything in memory; 0: not measured
	Plans       []engine.CachePlan `json:"plans"`
	Experts     int                `json:"experts"` // of all layers
	Layers      int                `json:"layers"`
	// Doubts tells why what was measured may be too slow: other programs were busy, or it came out differently each time. That few tokens tell of the
	// experts comes first.
	Doubts []string `json:"doubts,omitempty"`
	// FewUses is that first doubt: without it, what was measured is all that is doubtful.
	FewUses string `json:"-"`

	// MemoryRead is the size in bytes of the buffer that MemorySpeed was measured with.
	MemoryRead int64 `json:"-"`
}

// Sources of a plan that has no trace.
const (
	recordedUsage   = "recorded usage"
	rememberedUsage = "remembered usage"
)

// denseOrder is the source of a dense model's plan.
const denseOrder = "the order of the layers"

// ErrNoUsage: no trace, and nothing that is recorded or remembered, tells which experts the model uses.
var ErrNoUsage = errors.New("nothing is known of the experts that the model uses")

// ErrFewUses: what is recorded or remembered is of so few tokens that it tells nothing of a speed.
var ErrFewUses = errors.New("too little is known of the experts that the model uses")

// Without a trace an expert that no token used counts as one that is never used. So a few tokens promise far too much.
const (
	leastUses = 16 // tokens, as of a trace: fewer are refused
	goodUses  = 64 // of an expert, on average: with fewer a plan is doubtful
)

// fewUses returns what is doubtful of a plan by usage, or "".
func fewUses(r *format.Reader, u *format.Usage) (doubt string, err error) {
	if u.Tokens < leastUses {
		return "", fmt.Errorf("%s: %w: %d tokens were counted, and %d are needed", r.Path(), ErrFewUses, u.Tokens, leastUses)
	}
	var uses int64
	for _, n := range u.Uses {
		uses += n
	}
	mean := float64(uses) / float64(max(1, len(u.Uses)))
	if mean >= goodUses {
		return "", nil
	}
	enough := int64(math.Ceil(float64(u.Tokens) * goodUses / max(mean, 1e-3)))
	return fmt.Sprintf("only %d tokens were counted, and experts that they did not use count as never used, so that this promises too much: %d would do",
		u.Tokens, enough), nil
}

// ErrShortTrace: a trace has too few tokens.
var ErrShortTrace = engine.ErrShortTrace

// ErrNotTrace: a file that is given as a trace is none.
var ErrNotTrace = experts.ErrNotTrace

// PlanCache measures disk and memory, and predicts how a model runs. It learns which experts are used from the trace in a file or, if
// tracePath is "", from what is recorded in the model's file or else remembered. The layers of a dense model run in order: there is nothing to learn, and a
// trace is refused with [engine.ErrNoExperts].
func PlanCache(ctx context.Context, r *format.Reader, tracePath string, opts Options) (*CachePlan, error) {
	c := &r.Config
	if c.ExpertCount() == 0 && tracePath != "" {
		return nil, fmt.Errorf("%s: %w", r.Path(), engine.ErrNoExperts)
	}
	p := &CachePlan{Context: min(planContext, c.Context), Experts: c.ExpertCount(), Layers: c.Layers}
	other := opts.other(r) // before a trace is read, which may take more
	trace, usage, err := p.learn(r, tracePath, opts)
	if err != nil {
		return nil, err
	}
	engineOpts := engine.Options{Context: p.Context, Other: other}
	if trace != nil {
		engineOpts.ExpertsPerToken = trace.TopK
	}
	if opts.Memory > 0 { // that it is too small is told before anything is measured
		if err := engine.CheckBudget(r, engineOpts, opts.Memory); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Path(), err)
		}
	}
	on, err := p.measure(ctx, r, engineOpts, trace, opts)
	if err != nil {
		return nil, err
	}
	budgets := []int64{opts.Memory}
	if opts.Memory == 0 {
		budgets = engine.Budgets(r, engineOpts)
	}
	p.Plans, err = engine.PlanCache(r, engineOpts, trace, usage, budgets, on)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Path(), err)
	}
	if trace != nil {
		p.Generated = p.Plans[0].Simulated.Tokens
	}
	return p, nil
}

// learn returns what is known of the experts' uses: the trace, if there is one, and what a run begins with. Of a dense model it is nothing.
func (p *CachePlan) learn(r *format.Reader, tracePath string, opts Options) (trace *experts.Trace, usage *format.Usage, err error) {
	if p.Experts == 0 {
		p.Source = denseOrder
		return nil, nil, nil
	}
	if tracePath != "" {
		if trace, err = readTrace(tracePath, r); err != nil {
			return nil, nil, err
		}
		p.Source, p.Tokens = tracePath, int64(len(trace.Tokens))
		usage, _, err = knownUses(r, opts.ExpertCache)
		return trace, usage, err
	}
	if usage, p.Source, err = knownUses(r, opts.ExpertCache); err != nil {
		return nil, nil, err
	}
	if usage == nil {
		return nil, nil, fmt.Errorf("%s: %w", r.Path(), ErrNoUsage)
	}
	p.Tokens = usage.Tokens
	p.FewUses, err = fewUses(r, usage)
	return nil, usage, err
}

// measure measures disk and memory and, with a trace, what a token's computing takes.
func (p *CachePlan) measure(ctx context.Context, r *format.Reader, o engine.Options, trace *experts.Trace, opts Options) (on engine.Machine, err error) {
	m := newMeasurement(opts.Measuring)
	if on.Disk, err = m.disk(ctx, r, &opts); err != nil {
		return on, err
	}
	if p.MemorySpeed, p.MemoryRead, err = m.memorySpeed(ctx); err != nil {
		return on, err
	}
	on.Memory = p.MemorySpeed
	if trace != nil {
		var bandwidth float64
		if on.Computing, bandwidth, err = m.streaming(ctx, r, o, trace.Shape); err != nil {
			return on, err
		}
		if opts.Disk.Bandwidth == 0 && bandwidth > 0 {
			on.Disk.Bandwidth = bandwidth // as it is beside computing
		}
		p.Computing = on.Computing.Token(trace.Shape).Seconds()
	}
	p.Doubts = m.doubts
	if p.FewUses != "" {
		p.Doubts = append([]string{p.FewUses}, p.Doubts...)
	}
	p.DiskSpeed, p.DiskLatency, p.DiskQueue = on.Disk.Bandwidth, on.Disk.Latency.Seconds(), on.Disk.Queue
	return on, nil
}

// readTrace reads a trace of the model.
func readTrace(path string, r *format.Reader) (*experts.Trace, error) {
	// Opening a pipe waits for somebody to write to it.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: a trace is one", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	trace, err := experts.ReadTrace(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	want := engine.TraceShape(&r.Config)
	// A run may use other than as many experts as the model was trained with.
	if trace.Layers != want.Layers || trace.Experts != want.Experts || trace.TopK > want.Experts {
		return nil, fmt.Errorf("%s is of a model with %d layers of %d experts, %d active, and %s has %d of %d, %d active: record it anew with this model",
			path, trace.Layers, trace.Experts, trace.TopK, r.Path(), want.Layers, want.Experts, want.TopK)
	}
	if err := engine.CheckTrace(trace); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return trace, nil
}
