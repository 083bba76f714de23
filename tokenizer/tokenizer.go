package tokenizer

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
)

// Tokenizer turns text into token ids and back. It never changes after
// ParseHF, ParseFiles or Load made it, so any number of goroutines may use one
// at a time.
type Tokenizer struct {
	spec

	normalizer   normalizer
	preTokenizer preTokenizer
	splitter     splitter // what preTokenizer does, written by hand; 0: there is none
	stages       []func() stage

	size     int              // one more than the largest id
	beyond   map[int32]string // added tokens that are not among the model's, as the vocabulary would write them
	special  map[int32]bool   // ids of the special tokens
	contents map[string]int32 // ids of the added tokens by content
	vocab    vocabTable       // ids of the model's own tokens
	byteIDs  [256]int32       // the token of each byte, or in a vocabulary of characters its <0x00>; -1: none
	pairs    pairTable        // the merges
	cuts     cutter           // places that no merge crosses
	verbatim addedSet         // added tokens to be found in the text as given
	folded   addedSet         // added tokens to be found in the normalized text
	encoders sync.Pool        // of *encoder

	usesAddedTokens, usesSpecialTokensMap bool // added_tokens.json and special_tokens_map.json have a part in it
}

// spec is what makes up a tokenizer: the contents of its binary section. The
// rest of Tokenizer is built from it.
type spec struct {
	normalizers   []component
	preTokenizers []component
	decoders      []component
	options       modelOptions

	model  []string // the model's own tokens by id; "" where there is none
	merges []merge  // by rank
	added  []AddedToken

	bos, eos, pad int32   // -1: none
	before, after []int32 // what the post-processor puts around a text
}

// modelOptions are the options of a BPE model.
type modelOptions struct {
	Bytes         bool   `json:"bytes,omitempty"`         // tokens are written as the bytes that they stand for
	IgnoreMerges  bool   `json:"ignore_merges,omitempty"` // a piece that is a token as a whole is not built by merges
	ByteFallback  bool   `json:"byte_fallback,omitempty"` // unknown characters become tokens <0x00> to <0xFF>
	FuseUnknown   bool   `json:"fuse_unk,omitempty"`      // unknown characters in a row become one token
	Unknown       *int32 `json:"unk_id,omitempty"`        // the token of unknown characters; nil: they are left out
	SubwordPrefix string `json:"continuing_subword_prefix,omitempty"`
	WordSuffix    string `json:"end_of_word_suffix,omitempty"`
}

// Limits that keep a hostile file from making us allocate without bound.
const (
	maxTokens   = 1 << 22 // ids of a tokenizer
	maxTokenLen = 1<<16 - 1
)

