package convert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"st/format"
	"st/tokenizer/hffile"
)

// ropeParameters is rope_parameters of Transformers 5, and rope_scaling of Transformers 4.
type ropeParameters struct {
	Type            string   `json:"rope_type"`
	OldType         string   `json:"type"`
	Theta           *float64 `json:"rope_theta"`
	Factor          *float64 `json:"factor"`
	OriginalContext *int     `json:"original_max_position_embeddings"`
	AttentionFactor *float64 `json:"attention_factor"`
	MScale          float64  `json:"mscale"`
	MScaleAllDim    float64  `json:"mscale_all_dim"`
	BetaFast        float64  `json:"beta_fast"`
	BetaSlow        float64  `json:"beta_slow"`
	Truncate        *bool    `json:"truncate"`
	LowTurns        *float64 `json:"low_freq_factor"`
	HighTurns       *float64 `json:"high_freq_factor"`
	PartialRotary   *float64 `json:"partial_rotary_factor"`

	ShortFactors hffile.Numbers[float64] `json:"short_factor"`
	LongFactors  hffile.Numbers[float64] `json:"long_factor"`
}

// parseRoPE reads the rotary angles out of rope_scaling, which rules, or rope_parameters, and returns the name of the field that it read.
func parseRoPE(scaling, parameters json.RawMessage) (p ropeParameters, field string, err error) {
	field, text := "rope_parameters", parameters
	if len(scaling) > 0 && !slices.Contains([]string{"null", "{}"}, string(scaling)) {
		field, text = "rope_scaling", scaling
	}
	var kinds map[string]json.RawMessage
	if len(text) > 0 {
		if err := hffile.Unmarshal(text, &p); err != nil {
			return p, field, fmt.Errorf("field %s: %w", field, err)
		}
		_ = json.Unmarshal(text, &kinds)
	}
	for _, kind := range []string{"full_attention", "sliding_attention"} { // as Gemma's are
		if _, ok := kinds[kind]; ok {
			return p, field, fmt.Errorf("field %s.%s: the layers of this architecture rotate alike, and it has no angles by the type of a layer", field, kind)
		}
	}
	return p, field, nil
}

// scaling reads what architectures that rotate whole heads may have; nil: nothing is scaled. original is original_max_position_embeddings of
// config.json itself; nil: absent. An error continues the field's name.
func (p *ropeParameters) scaling(context int, original *int) (*format.RoPEScaling, error) {
	if p.PartialRotary != nil && *p.PartialRotary != 1 {
		return nil, fmt.Errorf(".partial_rotary_factor is %v: only whole heads are rotated", *p.PartialRotary)
	}
	switch kind := p.kind(); kind {
	case "default", "dynamic": // dynamic scales nothing up to max_position_embeddings; whoever runs more is warned
		return nil, nil
	case "linear":
		return p.linear()
	case "yarn":
		return p.yarn(context, original)
	case "llama3":
		return p.llama3(context, original)
	default:
		return nil, fmt.Errorf(" asks for %q: only default, linear, dynamic, yarn and llama3 are supported, and longrope where all layers rotate alike", kind)
	}
}

// wholeModel is scaling for architectures all of whose layers rotate alike, which may have LongRoPE, too.
func (p *ropeParameters) wholeModel(c *format.Config, original *int) (*format.RoPEScaling, error) {
	if p.kind() == "longrope" && (p.PartialRotary == nil || *p.PartialRotary == 1) {
		return p.longRoPE(c, cmp.Or(original, p.OriginalContext, &c.Context))
	}
	return p.scaling(c.Context, original)
}

// kind is rope_type, by either of its names. The first models called longrope su.
func (p *ropeParameters) kind() string {
	kind := cmp.Or(p.Type, p.OldType, "default")
	if kind == "su" {
		return "longrope"
	}
	return kind
}

// linear reads the factor. An error begins with the field's name.
func (p *ropeParameters) linear() (*format.RoPEScaling, error) {
	if p.Factor == nil || !(*p.Factor >= 1) {
		return nil, fmt.Errorf(".factor is missing, or not 1 or more")
	}
	return &format.RoPEScaling{Type: format.Linear, Factor: *p.Factor, AttentionFactor: 1}, nil
}

