package tokenizer

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
)

// Tokenizer turns text into token ids and back. It never changes after
// ParseHF or Load made it, so any number of goroutines may use one at a time.
type Tokenizer struct {
	spec

	tokens   []string         // the bytes of each token by id; "" where there is none
	special  map[int32]bool   // ids of the special tokens
	contents map[string]int32 // ids of the added tokens by content
	vocab    vocabTable       // ids of the model's own tokens
	byteIDs  [256]int32       // the token of each byte
	pairs    pairTable        // the merges
	verbatim addedSet         // added tokens to be found in the text as given
	folded   addedSet         // added tokens to be found in the normalized text
	encoders sync.Pool        // of *encoder
}

// spec is what makes up a tokenizer: the contents of its binary section. The
// rest of Tokenizer is built from it.
type spec struct {
	normalizer   normalizer
	splitter     splitter
	ignoreMerges bool // a piece that is a token as a whole is not built by merges

	model  []string // bytes of the model's own tokens by id; "" where there is none
	merges []merge  // by rank
	added  []AddedToken

	bos, eos, pad int32 // -1: none
	addBOS        bool
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
		contents: map[string]int32{},
	}
	t.encoders.New = func() any { return newEncoder() }
	if err := t.indexTokens(); err != nil {
		return nil, err
	}
	if err := t.indexAdded(); err != nil {
		return nil, err
	}
	for rank, m := range t.merges {
		left, right, result := t.modelToken(m.left), t.modelToken(m.right), t.modelToken(m.result)
		if left == "" || right == "" || len(result) != len(left)+len(right) ||
			result[:len(left)] != left || result[len(left):] != right {
			return nil, fmt.Errorf("tokenizer: merge %d joins tokens %d and %d to %d, whose text is not theirs joined",
				rank, m.left, m.right, m.result)
		}
	}
	t.pairs = newPairTable(t.merges)
	for _, f := range []struct {
		name string
		id   int32
	}{{"bos", t.bos}, {"eos", t.eos}, {"pad", t.pad}} {
		if f.id < -1 || int(f.id) >= len(t.tokens) {
			return nil, fmt.Errorf("tokenizer: %s token id %d is not in the vocabulary of %d", f.name, f.id, len(t.tokens))
		}
	}
	return t, nil
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
		return fmt.Errorf("tokenizer: vocabulary has %d ids, more than the %d supported", len(t.model), maxTokens)
	}
	t.vocab = newVocabTable(len(t.model))
	for id, text := range t.model {
		if text == "" {
			continue
		}
		if len(text) > maxTokenLen {
			return fmt.Errorf("tokenizer: token %d is %d bytes long, more than the %d supported", id, len(text), maxTokenLen)
		}
		if other, ok := t.vocab.insert(t.model, int32(id)); !ok {
			return fmt.Errorf("tokenizer: tokens %d and %d are the same, %q", other, id, text)
		}
	}
	for b := range t.byteIDs {
		id, ok := t.vocab.find(t.model, string([]byte{byte(b)}))
		if !ok {
			return fmt.Errorf("tokenizer: byte 0x%02X is not in the vocabulary; only byte-level vocabularies with all 256 are supported", b)
		}
		t.byteIDs[b] = id
	}
	return nil
}

// indexAdded checks the added tokens and builds the tables that find them.
func (t *Tokenizer) indexAdded() error {
	t.tokens = t.model
	if len(t.added) > 0 {
		t.tokens = slices.Clone(t.model)
	}
	t.added = slices.Clone(t.added)
	slices.SortFunc(t.added, func(a, b AddedToken) int { return int(a.ID) - int(b.ID) })
	var verbatim, folded []addedPattern
	for i := range t.added {
		a := &t.added[i]
		switch _, double := t.contents[a.Content]; {
		case a.ID < 0 || a.ID >= maxTokens:
			return fmt.Errorf("tokenizer: added token %q has the id %d, which is not in 0..%d", a.Content, a.ID, maxTokens-1)
		case a.Content == "" || len(a.Content) > maxTokenLen:
			return fmt.Errorf("tokenizer: added token %d is %d bytes long; 1 to %d are supported", a.ID, len(a.Content), maxTokenLen)
		case double || i > 0 && t.added[i-1].ID == a.ID:
			return fmt.Errorf("tokenizer: added token %q (id %d) is there twice", a.Content, a.ID)
		}
		text := decodeByteLevel(a.Content)
		if own := t.modelToken(a.ID); own != "" && own != text {
			return fmt.Errorf("tokenizer: added token %q has the id %d, which is the token %q in the vocabulary", a.Content, a.ID, own)
		}
		if id, ok := t.vocab.find(t.model, text); ok && id != a.ID {
			return fmt.Errorf("tokenizer: added token %q has the id %d, but %d in the vocabulary", a.Content, a.ID, id)
		}
		for len(t.tokens) <= int(a.ID) {
			t.tokens = append(t.tokens, "")
		}
		t.tokens[a.ID] = text
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
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }

// Token returns the bytes of a token, which need not be valid UTF-8, and
// whether there is a token with this id.
func (t *Tokenizer) Token(id int32) (string, bool) {
	if id < 0 || int(id) >= len(t.tokens) {
		return "", false
	}
	return t.tokens[id], t.tokens[id] != ""
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
func (t *Tokenizer) AddBOS() bool { return t.addBOS && t.bos >= 0 }

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
