package calibrate

import (
	"context"
	"errors"
	"slices"

	"st/convert/calibration"
	"st/format"
	"st/runtime"
	"st/runtime/kernel"
)

// ErrEmptyText says that a text has no tokens.
var ErrEmptyText = errors.New("the text is empty: there is nothing to measure")

// Options say how a model is measured.
type Options struct {
	Window     int               // tokens in a window, each of which begins anew
	Covariance bool              // measure how inputs go together, too
	Part       *calibration.Part // measure no more than a part; nil: all. Covariance is not looked at then
	Progress   func(done int)    // is told how many tokens are done; may be nil
}

// Run runs a text through a model. The model must not run anything else meanwhile, which would be measured too.
func Run(ctx context.Context, m *runtime.Model, tokens []int32, opts Options) (*calibration.Statistics, error) {
	if len(tokens) == 0 {
		return nil, ErrEmptyText
	}
	var collector *calibration.Collector
	switch {
	case opts.Part != nil:
		collector = calibration.NewPartCollector(m.Config(), *opts.Part, kernel.Axpy4)
	case opts.Covariance:
		collector = calibration.NewCollector(m.Config(), kernel.Axpy4)
	default:
		collector = calibration.NewCollector(m.Config(), nil)
	}
	m.Engine().Observe(collector)
	defer m.Engine().Observe(nil)
	err := m.Run(ctx, tokens, min(opts.Window, m.Context()), func(done int) {
		if opts.Progress != nil {
			opts.Progress(done)
		}
	})
	if err != nil {
		return nil, err
	}
	return collector.Statistics(), nil
}

// MemoryBytes returns the memory that Run takes besides the model: to be counted in runtime.Options.Other.
func MemoryBytes(c *format.Config, covariance bool) int64 {
	return calibration.CollectorBytes(c, covariance)
}

// RareTokens is the number of tokens below which an expert is rarely reached: as many as its layer's mean stands for.
const RareTokens = calibration.Shrink

// Coverage tells how well a text reached the experts of a model.
type Coverage struct {
	Tokens       int `json:"tokens"`
	Experts      int `json:"experts"`           // in all layers
	Unreached    int `json:"unreached_experts"` // that no token chose
	Rare         int `json:"rare_experts"`      // that fewer than RareTokens chose
	FewestTokens int `json:"fewest_tokens"`     // that chose an expert
	MedianTokens int `json:"median_tokens"`
}

// NewCoverage sums up what a run reached.
func NewCoverage(c *format.Config, s *calibration.Statistics) Coverage {
	var uses []float32
	for l := range c.Layers {
		uses = append(uses, s.Uses(l)...)
	}
	slices.Sort(uses)
	r := Coverage{Tokens: s.Tokens(), Experts: len(uses)}
	if len(uses) > 0 {
		r.FewestTokens, r.MedianTokens = int(uses[0]), int(uses[len(uses)/2])
	}
	for _, n := range uses {
		if n == 0 {
			r.Unreached++
		}
		if n < RareTokens {
			r.Rare++
		}
	}
	return r
}
