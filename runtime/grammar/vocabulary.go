package grammar

import (
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
	sortTokens(tokens, order)
	v.build(order)
	return v
}

// build makes the trie of tokens that are sorted by text.
func (v *Vocabulary) build(order []int32) {
	v.order = order
	nodes := 1
	var last []byte
	for _, id := range order {
		text := v.tokens[id]
		v.longest = max(v.longest, len(text))
		nodes += len(text) - shared(last, text)
		last = text
	}
	v.label, v.depth, v.end = make([]byte, 0, nodes), make([]uint16, 0, nodes), make([]int32, 0, nodes)
	v.first = make([]int32, 0, nodes+1)
	path := make([]int32, 1, v.longest+1) // the nodes of the text before
	v.add(0, 0, 0)
	last = nil
	for i, id := range order {
		text := v.tokens[id]
		n := shared(last, text)
		path = v.close(path, n)
		for _, b := range text[n:] {
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

// shared returns how many bytes two texts begin with alike.
func shared(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
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
	var labels [256]int
	utf := make([]utf8State, v.longest+1) // by depth
	at := make([]int32, v.longest+1)
	own := make([]groups, v.longest+1) // what is at the nodes of the path and below them, as far as they were visited
	deepest := 0
	up := func(depth int) { // the path ends above depth
		for ; deepest >= depth && deepest > 0; deepest-- {
			v.below[at[deepest-1]] |= own[deepest] | v.below[at[deepest]]
		}
	}
	for i := 1; i < len(v.label); i++ {
		d, b := int(v.depth[i]), v.label[i]
		up(d)
		deepest = d
		var begins, valid bool
		utf[d], begins, valid = utf[d-1].next(b)
		v.chars[i] = v.chars[at[d-1]]
		if at[d] = int32(i); begins {
			v.chars[i]++
		}
		own[d] = groups(1) << groupOther
		switch {
		case b < utf8.RuneSelf:
			own[d] = 1 << groupOf[b]
		case valid:
			own[d] = 1 << groupUTF8
		}
		labels[b]++
	}
	up(1)
	nodes := make([]int32, len(v.label)-1)
	for b, n := range labels {
		v.byLabel[b], nodes = nodes[:0:n], nodes[n:]
	}
	for i := 1; i < len(v.label); i++ {
		v.byLabel[v.label[i]] = append(v.byLabel[v.label[i]], int32(i))
	}
	v.countChars()
}

// countChars sorts the tokens by their numbers of characters: those of one number in the order of the trie.
func (v *Vocabulary) countChars() {
	place := make([]int, v.longest+2)
	for i := range v.label {
		place[v.chars[i]+1] += int(v.first[i+1] - v.first[i])
	}
	for n := 1; n < len(place); n++ {
		place[n] += place[n-1]
	}
	v.byChars = make([]tokenChars, len(v.order))
	for i := range v.label {
		chars := v.chars[i]
		for _, id := range v.order[v.first[i]:v.first[i+1]] {
			v.byChars[place[chars]] = tokenChars{id, chars}
			place[chars]++
		}
	}
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
