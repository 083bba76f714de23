package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"st/format"
)

// unmarshal is json.Unmarshal with errors that name the field, in words that are not Go's.
func unmarshal(text []byte, into any) error {
	err := json.Unmarshal(text, into)
	var te *json.UnmarshalTypeError
	if !errors.As(err, &te) {
		if err != nil {
			return fmt.Errorf("it is not valid JSON: %w", err)
		}
		return nil
	}
	expected := map[reflect.Kind]string{
		reflect.Int: "a whole number", reflect.Float64: "a number", reflect.Bool: "true or false",
		reflect.Slice: "an array", reflect.Struct: "an object", reflect.Map: "an object", reflect.String: "a text",
	}[te.Type.Kind()]
	if te.Field == "" {
		return fmt.Errorf("it is a JSON %s: %s was expected", te.Value, expected)
	}
	return fmt.Errorf("field %s is a JSON %s: %s was expected", te.Field, te.Value, expected)
}

// sizeField is a field of config.json that must be there, and be 1 or more.
type sizeField struct {
	name string
	from *int // nil: absent
	to   *int
}

// readSizes reads fields and names the first that is missing or wrong.
func readSizes(fields []sizeField) error {
	for _, f := range fields {
		if f.from == nil {
			return fmt.Errorf("field %s is missing", f.name)
		}
		if *f.from < 1 {
			return fmt.Errorf("field %s is %d: it must be 1 or more", f.name, *f.from)
		}
		*f.to = *f.from
	}
	return nil
}

// readHeads checks numbers that have been read, and sets head_dim: it may be absent if the heads share hidden_size.
func readHeads(c *format.Config, headDim *int) error {
	if c.Layers > format.MaxLayers {
		return fmt.Errorf("field num_hidden_layers is %d: at most %d are supported", c.Layers, format.MaxLayers)
	}
	if c.Heads%c.KVHeads != 0 {
		return fmt.Errorf("field num_attention_heads is %d: it must be a multiple of num_key_value_heads, %d", c.Heads, c.KVHeads)
	}
	if headDim != nil {
		if c.HeadDim = *headDim; c.HeadDim < 1 {
			return fmt.Errorf("field head_dim is %d: it must be 1 or more", c.HeadDim)
		}
		return nil
	}
	if c.HeadDim = c.Hidden / c.Heads; c.HeadDim*c.Heads != c.Hidden {
		return fmt.Errorf("field head_dim is missing, and hidden_size %d is not a multiple of num_attention_heads %d", c.Hidden, c.Heads)
	}
	return nil
}

// filled returns a layout of n layers that are all alike.
func filled(n int, with bool) []bool {
	layout := make([]bool, n)
	for l := range layout {
		layout[l] = with
	}
	return layout
}

// parseLayout reads a field with an array of 0 and 1, or of booleans, one a layer; nil if it is absent or null.
func parseLayout(field string, text json.RawMessage) ([]bool, error) {
	var items []any
	if len(text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, fmt.Errorf("field %s must be an array of 0 and 1, one for each layer", field)
	}
	if items == nil {
		return nil, nil
	}
	layout := make([]bool, len(items))
	for i, item := range items {
		switch item {
		case 0.0, false:
		case 1.0, true:
			layout[i] = true
		default:
			return nil, fmt.Errorf("field %s: entry %d is %v: it must be 0 or 1", field, i, item)
		}
	}
	return layout, nil
}

// parseTokenIDs reads a field with a token id, or an array of them; nil if it is absent or null.
func parseTokenIDs(field string, text json.RawMessage) ([]int32, error) {
	var one int32
	var many []int32
	switch {
	case len(text) == 0 || string(text) == "null":
		return nil, nil
	case json.Unmarshal(text, &one) == nil:
		return []int32{one}, nil
	case json.Unmarshal(text, &many) == nil:
		return many, nil
	}
	return nil, fmt.Errorf("field %s must be a token id, a whole number, or an array of them", field)
}

// parseGeneration reads the defaults for generation: generation_config.json rules, config.json fills in token ids.
func parseGeneration(config, generation []byte) (format.Generation, error) {
	var ids struct {
		BOS json.RawMessage `json:"bos_token_id"`
		EOS json.RawMessage `json:"eos_token_id"`
	}
	var g struct {
		DoSample          *bool    `json:"do_sample"`
		Temperature       *float64 `json:"temperature"`
		TopK              *int     `json:"top_k"`
		TopP              *float64 `json:"top_p"`
		MinP              *float64 `json:"min_p"`
		RepetitionPenalty *float64 `json:"repetition_penalty"`
	}
	var out format.Generation
	var bos []int32
	for _, f := range []struct {
		name string
		text []byte
	}{{"config.json", config}, {"generation_config.json", generation}} {
		if f.text == nil {
			continue
		}
		ids.BOS, ids.EOS = nil, nil
		err := unmarshal(f.text, &ids)
		if err == nil && f.name != "config.json" {
			err = unmarshal(f.text, &g)
		}
		var b, e []int32
		if err == nil {
			b, err = parseTokenIDs("bos_token_id", ids.BOS)
		}
		if err == nil {
			e, err = parseTokenIDs("eos_token_id", ids.EOS)
		}
		if err != nil {
			return out, fmt.Errorf("%s: %w", f.name, err)
		}
		if b != nil {
			bos = b
		}
		if e != nil {
			out.EOS = e
		}
	}
	if len(bos) > 0 {
		out.BOS = &bos[0]
	}
	out.DoSample, out.Temperature, out.TopK, out.TopP = g.DoSample, g.Temperature, g.TopK, g.TopP
	out.MinP, out.RepetitionPenalty = g.MinP, g.RepetitionPenalty
	return out, nil
}
