package tokenizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"st/format"
	"st/tokenizer/hffile"
)

// ParseHF reads a tokenizer as Hugging Face models ship it: tokenizer.json
// and, if not nil, tokenizer_config.json for the BOS, EOS and padding tokens.
//
// It supports BPE models with the components that checkNormalizer,
// checkPreTokenizer and checkDecoder list. For anything else it returns an
// error that is ErrUnsupported and names the part, rather than encode
// differently from the original.
func ParseHF(tokenizerJSON, tokenizerConfigJSON []byte) (*Tokenizer, error) {
	return ParseFiles(Files{Tokenizer: tokenizerJSON, TokenizerConfig: tokenizerConfigJSON})
}

// fast reads tokenizer.json and the files that add to it.
func (f *Files) fast() (*Tokenizer, error) {
	if err := format.CheckPointer(f.Tokenizer); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	var file hfTokenizer
	if err := hffile.Unmarshal(f.Tokenizer, &file); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	s, err := file.spec()
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	older := false // tokenizer_config.json leaves the added tokens to older files
	if err := applyConfig(&s, f.TokenizerConfig, func() ([]AddedToken, error) {
		older = f.AddedTokens != nil
		return f.olderTokens()
	}); err != nil {
		return nil, err
	}
	used, err := applyMap(&s, f.SpecialTokensMap)
	if err != nil {
		return nil, fmt.Errorf("special_tokens_map.json: %w", err)
	}
	t, err := newTokenizer(s)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	t.usesAddedTokens, t.usesSpecialTokensMap = older, used || older && f.SpecialTokensMap != nil
	return t, nil
}