// newTokenizer checks s and builds its tables.
func newTokenizer(s spec) (*Tokenizer, error) {
	t := &Tokenizer{
		spec:     s,
		special:  map[int32]bool{},
		beyond:   map[int32]string{},
		contents: map[string]int32{},
	}
	t.encoders.New = func() any { return newEncoder() }
	if err := t.compile(); err != nil {
		return nil, err
	}
	// The table of merges takes as long as that of tokens, and needs nothing of it.
	var merging sync.WaitGroup
	var badMerge error
	merging.Go(func() {
		if badMerge = t.checkMerges(); badMerge == nil {
			t.pairs = newPairTable(t.merges)
		}
	})
	err := t.indexTokens()
	if err == nil {
		err = t.indexAdded()
	}
	merging.Wait()
	if err = cmp.Or(err, badMerge); err != nil {
		return nil, err
	}
	t.cuts = newCutter(t)
	check := func(name string, id int32) error {
		if id < -1 || int(id) >= t.size {
			return fmt.Errorf("%s token id %d is not in the vocabulary of %d", name, id, t.size)
		}
		return nil
	}
	err = cmp.Or(check("bos", t.bos), check("eos", t.eos), check("pad", t.pad))
	for _, id := range slices.Concat(t.before, t.after) {
		if err == nil && id < 0 {
			err = fmt.Errorf("the post-processor adds token id %d", id)
		}
		err = cmp.Or(err, check("post-processor", id))
	}
	if u := t.options.Unknown; u != nil && err == nil && t.modelToken(*u) == "" {
		err = fmt.Errorf("unknown token id %d is not in the vocabulary", *u)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// checkMerges holds each merge against the texts of its tokens.
func (t *Tokenizer) checkMerges() error {
	prefix := len(t.options.SubwordPrefix)
	for rank, m := range t.merges {
		left, right, result := t.modelToken(m.left), t.modelToken(m.right), t.modelToken(m.result)
		if left == "" || len(right) < max(1, prefix) || len(result) != len(left)+len(right)-prefix ||
			result[:len(left)] != left || result[len(left):] != right[prefix:] {
			return fmt.Errorf("merge %d joins tokens %d and %d to %d, whose text is not theirs joined",
				rank, m.left, m.right, m.result)
		}
	}
	return nil
}

// compile makes the normalizer, the pre-tokenizer and the decoder.
func (t *Tokenizer) compile() (err error) {
	if t.normalizers, t.normalizer, err = compileNormalizer(t.normalizers); err != nil {
		return err
	}
	if t.preTokenizers, t.preTokenizer, err = compilePreTokenizer(t.preTokenizers, t.options.Bytes); err != nil {
		return err
	}
	if t.decoders, t.stages, err = compileDecoder(t.decoders); err != nil {
		return err
	}
	if t.options.Bytes {
		if !bytesFit(&t.spec) {
			return fmt.Errorf("%w: a vocabulary of bytes with these components", ErrUnsupported)
		}
		if k, ok := fastSplitter(t.preTokenizers); ok {
			t.splitter, t.preTokenizers = k, k.components()
		}
	}
	return nil
}

// bytesFit reports whether a vocabulary may be one of bytes: its
// pre-tokenizers make bytes, last of all, and its decoder makes text of them.
func bytesFit(s *spec) bool {
	n := len(s.preTokenizers)
	return n > 0 && s.preTokenizers[n-1].Type == typeByteLevel &&
		!slices.ContainsFunc(s.preTokenizers[:n-1], func(c component) bool { return c.Type == typeByteLevel }) &&
		!slices.ContainsFunc(s.normalizers, func(c component) bool { return c.Type == typeByteLevel }) &&
		len(s.decoders) == 1 && s.decoders[0].Type == typeByteLevel &&
		s.options.SubwordPrefix == "" && s.options.WordSuffix == ""
}

// modelToken returns the text of a token of the model's own vocabulary.
func (t *Tokenizer) modelToken(id int32) string {
	if id < 0 || int(id) >= len(t.model) {
		return ""
	}
	return t.model[id]
}

// indexTokens builds the tables from text to the model's own tokens.
func (t *Tokenizer) indexTokens() error {
	if len(t.model) > maxTokens {
		return fmt.Errorf("vocabulary has %d ids, more than the %d supported", len(t.model), maxTokens)
	}
	t.vocab = newVocabTable(len(t.model))
	for id, text := range t.model {
		if text == "" {
			continue
		}
		if len(text) > maxTokenLen {
			return fmt.Errorf("token %d is %d bytes long, more than the %d supported", id, len(text), maxTokenLen)
		}
		if other, ok := t.vocab.insert(t.model, int32(id)); !ok {
			return fmt.Errorf("tokens %d and %d are the same, %q", other, id, text)
		}
	}
	for b := range t.byteIDs {
		name := string([]byte{byte(b)})
		if !t.options.Bytes {
			name = fmt.Sprintf("<0x%02X>", b)
		}
		id, ok := t.vocab.find(t.model, name)
		if !ok && t.options.Bytes {
			return fmt.Errorf("byte 0x%02X is not in the vocabulary", b)
		}
		if !ok {
			id = -1
		}
		t.byteIDs[b] = id
	}
	return nil
}

// written returns how the model's vocabulary, as it is kept here, writes an
// added token.
func (t *spec) written(content string) string {
	if t.options.Bytes {
		return decodeByteLevel(content)
	}
	return content
}

// spelling returns how the file of the model's vocabulary writes one of its
// tokens: of the bytes " a" it writes Ġa, so that " a" is another token.
func (t *spec) spelling(id int32) string {
	if t.options.Bytes {
		return encodeByteLevel(t.model[id])
	}
	return t.model[id]
}

// ids returns the ids of the model's tokens, as its file writes them.
func (t *spec) ids() map[string]int32 {
	ids := make(map[string]int32, len(t.model))
	for id, text := range t.model {
		if text != "" {
			ids[t.spelling(int32(id))] = int32(id)
		}
	}
	return ids
}

// own returns the id of a token of the model's vocabulary, as its file writes it; -1: there is none.
func (t *spec) own(content string) int32 {
	if i := int32(slices.Index(t.model, t.written(content))); i >= 0 && t.spelling(i) == content {
		return i
	}
	return -1
}

// indexAdded checks the added tokens and builds the tables that find them.
func (t *Tokenizer) indexAdded() error {
	t.size = len(t.model)
	t.added = slices.Clone(t.added)
	slices.SortFunc(t.added, func(a, b AddedToken) int { return int(a.ID) - int(b.ID) })
	var verbatim, folded []addedPattern
	for i := range t.added {
		a := &t.added[i]
		switch _, double := t.contents[a.Content]; {
		case a.ID < 0 || a.ID >= maxTokens:
			return fmt.Errorf("added token %q has the id %d, which is not in 0..%d", a.Content, a.ID, maxTokens-1)
		case a.Content == "" || len(a.Content) > maxTokenLen:
			return fmt.Errorf("added token %d is %d bytes long; 1 to %d are supported", a.ID, len(a.Content), maxTokenLen)
		case double || i > 0 && t.added[i-1].ID == a.ID:
			return fmt.Errorf("added token %q (id %d) is there twice", a.Content, a.ID)
		}
		text := t.written(a.Content)
		own := t.modelToken(a.ID)
		if own != "" && own != text {
			return fmt.Errorf("added token %q has the id %d, which is the token %q in the vocabulary", a.Content, a.ID, own)
		}
		if id, ok := t.vocab.find(t.model, text); ok && id != a.ID && t.spelling(id) == a.Content {
			return fmt.Errorf("added token %q has the id %d, but %d in the vocabulary", a.Content, a.ID, id)
		}
		if own == "" {
			t.size = max(t.size, int(a.ID)+1)
			t.beyond[a.ID] = text
		}
		t.contents[a.Content] = a.ID
		if a.Special {
			t.special[a.ID] = true
		}
		if !a.Normalized {
			verbatim = append(verbatim, addedPattern{a.Content, a})
		} else if text := t.normalizer.apply(a.Content); text != "" {
			folded = append(folded, addedPattern{text, a})
		}
	}
	t.verbatim, t.folded = newAddedSet(verbatim), newAddedSet(folded)
	return nil
}

// VocabSize returns the number of ids: one more than the largest. A model's
// embedding may have more rows, as padding.
func (t *Tokenizer) VocabSize() int { return t.size }

// Token returns a token and whether there is one with this id. In a byte-level
// vocabulary that is its bytes, which need not be valid UTF-8; in another it is
// written as there, with ▁ for a space and <0x0A> for a byte (see Text).
func (t *Tokenizer) Token(id int32) (string, bool) {
	text := t.modelToken(id)
	if text == "" {
		text = t.beyond[id]
	}
	return text, text != ""
}

// Text returns the bytes that a token adds to a text that has begun, which need
// not be valid UTF-8: a part of a character if it is a token of bytes.
func (t *Tokenizer) Text(id int32) string {
	text, ok := t.Token(id)
	if !ok || t.options.Bytes {
		return text
	}
	if b, ok := fallbackByte(text); ok && slices.ContainsFunc(t.decoders, func(c component) bool { return c.Type == "ByteFallback" }) {
		return string([]byte{b})
	}
	c := newChain(t.stages)
	c.begin()
	c.token(text)
	c.flush()
	return c.take()
}

// ID returns the id of the token with these bytes, an added token before one
// of the model's own, and whether there is one.
func (t *Tokenizer) ID(token string) (int32, bool) {
	if id, ok := t.contents[token]; ok {
		return id, true
	}
	return t.vocab.find(t.model, token)
}

// IsSpecial reports whether id is a special token, such as <|im_end|>.
func (t *Tokenizer) IsSpecial(id int32) bool { return t.special[id] }

// SpecialTokens returns the special tokens by ascending id.
func (t *Tokenizer) SpecialTokens() []AddedToken {
	var special []AddedToken
	for _, a := range t.added {
		if a.Special {
			special = append(special, a)
		}
	}
	return special
}

// BOS returns the token that begins a text, if the tokenizer has one.
func (t *Tokenizer) BOS() (int32, bool) { return t.bos, t.bos >= 0 }

// EOS returns the token that ends a text or a turn, if the tokenizer has one.
func (t *Tokenizer) EOS() (int32, bool) { return t.eos, t.eos >= 0 }

// Pad returns the token that fills up a batch, if the tokenizer has one.
func (t *Tokenizer) Pad() (int32, bool) { return t.pad, t.pad >= 0 }

// AddBOS reports whether the model expects BOS before a text. Encode never
// adds it: that is up to the caller, since a chat template may write it too.
func (t *Tokenizer) AddBOS() bool { return len(t.before) > 0 && t.before[0] == t.bos }

// Around returns the tokens that the post-processor puts before and after a
// text: those that EncodeOptions.AddSpecial adds.
func (t *Tokenizer) Around() (before, after []int32) {
	return slices.Clone(t.before), slices.Clone(t.after)
}

// Kind names the kind of tokenizer, for people.
func (t *Tokenizer) Kind() string {
	switch {
	case t.options.Bytes || slices.ContainsFunc(t.decoders, func(c component) bool { return c.Type == typeByteLevel }):
		return "byte-level BPE"
	case t.options.ByteFallback:
		return "BPE with byte fallback"
	}
	return "BPE"
}

// vocabTable finds tokens by text: an open-addressing hash table of ids, which
// is built several times faster than a Go map.
type vocabTable struct {
	slots []int32 // id+1; 0 marks a free slot
	seed  maphash.Seed
}

func newVocabTable(n int) vocabTable {
	return vocabTable{make([]int32, 1<<bits.Len(uint(n*3/2+1))), maphash.MakeSeed()}
}

// insert adds tokens[id]. If the same text is there already, it reports its
// id and false.
func (v *vocabTable) insert(tokens []string, id int32) (int32, bool) {
	slot := v.slot(tokens, tokens[id])
	if *slot != 0 {
		return *slot - 1, false
	}
	*slot = id + 1
	return id, true
}

func (v *vocabTable) find(tokens []string, text string) (int32, bool) {
	slot := *v.slot(tokens, text)
	return slot - 1, slot != 0
}

// slot returns the slot that holds text, or the free one where it belongs.
func (v *vocabTable) slot(tokens []string, text string) *int32 {
	mask := uint64(len(v.slots) - 1)
	i := maphash.String(v.seed, text) & mask
	for v.slots[i] != 0 && tokens[v.slots[i]-1] != text {
		i = (i + 1) & mask
	}
	return &v.slots[i]
}
