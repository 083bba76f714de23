package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// class is what the pre-tokenizer patterns can tell apart about a character.
type class uint8

const (
	other   class = iota // none of the below: punctuation, marks, symbols, controls
	letter               // \p{L}
	number               // \p{N}
	space                // \s but for the next two
	newline              // \r and \n
)

// isSpace reports whether c is matched by \s, which covers the line ends.
func (c class) isSpace() bool { return c >= space }

// classes holds the class of every character of the Basic Multilingual Plane.
var classes = func() *[1 << 16]class {
	t := new([1 << 16]class)
	fill := func(table *unicode.RangeTable, c class) {
		for _, r := range table.R16 {
			for x := uint32(r.Lo); x <= uint32(r.Hi); x += uint32(r.Stride) {
				t[x] = c
			}
		}
	}
	fill(unicode.L, letter)
	fill(newLetters, letter)
	fill(unicode.N, number)
	fill(newNumbers, number)
	fill(unicode.White_Space, space)
	t['\r'], t['\n'] = newline, newline
	return t
}()

// classOf returns the class of r. No character beyond the BMP is white space.
func classOf(r rune) class {
	switch {
	case uint32(r) < uint32(len(classes)):
		return classes[r]
	case unicode.In(r, unicode.L, newLetters):
		return letter
	case unicode.In(r, unicode.N, newNumbers):
		return number
	}
	return other
}

// classAt returns the class and the length in bytes of the character at
// s[i:], which must not be empty.
func classAt(s string, i int) (class, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return classes[b], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classOf(r), n
}

// isWord reports whether r is matched by \w: a letter, a mark, a digit, a
// connector such as '_' or a joiner.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M,
		unicode.Nd, unicode.Pc, unicode.Join_Control, newWords)
}
