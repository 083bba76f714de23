package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// preTokenizer cuts text into the pieces that merges never cross. Its steps
// cut, in turn, what the one before left.
type preTokenizer []preStep

// preStep cuts a text and calls emit with every part, which may be changed.
// first says whether the part begins where the whole text does.
type preStep func(text string, first bool, emit func(part string, first bool))

// run calls emit with every piece of text.
func (p preTokenizer) run(text string, first bool, emit func(string)) {
	switch {
	case text == "":
	case len(p) == 0:
		emit(text)
	default:
		p[0](text, first, func(part string, first bool) { p[1:].run(part, first, emit) })
	}
}

const knownPreTokenizers = "ByteLevel Split Metaspace Digits Punctuation Whitespace WhitespaceSplit BertPreTokenizer " +
	"CharDelimiterSplit FixedLength Sequence"

// checkPreTokenizer returns c with the fields that count, and what it does; nil:
// nothing. With raw, ByteLevel leaves bytes as they are, for a vocabulary of
// bytes.
func checkPreTokenizer(c component, raw bool) (component, preStep, error) {
	switch c.Type {
	case typeByteLevel:
		return c.keep("bytelevel"), byteLevelStep(c, raw), nil
	case typeSplit:
		m, err := c.Pattern.compile()
		if err != nil {
			return c, nil, named("pre_tokenizer", c, err)
		}
		return checkSplit(c.keep("pattern", "behavior"), m, c.Behavior, c.Invert)
	case typeMetaspace:
		m, err := c.metaspace()
		if err != nil {
			return c, nil, named("pre_tokenizer", c, err)
		}
		return c.keep("metaspace"), m.step, nil
	case "Digits":
		behavior := "Contiguous"
		if c.IndividualDigits {
			behavior = "Isolated"
		}
		return checkSplit(c.keep("digits"), charClass(isNumeric), behavior, false)
	case "Punctuation":
		return checkSplit(c.keep("behavior"), charClass(isPunctuation), cmp.Or(c.Behavior, "Isolated"), false)
	case "Whitespace":
		return checkSplit(c.keep(), words, "Removed", true)
	case "WhitespaceSplit":
		return checkSplit(c.keep(), charClass(isWhite), "Removed", false)
	case "BertPreTokenizer":
		return c.keep(), bertStep(), nil
	case "CharDelimiterSplit", "Delimiter":
		r, err := oneRune("delimiter", c.Delimiter)
		if err != nil {
			return c, nil, named("pre_tokenizer", c, err)
		}
		return checkSplit(c.keep("delimiter"), charClass(func(x rune) bool { return x == r }), "Removed", false)
	case "FixedLength":
		if c.Length <= 0 {
			return c, nil, named("pre_tokenizer", c, fmt.Errorf("length: %d is not positive", c.Length))
		}
		return c.keep("length"), fixedLengthStep(c.Length), nil
	}
	return c, nil, unsupportedType("pre_tokenizer", c, knownPreTokenizers)
}

// checkSplit returns the step of a component that cuts where m matches.
func checkSplit(c component, m matcher, behavior string, invert bool) (component, preStep, error) {
	if !slices.Contains(behaviors, behavior) {
		return c, nil, named("pre_tokenizer", c, fmt.Errorf("behavior: %w: %q", ErrUnsupported, behavior))
	}
	return c, splitStep(m, behavior, invert), nil
}

func splitStep(m matcher, behavior string, invert bool) preStep {
	return func(text string, first bool, emit func(string, bool)) {
		splitText(text, m, behavior, invert, func(start, end int) { emit(text[start:end], first && start == 0) })
	}
}

// bertStep cuts at white space, which goes, and at punctuation, which stays.
func bertStep() preStep {
	white, punctuation := splitStep(charClass(isWhite), "Removed", false), splitStep(charClass(isPunctuation), "Isolated", false)
	return func(text string, first bool, emit func(string, bool)) {
		white(text, first, func(part string, first bool) { punctuation(part, first, emit) })
	}
}

