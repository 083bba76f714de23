package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"st/format"
	"st/runtime/experts"
)

// CachePlan predicts how a model runs within a memory budget.
type CachePlan struct {
	// Memory is the budget in bytes, and Experts the number of experts that stay in memory while the KV cache is empty; of a dense model Layers is
	// that of the layers whose feed-forward networks stay.
	Memory  int64 `json:"memory_bytes"`
	Experts int   `json:"experts"`
	Layers  int   `json:"layers,omitempty"`
	// HitRate is the share of uses that find the expert, or the network, in memory, 0 to 1; Bound that of Belady's policy, which knows the future,
	// or 0 if there is no trace. A dense model's layers run in a circle: what is kept of them is the best choice.
	HitRate float64 `json:"hit_rate"`
	Bound   float64 `json:"hit_rate_bound"`
	// BytesPerToken is what is read from the file.
	BytesPerToken float64 `json:"bytes_read_per_token"`
	// TokensPerSecond is about what the disk and the memory allow, as fast as they were when that was measured: the slower of the two,
	// as if they always worked at the same time.
	TokensPerSecond float64 `json:"tokens_per_second_at_most"`
}

// publishedDensity is the share of neurons that are active, as published for both models.
const publishedDensity = 0.4

// PlanCache predicts how a model runs within the given budgets, by replaying a trace or, if that is nil, by how often experts were used.
// disk and memory are bytes a second. A dense model needs neither: its layers run in order.
func PlanCache(r *format.Reader, opts Options, trace *experts.Trace, usage *format.Usage, budgets []int64, disk, memory float64) ([]CachePlan, error) {
	c := &r.Config
	if c.MoE == nil {
		return planDense(r, opts, budgets, disk, memory)
	}
	if trace != nil && trace.Shape != TraceShape(c) {
		return nil, fmt.Errorf("the trace is of another model than %s", r.Path())
	}
	slot, uses := largestExpert(r), float64(len(c.MoELayers())*c.MoE.ExpertsPerToken)
	read := 1. // share of a chosen expert
	if c.Activation == format.ReLU {
		read = (1 + 2*publishedDensity) / 3 // its gate is a third of it
	}
	token := float64(denseBytes(r, nil)) + uses*float64(slot)*read
	var plans []CachePlan
	for _, total := range budgets {
		opts.Memory = total
		b, err := NewBudget(r, opts)
		if err != nil {
			return nil, err
		}
		p := CachePlan{Memory: total, Experts: int(b.Experts / slot)}
		misses := 0.0
		if trace != nil {
			warm := len(trace.Tokens) / 4
			ours := experts.Simulate(trace, experts.NewScored(trace.Shape, p.Experts, experts.ShortHalfLife, experts.LongHalfLife), warm)
			p.HitRate, misses = ours.HitRate(), ours.MissesPerToken()
			p.Bound = experts.Simulate(trace, experts.NewBelady(trace, p.Experts), warm).HitRate()
		} else {
			p.HitRate = mostUsed(usage, p.Experts)
			misses = (1 - p.HitRate) * uses
		}
		p.BytesPerToken = misses * float64(slot)
		p.TokensPerSecond = 1 / max(p.BytesPerToken/disk, token/memory)
		plans = append(plans, p)
	}
	return plans, nil
}

// planDense is PlanCache of a dense model.
func planDense(r *format.Reader, opts Options, budgets []int64, disk, memory float64) ([]CachePlan, error) {
	var plans []CachePlan
	for _, total := range budgets {
		opts.Memory = total
		e := newEngine(r, &opts)
		b, err := e.share(&opts)
		if err != nil {
			return nil, err
		}
		p := CachePlan{Memory: total, Layers: e.config.Layers, HitRate: 1}
		if f := e.pieces; f != nil {
			kept := f.kept(b.FFN - f.ring())
			p.BytesPerToken = float64(f.total() - f.home(kept))
			p.HitRate = float64(kept) / float64(len(f.pieces))
			for p.Layers > 0 && f.first[p.Layers] > kept {
				p.Layers--
			}
		}
		p.Bound = p.HitRate
		p.TokensPerSecond = 1 / max(p.BytesPerToken/disk, float64(denseBytes(r, nil))/memory)
		plans = append(plans, p)
	}
	return plans, nil
}

// TraceShape returns the shape of traces of a model: its layers with experts, counted from 0. A dense model has none.
func TraceShape(c *format.Config) experts.Shape {
	if c.MoE == nil {
		return experts.Shape{}
	}
	return experts.Shape{Layers: len(c.MoELayers()), Experts: c.MoE.Experts, TopK: c.MoE.ExpertsPerToken}
}

// mostUsed returns the share of uses that the n experts used most have.
func mostUsed(u *format.Usage, n int) float64 {
	uses := slices.Clone(u.Uses)
	slices.Sort(uses)
	slices.Reverse(uses)
	var all, most float64
	for i, k := range uses {
		all += float64(k)
		if i < n {
			most += float64(k)
		}
	}
	return most / max(1, all)
}

// Budgets returns memory budgets from the smallest that works to the one in which all experts, or all layers, fit, in whole MiB: what can be typed.
func Budgets(r *format.Reader, opts Options) []int64 {
	b, _ := NewBudget(r, opts)
	slot, c := largestExpert(r), &r.Config
	const mebibyte = 1 << 20
	whole := func(n int64) int64 { return (n + mebibyte - 1) / mebibyte * mebibyte }
	all := whole(b.totalFor(slot * int64(c.ExpertCount())))
	if c.MoE == nil {
		all = whole(MemoryForLayers(r, opts, c.Layers))
	}
	smallest := whole(b.Smallest())
	step := int64(mebibyte)
	for (all-smallest)/step > 10 {
		step *= 2
	}
	budgets := []int64{smallest}
	for n := (smallest/step + 1) * step; n < all; n += step {
		budgets = append(budgets, n)
	}
	if all > smallest {
		budgets = append(budgets, all)
	}
	return budgets
}

// DiskSpeed measures the bytes a second at which experts, or the feed-forward networks of a dense model, are read, some of them, the way that
// streaming reads them.
func DiskSpeed(ctx context.Context, r *format.Reader) (float64, error) {
	f, _, err := r.Direct()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	type read struct {
		record   *format.Record
		from, to int64
	}
	var reads []read
	size := int64(1)
	for i := range r.Records() {
		rec := &r.Records()[i]
		if rec.IsExpert() != (r.Config.MoE != nil) {
			continue
		}
		for from := int64(0); from < rec.Length; from += pieceBytes {
			a, b := pages(rec.Offset+from, rec.Offset+min(rec.Length, from+pieceBytes))
			reads = append(reads, read{rec, a, b})
			size = max(size, b-a)
		}
	}
	// Spread over the file, so that nothing is read twice, up to 256 MiB.
	n := int(min(int64(len(reads)), max(readers, 256<<20/size)))
	var next, bytes atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, readers)
	begin := time.Now()
	for w := range readers {
		wg.Go(func() {
			buf := format.AlignedBytes(size)
			for i := next.Add(1) - 1; i < int64(n) && errs[w] == nil && ctx.Err() == nil; i = next.Add(1) - 1 {
				x := reads[int(i)*len(reads)/n]
				errs[w] = r.ReadPart(f, x.record, buf[:x.to-x.from], x.from)
				bytes.Add(x.to - x.from)
			}
		})
	}
	wg.Wait()
	for _, err := range append(errs, ctx.Err()) {
		if err != nil {
			return 0, err
		}
	}
	return float64(bytes.Load()) / time.Since(begin).Seconds(), nil
}
