package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks is the length of a run of combining marks up to which package norm
// does plain NFC. Beyond 30 (after decomposition, in which one mark may become
// several) it writes the Stream-Safe Text Format, with U+034F inserted, which
// no tokenizer was trained on.
const maxMarks = 7

// nfc returns s in Unicode normalization form C.
func nfc(s string) string { return normalForm(norm.NFC, s) }

// normalForm returns s in a Unicode normalization form, by the tables of the
// tokenizers library. s must be valid UTF-8.
func normalForm(form norm.Form, s string) string {
	if form.IsNormalString(s) {
		return s // parted at what is new or not: a part of a normal string is normal
	}
	isNew := func(r rune) bool { return unicode.Is(newMarks, r) }
	if form != norm.NFC {
		isNew = func(r rune) bool {
			return unicode.Is(newMarks, r) || r == 0x11938 || form != norm.NFD && unicode.Is(newCompatible, r)
		}
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if isNew(r) {
			b.WriteString(s[:n])
			s = s[n:]
			continue
		}
		n = strings.IndexFunc(s, isNew)
		if n < 0 {
			n = len(s)
		}
		if part := s[:n]; longMarks(part) {
			b.WriteString(normalizeAll(form, part))
		} else {
			b.WriteString(form.String(part))
		}
		s = s[n:]
	}
	return b.String()
}

// longMarks reports whether s has a run of more than maxMarks combining marks.
func longMarks(s string) bool {
	run := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			run = 0
			i++
			continue
		}
		p := norm.NFC.PropertiesString(s[i:])
		if p.CCC() == 0 {
			run = 0
		} else if run++; run > maxMarks {
			return true
		}
		i += p.Size()
	}
	return false
}

// normalizeAll is a normalization by the book (Unicode Standard Annex #15): decompose,
// order the marks, compose. Slow, but with no limit on the marks.
func normalizeAll(form norm.Form, s string) string {
	decomposed := norm.NFD
	if form == norm.NFKC || form == norm.NFKD {
		decomposed = norm.NFKD
	}
	type char struct {
		r   rune
		ccc uint8
	}
	var chars []char
	for _, r := range s {
		for _, d := range decomposed.String(string(r)) {
			chars = append(chars, char{d, norm.NFD.PropertiesString(string(d)).CCC()})
		}
	}
	for i := 0; i < len(chars); i++ {
		j := i
		for j < len(chars) && chars[j].ccc != 0 {
			j++
		}
		slices.SortStableFunc(chars[i:j], func(a, b char) int { return int(a.ccc) - int(b.ccc) })
		i = j
	}
	out := chars[:0]
	starter, last := -1, uint8(0) // last: class of the last character kept after the starter
	for _, c := range chars {
		adjacent := starter == len(out)-1
		if composes := form == norm.NFC || form == norm.NFKC; composes && starter >= 0 && (adjacent || last != 0 && last < c.ccc) {
			if r, ok := compose(out[starter].r, c.r); ok {
				out[starter].r = r
				continue
			}
		}
		out = append(out, c)
		last = c.ccc
		if c.ccc == 0 {
			starter = len(out) - 1
		}
	}
	text := make([]rune, len(out))
	for i, c := range out {
		text[i] = c.r
	}
	return string(text)
}

// compose returns the character that a and b compose to, if there is one.
func compose(a, b rune) (rune, bool) {
	s := norm.NFC.String(string([]rune{a, b}))
	r, n := utf8.DecodeRuneInString(s)
	return r, n == len(s)
}
