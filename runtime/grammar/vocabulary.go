package grammar

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Vocabulary is the tokens of a model as a trie of their bytes. It never changes, so any number of goroutines may use one.
type Vocabulary struct {
	tokens [][]byte
	ends   []int32
	find   func(text string) (int32, bool)

	present [256]bool // bytes that some token has
	longest int

	// The trie's nodes in the order of a walk that visits a node before those below it. Node 0 is the empty text.
	label []byte   // the last byte of each node's text
	depth []uint16 // the length of its text
	end   []int32  // the node after all that are below it
	first []int32  // the index in order of the first token at the node or below; one more than there are nodes
	order []int32  // tokens in the order of the nodes
	below []groups // the bytes of all nodes below it
	chars []uint16 // how many characters have begun

	byLabel [256][]int32 // nodes
	byChars []tokenChars // tokens of the trie, by their number of characters
}

// tokenChars is a token, and the number of its characters.
type tokenChars struct {
	token int32
	chars uint16
}

// NewVocabulary makes a vocabulary of the bytes that each token adds to a text; none for those that add nothing, such as special tokens. ends
// are the tokens that end a text. find returns the token that is written as a text, special or not, for grammars with a [Token]; nil: there are none.
func NewVocabulary(tokens [][]byte, ends []int32, find func(text string) (int32, bool)) *Vocabulary {
	v := &Vocabulary{tokens: tokens, ends: slices.Clone(ends), find: find}
	order := make([]int32, 0, len(tokens))
	for id, t := range tokens {
		if len(t) > 0 && len(t) < 1<<16 && !slices.Contains(ends, int32(id)) {
			order = append(order, int32(id))
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := bytes.Compare(tokens[a], tokens[b]); c != 0 {
			return c
		}
		return int(a - b)
	})
	v.build(order)
	return v
}

// build makes the trie of tokens that are sorted by text.
func (v *Vocabulary) build(order []int32) {
	v.order = order
	path := []int32{0} // the nodes of the text before
	v.add(0, 0, 0)
	var last []byte
	for i, id := range order {
		text := v.tokens[id]
		v.longest = max(v.longest, len(text))
		shared := 0
		for shared < min(len(last), len(text)) && last[shared] == text[shared] {
			shared++
		}
		path = v.close(path, shared)
		for _, b := range text[shared:] {
			path = append(path, int32(len(v.label)))
			v.add(b, len(path)-1, int32(i))
			v.present[b] = true
		}
		last = text
	}
	v.close(path, -1)
	v.first = append(v.first, int32(len(order)))
	v.describe()
}

// close ends the nodes of a path that are deeper than depth.
func (v *Vocabulary) close(path []int32, depth int) []int32 {
	for _, node := range path[depth+1:] {
		v.end[node] = int32(len(v.label))
	}
	return path[:depth+1]
}

func (v *Vocabulary) add(label byte, depth int, token int32) {
	v.label, v.depth, v.end, v.first = append(v.label, label), append(v.depth, uint16(depth)), append(v.end, 0), append(v.first, token)
}

// describe finds what is below each node, and the characters of its text.
func (v *Vocabulary) describe() {
	v.below, v.chars = make([]groups, len(v.label)), make([]uint16, len(v.label))
	utf := make([]utf8State, v.longest+1) // by depth
	at := make([]int32, v.longest+1)
	for i := 1; i < len(v.label); i++ {
		d, b := v.depth[i], v.label[i]
		var begins, valid bool
		utf[d], begins, valid = utf[d-1].next(b)
		v.chars[i] = v.chars[at[d-1]]
		if at[d] = int32(i); begins {
			v.chars[i]++
		}
		own := groups(1) << groupOther
		switch {
		case b < utf8.RuneSelf:
			own = 1 << groupOf[b]
		case valid:
			own = 1 << groupUTF8
		}
		for _, above := range at[:d] {
			v.below[above] |= own
		}
		v.byLabel[b] = append(v.byLabel[b], int32(i))
		for _, id := range v.order[v.first[i]:v.first[i+1]] {
			v.byChars = append(v.byChars, tokenChars{id, v.chars[i]})
		}
	}
	slices.SortStableFunc(v.byChars, func(a, b tokenChars) int { return int(a.chars) - int(b.chars) })
}

// Size returns the number of tokens.
func (v *Vocabulary) Size() int { return len(v.tokens) }

// Bytes returns what a token adds to a text. It must not be changed.
func (v *Vocabulary) Bytes(id int32) []byte {
	if id < 0 || int(id) >= len(v.tokens) {
		return nil
	}
	return v.tokens[id]
}

// IsEnd reports whether a token ends a text.
func (v *Vocabulary) IsEnd(id int32) bool { return slices.Contains(v.ends, id) }

func (v *Vocabulary) id(text string) (int32, bool) {
	if v.find == nil {
		return 0, false
	}
	return v.find(text)
}

func (v *Vocabulary) presentWithin(lo, hi byte) bool {
	for b := int(lo); b <= int(hi); b++ {
		if v.present[b] {
			return true
		}
	}
	return false
}
