package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer is what is done to a stretch of text before it is split.
type normalizer []normalizeStep

// normalizeStep changes a text. first says whether the text's first character
// comes from the first one of the whole text, which Metaspace asks.
type normalizeStep func(text string, first bool) (string, bool)

// apply normalizes text, which is valid UTF-8.
func (n normalizer) apply(text string) string {
	text, _ = n.applyFirst(text, false)
	return text
}

func (n normalizer) applyFirst(text string, first bool) (string, bool) {
	for _, step := range n {
		if text == "" {
			break
		}
		text, first = step(text, first)
	}
	return text, first
}

const knownNormalizers = "NFC NFD NFKC NFKD Lowercase Prepend Replace Strip StripAccents ByteLevel Sequence"

// checkNormalizer returns c with the fields that count, and what it does.
func checkNormalizer(c component) (component, normalizeStep, error) {
	plain := func(f func(string) string) (component, normalizeStep, error) {
		return c.keep(), func(s string, first bool) (string, bool) { return f(s), first }, nil
	}
	switch c.Type {
	case "NFC":
		return plain(nfc)
	case "NFD":
		return plain(func(s string) string { return normalForm(norm.NFD, s) })
	case "NFKC":
		return plain(func(s string) string { return normalForm(norm.NFKC, s) })
	case "NFKD":
		return plain(func(s string) string { return normalForm(norm.NFKD, s) })
	case "Lowercase":
		return plain(lowercase)
	case typeByteLevel:
		return plain(encodeByteLevel)
	case "Prepend":
		prefix := c.Prepend
		return c.keep("prepend"), func(s string, first bool) (string, bool) { return prefix + s, first }, nil
	case typeReplace:
		m, err := c.Pattern.compile()
		if err != nil {
			return c, nil, named("normalizer", c, err)
		}
		return c.keep("pattern", "content"), func(s string, first bool) (string, bool) {
			return replaceMatches(s, m, c.Content, first)
		}, nil
	case typeStrip:
		return c.keep("sides"), func(s string, first bool) (string, bool) {
			n := len(s)
			if c.StripLeft {
				s = strings.TrimLeftFunc(s, isWhite)
				first = first && len(s) == n
			}
			if c.StripRight {
				s = strings.TrimRightFunc(s, isWhite)
			}
			return s, first
		}, nil
	case "StripAccents":
		return c.keep(), func(s string, first bool) (string, bool) {
			r, _ := utf8.DecodeRuneInString(s)
			return strings.Map(func(r rune) rune {
				if isAccent(r) {
					return -1
				}
				return r
			}, s), first && !isAccent(r)
		}, nil
	}
	return c, nil, unsupportedType("normalizer", c, knownNormalizers)
}

// replaceMatches puts content in the place of each match.
func replaceMatches(s string, m matcher, content string, first bool) (string, bool) {
	if l, ok := m.(literal); ok && l != "" {
		if strings.HasPrefix(s, string(l)) {
			first = first && content != "" && utf8.RuneCountInString(string(l)) == 1
		}
		return strings.ReplaceAll(s, string(l), content), first
	}
	var b strings.Builder
	at := 0
	for span := range m.matches(s) {
		if span.Start == 0 && span.End > 0 {
			first = first && content != "" && utf8.RuneCountInString(s[:span.End]) == 1
		}
		b.WriteString(s[at:span.Start])
		b.WriteString(content)
		at = span.End
	}
	if at == 0 && b.Len() == 0 {
		return s, first
	}
	b.WriteString(s[at:])
	return b.String(), first
}

// lowercase changes each character by itself, as Rust's char::to_lowercase.
func lowercase(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		if r == 'İ' { // the one that becomes two
			b.WriteString("i\u0307")
			continue
		}
		b.WriteRune(lowerRune(r))
	}
	return b.String()
}

func isAccent(r rune) bool {
	return unicode.Is(unicode.M, r) && !unicode.Is(newAccents, r) || unicode.Is(formerMarks, r)
}

// compileNormalizer checks the normalizers of a tokenizer and returns those of the
// section and the one that does it all.
func compileNormalizer(components []component) ([]component, normalizer, error) {
	if err := checkComponents("normalizer", components); err != nil {
		return nil, nil, err
	}
	var kept []component
	var steps normalizer
	for _, c := range components {
		k, step, err := checkNormalizer(c)
		if err != nil {
			return nil, nil, err
		}
		kept, steps = append(kept, k), append(steps, step)
	}
	return kept, steps, nil
}

// maxComponents bounds a Sequence.
const maxComponents = 64
