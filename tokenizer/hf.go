package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ParseHF reads a tokenizer as Hugging Face models ship it: tokenizer.json
// and, if not nil, tokenizer_config.json for the BOS, EOS and padding tokens.
//
// It supports byte-level BPE with the patterns of Qwen2, Llama 3 and GPT-2 and
// with no normalizer or NFC. For anything else it returns an error that names
// the field, rather than encode differently from the original.
func ParseHF(tokenizerJSON, tokenizerConfigJSON []byte) (*Tokenizer, error) {
	var file hfTokenizer
	if err := json.Unmarshal(tokenizerJSON, &file); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	s, err := file.spec()
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	if err := applyConfig(&s, tokenizerConfigJSON); err != nil {
		return nil, fmt.Errorf("tokenizer_config.json: %w", err)
	}
	return newTokenizer(s)
}

// hfTokenizer is tokenizer.json. The fields truncation and padding are options
// of a call, not of the tokenizer, and are not read.
type hfTokenizer struct {
	Added         []hfAddedToken `json:"added_tokens"`
	Normalizer    *hfComponent   `json:"normalizer"`
	PreTokenizer  *hfComponent   `json:"pre_tokenizer"`
	PostProcessor *hfComponent   `json:"post_processor"`
	Decoder       *hfComponent   `json:"decoder"`
	Model         hfModel        `json:"model"`
}

type hfAddedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	Special    bool   `json:"special"`
	Normalized bool   `json:"normalized"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
}

// hfComponent is a normalizer, pre-tokenizer, post-processor or decoder, with
// the fields of those that are supported.
type hfComponent struct {
	Type string `json:"type"`

	// Sequence of components of each kind
	Normalizers   []hfComponent `json:"normalizers"`
	PreTokenizers []hfComponent `json:"pretokenizers"`
	Processors    []hfComponent `json:"processors"`
	Decoders      []hfComponent `json:"decoders"`

	// Split
	Pattern struct {
		Regex *string `json:"Regex"`
	} `json:"pattern"`
	Behavior string `json:"behavior"`
	Invert   bool   `json:"invert"`

	// ByteLevel
	AddPrefixSpace bool  `json:"add_prefix_space"`
	UseRegex       *bool `json:"use_regex"`

	// TemplateProcessing
	Single []map[string]struct {
		ID string `json:"id"`
	} `json:"single"`
}

type hfModel struct {
	Type            string           `json:"type"`
	Dropout         *float64         `json:"dropout"`
	SubwordPrefix   *string          `json:"continuing_subword_prefix"`
	EndOfWordSuffix *string          `json:"end_of_word_suffix"`
	IgnoreMerges    bool             `json:"ignore_merges"`
	Vocab           map[string]int32 `json:"vocab"`
	Merges          []hfMerge        `json:"merges"`
}

// hfMerge is a pair, written ["a", "b"] or "a b".
type hfMerge [2]string

func (m *hfMerge) UnmarshalJSON(data []byte) error {
	if data[0] == '[' {
		var pair []string
		if err := json.Unmarshal(data, &pair); err != nil || len(pair) != 2 {
			return fmt.Errorf("model.merges: %.40s is not a pair", data)
		}
		m[0], m[1] = pair[0], pair[1]
		return nil
	}
	var joined string
	if err := json.Unmarshal(data, &joined); err != nil {
		return fmt.Errorf("model.merges: %.40s is not a pair", data)
	}
	left, right, ok := strings.Cut(joined, " ")
	if !ok || strings.Contains(right, " ") {
		return fmt.Errorf("model.merges: %q is not a pair", joined)
	}
	m[0], m[1] = left, right
	return nil
}

// spec translates the file, refusing what is not supported.
func (f *hfTokenizer) spec() (spec, error) {
	s := spec{ignoreMerges: f.Model.IgnoreMerges, bos: -1, eos: -1, pad: -1}
	for _, a := range f.Added {
		s.added = append(s.added, AddedToken(a))
	}
	var err error
	if s.normalizer, err = f.Normalizer.normalizer(); err != nil {
		return s, err
	}
	if s.splitter, err = f.PreTokenizer.splitter(); err != nil {
		return s, err
	}
	if err = f.Decoder.checkDecoder(); err != nil {
		return s, err
	}
	bos, err := f.PostProcessor.bos()
	if err != nil {
		return s, err
	}
	if bos != "" {
		i := slices.IndexFunc(s.added, func(a AddedToken) bool { return a.Content == bos })
		if i < 0 {
			return s, fmt.Errorf("post_processor: %q is not in added_tokens", bos)
		}
		s.bos, s.addBOS = s.added[i].ID, true
	}
	if err = f.Model.check(); err != nil {
		return s, err
	}
	if s.model, err = f.Model.tokens(f.Added); err != nil {
		return s, err
	}
	s.merges, err = f.Model.merges()
	return s, err
}

func (c *hfComponent) normalizer() (normalizer, error) {
	switch {
	case c == nil:
		return normalizeNone, nil
	case c.Type == "NFC":
		return normalizeNFC, nil
	case c.Type == "Sequence" && len(c.Normalizers) == 0:
		return normalizeNone, nil
	case c.Type == "Sequence" && len(c.Normalizers) == 1:
		return c.Normalizers[0].normalizer()
	}
	return 0, fmt.Errorf("normalizer: type %q is not supported, only NFC or none", c.Type)
}

func (c *hfComponent) splitter() (splitter, error) {
	if c == nil {
		return 0, errors.New("pre_tokenizer: is missing; ByteLevel or a Split and a ByteLevel are supported")
	}
	parts := []hfComponent{*c}
	if c.Type == "Sequence" {
		parts = c.PreTokenizers
	}
	last := len(parts) - 1
	if last < 0 || last > 1 || parts[last].Type != "ByteLevel" || last == 1 && parts[0].Type != "Split" {
		var types []string
		for _, p := range parts {
			types = append(types, p.Type)
		}
		return 0, fmt.Errorf("pre_tokenizer: [%s] is not supported, only [ByteLevel] and [Split ByteLevel]", strings.Join(types, " "))
	}
	bytes := parts[last]
	if bytes.AddPrefixSpace {
		return 0, errors.New("pre_tokenizer: add_prefix_space is not supported")
	}
	useRegex := bytes.UseRegex == nil || *bytes.UseRegex
	if last == 0 {
		if !useRegex {
			return 0, errors.New("pre_tokenizer: ByteLevel with use_regex false needs a Split before it")
		}
		return splitGPT2, nil
	}
	if useRegex {
		return 0, errors.New("pre_tokenizer: ByteLevel with use_regex after a Split is not supported")
	}
	split := parts[0]
	if split.Behavior != "Isolated" || split.Invert {
		return 0, fmt.Errorf("pre_tokenizer: Split with behavior %q, invert %v is not supported, only Isolated, false", split.Behavior, split.Invert)
	}
	if split.Pattern.Regex == nil {
		return 0, errors.New("pre_tokenizer: Split without a Regex pattern is not supported")
	}
	k, ok := splitters[*split.Pattern.Regex]
	if !ok {
		return 0, fmt.Errorf("pre_tokenizer: pattern %q is not supported, only those of Qwen2, Llama 3 and GPT-2", *split.Pattern.Regex)
	}
	return k, nil
}

func (c *hfComponent) checkDecoder() error {
	if c != nil && c.Type == "Sequence" && len(c.Decoders) == 1 {
		c = &c.Decoders[0]
	}
	if c == nil {
		return errors.New("decoder: is missing; only ByteLevel is supported")
	}
	if c.Type != "ByteLevel" {
		return fmt.Errorf("decoder: type %q is not supported, only ByteLevel", c.Type)
	}
	return nil
}

// bos returns the token that the post-processor puts before a text, if any.
func (c *hfComponent) bos() (string, error) {
	if c == nil {
		return "", nil
	}
	switch c.Type {
	case "ByteLevel": // moves offsets, leaves the tokens alone
		return "", nil
	case "TemplateProcessing":
		n := len(c.Single)
		if n == 0 || n > 2 || !has(c.Single[n-1], "Sequence") || n == 2 && !has(c.Single[0], "SpecialToken") {
			return "", errors.New(`post_processor: the template "single" is not supported, only a sequence with at most one token before it`)
		}
		return c.Single[0]["SpecialToken"].ID, nil
	case "Sequence":
		first := ""
		for i := range c.Processors {
			bos, err := c.Processors[i].bos()
			if err != nil {
				return "", err
			}
			if first != "" && bos != "" {
				return "", errors.New("post_processor: more than one TemplateProcessing is not supported")
			}
			first += bos
		}
		return first, nil
	}
	return "", fmt.Errorf("post_processor: type %q is not supported, only ByteLevel and TemplateProcessing", c.Type)
}

func has[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok && len(m) == 1
}

func (m *hfModel) check() error {
	set := func(s *string) bool { return s != nil && *s != "" }
	switch {
	case m.Type != "BPE":
		return fmt.Errorf("model.type: %q is not supported, only BPE", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return errors.New("model.dropout: is for training and not supported")
	case set(m.SubwordPrefix):
		return fmt.Errorf("model.continuing_subword_prefix: %q is not supported", *m.SubwordPrefix)
	case set(m.EndOfWordSuffix):
		return fmt.Errorf("model.end_of_word_suffix: %q is not supported", *m.EndOfWordSuffix)
	case len(m.Vocab) == 0:
		return errors.New("model.vocab: is empty")
	}
	return nil
}

// tokens returns the bytes of the vocabulary by id. An added token that is
// also in the vocabulary need not be byte-level: it is left to added_tokens.
func (m *hfModel) tokens(added []hfAddedToken) ([]string, error) {
	isAdded := map[string]int32{}
	for _, a := range added {
		isAdded[a.Content] = a.ID
	}
	last := slices.Max(slices.Collect(maps.Values(m.Vocab)))
	if int64(last) >= maxTokens {
		return nil, fmt.Errorf("model.vocab: id %d is above %d, the largest supported", last, maxTokens-1)
	}
	tokens := make([]string, last+1)
	for token, id := range m.Vocab {
		text, ok := appendByteLevel(nil, token)
		switch addedID, isAdded := isAdded[token]; {
		case id < 0 || token == "":
			return nil, fmt.Errorf("model.vocab: token %q has the id %d", token, id)
		case !ok && isAdded && addedID == id:
			continue
		case !ok:
			return nil, fmt.Errorf("model.vocab: token %q (id %d) is not byte-level", token, id)
		case tokens[id] != "":
			return nil, fmt.Errorf("model.vocab: id %d is there twice", id)
		}
		tokens[id] = string(text)
	}
	return tokens, nil
}

// merges returns the merges by rank, as ids.
func (m *hfModel) merges() ([]merge, error) {
	merges := make([]merge, len(m.Merges))
	for rank, pair := range m.Merges {
		left, ok1 := m.Vocab[pair[0]]
		right, ok2 := m.Vocab[pair[1]]
		result, ok3 := m.Vocab[pair[0]+pair[1]]
		if !ok1 || !ok2 || !ok3 {
			return nil, fmt.Errorf("model.merges: the merge %d of %q and %q or its result is not in model.vocab", rank, pair[0], pair[1])
		}
		merges[rank] = merge{left, right, result}
	}
	return merges, nil
}
