package engine

import (
	"fmt"
	"slices"

	"st/format"
	"st/runtime/experts"
)

// CachePlan predicts how a model runs within a memory budget.
type CachePlan struct {
	// Memory is the budget in bytes, and Experts the number of experts that stay in memory while the KV cache is empty and single tokens are generated; of a
	// dense model Layers is that of the layers whose feed-forward networks stay.
	Memory  int64 `json:"memory_bytes"`
	Experts int   `json:"experts"`
	Layers  int   `json:"layers,omitempty"`
	// Context is the longest sequence: that which was asked for, or what fits.
	Context int `json:"context"`
	// HitRate is the share of uses that find the expert, or the network, in memory, 0 to 1; Bound that of Belady's policy, which knows the future,
	// or 0 if there is no trace. A dense model's layers run in a circle: what is kept of them is the best choice.
	HitRate float64 `json:"hit_rate"`
	Bound   float64 `json:"hit_rate_bound"`
	// BytesPerToken is what is read from the file; with a trace in the simulation, which also reads what is foreseen in vain.
	BytesPerToken float64 `json:"bytes_read_per_token"`
	// TokensPerSecond is about what the disk and the memory allow, as fast as they were when that was measured: the slower of the two,
	// as if they always worked at the same time.
	TokensPerSecond float64 `json:"tokens_per_second_at_most"`
	// Simulated is what a replay of the trace with a clock comes to: see [experts.ReplayTime]. It counts the generated tokens, as the run would that was
	// traced. nil: there is no trace.
	Simulated *SimulatedSpeed `json:"simulated,omitempty"`
	// Start is that of the first [PlanStart] generated tokens after a prompt, and Later that of the others. nil: too few tokens come later.
	Start *SimulatedSpeed `json:"simulated_start,omitempty"`
	Later *SimulatedSpeed `json:"simulated_later,omitempty"`
}

// Speed returns the simulated tokens a second or, if there is no trace, at most how many there are.
func (p *CachePlan) Speed() float64 {
	if p.Simulated != nil {
		return p.Simulated.TokensPerSecond
	}
	return p.TokensPerSecond
}

// publishedDensity is the share of neurons that are active, as published for both models.
const publishedDensity = 0.4

// foreseen is the share of the experts that have to be read which the guess for the next layer names, of a trace that does not tell: see docs/experts.md.
const foreseen = 0.77

// Machine is what a plan assumes of the machine that a model runs on.
type Machine struct {
	Disk   experts.Disk
	Memory float64 // bandwidth in bytes a second
	// Computing is what [Engine.MeasureStreaming] returns; a plan without a trace does not need it.
	Computing experts.Computing
}

// PlanCache predicts how a model runs within the given budgets, with a context of opts.Context tokens or, where that does not fit, of as many as fit.
// It replays a trace or, if that is nil, goes by how often experts were used. A replay begins with the experts in memory that a run begins with: those
// used most, as far as that is known. A trace of too few tokens is refused with ErrShortTrace. A dense model needs neither a trace nor usage: its layers
// run in order.
func PlanCache(r *format.Reader, opts Options, trace *experts.Trace, usage *format.Usage, budgets []int64, on Machine) ([]CachePlan, error) {
	c, disk := opts.Config(&r.Config), on.Disk
	if c.MoE == nil {
		return planDense(r, opts, budgets, disk.Bandwidth, on.Memory)
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
	timing := experts.Timing{Computing: on.Computing, Disk: disk, ExpertBytes: slot, PieceBytes: ringPieceBytes, Foreseen: foreseen}
	var traced *replay
	if trace != nil {
		var err error
		if traced, err = newReplay(trace, usage); err != nil {
			return nil, err
		}
	}
	var plans []CachePlan
	for _, total := range budgets {
		e, b, err := planBudget(r, opts, total)
		if err != nil {
			return nil, err
		}
		p := CachePlan{Memory: total, Experts: min(int((b.Experts+b.Lent)/slot), c.ExpertCount()), Context: e.context}
		misses := 0.0
		if traced != nil {
			misses = traced.plan(&p, timing)
		} else {
			p.HitRate = mostUsed(usage, p.Experts)
			misses = (1 - p.HitRate) * uses
			p.BytesPerToken = misses * float64(slot)
		}
		p.TokensPerSecond = 1 / max(misses*float64(slot)/disk.Bandwidth, token/on.Memory)
		plans = append(plans, p)
	}
	return plans, nil
}

// planDense is PlanCache of a dense model.
func planDense(r *format.Reader, opts Options, budgets []int64, disk, memory float64) ([]CachePlan, error) {
	var plans []CachePlan
	for _, total := range budgets {
		e, b, err := planBudget(r, opts, total)
		if err != nil {
			return nil, err
		}
		p := CachePlan{Memory: total, Layers: e.config.Layers, Context: e.context, HitRate: 1}
		if f := e.pieces; f != nil {
			resident := f.resident(b.FFN - f.ring())
			p.BytesPerToken = float64(f.total() - f.home(resident))
			p.HitRate = float64(resident) / float64(len(f.pieces))
			for p.Layers > 0 && f.first[p.Layers] > resident {
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

// planBudget shares out a total. If a context that is asked for does not fit, it is cut as that of a run is which asks for none.
func planBudget(r *format.Reader, opts Options, total int64) (*Engine, *Budget, error) {
	opts.Memory = total
	e := newEngine(r, &opts)
	b, err := e.divide(&opts)
	if err != nil && opts.Context > minContext {
		opts.Context = 0
		e = newEngine(r, &opts)
		b, err = e.divide(&opts)
	}
	return e, b, err
}

// CheckBudget returns ErrMemory if PlanCache could not plan for a budget.
func CheckBudget(r *format.Reader, opts Options, total int64) error {
	_, _, err := planBudget(r, opts, total)
	return err
}

// Budgets returns memory budgets from the smallest that works, with the context cut to what fits, to the one in which all experts stay, or all layers, with
// that of opts. They are what is named as [Enough].
func Budgets(r *format.Reader, opts Options) []int64 {
	cut := opts
	cut.Context = 0
	smallest, _ := SmallestMemory(r, cut)
	all := MemoryForLayers(r, opts, r.Config.Layers)
	if r.Config.MoE != nil {
		all, _ = MemoryFor(r, opts, r.Config.ExpertCount())
	}
	smallest, all = Enough(smallest), Enough(all)
	step := int64(1 << 20)
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
