package tokenizer

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AddedToken is a token that is found in the text before it is split and
// merged, such as <|im_end|>.
type AddedToken struct {
	ID      int32
	Content string // as it is written in the text

	Special    bool // a control token: hidden by Decode, ignored by Encode, on request
	Normalized bool // looked for in the normalized text, not in the text as given
	SingleWord bool // not found inside a word
	LStrip     bool // takes the white space before it along
	RStrip     bool // takes the white space after it along
}

// isControl reports whether the token steers the model: whether it is special,
// or looks like a marker of turns. DeepSeek's <｜User｜> is not marked special.
func (a *AddedToken) isControl() bool {
	return a.Special || strings.HasPrefix(a.Content, "<|") && strings.HasSuffix(a.Content, "|>") ||
		strings.HasPrefix(a.Content, "<｜") && strings.HasSuffix(a.Content, "｜>")
}

// addedSet finds added tokens in a text.
type addedSet struct {
	tokens []addedPattern // sorted by text
	first  [256]bool      // the first bytes of the texts
	lead   string         // the one first byte, if all texts share it
}

type addedPattern struct {
	text  string // what to look for: the content, normalized if that is asked for
	token *AddedToken
}

func newAddedSet(patterns []addedPattern) addedSet {
	var s addedSet
	s.tokens = patterns
	slices.SortStableFunc(s.tokens, func(a, b addedPattern) int { // of the same text, the first special one is found
		return cmp.Or(cmp.Compare(a.text, b.text), -cmp.Compare(bit(a.token.Special, 1), bit(b.token.Special, 1)))
	})
	for i, p := range s.tokens {
		s.first[p.text[0]] = true
		if i == 0 {
			s.lead = p.text[:1]
		} else if p.text[:1] != s.lead {
			s.lead = ""
		}
	}
	return s
}

// find returns the leftmost match at or after from, the longest of those that
// begin there, or a nil token. A match ends at the next of breaks at the
// latest, if it is one of a control token. It takes
// those that it has passed from breaks.
func (s *addedSet) find(text string, from int, breaks *[]int) (start, end int, token *AddedToken) {
	for i := from; i < len(text); i++ {
		if s.lead != "" {
			n := strings.Index(text[i:], s.lead)
			if n < 0 {
				break
			}
			i += n
		} else if !s.first[text[i]] {
			continue
		}
		for len(*breaks) > 0 && (*breaks)[0] <= i {
			*breaks = (*breaks)[1:]
		}
		limit := len(text) - i
		if len(*breaks) > 0 {
			limit = (*breaks)[0] - i
		}
		if n, token := s.longest(text[i:], limit); token != nil {
			return i, i + n, token
		}
	}
	return len(text), len(text), nil
}

// longest returns the longest added token that text begins with, of control
// tokens up to limit bytes. It narrows the sorted list byte by byte.
func (s *addedSet) longest(text string, limit int) (n int, found *AddedToken) {
	list := s.tokens
	for depth := 0; depth < len(text) && len(list) > 0; depth++ {
		b := text[depth]
		lo := sort.Search(len(list), func(i int) bool { return list[i].text[depth] >= b })
		hi := lo + sort.Search(len(list)-lo, func(i int) bool { return list[lo+i].text[depth] > b })
		list = list[lo:hi]
		// Texts that end here sort before those that go on.
		for len(list) > 0 && len(list[0].text) == depth+1 {
			if n <= depth && (depth < limit || !list[0].token.isControl()) {
				n, found = depth+1, list[0].token
			}
			list = list[1:]
		}
	}
	return n, found
}

// split calls plain with each stretch of text between added tokens and found
// with each added token, in order. Where special is false, special tokens are
// left in the text, as are control tokens across one of breaks.
func (s *addedSet) split(text string, special bool, breaks []int, plain func(start, end int), found func(id int32)) {
	if len(s.tokens) == 0 {
		plain(0, len(text))
		return
	}
	done := 0
	for at := 0; ; {
		start, end, token := s.find(text, at, &breaks)
		if token == nil {
			break
		}
		at = end
		if token.Special && !special {
			continue
		}
		if token.SingleWord {
			before, _ := utf8.DecodeLastRuneInString(text[:start])
			after, _ := utf8.DecodeRuneInString(text[end:])
			if start > 0 && isWord(before) || end < len(text) && isWord(after) {
				continue
			}
		}
		if token.LStrip {
			start = max(done, len(strings.TrimRightFunc(text[:start], isWhite)))
		}
		if token.RStrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], isWhite))
		}
		if done < start {
			plain(done, start)
		}
		if start < end { // else the token before has taken its white space along
			found(token.ID)
		}
		done = end
	}
	if done < len(text) {
		plain(done, len(text))
	}
}

func isWhite(r rune) bool { return unicode.Is(unicode.White_Space, r) }
