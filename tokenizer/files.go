package tokenizer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"st/format"
	"st/format/plaintext"
	"st/tokenizer/hffile"
)

// Files are the files of a checkpoint that say how its text becomes tokens. One
// that is not there is nil.
type Files struct {
	Tokenizer        []byte // tokenizer.json
	TokenizerConfig  []byte // tokenizer_config.json
	Config           []byte // config.json
	Vocab            []byte // vocab.json
	Merges           []byte // merges.txt
	AddedTokens      []byte // added_tokens.json
	SpecialTokensMap []byte // special_tokens_map.json
}

// ErrNoTokenizer is the error of files that hold no tokenizer.
var ErrNoTokenizer = errors.New("there is neither tokenizer.json nor vocab.json with merges.txt")

// ErrUnknownClass is the error of vocab.json and merges.txt without
// tokenizer.json, of a class whose pre-tokenizer this package does not know:
// what is missing is tokenizer.json, as AutoTokenizer.save_pretrained of
// Transformers writes it.
var ErrUnknownClass = errors.New("vocab.json and merges.txt do not say how this class splits text, and tokenizer.json, which does, is missing")

// ParseFiles reads the tokenizer of a checkpoint. That is tokenizer.json, with the
// EOS token that tokenizer_config.json or special_tokens_map.json names, and with
// the added tokens beyond its own that tokenizer_config.json has or, if it lists
// none, added_tokens.json. If there is no tokenizer.json it is built of vocab.json
// and merges.txt, as Transformers does for the classes of Qwen2 and GPT-2.
func ParseFiles(f Files) (*Tokenizer, error) {
	if f.Tokenizer != nil {
		return f.fast()
	}
	if f.Vocab == nil || f.Merges == nil {
		return nil, ErrNoTokenizer
	}
	s, err := f.legacy()
	if err != nil {
		return nil, err
	}
	if err := applyConfig(&s, f.TokenizerConfig, nil); err != nil {
		return nil, err
	}
	t, err := newTokenizer(s)
	if err != nil {
		return nil, fmt.Errorf("vocab.json, merges.txt: %w", err)
	}
	t.usesAddedTokens, t.usesSpecialTokensMap = f.AddedTokens != nil, f.SpecialTokensMap != nil
	return t, nil
}

// UsesSpecialTokensMap reports whether [ParseFiles] has needed
// special_tokens_map.json. Where newer files name the EOS token it does not
// matter what is in it.
func (t *Tokenizer) UsesSpecialTokensMap() bool { return t.usesSpecialTokensMap }

// UsesAddedTokens reports whether [ParseFiles] has needed added_tokens.json,
// which newer files take the place of, too.
func (t *Tokenizer) UsesAddedTokens() bool { return t.usesAddedTokens }

