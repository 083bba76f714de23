package tokenizer

import (
	"unicode/utf8"
)

// Byte-level vocabularies (GPT-2 and its descendants) are written with one
// printable character per byte: the printable Latin-1 characters stand for
// themselves and the other 68 bytes are moved to U+0100 and up, so that the
// space is written Ġ (U+0120).
var (
	byteToRune [256]rune
	runeToByte [0x144]int16 // -1: the character stands for no byte
)

func init() {
	for i := range runeToByte {
		runeToByte[i] = -1
	}
	moved := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if b < '!' || b > '~' && b < 0xA1 || b == 0xAD {
			r = moved
			moved++
		}
		byteToRune[b] = r
		runeToByte[r] = int16(b)
	}
}

// appendByteLevel appends the bytes that a byte-level string stands for.
// It reports false, with dst unchanged, when a character stands for no byte.
func appendByteLevel(dst []byte, s string) ([]byte, bool) {
	n := len(dst)
	for _, r := range s {
		if int(r) >= len(runeToByte) || runeToByte[r] < 0 {
			return dst[:n], false
		}
		dst = append(dst, byte(runeToByte[r]))
	}
	return dst, true
}

// encodeByteLevel returns the characters that stand for the bytes of s.
func encodeByteLevel(s string) string {
	b := make([]byte, 0, len(s)+len(s)/4)
	for i := range len(s) {
		b = utf8.AppendRune(b, byteToRune[s[i]])
	}
	return string(b)
}

// decodeByteLevel returns the bytes that the ByteLevel decoder makes of a
// token: those its characters stand for or, when one of them stands for none
// (as in an added token with a space), the token as it is.
func decodeByteLevel(token string) string {
	if b, ok := appendByteLevel(nil, token); ok {
		return string(b)
	}
	return token
}

// invalidLen returns how many bytes at the start of b, which does not begin
// with a valid UTF-8 sequence, are replaced together by one U+FFFD: the
// longest prefix that a valid sequence could begin with, else one byte. That
// is the practice of the Unicode Standard (section 3.9) and of Python.
func invalidLen[T string | []byte](b T) int {
	n := 1
	for n < len(b) && n < utf8.UTFMax && !utf8.FullRune([]byte(b[:n+1])) {
		n++
	}
	return n
}

// appendValid appends src to dst as valid UTF-8, invalid bytes replaced by
// U+FFFD. Unless final is set, it leaves out an incomplete sequence at the
// end of src, which later bytes may complete. It returns the extended dst and
// the number of bytes of src that it consumed.
func appendValid[T string | []byte](dst []byte, src T, final bool) ([]byte, int) {
	i := 0
	for i < len(src) {
		if src[i] < utf8.RuneSelf {
			dst = append(dst, src[i])
			i++
			continue
		}
		head := []byte(src[i:min(i+utf8.UTFMax, len(src))])
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 {
			if !final && !utf8.FullRune(head) {
				break
			}
			n = invalidLen(head)
			dst = utf8.AppendRune(dst, utf8.RuneError)
		} else {
			dst = append(dst, head[:n]...)
		}
		i += n
	}
	return dst, i
}
