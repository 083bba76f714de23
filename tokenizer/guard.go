package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Guard keeps what people write from becoming control tokens. A chat template
// puts messages between markers such as <|im_start|>; the same text within a
// message must stay text:
//
//	guard := tok.NewGuard(texts...)
//	for each message: message.Content = guard.Mark(message.Content)
//	rendered := the template's output
//	text, breaks := guard.Unmark(rendered)
//	ids := tok.EncodeOptions(text, tokenizer.EncodeOptions{ParseSpecial: true, Breaks: breaks})
//
// Mark breaks control tokens in a text by a private character, and so do
// templates that trim, split, join or quote it; Unmark takes the characters out
// again and says where they were. A text without control tokens goes through
// the template unchanged and has the same ids as without a guard.
type Guard struct {
	tokens []string // contents of the control tokens
	mark   string   // the private character
	quoted string   // the same in JSON of ASCII
}

// NewGuard returns a guard for the texts that a template will be given. It
// needs them all, to choose a character that none of them has.
func (t *Tokenizer) NewGuard(texts ...string) *Guard {
	g := &Guard{}
	for i := range t.added {
		if t.added[i].isControl() && utf8.RuneCountInString(t.added[i].Content) > 1 {
			g.tokens = append(g.tokens, t.added[i].Content)
		}
	}
	g.mark = unusedMark(texts...)
	for _, r := range g.mark {
		if r < utf8.RuneSelf {
			g.quoted += string(r)
		} else {
			g.quoted += fmt.Sprintf(`\u%04x`, r)
		}
	}
	return g
}

// unusedMark returns a private character that occurs in none of texts, nor as
// JSON escapes it, or where all of them do, two with a number between.
func unusedMark(texts ...string) string {
	unused := func(mark, quoted string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool {
			return strings.Contains(text, mark) || strings.Contains(text, quoted)
		})
	}
	for r := rune(0xE000); r <= 0xE0FF; r++ {
		if unused(string(r), fmt.Sprintf(`\u%04x`, r)) {
			return string(r)
		}
	}
	for n := 0; ; n++ {
		if mark := fmt.Sprintf("\uE000%d\uE001", n); unused(mark, fmt.Sprintf(`\ue000%d\ue001`, n)) {
			return mark
		}
	}
}

// Mark returns text with its control tokens broken, and with what could become
// one together with the template's text before it or after it.
func (g *Guard) Mark(text string) string {
	var at []int
	body := strings.TrimFunc(text, unicode.IsSpace) // templates trim
	begin := len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace))
	for _, token := range g.tokens {
		_, size := utf8.DecodeRuneInString(token)
		for from := 0; ; {
			n := strings.Index(text[from:], token)
			if n < 0 {
				break
			}
			at = append(at, from+n+size)
			from += n + size
		}
		for n := range token {
			if n == 0 {
				continue
			}
			if strings.HasSuffix(body, token[:n]) {
				at = append(at, begin+len(body))
			}
			if strings.HasPrefix(body, token[n:]) {
				at = append(at, begin)
			}
		}
	}
	slices.Sort(at)
	var b strings.Builder
	last := 0
	for _, i := range slices.Compact(at) {
		b.WriteString(text[last:i])
		b.WriteString(g.mark)
		last = i
	}
	b.WriteString(text[last:])
	return b.String()
}

// Unmark returns what a template has written without the marks, and their
// places for EncodeOptions.
func (g *Guard) Unmark(rendered string) (text string, breaks []int) {
	if !strings.Contains(rendered, g.mark) && !strings.Contains(rendered, g.quoted) {
		return rendered, nil
	}
	var b strings.Builder
	for rendered != "" {
		n, size := len(rendered), 0
		if i := strings.Index(rendered, g.mark); i >= 0 {
			n, size = i, len(g.mark)
		}
		if i := strings.Index(rendered[:n], g.quoted); i >= 0 {
			n, size = i, len(g.quoted)
		}
		b.WriteString(rendered[:n])
		if size > 0 {
			breaks = append(breaks, b.Len())
		}
		rendered = rendered[n+size:]
	}
	return b.String(), breaks
}
