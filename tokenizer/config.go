package tokenizer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"st/format"
	"st/tokenizer/hffile"
)

// hfConfig is what we read of tokenizer_config.json.
type hfConfig struct {
	BOS    *namedToken             `json:"bos_token"`
	EOS    *namedToken             `json:"eos_token"`
	Pad    *namedToken             `json:"pad_token"`
	AddBOS *bool                   `json:"add_bos_token"`
	Added  map[string]hfAddedToken `json:"added_tokens_decoder"` // by id; nil: absent
}

// namedToken is a token, written as a string or as an added token.
type namedToken hfAddedToken

func (t *namedToken) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &t.Content)
	}
	return json.Unmarshal(data, (*hfAddedToken)(t))
}

// byID returns the tokens of added_tokens_decoder, whose keys are their ids, by id.
func byID(decoder map[string]hfAddedToken) ([]AddedToken, error) {
	tokens := make([]AddedToken, 0, len(decoder))
	for key, a := range decoder {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("added_tokens_decoder: %q is not an id", key)
		}
		a.ID = int32(id)
		tokens = append(tokens, AddedToken(a))
	}
	slices.SortFunc(tokens, func(a, b AddedToken) int { return cmp.Compare(a.ID, b.ID) })
	return tokens, nil
}

// applyConfig adds what tokenizer_config.json, which may be nil, says to s. older
// returns the added tokens if it lists none; nil: there are no others.
func applyConfig(s *spec, data []byte, older func() ([]AddedToken, error)) error {
	var config hfConfig
	listed, err := config.parse(data)
	if err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	if config.Added == nil && older != nil {
		if listed, err = older(); err != nil {
			return err
		}
	}
	s.addMissing(listed)
	s.find(config.BOS, &s.bos)
	s.find(config.EOS, &s.eos)
	s.find(config.Pad, &s.pad)
	if has := len(s.before) > 0 && s.before[0] == s.bos; config.AddBOS != nil && s.bos >= 0 && *config.AddBOS != has {
		if has {
			s.before = s.before[1:]
		} else {
			s.before = append([]int32{s.bos}, s.before...)
		}
	}
	return nil
}

// parse reads tokenizer_config.json, which may be nil, and returns the tokens of
// added_tokens_decoder.
func (c *hfConfig) parse(data []byte) ([]AddedToken, error) {
	if data == nil {
		return nil, nil
	}
	if err := format.CheckPointer(data); err != nil {
		return nil, err
	}
	if err := hffile.Unmarshal(data, c); err != nil {
		return nil, err
	}
	return byID(c.Added)
}

// addedIDs returns the tokens of added_tokens.json with their ids; nil: there are none.
func (f *Files) addedIDs() (ids hfVocab, err error) {
	if f.AddedTokens == nil {
		return nil, nil
	}
	if err = format.CheckPointer(f.AddedTokens); err == nil {
		err = hffile.Unmarshal(f.AddedTokens, &ids)
	}
	if err == nil && ids == nil { // a list, which only the vocabulary of a model may be, or null
		err = hffile.Unmarshal(f.AddedTokens, (*map[string]int32)(&ids))
	}
	for _, content := range slices.Sorted(maps.Keys(ids)) {
		if id := ids[content]; err == nil && (id < 0 || id >= maxTokens) {
			err = fmt.Errorf("token %.40q has the id %d, which is not in 0..%d", content, id, maxTokens-1)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("added_tokens.json: %w", err)
	}
	return ids, nil
}

// olderTokens returns the tokens of added_tokens.json by id. As in Transformers,
// those are special that tokenizer_config.json or special_tokens_map.json names.
func (f *Files) olderTokens() ([]AddedToken, error) {
	ids, err := f.addedIDs()
	if err != nil {
		return nil, err
	}
	special := map[string]bool{}
	for _, data := range [][]byte{f.TokenizerConfig, f.SpecialTokensMap} {
		var named legacySpecial
		if data == nil || hffile.Unmarshal(data, &named) != nil { // files whose errors others tell, or that count as none
			continue
		}
		for _, t := range named.all() {
			special[t.Content] = true
		}
	}
	var tokens []AddedToken
	for content, id := range ids {
		tokens = append(tokens, AddedToken{ID: id, Content: content, Special: special[content], Normalized: !special[content]})
	}
	slices.SortFunc(tokens, func(a, b AddedToken) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Content, b.Content)) })
	return tokens, nil
}

// addMissing adds the tokens of listed, which are in the order of their ids, that
// tokenizer.json does not add. As in Transformers, its ids count: a token that it
// has otherwise keeps its id, and one whose id is another token's gets the next
// that is free.
func (s *spec) addMissing(listed []AddedToken) {
	known, taken, next := map[string]bool{}, map[int32]bool{}, int32(len(s.model))
	put := func(a AddedToken) {
		known[a.Content], taken[a.ID], next = true, true, max(next, a.ID+1)
	}
	for _, a := range s.added {
		put(a)
	}
	var model map[string]int32 // ids of the model's tokens, needed only if some are missing
	for _, a := range listed {
		if known[a.Content] || a.Content == "" {
			continue
		}
		if model == nil {
			model = s.ids()
		}
		if own, ok := model[a.Content]; ok {
			a.ID = own
		} else if taken[a.ID] || a.ID >= 0 && int(a.ID) < len(s.model) && s.model[a.ID] != "" {
			a.ID = next
		}
		put(a)
		s.added = append(s.added, a)
	}
}

// find sets an id to that of a token. A name that is no token is no fact about
// the tokenizer: it is left out.
func (s *spec) find(name *namedToken, id *int32) {
	if name == nil || name.Content == "" {
		return
	}
	if i := slices.IndexFunc(s.added, func(a AddedToken) bool { return a.Content == name.Content }); i >= 0 {
		*id = s.added[i].ID
	} else if own := s.own(name.Content); own >= 0 {
		*id = own
	}
}

// applyMap adds the EOS token that special_tokens_map.json, which may be nil,
// names to s where nothing else has named one, and reports whether it has looked
// for it. The file is older than tokenizer_config.json, and it is looked at for
// nothing more. One that cannot be understood counts as none: most checkpoints
// do without, and their ends are in other files, too.
func applyMap(s *spec, data []byte) (used bool, err error) {
	if data == nil || s.eos >= 0 {
		return false, nil
	}
	if err := format.CheckPointer(data); err != nil {
		return false, err
	}
	var config hfConfig
	if hffile.Unmarshal(data, &config) != nil {
		return false, nil
	}
	s.find(config.EOS, &s.eos)
	return true, nil
}
