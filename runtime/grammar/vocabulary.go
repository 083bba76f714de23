package grammar

import (
	"bytes"
	"slices"
)

// Vocabulary is the tokens of a model as a trie of their bytes. It never changes, so any number of goroutines may use one.
type Vocabulary struct {
	tokens [][]byte
	ends   []int32
	find   func(text string) (int32, bool)

	present [256]bool // bytes that some token has
	longest int

	// The trie's nodes in the order of a walk that visits a node before those below it. Node 0 is the empty text.
	label []byte            // the last byte of each node's text
	depth []uint16          // the length of its text
	end   []int32           // the node after all that are below it
	token []int32           // a token with this text; -1: there is none
	same  map[int32][]int32 // further tokens with the text of one
}

// NewVocabulary makes a vocabulary of the bytes that each token adds to a text; none for those that add nothing, such as special tokens. ends
// are the tokens that end a text. find returns the token that is written as a text, special or not, for grammars with a [Token]; nil: there are none.
func NewVocabulary(tokens [][]byte, ends []int32, find func(text string) (int32, bool)) *Vocabulary {
	v := &Vocabulary{tokens: tokens, ends: slices.Clone(ends), find: find, same: map[int32][]int32{}}
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
	path := []int32{0} // the nodes of the text before
	v.add(0, 0)
	var last []byte
	for _, id := range order {
		text := v.tokens[id]
		v.longest = max(v.longest, len(text))
		shared := 0
		for shared < min(len(last), len(text)) && last[shared] == text[shared] {
			shared++
		}
		if at := path[len(path)-1]; shared == len(text) && len(last) == len(text) { // the same text again
			v.same[v.token[at]] = append(v.same[v.token[at]], id)
			continue
		}
		for _, node := range path[shared+1:] {
			v.end[node] = int32(len(v.label))
		}
		path = path[:shared+1]
		for _, b := range text[shared:] {
			path = append(path, int32(len(v.label)))
			v.add(b, len(path)-1)
			v.present[b] = true
		}
		v.token[path[len(path)-1]] = id
		last = text
	}
	for _, node := range path {
		v.end[node] = int32(len(v.label))
	}
}

func (v *Vocabulary) add(label byte, depth int) {
	v.label, v.depth = append(v.label, label), append(v.depth, uint16(depth))
	v.end, v.token = append(v.end, 0), append(v.token, -1)
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
