package editor

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// op is what a key asks for.
type op int

const (
	opNone op = iota
	opInsert
	opPaste
	opEnter
	opNewline
	opTab
	opLeft
	opRight
	opUp
	opDown
	opWordLeft
	opWordRight
	opLineStart
	opLineEnd
	opTextStart
	opTextEnd
	opBackspace
	opDelete
	opKillWordLeft  // to the last white space
	opKillPartLeft  // to the beginning of a word
	opKillWordRight // to the end of a word
	opKillLineStart
	opKillLineEnd
	opYank
	opPrevious
	opNext
	opSearch
	opCancel
	opClearScreen
	opInterrupt
	opEnd
	opSuspend
)

// key is a key that was pressed, or text that was typed or pasted.
type key struct {
	op   op
	text string
}

// keymap has the sequences of xterm and those who follow it, and the control characters as bash and Emacs have them.
var keymap = map[string]op{
	"\x01": opLineStart, "\x02": opLeft, "\x03": opInterrupt, "\x04": opEnd, "\x05": opLineEnd, "\x06": opRight, "\x07": opCancel,
	"\x08": opBackspace, "\t": opTab, "\x0b": opKillLineEnd, "\x0c": opClearScreen, "\x0e": opNext, "\x10": opPrevious,
	"\x12": opSearch, "\x15": opKillLineStart, "\x17": opKillWordLeft, "\x19": opYank, "\x1a": opSuspend, "\x7f": opBackspace,

	"\x1b\r": opNewline, "\x1b\n": opNewline, "\x1b[13;2u": opNewline, "\x1b[13;3u": opNewline, "\x1b[13;5u": opNewline,
	"\x1b[27;2;13~": opNewline, "\x1b[27;3;13~": opNewline, "\x1b[27;5;13~": opNewline,
	"\x1bb": opWordLeft, "\x1bf": opWordRight, "\x1bd": opKillWordRight, "\x1b\x7f": opKillPartLeft, "\x1b\x08": opKillPartLeft,
	"\x1b<": opTextStart, "\x1b>": opTextEnd,

	"\x1b[A": opUp, "\x1b[B": opDown, "\x1b[C": opRight, "\x1b[D": opLeft, "\x1b[H": opLineStart, "\x1b[F": opLineEnd,
	"\x1bOA": opUp, "\x1bOB": opDown, "\x1bOC": opRight, "\x1bOD": opLeft, "\x1bOH": opLineStart, "\x1bOF": opLineEnd,
	"\x1b[1~": opLineStart, "\x1b[4~": opLineEnd, "\x1b[7~": opLineStart, "\x1b[8~": opLineEnd,
	"\x1b[3~": opDelete, "\x1b[3;5~": opKillWordRight, "\x1b[3;3~": opKillWordRight,
	"\x1b[1;5D": opWordLeft, "\x1b[1;3D": opWordLeft, "\x1b[1;5C": opWordRight, "\x1b[1;3C": opWordRight,
	"\x1b[1;5H": opTextStart, "\x1b[1;5F": opTextEnd,
}

const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// decoder makes keys of what a terminal sends. A sequence, a character or a paste may be cut between two reads. An ESC that nothing
// follows waits for the next key, as in Emacs: Alt is often sent as ESC. A paste whose end does not come, because a connection broke or a program
// wrote its beginning, ends when Ctrl-C comes in a read of its own: a terminal sends a paste in larger pieces.
type decoder struct {
	rest    []byte // the beginning of a sequence or of a character
	pasting bool
	paste   []byte
}

