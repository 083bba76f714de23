package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// isSpace is white space as str.isspace and \s of Python define it.
func isSpace(r rune) bool { return r >= 0x1C && r <= 0x1F || unicode.IsSpace(r) }

func isDecimal(r rune) bool { return unicode.Is(unicode.Nd, r) }

// otherDigits are the characters with the value of a digit that are not decimal.
var otherDigits = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0xB2, 0xB3, 1}, {0xB9, 0xB9, 1}, {0x1369, 0x1371, 1}, {0x19DA, 0x19DA, 1}, {0x2070, 0x2070, 1},
		{0x2074, 0x2079, 1}, {0x2080, 0x2089, 1}, {0x2460, 0x2468, 1}, {0x2474, 0x247C, 1}, {0x2488, 0x2490, 1},
		{0x24EA, 0x24EA, 1}, {0x24F5, 0x24FD, 1}, {0x24FF, 0x24FF, 1}, {0x2776, 0x277E, 1}, {0x2780, 0x2788, 1},
		{0x278A, 0x2792, 1},
	},
	R32:         []unicode.Range32{{0x10A40, 0x10A43, 1}, {0x10E60, 0x10E68, 1}, {0x11052, 0x1105A, 1}, {0x1F100, 0x1F10A, 1}},
	LatinOffset: 2,
}

func isDigit(r rune) bool { return isDecimal(r) || unicode.Is(otherDigits, r) }

func isNumeric(r rune) bool {
	return unicode.Is(unicode.N, r) || r > 0x3000 && strings.ContainsRune("〇一二三四五六七八九十百千万億兆零壱弐参拾", r)
}

func isAlnum(r rune) bool { return unicode.IsLetter(r) || isNumeric(r) }

// isWord is \w of Python.
func isWord(r rune) bool { return r == '_' || isAlnum(r) }

func isCased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

func isLower(r rune) bool { return unicode.In(r, unicode.Ll, unicode.Other_Lowercase) }

func isUpper(r rune) bool { return unicode.In(r, unicode.Lu, unicode.Other_Uppercase) }

// all tells whether s is not empty and f holds for all of it.
func all(s string, f func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !f(r) }) < 0
}

func upper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

func lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

func fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Fold().String(s)
}

// titleRune returns the first letter of a word.
func titleRune(r rune) string {
	if t := unicode.ToTitle(r); t != r || r < 0x80 {
		return string(t)
	}
	return cases.Title(language.Und, cases.NoLower).String(string(r))
}

// title is str.title: letters that follow no letter are upper case.
func title(s string) string {
	var w strings.Builder
	cased := false
	start := 0 // of the letters to write in lower case
	flush := func(end int) {
		w.WriteString(lower(s[start:end]))
		start = end
	}
	for i, r := range s {
		if !isCased(r) {
			cased = false
			continue
		}
		if !cased {
			flush(i)
			w.WriteString(titleRune(r))
			start = i + utf8.RuneLen(r)
		}
		cased = true
	}
	flush(len(s))
	return w.String()
}

// capitalize is str.capitalize.
func capitalize(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return titleRune(r) + lower(s[n:])
}

func swapCase(s string) string {
	var w strings.Builder
	for _, r := range s {
		switch {
		case isUpper(r):
			w.WriteString(lower(string(r)))
		case isLower(r):
			w.WriteString(upper(string(r)))
		default:
			w.WriteRune(r)
		}
	}
	return w.String()
}

// isTitle is str.istitle.
func isTitle(s string) bool {
	cased, found := false, false
	for _, r := range s {
		switch {
		case isUpper(r) || unicode.Is(unicode.Lt, r):
			if cased {
				return false
			}
			cased, found = true, true
		case isLower(r):
			if !cased {
				return false
			}
			found = true
		default:
			cased = false
		}
	}
	return found
}

// splitLines is str.splitlines.
func splitLines(s string, keepEnds bool) []string {
	var lines []string
	start := 0
	for i, r := range s {
		if i < start {
			continue // the \n of \r\n
		}
		switch r {
		case '\n', '\v', '\f', '\r', 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029:
			end := i + utf8.RuneLen(r)
			if r == '\r' && strings.HasPrefix(s[end:], "\n") {
				end++
			}
			if keepEnds {
				lines = append(lines, s[start:end])
			} else {
				lines = append(lines, s[start:i])
			}
			start = end
		}
	}
	if start < len(s) {
		lines = append(lines, s[start:])
	}
	return lines
}
