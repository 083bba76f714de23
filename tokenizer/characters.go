package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// appendCharacters appends the tokens that the merging of a piece begins with,
// in a vocabulary of characters: one for each character, with the prefix of
// those that are not the first and the suffix of the last.
//
// An unknown character becomes the tokens of its bytes, if there are all of
// them, else the unknown token. That token is held until the next known
// character comes, as in the library: bytes in between come before it.
func (t *Tokenizer) appendCharacters(dst []int32, piece string) []int32 {
	o := &t.options
	unknown := false
	flush := func() {
		if unknown {
			dst = append(dst, *o.Unknown)
			unknown = false
		}
	}
	for i, n := 0, 0; i < len(piece); i += n {
		_, n = utf8.DecodeRuneInString(piece[i:])
		s := piece[i : i+n]
		if i > 0 && o.SubwordPrefix != "" {
			s = o.SubwordPrefix + s
		}
		if i+n == len(piece) && o.WordSuffix != "" {
			s += o.WordSuffix
		}
		if id, ok := t.vocab.find(t.model, s); ok {
			flush()
			dst = append(dst, id)
			continue
		}
		if o.ByteFallback && t.haveBytes(s) {
			for j := range len(s) {
				dst = append(dst, t.byteIDs[s[j]])
			}
			continue
		}
		if o.Unknown != nil {
			if !o.FuseUnknown {
				flush()
			}
			unknown = true
		}
	}
	flush()
	return dst
}

func (t *Tokenizer) haveBytes(s string) bool {
	for j := range len(s) {
		if t.byteIDs[s[j]] < 0 {
			return false
		}
	}
	return true
}

// cutter finds places in a piece that no merge crosses, so that what lies on
// either side may be merged by itself: the same tokens from less memory, and
// words that the cache knows. A vocabulary without a pre-tokenizer (Llama 2,
// Gemma) has whole texts for pieces.
type cutter struct {
	mark string        // cut before it; "": nowhere
	ends map[rune]bool // but not after these characters: some token has them before mark
}

// newCutter prepares to cut before ▁.
func newCutter(t *Tokenizer) cutter {
	const mark = "▁"
	o := &t.options
	if o.Bytes || o.IgnoreMerges || o.SubwordPrefix != "" || o.WordSuffix != "" {
		return cutter{}
	}
	if _, ok := t.vocab.find(t.model, mark); !ok {
		return cutter{}
	}
	c := cutter{mark: mark, ends: map[rune]bool{}}
	for _, token := range t.model {
		for at := 0; ; at += len(mark) {
			n := strings.Index(token[at:], mark)
			if n < 0 {
				break
			}
			if at += n; at > 0 {
				r, _ := utf8.DecodeLastRuneInString(token[:at])
				c.ends[r] = true
			}
		}
	}
	return c
}

// next returns the length of the part of piece to merge first. It ends after a
// character of the vocabulary, so that no run of unknown ones is cut.
func (c *cutter) next(t *Tokenizer, piece string) int {
	if c.mark == "" {
		return len(piece)
	}
	for at := 1; at < len(piece); {
		n := strings.Index(piece[at:], c.mark)
		if n < 0 {
			break
		}
		at += n
		r, size := utf8.DecodeLastRuneInString(piece[:at])
		if !c.ends[r] {
			if _, ok := t.vocab.find(t.model, piece[at-size:at]); ok {
				return at
			}
		}
		at += len(c.mark)
	}
	return len(piece)
}
