package runtime

import (
	"fmt"
	"maps"
	"math"
)

// SamplerOptions say how the next token is drawn. A zero field turns its step off.
type SamplerOptions struct {
	Temperature   float64 // 0: always the most likely token
	TopK          int     // keep the k most likely tokens
	TopP          float64 // keep the most likely tokens that together reach probability p (nucleus sampling, arXiv 1904.09751)
	MinP          float64 // keep tokens of at least p times the probability of the most likely one
	RepeatPenalty float64 // divide positive logits of recent tokens by this, multiply negative ones (CTRL, arXiv 1909.05858)
	Seed          uint64

	// PresencePenalty is subtracted from the logits of tokens that were drawn, and FrequencyPenalty as often as they were (OpenAI's API).
	// Less than 0 favours them.
	PresencePenalty, FrequencyPenalty float64
	// LogitBias is added to the logits of tokens, before all else.
	LogitBias map[int32]float64
}

// Equal reports whether two samplers with these options draw the same tokens.
func (o SamplerOptions) Equal(p SamplerOptions) bool {
	return o.Temperature == p.Temperature && o.TopK == p.TopK && o.TopP == p.TopP && o.MinP == p.MinP && o.RepeatPenalty == p.RepeatPenalty &&
		o.Seed == p.Seed && o.PresencePenalty == p.PresencePenalty && o.FrequencyPenalty == p.FrequencyPenalty && maps.Equal(o.LogitBias, p.LogitBias)
}

// Validate reports an option that is out of range.
func (o SamplerOptions) Validate() error {
	for _, f := range []struct {
		name     string
		value    float64
		min, max float64
	}{
		{"temperature", o.Temperature, 0, math.MaxFloat32},
		{"top-p", o.TopP, 0, 1},
		{"min-p", o.MinP, 0, 1},
		{"repeat penalty", o.RepeatPenalty, 0, math.MaxFloat32},
		{"top-k", float64(o.TopK), 0, math.MaxInt32},
		{"presence penalty", o.PresencePenalty, -maxPenalty, maxPenalty},
		{"frequency penalty", o.FrequencyPenalty, -maxPenalty, maxPenalty},
	} {
		if !(f.value >= f.min && f.value <= f.max) {
			switch {
			case f.max > maxPenalty && f.value > f.max:
				return fmt.Errorf("%s is %.12g, which is too large: it must be %.12g at most", f.name, f.value, f.max)
			case f.max > maxPenalty:
				return fmt.Errorf("%s is %v: it must be 0 or more", f.name, f.value)
			}
			return fmt.Errorf("%s is %v: it must be between %v and %v", f.name, f.value, f.min, f.max)
		}
	}
	for id, bias := range o.LogitBias {
		if math.IsNaN(bias) || math.IsInf(bias, 0) {
			return fmt.Errorf("logit bias of token %d is %v: it must be finite", id, bias)
		}
	}
	return nil
}

// maxPenalty bounds presence and frequency penalties: more than logits differ by.
const maxPenalty = 100
