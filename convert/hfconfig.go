package convert

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"st/format"
	"st/tokenizer"
	"st/tokenizer/hffile"
)

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

// sizes are the fields of config.json that all architectures have. Pointers tell a field that is absent from one that is zero.
type sizes struct {
	Vocab   *int `json:"vocab_size"`
	Hidden  *int `json:"hidden_size"`
	Layers  *int `json:"num_hidden_layers"`
	Heads   *int `json:"num_attention_heads"`
	KVHeads *int `json:"num_key_value_heads"`
	HeadDim *int `json:"head_dim"`
	Context *int `json:"max_position_embeddings"`
}

// read reads them and fields of one architecture. head_dim may be absent if the heads share hidden_size.
func (s *sizes) read(c *format.Config, more ...sizeField) error {
	err := readSizes(append([]sizeField{
		{"vocab_size", s.Vocab, &c.Vocab},
		{"hidden_size", s.Hidden, &c.Hidden},
		{"num_hidden_layers", s.Layers, &c.Layers},
		{"num_attention_heads", s.Heads, &c.Heads},
		{"num_key_value_heads", s.KVHeads, &c.KVHeads},
		{"max_position_embeddings", s.Context, &c.Context},
	}, more...))
	if err != nil {
		return err
	}
	return readHeads(c, s.HeadDim)
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
	var items []json.RawMessage
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
		switch string(item) {
		case "0", "false":
		case "1", "true":
			layout[i] = true
		default:
			return nil, fmt.Errorf("field %s: entry %d is %.40s: it must be 0 or 1", field, i, item)
		}
	}
	return layout, nil
}

// parseTokenIDs reads a field with a token id, or an array of them, in which null is no token; nil if it is absent or null.
func parseTokenIDs(field string, text json.RawMessage) (ids []int32, err error) {
	var one int32
	var many []*int32
	switch {
	case len(text) == 0 || string(text) == "null":
		return nil, nil
	case json.Unmarshal(text, &one) == nil:
		return []int32{one}, nil
	case json.Unmarshal(text, &many) != nil:
		return nil, fmt.Errorf("field %s must be a token id, a whole number, or an array of them", field)
	}
	for _, id := range many {
		if id != nil {
			ids = append(ids, *id)
		}
	}
	return ids, nil
}

// generation is what config.json and generation_config.json say of it.
type generation struct {
	format.Generation
	declared [][]int32 // end tokens of generation_config.json, then of config.json
	notes    []string
}

// parseGeneration reads the defaults for generation: generation_config.json rules, config.json and its text_config fill in token ids. Defaults that no
// sampler can use are left out, with a note: they must not keep a model from running.
func parseGeneration(config, generationConfig []byte) (g generation, err error) {
	var ids struct {
		BOS json.RawMessage `json:"bos_token_id"`
		EOS json.RawMessage `json:"eos_token_id"`
	}
	var fields map[string]json.RawMessage
	var part []byte // of a model that sees or hears
	if config != nil {
		part, _ = textConfig(config)
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{"generation_config.json", generationConfig}, {"config.json", config}, {"config.json", part}} {
		if f.text == nil {
			continue
		}
		ids.BOS, ids.EOS = nil, nil
		err := hffile.Unmarshal(f.text, &ids)
		if err == nil && f.name != "config.json" {
			err = hffile.Unmarshal(f.text, &fields)
		}
		var bos, eos []int32
		if err == nil {
			bos, err = parseTokenIDs("bos_token_id", ids.BOS)
		}
		if err == nil {
			eos, err = parseTokenIDs("eos_token_id", ids.EOS)
		}
		if err != nil {
			return g, fmt.Errorf("%s: %w", f.name, err)
		}
		if len(bos) > 0 && bos[0] >= 0 && g.BOS == nil { // -1 is how some say that there is none
			g.BOS = &bos[0]
		}
		g.declared = append(g.declared, eos)
	}
	g.readDefaults(fields)
	return g, nil
}

// readDefaults takes what a sampler can use of the fields of generation_config.json.
func (g *generation) readDefaults(fields map[string]json.RawMessage) {
	field := func(name string) string { return "generation_config.json: field " + name }
	number := func(name string) *float64 { return setting[float64](&g.notes, field(name), fields[name], "no number") }
	g.DoSample = setting[bool](&g.notes, field("do_sample"), fields["do_sample"], "neither true nor false")
	g.Temperature, g.TopP, g.MinP, g.RepetitionPenalty = number("temperature"), number("top_p"), number("min_p"), number("repetition_penalty")
	if k := number("top_k"); k != nil {
		if *k == math.Trunc(*k) && math.Abs(*k) < 1<<53 { // 50.0 is 50
			g.TopK = new(int(*k))
		} else {
			leaveOut(&g.notes, field("top_k"), *k, "no whole number")
		}
	}
	g.notes = append(g.notes, usable(&g.Generation, field)...)
}

// usable leaves out defaults that no sampler can use, and returns notes that call a field as field says.
func usable(g *format.Generation, field func(name string) string) (notes []string) {
	if k := g.TopK; k != nil && *k == -1 {
		*k = 0 // off: vLLM and others write -1
	}
	g.TopK = within(&notes, field("top_k"), g.TopK, 0, math.MaxInt32)
	g.Temperature = within(&notes, field("temperature"), g.Temperature, 0, math.MaxFloat32)
	g.TopP = within(&notes, field("top_p"), g.TopP, 0, 1)
	g.MinP = within(&notes, field("min_p"), g.MinP, 0, 1)
	g.RepetitionPenalty = within(&notes, field("repetition_penalty"), g.RepetitionPenalty, math.SmallestNonzeroFloat32, math.MaxFloat32)
	return notes
}

// setting reads a field that should be a number or a truth value, as kind says; it is nil, with a note, if it is none.
func setting[T float64 | bool](notes *[]string, field string, text json.RawMessage, kind string) (value *T) {
	if len(text) > 0 && json.Unmarshal(text, &value) != nil {
		leaveOut(notes, field, fmt.Sprintf("%.40s", text), kind)
		return nil
	}
	return value
}

// leaveOut notes that a field is not taken.
func leaveOut(notes *[]string, field string, value any, why string) {
	*notes = append(*notes, fmt.Sprintf("%s is %v, which is %s: left out", field, value, why))
}

// within returns a field's value, nil and a note if it is out of range.
func within[T int | float64](notes *[]string, field string, value *T, low, high T) *T {
	if value == nil || *value >= low && *value <= high {
		return value
	}
	leaveOut(notes, field, *value, "out of range")
	return nil
}

// ends are the end tokens of a model: all that its files declare, and those that the tokenizer knows. It may be nil.
func (g *generation) ends(t *tokenizer.Tokenizer, template string) []int32 {
	if t != nil {
		return t.EndTokens(template, g.declared...)
	}
	var all []int32
	for _, id := range slices.Concat(g.declared...) {
		if id >= 0 && !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return all
}
