package grammar

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"
)

// The tables of a vocabulary are held against what they say of the tokens' texts.
func TestVocabularyTables(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", "ab", "é", "日", "\x00", "\xff", "\xe6\x97", "\"", " ", "\n", "long common beginning ", "0"}
	for round := range 20 {
		tokens := make([][]byte, rng.IntN(300))
		for i := range tokens {
			for range rng.IntN(5) { // some are empty, some the same
				tokens[i] = append(tokens[i], pieces[rng.IntN(len(pieces))]...)
			}
		}
		v := NewVocabulary(tokens, nil, nil)

		var want []int32
		for id := range tokens {
			if len(tokens[id]) > 0 {
				want = append(want, int32(id))
			}
		}
		slices.SortStableFunc(want, func(a, b int32) int { return bytes.Compare(tokens[a], tokens[b]) })
		if !slices.Equal(v.order, want) {
			t.Fatalf("round %d: the order is %v, want %v", round, v.order, want)
		}

		text := make([][]byte, len(v.label)) // of each node
		labels := 0
		for i := 1; i < len(v.label); i++ {
			parent := i - 1
			for v.depth[parent] >= v.depth[i] {
				parent--
			}
			text[i] = append(slices.Clone(text[parent]), v.label[i])
			if int32(i) >= v.end[parent] {
				t.Fatalf("round %d: node %d is not below node %d", round, i, parent)
			}
			if n := runes(text[i]); int(v.chars[i]) != n {
				t.Fatalf("round %d: %q has %d characters, want %d", round, text[i], v.chars[i], n)
			}
		}
		for i := range v.label {
			var below groups
			for j := i + 1; j < int(v.end[i]); j++ {
				below |= groupOfLast(text[j])
			}
			if v.below[i] != below {
				t.Fatalf("round %d: below %q are %b, want %b", round, text[i], v.below[i], below)
			}
			for _, id := range v.order[v.first[i]:v.first[i+1]] {
				if !bytes.Equal(tokens[id], text[i]) {
					t.Fatalf("round %d: token %q is at the node of %q", round, tokens[id], text[i])
				}
			}
		}
		for b, nodes := range v.byLabel {
			labels += len(nodes)
			if !slices.IsSorted(nodes) || slices.ContainsFunc(nodes, func(n int32) bool { return v.label[n] != byte(b) }) {
				t.Fatalf("round %d: byte %#x has the nodes %v", round, b, nodes)
			}
		}
		if labels != len(v.label)-1 {
			t.Fatalf("round %d: %d nodes by their bytes, want %d", round, labels, len(v.label)-1)
		}
		slices.SortStableFunc(want, func(a, b int32) int { return runes(tokens[a]) - runes(tokens[b]) })
		for i, c := range v.byChars {
			if c.token != want[i] || int(c.chars) != runes(tokens[c.token]) {
				t.Fatalf("round %d: token %d by characters is %v, want %d", round, i, c, want[i])
			}
		}
	}
}

// runes counts the characters that have begun in a text. A byte of none counts as one.
func runes(text []byte) (n int) {
	s := utf8State{}
	for _, b := range text {
		next, begins, _ := s.next(b)
		if s = next; begins {
			n++
		}
	}
	return n
}

// groupOfLast returns the group of a text's last byte.
func groupOfLast(text []byte) groups {
	s, valid := utf8State{}, false
	for _, b := range text {
		s, _, valid = s.next(b)
	}
	switch b := text[len(text)-1]; {
	case b < utf8.RuneSelf:
		return 1 << groupOf[b]
	case valid:
		return 1 << groupUTF8
	}
	return 1 << groupOther
}
