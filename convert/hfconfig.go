package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"st/format"
)

// architecture is a kind of model that can be converted.
type architecture struct {
	class     string // as "architectures" in config.json names it
	modelType string // as "model_type" does
	parse     func(text []byte) (format.Config, error)
}

var architectures = []architecture{smallThinker}

// ParseConfig reads a checkpoint's config.json. The error names the field that is missing, wrong or not supported.
func ParseConfig(text []byte) (format.Config, error) {
	var head struct {
		Architectures []string `json:"architectures"`
		ModelType     string   `json:"model_type"`
	}
	if err := unmarshal(text, &head); err != nil {
		return format.Config{}, err
	}
	var supported []string
	for _, a := range architectures {
		if slices.Contains(head.Architectures, a.class) || len(head.Architectures) == 0 && head.ModelType == a.modelType {
			c, err := a.parse(text)
			if err != nil {
				return c, err
			}
			return c, c.Validate()
		}
		supported = append(supported, a.class)
	}
	name := strings.Join(head.Architectures, ", ")
	if name == "" {
		name = head.ModelType
	}
	return format.Config{}, fmt.Errorf("architecture %q is not supported: this program converts %s", name, strings.Join(supported, ", "))
}

// unmarshal is json.Unmarshal with errors that name the field.
func unmarshal(text []byte, into any) error {
	err := json.Unmarshal(text, into)
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) && te.Field != "" {
		return fmt.Errorf("%s is a JSON %s: %s was expected", te.Field, te.Value, te.Type)
	}
	if err != nil {
		return fmt.Errorf("it is not valid JSON: %w", err)
	}
	return nil
}

// layout is a per-layer array of 0/1, or of booleans; nil if absent or null.
type layout []bool

// UnmarshalJSON reads an array of 0, 1, false and true.
func (l *layout) UnmarshalJSON(text []byte) error {
	var items []any
	if err := json.Unmarshal(text, &items); err != nil {
		return errors.New("a layout must be an array of 0 and 1")
	}
	*l = nil
	for i, item := range items {
		switch item {
		case 0.0, false:
			*l = append(*l, false)
		case 1.0, true:
			*l = append(*l, true)
		default:
			return fmt.Errorf("entry %d of a layout is %v: it must be 0 or 1", i, item)
		}
	}
	if items != nil && *l == nil {
		*l = layout{} // an empty array is not a missing one
	}
	return nil
}

// tokenIDs is one token id, an array of them, or null.
type tokenIDs []int32

// UnmarshalJSON reads a number or an array of numbers.
func (t *tokenIDs) UnmarshalJSON(text []byte) error {
	var one int32
	if string(text) == "null" {
		return nil
	}
	if json.Unmarshal(text, &one) == nil {
		*t = tokenIDs{one}
		return nil
	}
	var many []int32
	if err := json.Unmarshal(text, &many); err != nil {
		return errors.New("a token id must be a whole number, or an array of them")
	}
	*t = many
	return nil
}

// parseGeneration reads the defaults for generation: generation_config.json rules, config.json fills in token ids.
func parseGeneration(config, generation []byte) (format.Generation, error) {
	var g struct {
		BOS               *tokenIDs `json:"bos_token_id"`
		EOS               *tokenIDs `json:"eos_token_id"`
		DoSample          *bool     `json:"do_sample"`
		Temperature       *float64  `json:"temperature"`
		TopK              *int      `json:"top_k"`
		TopP              *float64  `json:"top_p"`
		MinP              *float64  `json:"min_p"`
		RepetitionPenalty *float64  `json:"repetition_penalty"`
	}
	var ids struct {
		BOS tokenIDs `json:"bos_token_id"`
		EOS tokenIDs `json:"eos_token_id"`
	}
	if err := unmarshal(config, &ids); err != nil {
		return format.Generation{}, fmt.Errorf("in config.json: %w", err)
	}
	if generation != nil {
		if err := unmarshal(generation, &g); err != nil {
			return format.Generation{}, err
		}
	}
	if g.BOS != nil {
		ids.BOS = *g.BOS
	}
	if g.EOS != nil {
		ids.EOS = *g.EOS
	}
	out := format.Generation{
		EOS: ids.EOS, DoSample: g.DoSample, Temperature: g.Temperature, TopK: g.TopK, TopP: g.TopP, MinP: g.MinP,
		RepetitionPenalty: g.RepetitionPenalty,
	}
	if len(ids.BOS) > 0 {
		out.BOS = &ids.BOS[0]
	}
	return out, nil
}