// decode takes what one read returned.
func (d *decoder) decode(p []byte) (keys []key) {
	if d.pasting && len(p) > 0 && len(bytes.Trim(p, "\x03")) == 0 {
		keys = append(keys, key{opPaste, clean(append(d.paste, d.rest...))})
		*d = decoder{}
	}
	p = append(d.rest, p...)
	d.rest = nil
	several := severalLines(p)
	begin := len(p) // of what came since the last sequence
	for len(p) > 0 {
		if d.pasting {
			text, rest, ended := bytes.Cut(p, []byte(pasteEnd))
			if !ended {
				n := cutOff(p, pasteEnd)
				d.paste, d.rest = append(d.paste, p[:n]...), bytes.Clone(p[n:])
				return keys
			}
			keys = append(keys, key{opPaste, clean(append(d.paste, text...))})
			d.pasting, d.paste = false, nil
			p = rest
			several, begin = severalLines(p), len(p)
			continue
		}
		n := length(p)
		if n == 0 {
			d.rest = bytes.Clone(p)
			return keys
		}
		switch s := string(p[:n]); {
		case s == pasteBegin:
			d.pasting = true
		case s[0] == '\x1b':
			keys = append(keys, key{op: keymap[s]})
			several, begin = severalLines(p[n:]), len(p)-n
		case s == "\r" || s == "\n" || s == "\r\n":
			switch {
			case several:
				keys = append(keys, key{opInsert, "\n"})
			case s == "\n" && len(p) == begin: // Ctrl+J; not the end of a line that was typed before the terminal was ours
				keys = append(keys, key{op: opNewline})
			default:
				keys = append(keys, key{op: opEnter})
			}
		case s == "\t" && (several || len(p) > 1 && p[1] >= ' '): // within a text
			keys = append(keys, key{opInsert, s})
		case s[0] < 0x20 || s[0] == 0x7f:
			keys = append(keys, key{op: keymap[s]})
		default:
			keys = append(keys, key{opInsert, clean(p[:n])})
		}
		p = p[n:]
	}
	return keys
}

// length returns how many bytes the first sequence of p, control character, or run of text takes; 0 if its end is not there yet.
func length(p []byte) int {
	switch {
	case p[0] == '\x1b':
		return sequenceLength(p)
	case p[0] == '\r' && len(p) > 1 && p[1] == '\n':
		return 2
	case p[0] < 0x20 || p[0] == 0x7f:
		return 1
	}
	n := bytes.IndexFunc(p, func(r rune) bool { return r < 0x20 || r == 0x7f })
	if n < 0 {
		for n = len(p); n > 0 && n > len(p)-utf8.UTFMax; n-- {
			if utf8.RuneStart(p[n-1]) {
				if utf8.FullRune(p[n-1:]) {
					return len(p)
				}
				return n - 1
			}
		}
		return len(p)
	}
	return n
}

// longestSequence is more than a terminal sends.
const longestSequence = 64

// sequenceLength returns the length of the escape sequence that p begins with, 0 if it is cut.
func sequenceLength(p []byte) int {
	switch {
	case len(p) == 1:
		return 0
	case p[1] == '\x1b': // Esc was pressed
		return 1
	case p[1] == 'O':
		if len(p) < 3 {
			return 0
		}
		return 3
	case p[1] != '[':
		if !utf8.FullRune(p[1:]) {
			return 0
		}
		_, n := utf8.DecodeRune(p[1:])
		return 1 + n
	}
	for n := 2; n < len(p); n++ {
		switch c := p[n]; {
		case c == '[' && n == 2: // function keys of the Linux console: one character more
			if len(p) < 4 {
				return 0
			}
			return 4
		case c >= 0x40 && c <= 0x7e:
			return n + 1
		case c < 0x20 || c > 0x7e || n == longestSequence:
			return n
		}
	}
	return 0
}

// severalLines reports whether what came at once, up to the next sequence, goes on after a line break: nobody types that fast.
func severalLines(p []byte) bool {
	if i := bytes.IndexByte(p, '\x1b'); i >= 0 {
		p = p[:i]
	}
	for i := range p {
		if p[i] != '\r' && p[i] != '\n' {
			continue
		}
		rest := bytes.TrimPrefix(p[i:], []byte("\r\n"))
		if len(rest) == len(p)-i {
			rest = rest[1:]
		}
		if len(rest) > 0 && (rest[0] >= ' ' && rest[0] != 0x7f || strings.IndexByte("\t\r\n", rest[0]) >= 0) {
			return true
		}
	}
	return false
}

// cutOff returns how much of p is not the beginning of end.
func cutOff(p []byte, end string) int {
	for n := max(0, len(p)-len(end)+1); n < len(p); n++ {
		if strings.HasPrefix(end, string(p[n:])) {
			return n
		}
	}
	return len(p)
}

// clean returns what was typed or pasted as UTF-8 with \n between lines. Terminals send \r.
func clean(p []byte) string {
	return strings.ToValidUTF8(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(p)), "\ufffd")
}