// fixedLengthStep cuts after every so many characters.
func fixedLengthStep(length int) preStep {
	return func(text string, first bool, emit func(string, bool)) {
		start, n := 0, 0
		for i := range text {
			if n == length {
				emit(text[start:i], first && start == 0)
				start, n = i, 0
			}
			n++
		}
		emit(text[start:], first && start == 0)
	}
}

// byteLevelStep is what ByteLevel does: nil if that is nothing.
func byteLevelStep(c component, raw bool) preStep {
	prefix, useRegex := isTrue(c.AddPrefixSpace, false), isTrue(c.UseRegex, true)
	if raw && !prefix && !useRegex {
		return nil
	}
	return func(text string, first bool, emit func(string, bool)) {
		if prefix && text[0] != ' ' {
			text = " " + text
		}
		bytes := func(s string) string {
			if raw {
				return s
			}
			return encodeByteLevel(s)
		}
		if !useRegex {
			emit(bytes(text), first)
			return
		}
		for at := 0; at < len(text); {
			n := splitGPT2.next(text[at:])
			emit(bytes(text[at:at+n]), first && at == 0)
			at += n
		}
	}
}

func (m metaspace) step(text string, first bool, emit func(string, bool)) {
	text = strings.ReplaceAll(text, " ", m.text)
	if (m.scheme == "always" || m.scheme == "first" && first) && !strings.HasPrefix(text, m.text) {
		text = m.text + text
	}
	if !m.split {
		emit(text, first)
		return
	}
	splitText(text, literal(m.text), "MergedWithNext", false, func(start, end int) { emit(text[start:end], first && start == 0) })
}

// compilePreTokenizer checks the pre-tokenizers of a tokenizer and returns
// those of the section and the one that does it all.
func compilePreTokenizer(components []component, raw bool) ([]component, preTokenizer, error) {
	if err := checkComponents("pre_tokenizer", components); err != nil {
		return nil, nil, err
	}
	var kept []component
	var steps preTokenizer
	for _, c := range components {
		k, step, err := checkPreTokenizer(c, raw)
		if err != nil {
			return nil, nil, err
		}
		kept = append(kept, k)
		if step != nil {
			steps = append(steps, step)
		}
	}
	return kept, steps, nil
}

// fastSplitter returns the hand-written splitter that does what the
// pre-tokenizers of a byte-level vocabulary do, if there is one.
func fastSplitter(components []component) (splitter, bool) {
	n := len(components)
	if n == 0 || n > 2 {
		return 0, false
	}
	last := components[n-1]
	if last.Type != typeByteLevel || isTrue(last.AddPrefixSpace, false) || isTrue(last.UseRegex, true) != (n == 1) {
		return 0, false
	}
	if n == 1 {
		return splitGPT2, true
	}
	c := components[0]
	if c.Type != typeSplit || c.Pattern == nil || c.Pattern.Regex == nil {
		return 0, false
	}
	// These expressions match every character: what is between matches is empty.
	k, ok := splitters[*c.Pattern.Regex]
	return k, ok && (c.Behavior == "Isolated" || c.Behavior == "Removed" && c.Invert)
}

// components returns the pre-tokenizers that k does the work of.
func (k splitter) components() []component {
	no := false
	for regex, of := range splitters {
		if of == k && k != splitGPT2 {
			return []component{
				{Type: typeSplit, Pattern: &pattern{Regex: &regex}, Behavior: "Isolated"},
				{Type: typeByteLevel, UseRegex: &no},
			}
		}
	}
	return []component{{Type: typeByteLevel}}
}

// isNumeric is Rust's char::is_numeric.
func isNumeric(r rune) bool {
	if r < utf8.RuneSelf {
		return '0' <= r && r <= '9'
	}
	return unicode.In(r, unicode.N, newNumbers, numbers17)
}

// isPunctuation is what the library's Punctuation and BertPreTokenizer cut at:
// ASCII punctuation and symbols, and punctuation as of Unicode 8.
func isPunctuation(r rune) bool {
	if r < utf8.RuneSelf {
		return '!' <= r && r <= '/' || ':' <= r && r <= '@' || '[' <= r && r <= '`' || '{' <= r && r <= '~'
	}
	return unicode.Is(unicode.P, r) && !unicode.Is(newPunctuation, r) || unicode.Is(formerPunctuation, r)
}
