package tokenizer

import "unicode/utf8"

// splitter cuts text into the pieces that byte-pair merges never cross. Each
// is one regular expression of the wild written out by hand, which is many
// times faster than a regular expression engine with look-ahead. The values
// are part of the binary section.
type splitter uint8

const (
	splitGPT2   splitter = 1
	splitQwen2  splitter = 2
	splitLlama3 splitter = 3
)

const (
	patternGPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

	patternQwen2 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|` +
		` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

	patternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|` +
		` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// splitters maps the patterns that tokenizer.json may name to their splitter.
var splitters = map[string]splitter{
	patternGPT2:   splitGPT2,
	patternQwen2:  splitQwen2,
	patternLlama3: splitLlama3,
}

// next returns the length of the piece at the start of s, which must not be
// empty and must be valid UTF-8.
func (k splitter) next(s string) int {
	switch k {
	case splitGPT2:
		return nextGPT2(s)
	case splitLlama3:
		return nextQwen2(s, 3)
	}
	return nextQwen2(s, 1)
}

// nextQwen2 takes the alternatives of patternQwen2 in order; digits is the
// most numbers that one piece may have, the only difference to Llama 3.
func nextQwen2(s string, digits int) int {
	if n := contraction(s, true); n > 0 {
		return n
	}
	first, n := classAt(s, 0)
	switch first {
	case letter: // [^\r\n\p{L}\p{N}]?\p{L}+ without the optional character
		return span(s, n, letter)
	case number: // \p{N}{1,digits}
		for ; digits > 1 && n < len(s); digits-- {
			c, w := classAt(s, n)
			if c != number {
				break
			}
			n += w
		}
		return n
	case newline:
		return whitespace(s, true)
	}
	// The first character is a space or "other": a letter after it takes it along.
	if n < len(s) {
		second, _ := classAt(s, n)
		if second == letter {
			return span(s, n, letter)
		}
		if s[0] == ' ' && second == other {
			first = other
		}
	}
	if first == other { // ?[^\s\p{L}\p{N}]+[\r\n]*
		return span(s, span(s, n, other), newline)
	}
	return whitespace(s, true)
}

// nextGPT2 takes the alternatives of patternGPT2 in order.
func nextGPT2(s string) int {
	if n := contraction(s, false); n > 0 {
		return n
	}
	first, n := classAt(s, 0)
	if s[0] == ' ' && len(s) > 1 { // " ?" before a run of one class
		if second, _ := classAt(s, 1); !second.isSpace() {
			first = second
		}
	}
	if first.isSpace() {
		return whitespace(s, false)
	}
	return span(s, n, first)
}

// span returns the end of the run of characters of class c that begins at s[i:].
func span(s string, i int, c class) int {
	for i < len(s) {
		d, n := classAt(s, i)
		if d != c {
			break
		}
		i += n
	}
	return i
}

// whitespace returns the length of the piece that s, which begins with white
// space, starts with: `\s*[\r\n]+` where lines is set, else or where that
// does not match `\s+(?!\S)`, else `\s+`.
func whitespace(s string, lines bool) int {
	end, last, afterLine := 0, 0, 0 // last: start of the last white space character
	for end < len(s) {
		c, n := classAt(s, end)
		if !c.isSpace() {
			break
		}
		last = end
		end += n
		if c == newline {
			afterLine = end
		}
	}
	switch {
	case lines && afterLine > 0:
		return afterLine
	case end < len(s) && last > 0:
		return last // the last one is left to what follows it
	}
	return end
}

// contraction returns the length of an English contraction ('s, 't, 're, 've,
// 'm, 'll, 'd) at the start of s, or 0. With fold it ignores case the Unicode
// way, in which ſ (U+017F, long s) is an s.
func contraction(s string, fold bool) int {
	if s[0] != '\'' || len(s) < 2 {
		return 0
	}
	r, n := utf8.DecodeRuneInString(s[1:])
	if fold && r == 'ſ' {
		return 1 + n
	}
	lower := func(b byte) byte {
		if fold && 'A' <= b && b <= 'Z' {
			return b + 'a' - 'A'
		}
		return b
	}
	a, b := lower(s[1]), byte(0)
	if len(s) > 2 {
		b = lower(s[2])
	}
	switch {
	case a == 's' || a == 't' || a == 'm' || a == 'd':
		return 2
	case (a == 'r' || a == 'v') && b == 'e' || a == 'l' && b == 'l':
		return 3
	}
	return 0
}
