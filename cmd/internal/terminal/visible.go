package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable replaces control characters by U+FFFD, line breaks included. It is for names and values in tables, which come from files.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if deceives(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// deceives reports whether a terminal would obey a character rather than show it: control characters, and those that change the
// direction of the text around them.
func deceives(r rune) bool {
	return unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// Visible is a writer that shows control characters instead of passing them to a terminal, so that text from a model can neither
// colour nor clear the screen, set the clipboard, or type answers. ESC becomes ^[, as in cat -v; other characters that a terminal
// would obey become <U+009B>, as in less. Tabs and line breaks pass, and so does a carriage return before a line break. Bytes that are
// not UTF-8 become U+FFFD.
//
// A character, or a carriage return and its line break, may be cut between two writes: its beginning is kept until the next write, or
// until Flush.
type Visible struct {
	w    io.Writer
	rest []byte // an incomplete character, or a carriage return
}

// NewVisible returns a writer that passes what it is given to w.
func NewVisible(w io.Writer) *Visible { return &Visible{w: w} }

// Write writes p, all but what may be the beginning of a character.
func (v *Visible) Write(p []byte) (int, error) {
	if err := v.write(append(v.rest, p...), false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is left of a character that was cut.
func (v *Visible) Flush() error { return v.write(v.rest, true) }

func (v *Visible) write(p []byte, all bool) error {
	var out []byte
	for len(p) > 0 && (all || complete(p)) {
		r, n := utf8.DecodeRune(p)
		switch {
		case r == '\t' || r == '\n' || !deceives(r):
			out = utf8.AppendRune(out, r)
		case r == '\r' && len(p) > 1 && p[1] == '\n':
			out = append(out, '\r')
		case r < 0x20:
			out = append(out, '^', byte(r)+'@')
		case r == 0x7f:
			out = append(out, "^?"...)
		default:
			out = fmt.Appendf(out, "<U+%04X>", r)
		}
		p = p[n:]
	}
	v.rest = append([]byte(nil), p...)
	if len(out) == 0 {
		return nil
	}
	n, err := v.w.Write(out)
	if err == nil && n < len(out) {
		err = io.ErrShortWrite
	}
	return err
}

// Show returns a whole text as [Visible] writes it.
func Show(text string) string {
	var b strings.Builder
	v := NewVisible(&b)
	io.WriteString(v, text)
	v.Flush()
	return b.String()
}

// complete reports whether the first character of p is whole, and what decides over it.
func complete(p []byte) bool {
	return utf8.FullRune(p) && (p[0] != '\r' || len(p) > 1)
}