// hfTokenizer is tokenizer.json. The fields truncation and padding are options
// of a call, not of the tokenizer, and are not read.
type hfTokenizer struct {
	Version       *string        `json:"version"`
	Added         []hfAddedToken `json:"added_tokens"`
	Normalizer    *hfComponent   `json:"normalizer"`
	PreTokenizer  *hfComponent   `json:"pre_tokenizer"`
	PostProcessor *hfProcessor   `json:"post_processor"`
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

// hfComponent is a normalizer, pre-tokenizer or decoder, or a Sequence of them.
type hfComponent struct {
	component
	Normalizers   []hfComponent `json:"normalizers"`
	PreTokenizers []hfComponent `json:"pretokenizers"`
	Decoders      []hfComponent `json:"decoders"`
}

// flat returns the components of c in order, Sequences resolved.
func (c *hfComponent) flat() []component {
	switch {
	case c == nil:
		return nil
	case c.Type != typeSequence:
		return []component{c.component}
	}
	var all []component
	for _, parts := range [][]hfComponent{c.Normalizers, c.PreTokenizers, c.Decoders} {
		for i := range parts {
			all = append(all, parts[i].flat()...)
		}
	}
	return all
}

// hfProcessor is a post-processor.
type hfProcessor struct {
	Type       string        `json:"type"`
	Processors []hfProcessor `json:"processors"` // Sequence

	// TemplateProcessing
	Single []map[string]struct {
		ID string `json:"id"`
	} `json:"single"`
	SpecialTokens map[string]struct {
		IDs hffile.Numbers[int32] `json:"ids"`
	} `json:"special_tokens"`

	// BertProcessing, RobertaProcessing: the token and its id
	Sep, CLS hfTokenID
}

// hfTokenID is ["<s>", 1].
type hfTokenID struct {
	set bool
	id  int32
}

func (t *hfTokenID) UnmarshalJSON(data []byte) error {
	id := &t.id
	pair := [2]any{new(string), &id}
	t.set = true
	if err := json.Unmarshal(data, &pair); err != nil || id != nil {
		return err
	}
	return fmt.Errorf("post_processor: %.40s is not a token and its id", data)
}

type hfModel struct {
	Type            *string    `json:"type"`
	Dropout         any        `json:"dropout"`
	Unknown         *string    `json:"unk_token"`
	SubwordPrefix   *string    `json:"continuing_subword_prefix"`
	EndOfWordSuffix *string    `json:"end_of_word_suffix"`
	FuseUnknown     bool       `json:"fuse_unk"`
	ByteFallback    bool       `json:"byte_fallback"`
	IgnoreMerges    bool       `json:"ignore_merges"`
	Vocab           hfVocab    `json:"vocab"`
	Merges          *[]hfMerge `json:"merges"`
}

// hfVocab maps tokens to ids. In a Unigram model it is a list, which is left out.
type hfVocab map[string]int32

func (v *hfVocab) UnmarshalJSON(data []byte) error {
	if data[0] == '[' {
		return nil
	}
	if err := json.Unmarshal(data, (*map[string]int32)(v)); err != nil || hasNull(data) { // which is read as 0
		return cmp.Or(v.firstWrong(data), err)
	}
	return nil
}

// hasNull reports whether null is the value of a key, or what looks so in a string.
func hasNull(data []byte) bool {
	for {
		before, after, found := bytes.Cut(data, []byte("null"))
		if !found {
			return false
		}
		before, after = bytes.TrimRight(before, " \t\r\n"), bytes.TrimLeft(after, " \t\r\n")
		if bytes.HasSuffix(before, []byte(":")) && (bytes.HasPrefix(after, []byte(",")) || bytes.HasPrefix(after, []byte("}"))) {
			return true
		}
		data = after
	}
}

// firstWrong is about the first token, by its name, whose id is none.
func (hfVocab) firstWrong(data []byte) error {
	var ids map[string]json.RawMessage
	if err := json.Unmarshal(data, &ids); err != nil {
		return err
	}
	for _, token := range slices.Sorted(maps.Keys(ids)) {
		var id *int32
		if json.Unmarshal(ids[token], &id) != nil || id == nil {
			return fmt.Errorf("token %.40q has the id %.40s: a whole number was expected", token, ids[token])
		}
	}
	return nil
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
	s := spec{bos: -1, eos: -1, pad: -1}
	if f.Version != nil && *f.Version != "1.0" {
		return s, fmt.Errorf("version: %w: %q", ErrUnsupported, *f.Version)
	}
	if err := f.Model.check(); err != nil {
		return s, err
	}
	tokens, err := f.Model.tokens()
	if err != nil {
		return s, err
	}
	if s.added, err = f.added(tokens); err != nil {
		return s, err
	}
	// The components are checked first of all, whatever the vocabulary is.
	if s.normalizers, _, err = compileNormalizer(f.Normalizer.flat()); err != nil {
		return s, err
	}
	if s.preTokenizers, _, err = compilePreTokenizer(f.PreTokenizer.flat(), false); err != nil {
		return s, err
	}
	decoders := f.Decoder.flat()
	if f.Decoder != nil && len(decoders) == 0 { // an empty Sequence joins tokens
		decoders = []component{{Type: typeFuse}}
	}
	if s.decoders, _, err = compileDecoder(decoders); err != nil {
		return s, err
	}
	if s.before, s.after, err = f.PostProcessor.around(); err != nil {
		return s, err
	}
	if len(s.before) > 0 {
		s.bos = s.before[0]
	}
	return s, f.Model.fill(&s, tokens)
}

// added returns the added tokens as the library numbers them: one that is
// known, to the model or from earlier in the list, keeps its id, and the others
// are numbered on from the vocabulary; the ids in the file do not count. If
// that number is taken by a token of a vocabulary with holes, the id in the
// file does. Of a token that is there twice the last options count, but it
// stays special, and found as it was then.
func (f *hfTokenizer) added(tokens []string) ([]AddedToken, error) {
	var added []AddedToken
	index := map[string]int{}
	numbered := map[int32]bool{}
	taken := func(id int32) bool { return int(id) < len(tokens) && tokens[id] != "" || numbered[id] }
	next := int32(len(f.Model.Vocab))
	for _, a := range f.Added {
		token := AddedToken(a)
		if a.Content == "" {
			continue
		}
		if i, ok := index[a.Content]; ok {
			first := added[i]
			token.ID = first.ID
			if first.Special {
				token.Special, token.Normalized = true, first.Normalized
			}
			added[i] = token
			continue
		}
		if id, ok := f.Model.Vocab[a.Content]; ok {
			token.ID = id
		} else {
			if !taken(next) {
				token.ID = next
			} else if token.ID < 0 || taken(token.ID) {
				return nil, fmt.Errorf("added_tokens: %q has the id %d, which is another token", a.Content, token.ID)
			}
			next = max(next, token.ID) + 1
		}
		numbered[token.ID] = true
		index[a.Content] = len(added)
		added = append(added, token)
	}
	return added, nil
}

// around returns the tokens that the post-processor puts before and after a text.
func (p *hfProcessor) around() (before, after []int32, err error) {
	if p == nil {
		return nil, nil, nil
	}
	switch p.Type {
	case "ByteLevel": // moves offsets, leaves the tokens alone
		return nil, nil, nil
	case "TemplateProcessing":
		text := false
		for _, piece := range p.Single {
			token, isToken := piece["SpecialToken"]
			switch {
			case has(piece, "Sequence") && !text:
				text = true
			case !isToken || len(piece) != 1:
				return nil, nil, fmt.Errorf(`post_processor: %w: a template "single" with more than one text`, ErrUnsupported)
			default:
				ids := p.SpecialTokens[token.ID].IDs
				if len(ids) == 0 {
					return nil, nil, fmt.Errorf("post_processor: the token %q is not in special_tokens", token.ID)
				}
				if text {
					after = append(after, ids...)
				} else {
					before = append(before, ids...)
				}
			}
		}
		if !text {
			return nil, nil, fmt.Errorf(`post_processor: %w: a template "single" without the text`, ErrUnsupported)
		}
		return before, after, nil
	case "BertProcessing", "RobertaProcessing":
		if !p.CLS.set || !p.Sep.set {
			return nil, nil, fmt.Errorf("post_processor: %s without cls and sep", p.Type)
		}
		return []int32{p.CLS.id}, []int32{p.Sep.id}, nil
	case typeSequence: // each takes what those before it have made for the text
		for i := range p.Processors {
			b, a, err := p.Processors[i].around()
			if err != nil {
				return nil, nil, err
			}
			before, after = append(b, before...), append(after, a...)
		}
		return before, after, nil
	}
	return nil, nil, fmt.Errorf("post_processor: %w: type %q; known are ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence",
		ErrUnsupported, p.Type)
}

func has[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok && len(m) == 1
}

// check refuses what is no BPE model. A model without a type is one if it has
// a vocabulary and merges, as the library infers.
func (m *hfModel) check() error {
	switch {
	case m.Type != nil && *m.Type != "BPE":
		return fmt.Errorf("model.type: %w: %q; known is BPE", ErrUnsupported, *m.Type)
	case m.Vocab == nil || m.Merges == nil:
		if m.Type == nil {
			return fmt.Errorf("model.type: %w: a model without a type that is not BPE, as it lacks vocab or merges", ErrUnsupported)
		}
		return errors.New("model: vocab or merges is missing")
	case m.Dropout != nil && m.Dropout != 0.0 && m.Dropout != "NaN": // some programs write NaN for null
		return fmt.Errorf("model.dropout: %w: it is for training", ErrUnsupported)
	case len(m.Vocab) == 0:
		return errors.New("model.vocab: is empty")
	}
	return nil
}

// fill puts the vocabulary and the merges in s: as bytes, if all tokens that
// merges can make are, else as they are written.
func (m *hfModel) fill(s *spec, tokens []string) (err error) {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	s.options = modelOptions{
		IgnoreMerges: m.IgnoreMerges, ByteFallback: m.ByteFallback, FuseUnknown: m.FuseUnknown,
		SubwordPrefix: text(m.SubwordPrefix), WordSuffix: text(m.EndOfWordSuffix),
	}
	if s.merges, err = m.merges(); err != nil {
		return err
	}
	if s.model = m.bytes(tokens, s); s.model != nil {
		s.options = modelOptions{Bytes: true, IgnoreMerges: m.IgnoreMerges}
		return nil
	}
	s.model = tokens
	if name := text(m.Unknown); m.Unknown != nil {
		id, ok := m.Vocab[name]
		if !ok || name == "" {
			return fmt.Errorf("model.unk_token: %q is not in model.vocab", name)
		}
		s.options.Unknown = &id
	}
	return nil
}

// tokens returns the vocabulary by id.
func (m *hfModel) tokens() ([]string, error) {
	last := slices.Max(slices.Collect(maps.Values(m.Vocab)))
	if int64(last) >= maxTokens {
		return nil, fmt.Errorf("model.vocab: id %d is above %d, the largest supported", last, maxTokens-1)
	}
	tokens := make([]string, max(last+1, 0))
	for token, id := range m.Vocab {
		switch {
		case id < 0:
			return nil, fmt.Errorf("model.vocab: token %q has the id %d", token, id)
		case tokens[id] != "":
			return nil, fmt.Errorf("model.vocab: id %d is there twice", id)
		}
		tokens[id] = token
	}
	return tokens, nil
}

// bytes returns the bytes of the tokens of a byte-level vocabulary; nil if it
// is not one. A token that is added, too, need not be byte-level: it is left to
// the added tokens.
func (m *hfModel) bytes(tokens []string, s *spec) []string {
	if !bytesFit(s) {
		return nil
	}
	isAdded := map[string]bool{}
	for _, a := range s.added {
		isAdded[a.Content] = true
	}
	out := make([]string, len(tokens))
	single := 0
	for id, token := range tokens {
		text, ok := appendByteLevel(nil, token)
		if !ok && !isAdded[token] {
			return nil
		}
		out[id] = string(text)
		if len(text) == 1 {
			single++
		}
	}
	if single != 256 {
		return nil
	}
	for _, x := range s.merges { // what merges join is what the pieces of text are made of
		if out[x.left] == "" || out[x.right] == "" || out[x.result] == "" {
			return nil
		}
	}
	return out
}

// merges returns the merges by rank, as ids.
func (m *hfModel) merges() ([]merge, error) {
	prefix := ""
	if m.SubwordPrefix != nil {
		prefix = *m.SubwordPrefix
	}
	merges := make([]merge, len(*m.Merges))
	for rank, pair := range *m.Merges {
		left, ok1 := m.Vocab[pair[0]]
		right, ok2 := m.Vocab[pair[1]]
		result, ok3 := m.Vocab[pair[0]+pair[1][min(len(prefix), len(pair[1])):]]
		if !ok1 || !ok2 || !ok3 {
			return nil, fmt.Errorf("model.merges: the merge %d of %q and %q or its result is not in model.vocab", rank, pair[0], pair[1])
		}
		merges[rank] = merge{left, right, result}
	}
	return merges, nil
}
