package grammar

import (
	"unicode/utf8"

	"st/runtime/grammar/automaton"
)

type byteRange struct{ lo, hi byte }

// eachUTF8 calls f with sequences of byte ranges: the bytes of the characters of a set, each once. The sequence is valid until f returns.
func eachUTF8(set automaton.Set, f func([]byteRange)) {
	for _, r := range set {
		lo := r.Lo
		for _, last := range []rune{0x7F, 0x7FF, 0xFFFF, utf8.MaxRune} { // of 1, 2, 3, 4 bytes
			if lo <= min(r.Hi, last) {
				splitUTF8(lo, min(r.Hi, last), f)
				lo = last + 1
			}
		}
	}
}

// splitUTF8 splits characters of the same length where their continuation bytes begin anew, until each byte is in a range of its own.
func splitUTF8(lo, hi rune, f func([]byteRange)) {
	for n := 1; n < utf8.RuneLen(hi); n++ {
		mask := rune(1)<<(6*n) - 1 // of the last n bytes
		if lo&^mask == hi&^mask {
			continue
		}
		if lo&mask != 0 {
			splitUTF8(lo, lo|mask, f)
			splitUTF8(lo|mask+1, hi, f)
			return
		}
		if hi&mask != mask {
			splitUTF8(lo, hi&^mask-1, f)
			splitUTF8(hi&^mask, hi, f)
			return
		}
	}
	var a, b [utf8.UTFMax]byte
	n := utf8.EncodeRune(a[:], lo)
	utf8.EncodeRune(b[:], hi)
	var seq [utf8.UTFMax]byteRange
	for i := range n {
		seq[i] = byteRange{a[i], b[i]}
	}
	f(seq[:n])
}
