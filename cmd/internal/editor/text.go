package editor

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// text is what is edited: lines separated by \n, and a cursor, which stands before a grapheme cluster or at the end.
type text struct {
	s  string
	at int // cursor, in bytes

	killed  string // what yank inserts
	killing bool   // the last change was a kill: the next one adds to it
}

// set replaces the text. The cursor stands at the end.
func (t *text) set(s string) { t.s, t.at = s, len(s) }

// insert inserts at the cursor, which stands after it then, and after what became one cluster with it.
func (t *text) insert(s string) {
	after := t.s[t.at:]
	t.s = t.s[:t.at] + s + after
	if t.at += len(s); after != "" {
		_, t.at = t.cluster(t.at)
	}
}

// lineStart and lineEnd return where the line of the cursor begins and ends.
func (t *text) lineStart() int { return strings.LastIndexByte(t.s[:t.at], '\n') + 1 }

func (t *text) lineEnd() int {
	if n := strings.IndexByte(t.s[t.at:], '\n'); n >= 0 {
		return t.at + n
	}
	return len(t.s)
}

// after returns the end of the cluster that begins at i; at the end of the text that is i.
func (t *text) after(i int) int {
	if i == len(t.s) {
		return i
	}
	end := i + 1
	clusters(t.s[i:], func(c string, _ int) bool { end = i + len(c); return false })
	return end
}

// before returns the beginning of the cluster before the cursor.
func (t *text) before() int {
	if t.at == 0 {
		return 0
	}
	if t.s[t.at-1] < utf8.RuneSelf { // a cluster that ends so has no other character
		return t.at - 1
	}
	begin, next := t.lineStart(), t.lineStart()
	clusters(t.s[next:t.at], func(c string, _ int) bool {
		begin, next = next, next+len(c)
		return true
	})
	return begin
}

func (t *text) left()  { t.at = t.before() }
func (t *text) right() { t.at = t.after(t.at) }

func (t *text) wordLeft()  { t.at = t.wordStart(isWord) }
func (t *text) wordRight() { t.at = t.wordEnd() }

func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) || r == '\u200d'
}

func notSpace(r rune) bool { return !unicode.IsSpace(r) }

// wordStart returns where the word before the cursor begins.
func (t *text) wordStart(in func(rune) bool) int {
	before := strings.TrimRightFunc(t.s[:t.at], func(r rune) bool { return !in(r) })
	begin, _ := t.cluster(len(strings.TrimRightFunc(before, in)))
	return begin
}

// wordEnd returns where the word after the cursor ends.
func (t *text) wordEnd() int {
	after := strings.TrimLeftFunc(t.s[t.at:], func(r rune) bool { return !isWord(r) })
	_, end := t.cluster(len(t.s) - len(strings.TrimLeftFunc(after, isWord)))
	return end
}

// cluster returns where the cluster around i begins and ends: i itself, if it stands between two.
func (t *text) cluster(i int) (begin, end int) {
	end = strings.LastIndexByte(t.s[:i], '\n') + 1
	for begin = end; end < i; {
		begin, end = end, t.after(end)
	}
	if end == i {
		return i, i
	}
	return begin, end
}

// remove removes what is between two positions. The cursor stands there then.
func (t *text) remove(from, to int) {
	t.s, t.at = t.s[:from]+t.s[to:], from
}

// kill removes what is between two positions, one of which is the cursor, and keeps it for yank.
func (t *text) kill(from, to int) {
	switch cut := t.s[from:to]; {
	case !t.killing:
		t.killed = cut
	case from == t.at:
		t.killed += cut
	default:
		t.killed = cut + t.killed
	}
	t.remove(from, to)
	t.killing = true
}

// edit does what a key asks for, if it is about the text alone.
func (t *text) edit(k key) {
	killing := t.killing
	t.killing = false
	switch k.op {
	case opInsert, opPaste:
		t.insert(k.text)
	case opNewline:
		t.insert("\n")
	case opLeft:
		t.left()
	case opRight:
		t.right()
	case opWordLeft:
		t.wordLeft()
	case opWordRight:
		t.wordRight()
	case opLineStart:
		t.at = t.lineStart()
	case opLineEnd:
		t.at = t.lineEnd()
	case opTextStart:
		t.at = 0
	case opTextEnd:
		t.at = len(t.s)
	case opBackspace:
		t.remove(t.before(), t.at)
	case opDelete:
		t.remove(t.at, t.after(t.at))
	case opYank:
		t.insert(t.killed)
	}
	if from, to, ok := t.span(k.op); ok {
		t.killing = killing
		t.kill(from, to)
	}
}

// span returns what a key kills.
func (t *text) span(o op) (from, to int, ok bool) {
	switch o {
	case opKillWordLeft:
		return t.wordStart(notSpace), t.at, true
	case opKillPartLeft:
		return t.wordStart(isWord), t.at, true
	case opKillWordRight:
		return t.at, t.wordEnd(), true
	case opKillLineStart:
		return t.lineStart(), t.at, true
	case opKillLineEnd:
		if end := t.lineEnd(); end > t.at || end == len(t.s) {
			return t.at, end, true
		}
		return t.at, t.at + 1, true // the line break
	}
	return 0, 0, false
}