// legacy translates vocab.json and merges.txt by way of tokenizer.json.
func (f *Files) legacy() (spec, error) {
	var none spec
	var config struct {
		ModelType string `json:"model_type"`
		Class     string `json:"tokenizer_class"`
	}
	var tokens legacyTokens
	var special legacySpecial
	bpe := "BPE"
	file := hfTokenizer{Model: hfModel{Type: &bpe, Merges: new([]hfMerge)}}
	for _, part := range []struct {
		name string
		data []byte
		to   any
	}{
		{"config.json", f.Config, &config},
		{"tokenizer_config.json", f.TokenizerConfig, &tokens},
		{"vocab.json", f.Vocab, &file.Model.Vocab},
		{"special_tokens_map.json", f.SpecialTokensMap, &special},
	} {
		if part.data == nil {
			continue
		}
		err := format.CheckPointer(part.data)
		if err == nil {
			err = hffile.Unmarshal(part.data, part.to)
		}
		if err != nil {
			return none, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if err := file.components(cmp.Or(tokens.Class, config.Class), config.ModelType, &tokens); err != nil {
		return none, err
	}
	added, err := f.addedIDs()
	if err != nil {
		return none, err
	}
	if *file.Model.Merges, err = readMerges(f.Merges); err != nil {
		return none, fmt.Errorf("merges.txt: %w", err)
	}
	s, err := file.spec()
	if err != nil {
		return none, fmt.Errorf("vocab.json, merges.txt: %w", err)
	}
	return s, tokens.add(&s, added, &special)
}

// readMerges returns the pairs of merges.txt, one a line, after a line with the version.
func readMerges(data []byte) ([]hfMerge, error) {
	if err := format.CheckPointer(data); err != nil {
		return nil, err
	}
	text, err := plaintext.Decode(data)
	if err != nil {
		return nil, err
	}
	var merges []hfMerge
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || i == 0 && strings.HasPrefix(line, "#version") {
			continue
		}
		left, right, ok := strings.Cut(line, " ")
		if !ok || left == "" || right == "" || strings.Contains(right, " ") {
			return nil, fmt.Errorf("line %d, %.40q, is not a pair", i+1, line)
		}
		merges = append(merges, hfMerge{left, right})
	}
	return merges, nil
}

// legacyTokens is what tokenizer_config.json says to classes without tokenizer.json.
type legacyTokens struct {
	Class          string                  `json:"tokenizer_class"`
	AddPrefixSpace bool                    `json:"add_prefix_space"`
	Added          map[string]hfAddedToken `json:"added_tokens_decoder"`
	legacySpecial
	bos, end string // BOS, and EOS and padding, of the class, where no file names them
}

// legacySpecial is special_tokens_map.json.
type legacySpecial struct {
	BOS        *namedToken  `json:"bos_token"`
	EOS        *namedToken  `json:"eos_token"`
	Unknown    *namedToken  `json:"unk_token"`
	Sep        *namedToken  `json:"sep_token"`
	Pad        *namedToken  `json:"pad_token"`
	CLS        *namedToken  `json:"cls_token"`
	Mask       *namedToken  `json:"mask_token"`
	Additional []namedToken `json:"additional_special_tokens"`
}

func (s *legacySpecial) all() []namedToken {
	var all []namedToken
	for _, t := range []*namedToken{s.BOS, s.EOS, s.Unknown, s.Sep, s.Pad, s.CLS, s.Mask} {
		if t != nil && t.Content != "" {
			all = append(all, *t)
		}
	}
	return append(all, s.Additional...)
}

// qwen2Models are the model types whose tokenizer is that of Qwen2.
var qwen2Models = []string{"qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl", "qwen3", "qwen3_moe", "qwen3_next", "smallthinker"}

// components sets the components of a class, as the converters of
// Transformers (convert_slow_tokenizer.py) have them.
func (f *hfTokenizer) components(class, modelType string, t *legacyTokens) error {
	class = strings.TrimSuffix(class, "Fast")
	if class == "" || class == "PreTrainedTokenizer" {
		switch {
		case slices.Contains(qwen2Models, modelType):
			class = "Qwen2Tokenizer"
		case modelType == "gpt2":
			class = "GPT2Tokenizer"
		default:
			return fmt.Errorf("%w (model_type %q, no tokenizer_class)", ErrUnknownClass, modelType)
		}
	}
	no := false
	byteLevel := component{Type: typeByteLevel, AddPrefixSpace: &t.AddPrefixSpace}
	f.Decoder = &hfComponent{component: component{Type: typeByteLevel}}
	switch class {
	case "Qwen2Tokenizer":
		qwen2 := patternQwen2
		byteLevel.UseRegex = &no
		split := component{Type: typeSplit, Pattern: &pattern{Regex: &qwen2}, Behavior: "Isolated"}
		f.Normalizer = &hfComponent{component: component{Type: "NFC"}}
		f.PreTokenizer = &hfComponent{component: component{Type: typeSequence}, PreTokenizers: []hfComponent{{component: split}, {component: byteLevel}}}
		t.end = "<|endoftext|>"
	case "GPT2Tokenizer":
		f.PreTokenizer = &hfComponent{component: byteLevel}
		t.bos, t.end = "<|endoftext|>", "<|endoftext|>"
	default:
		return fmt.Errorf("%w (tokenizer_class %q)", ErrUnknownClass, class)
	}
	return nil
}

// add adds the added tokens: those that tokenizer_config.json lists or, in
// older checkpoints, added_tokens.json, then the special tokens that are
// named and known or new, which get the ids that follow.
func (t *legacyTokens) add(s *spec, added map[string]int32, special *legacySpecial) error {
	bos := cmp.Or(t.BOS, special.BOS, &namedToken{Content: t.bos})
	eos := cmp.Or(t.EOS, special.EOS, &namedToken{Content: t.end})
	pad := cmp.Or(t.Pad, special.Pad, &namedToken{Content: t.end})
	named := slices.Concat(t.all(), special.all(), []namedToken{*bos, *eos, *pad})
	isSpecial := map[string]bool{}
	for _, n := range named {
		isSpecial[n.Content] = true
	}
	known := map[string]int32{}
	put := func(token AddedToken) {
		if _, ok := known[token.Content]; !ok && token.Content != "" {
			known[token.Content] = token.ID
			s.added = append(s.added, token)
		}
	}
	listed, err := byID(t.Added)
	if err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	for _, token := range listed {
		put(token)
	}
	if t.Added == nil {
		for _, content := range slices.Sorted(maps.Keys(added)) {
			special := isSpecial[content]
			put(AddedToken{ID: added[content], Content: content, Special: special, Normalized: !special}) // as in Transformers
		}
	}
	next := int32(len(s.model))
	for _, id := range known {
		next = max(next, id+1)
	}
	for _, n := range named {
		if n.Content == "" {
			continue
		}
		token := AddedToken(n)
		token.Special = true
		if own := s.own(n.Content); own >= 0 {
			token.ID = own
		} else if _, ok := known[n.Content]; !ok {
			token.ID = next
			next++
		}
		put(token)
	}
	for _, end := range []struct {
		name string
		id   *int32
	}{{bos.Content, &s.bos}, {eos.Content, &s.eos}, {pad.Content, &s.pad}} {
		if id, ok := known[end.name]; ok {
			*end.id = id
		}
	}
	return nil
}
