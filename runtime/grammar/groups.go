package grammar

import (
	"unicode/utf8"

	"st/runtime/grammar/automaton"
)

// groups is a set of groups of bytes. Grammars often treat those of a group alike: where all bytes below a node of the trie leave a config
// as it is, the tokens there need no walk.
type groups uint16

// The groups. ASCII characters have those before groupUTF8.
const (
	groupLower = iota
	groupUpper
	groupDigit
	groupSpace
	groupQuote
	groupBackslash
	groupNewline
	groupTab
	groupControl
	groupComma
	groupClosing     // ] }
	groupApostrophe  // '
	groupPunctuation // all others
	groupWord        // - . _
	groupUTF8        // of a character that is not ASCII
	groupOther       // of none
)

var groupOf = func() (of [utf8.RuneSelf]uint8) {
	for b := range of {
		switch c := byte(b); {
		case c >= 'a' && c <= 'z':
			of[b] = groupLower
		case c >= 'A' && c <= 'Z':
			of[b] = groupUpper
		case c >= '0' && c <= '9':
			of[b] = groupDigit
		case c == '\n':
			of[b] = groupNewline
		case c == '\t':
			of[b] = groupTab
		case c < ' ' || c == 0x7F:
			of[b] = groupControl
		case c == ' ':
			of[b] = groupSpace
		case c == '"':
			of[b] = groupQuote
		case c == '\\':
			of[b] = groupBackslash
		case c == ',':
			of[b] = groupComma
		case c == ']' || c == '}':
			of[b] = groupClosing
		case c == '\'':
			of[b] = groupApostrophe
		case c == '-' || c == '.' || c == '_':
			of[b] = groupWord
		default:
			of[b] = groupPunctuation
		}
	}
	return of
}()

// utf8State is where in a character a text is: the ranges of the bytes that are missing.
type utf8State struct {
	n      int // how many
	lo, hi byte
}

// next returns the state after a byte, and whether it begins a character and is valid.
func (s utf8State) next(b byte) (next utf8State, begins, valid bool) {
	if s.n > 0 && b >= s.lo && b <= s.hi {
		return utf8State{s.n - 1, 0x80, 0xBF}, false, true
	}
	switch {
	case b < utf8.RuneSelf:
		return utf8State{}, true, true
	case b >= 0xC2 && b <= 0xDF:
		return utf8State{1, 0x80, 0xBF}, true, true
	case b == 0xE0:
		return utf8State{2, 0xA0, 0xBF}, true, true
	case b == 0xED:
		return utf8State{2, 0x80, 0x9F}, true, true
	case b >= 0xE1 && b <= 0xEF:
		return utf8State{2, 0x80, 0xBF}, true, true
	case b == 0xF0:
		return utf8State{3, 0x90, 0xBF}, true, true
	case b >= 0xF1 && b <= 0xF3:
		return utf8State{3, 0x80, 0xBF}, true, true
	case b == 0xF4:
		return utf8State{3, 0x80, 0x8F}, true, true
	}
	return utf8State{}, true, false
}

// nonASCII is the bytes of all characters that are not ASCII.
var nonASCII = func() (all [][]byteRange) {
	eachUTF8(automaton.NewSet(utf8.RuneSelf, utf8.MaxRune), func(seq []byteRange) { all = append(all, append([]byteRange{}, seq...)) })
	return all
}()

// loops returns the groups whose characters all lead from a config to another.
func (t *table) loops(from, to int32) groups {
	var all groups = 1<<groupUTF8 - 1
	for b, g := range groupOf {
		if all>>g&1 != 0 && t.step(from, t.program.classes[b]) != to {
			all &^= 1 << g
		}
	}
	for _, seq := range nonASCII {
		if !t.leads(from, to, seq) {
			return all
		}
	}
	return all | 1<<groupUTF8
}

// leads reports whether all texts of a sequence of bytes lead from a config to another.
func (t *table) leads(from, to int32, seq []byteRange) bool {
	if len(seq) == 0 {
		return from == to
	}
	last := -1
	for b := int(seq[0].lo); b <= int(seq[0].hi); b++ {
		class := t.program.classes[b]
		if int(class) == last {
			continue
		}
		last = int(class)
		next := t.step(from, class)
		if next == dead || !t.leads(next, to, seq[1:]) {
			return false
		}
	}
	return true
}
