package tokenizer

import (
	"iter"
	"strings"
	"unicode/utf8"

	"st/tokenizer/regex"
)

// matcher finds what a pattern matches in a text, which is valid UTF-8, from
// left to right.
type matcher interface {
	matches(text string) iter.Seq[regex.Span]
}

type expression regex.Regexp

func (e *expression) matches(text string) iter.Seq[regex.Span] { return (*regex.Regexp)(e).All(text) }

// literal is a pattern that stands for itself. The empty one matches, as an
// empty expression does, before every character and at the end.
type literal string

func (l literal) matches(text string) iter.Seq[regex.Span] {
	return func(yield func(regex.Span) bool) {
		if l == "" {
			for i := range text {
				if !yield(regex.Span{Start: i, End: i}) {
					return
				}
			}
			yield(regex.Span{Start: len(text), End: len(text)})
			return
		}
		for at := 0; ; {
			n := strings.Index(text[at:], string(l))
			if n < 0 || !yield(regex.Span{Start: at + n, End: at + n + len(l)}) {
				return
			}
			at += n + len(l)
		}
	}
}

// charClass matches each character that it holds for.
type charClass func(rune) bool

func (c charClass) matches(text string) iter.Seq[regex.Span] {
	return func(yield func(regex.Span) bool) {
		for i, r := range text {
			if c(r) && !yield(regex.Span{Start: i, End: i + utf8.RuneLen(r)}) {
				return
			}
		}
	}
}

// matches makes a splitter a matcher: its pieces follow one another.
func (k splitter) matches(text string) iter.Seq[regex.Span] {
	return func(yield func(regex.Span) bool) {
		for at := 0; at < len(text); {
			n := k.next(text[at:])
			if !yield(regex.Span{Start: at, End: at + n}) {
				return
			}
			at += n
		}
	}
}

// splitText cuts a text at what m matches and calls emit with each part that
// is not empty, in order. behavior says where the matches go; with invert,
// what is between the matches counts as matched, and the reverse.
func splitText(text string, m matcher, behavior string, invert bool, emit func(start, end int)) {
	type part struct {
		start, end int
		match      bool
	}
	out := func(p part) {
		if p.start < p.end {
			emit(p.start, p.end)
		}
	}
	var held part      // what may yet grow
	holding := false   // is there one?
	lastMatch := false // was the part before a match?
	take := func(p part) {
		p.match = p.match != invert
		switch behavior {
		case "Removed":
			if !p.match {
				out(p)
			}
		case "Isolated":
			out(p)
		case "Contiguous":
			if holding && p.match == lastMatch {
				held.end = p.end
				break
			}
			out(held)
			held, holding = p, true
		case "MergedWithPrevious":
			if holding && p.match && !lastMatch {
				held.end = p.end
				break
			}
			out(held)
			held, holding = p, true
		case "MergedWithNext": // of several matches in a row the last one is merged
			if holding && lastMatch && !p.match {
				held.end = p.end
				break
			}
			out(held)
			held, holding = p, true
		}
		lastMatch = p.match
	}
	at := 0
	for s := range m.matches(text) {
		if at != s.Start {
			take(part{at, s.Start, false})
		}
		take(part{s.Start, s.End, true})
		at = s.End
	}
	if at != len(text) {
		take(part{at, len(text), false})
	}
	out(held)
}

// wordRuns matches runs of word characters, and of what is neither such nor white space.
type wordRuns struct{}

var words = wordRuns{}

func (wordRuns) matches(text string) iter.Seq[regex.Span] {
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case isWhite(r):
			return 0
		}
		return 2
	}
	return func(yield func(regex.Span) bool) {
		start, last := 0, 0
		for i, r := range text {
			k := kind(r)
			if k != last {
				if last != 0 && !yield(regex.Span{Start: start, End: i}) {
					return
				}
				start, last = i, k
			}
		}
		if last != 0 {
			yield(regex.Span{Start: start, End: len(text)})
		}
	}
}
