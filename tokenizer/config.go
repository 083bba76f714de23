package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"st/tokenizer/hffile"
)

// hfConfig is what we read of tokenizer_config.json.
type hfConfig struct {
	BOS    *hfTokenName            `json:"bos_token"`
	EOS    *hfTokenName            `json:"eos_token"`
	Pad    *hfTokenName            `json:"pad_token"`
	AddBOS *bool                   `json:"add_bos_token"`
	Added  map[string]hfAddedToken `json:"added_tokens_decoder"` // by id
}

// hfTokenName is a token, written as a string or as an added token.
type hfTokenName string

func (n *hfTokenName) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, (*string)(n))
	}
	var token hfAddedToken
	err := json.Unmarshal(data, &token)
	*n = hfTokenName(token.Content)
	return err
}

// applyConfig adds what tokenizer_config.json, which may be nil, says to s.
func applyConfig(s *spec, data []byte) error {
	if data == nil {
		return nil
	}
	if err := checkPointer(data); err != nil {
		return err
	}
	var config hfConfig
	if err := hffile.Unmarshal(data, &config); err != nil {
		return err
	}
	ids := map[string]int32{}
	for _, a := range s.added {
		ids[a.Content] = a.ID
	}
	for key, a := range config.Added { // tokens that tokenizer.json does not know
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil {
			return fmt.Errorf("added_tokens_decoder: %q is not an id", key)
		}
		known, ok := ids[a.Content]
		if ok && known != int32(id) {
			return fmt.Errorf("added_tokens_decoder: %q has the id %d, but %d in tokenizer.json", a.Content, id, known)
		}
		if !ok {
			a.ID = int32(id)
			s.added = append(s.added, AddedToken(a))
			ids[a.Content] = a.ID
		}
	}
	// A name that is no token is no fact about the tokenizer: it is left out.
	find := func(name *hfTokenName, id *int32) {
		if name == nil {
			return
		}
		if known, ok := ids[string(*name)]; ok {
			*id = known
		} else if i := slices.Index(s.model, s.written(string(*name))); i >= 0 && *name != "" {
			*id = int32(i)
		}
	}
	find(config.BOS, &s.bos)
	find(config.EOS, &s.eos)
	find(config.Pad, &s.pad)
	if has := len(s.before) > 0 && s.before[0] == s.bos; config.AddBOS != nil && s.bos >= 0 && *config.AddBOS != has {
		if has {
			s.before = s.before[1:]
		} else {
			s.before = append([]int32{s.bos}, s.before...)
		}
	}
	return nil
}
