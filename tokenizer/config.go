package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"st/format"
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
	if err := format.CheckPointer(data); err != nil {
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

// find sets an id to that of a token. A name that is no token is no fact about
// the tokenizer: it is left out.
func (s *spec) find(name *hfTokenName, id *int32) {
	if name == nil || *name == "" {
		return
	}
	if i := slices.IndexFunc(s.added, func(a AddedToken) bool { return a.Content == string(*name) }); i >= 0 {
		*id = s.added[i].ID
	} else if i := slices.Index(s.model, s.written(string(*name))); i >= 0 {
		*id = int32(i)
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