// yarn fills in what is absent. An error begins with the field's name.
func (p *ropeParameters) yarn(context int, original *int) (*format.RoPEScaling, error) {
	s := &format.RoPEScaling{
		Type: format.YaRN, BetaFast: cmp.Or(p.BetaFast, 32), BetaSlow: cmp.Or(p.BetaSlow, 1), Truncate: p.Truncate == nil || *p.Truncate,
	}
	var err error
	if s.OriginalContext, err = p.original(context, original); err != nil {
		return nil, err
	}
	s.Factor = float64(context) / float64(s.OriginalContext)
	if p.Factor != nil {
		s.Factor = *p.Factor
	}
	if !(s.Factor >= 1) {
		return nil, fmt.Errorf(".factor is %v: it must be 1 or more", s.Factor)
	}
	scale := func(m float64) float64 { // of attention, for a stretch of Factor
		if s.Factor <= 1 {
			return 1
		}
		return 0.1*m*math.Log(s.Factor) + 1
	}
	switch {
	case p.AttentionFactor != nil:
		s.AttentionFactor = *p.AttentionFactor
	case p.MScale != 0 && p.MScaleAllDim != 0:
		s.AttentionFactor = scale(p.MScale) / scale(p.MScaleAllDim)
	default:
		s.AttentionFactor = scale(1)
	}
	return s, nil
}

// llama3 reads what there is no default for. An error begins with the field's name.
func (p *ropeParameters) llama3(context int, original *int) (*format.RoPEScaling, error) {
	s, err := p.linear()
	if err != nil {
		return nil, err
	}
	s.Type = format.Llama3
	if s.OriginalContext, err = p.original(context, original); err != nil {
		return nil, err
	}
	switch {
	case p.LowTurns == nil || !(*p.LowTurns > 0):
		return nil, fmt.Errorf(".low_freq_factor is missing, or not above 0")
	case p.HighTurns == nil || !(*p.HighTurns >= *p.LowTurns):
		return nil, fmt.Errorf(".high_freq_factor is missing, or below low_freq_factor")
	}
	s.BetaSlow, s.BetaFast = *p.LowTurns, *p.HighTurns
	return s, nil
}

// original reads the longest sequence of the first training: the model's context if nobody says it. An error begins with the field's name.
func (p *ropeParameters) original(context int, original *int) (int, error) {
	if o := cmp.Or(p.OriginalContext, original); o != nil {
		context = *o
	}
	if context < 1 {
		return 0, fmt.Errorf(".original_max_position_embeddings is %d: it must be 1 or more", context)
	}
	return context, nil
}

// longRoPE reads the factors. As in Transformers, original_max_position_embeddings of config.json itself rules, which is what original is. An error begins
// with the field's name.
func (p *ropeParameters) longRoPE(c *format.Config, original *int) (*format.RoPEScaling, error) {
	s := &format.RoPEScaling{Type: format.LongRoPE, OriginalContext: *original, AttentionFactor: 1, ShortFactors: p.ShortFactors, LongFactors: p.LongFactors}
	if s.OriginalContext < 1 {
		return nil, fmt.Errorf(".original_max_position_embeddings is %d: it must be 1 or more", s.OriginalContext)
	}
	for _, f := range []struct {
		name    string
		factors []float64
	}{{"short_factor", p.ShortFactors}, {"long_factor", p.LongFactors}} {
		if want := c.Rotated() / 2; len(f.factors) != want {
			return nil, fmt.Errorf(".%s has %d entries: there must be %d, one for each pair of dimensions that rotates", f.name, len(f.factors), want)
		}
		if i := slices.IndexFunc(f.factors, func(f float64) bool { return !(f > 0) }); i >= 0 {
			return nil, fmt.Errorf(".%s: entry %d is %v: it must be positive", f.name, i, f.factors[i])
		}
	}
	factor := float64(c.Context) / float64(s.OriginalContext)
	if p.Factor != nil {
		factor = *p.Factor
	}
	switch {
	case p.AttentionFactor != nil:
		s.AttentionFactor = *p.AttentionFactor
	case factor > 1 && s.OriginalContext == 1: // whose logarithm is 0
		return nil, fmt.Errorf(".original_max_position_embeddings is 1: it must be 2 or more, for attention is scaled by its logarithm")
	case factor > 1:
		s.AttentionFactor = math.Sqrt(1 + math.Log(factor)/math.Log(float64(s.OriginalContext)))
	}
	return s, nil
}
