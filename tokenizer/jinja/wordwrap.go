package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filterWordWrap wraps every line as Python's textwrap does.
func filterWordWrap(in *interp, a []any) any {
	s, ok := text(a[0])
	if !ok {
		in.failOn(a[0], "wordwrap needs a string, not a %s", typeName(a[0]))
	}
	width := in.argInt("wordwrap", a[1])
	if width <= 0 {
		in.fail("wordwrap: the width is not positive")
	}
	between := "\n"
	if a[3] != nil {
		between = in.argString("wordwrap", a[3])
	}
	in.step(len(s))
	lines := splitLines(s, false)
	for i, line := range lines {
		chunks := splitChunks(line, truth(a[4]))
		in.items(len(chunks))
		wrapped := wrapChunks(chunks, width, truth(a[2]), truth(a[4]))
		in.items(len(wrapped))
		in.alloc(len(line) + in.product(len(wrapped), len(between)))
		lines[i] = strings.Join(wrapped, between)
	}
	return in.join(between, in.stringList("", lines).(*list).items, in.str)
}

func isWrapSpace(r rune) bool { return strings.ContainsRune("\t\n\v\f\r ", r) }

// splitChunks splits a line into words, parts of hyphenated words, dashes and
// white space.
func splitChunks(line string, hyphens bool) []string {
	runes := []rune(line)
	at := func(i int) rune {
		if i < 0 || i >= len(runes) {
			return ' '
		}
		return runes[i]
	}
	letter := func(i int) bool { r := at(i); return isWord(r) && !unicode.IsDigit(r) }
	punct := func(i int) bool { return isWord(at(i)) || strings.ContainsRune(`!"'&.,?`, at(i)) }
	// dashes returns the length of two or more dashes before a word at i.
	dashes := func(i int) int {
		n := 0
		for at(i+n) == '-' {
			n++
		}
		if n >= 2 && isWord(at(i+n)) {
			return n
		}
		return 0
	}
	var chunks []string
	for i := 0; i < len(runes); {
		end := i + 1
		switch {
		case isWrapSpace(runes[i]):
			for end < len(runes) && isWrapSpace(runes[end]) {
				end++
			}
		case hyphens && i > 0 && punct(i-1) && dashes(i) > 0:
			end = i + dashes(i)
		default:
			for ; end < len(runes) && !isWrapSpace(runes[end]); end++ {
				if !hyphens {
					continue
				}
				if runes[end] == '-' && (letter(end-1) && letter(end-2) || punct(end-1) && at(end-2) == '-' && letter(end-3)) &&
					letter(end+1) && (letter(end+2) || at(end+2) == '-' && letter(end+3)) {
					end++
					break
				}
				if punct(end-1) && dashes(end) > 0 {
					break
				}
			}
		}
		chunks = append(chunks, string(runes[i:end]))
		i = end
	}
	return chunks
}

// wrapChunks fills lines with chunks.
func wrapChunks(chunks []string, width int, breakLong, hyphens bool) []string {
	var lines []string
	blank := func(s string) bool { return strings.TrimFunc(s, isSpace) == "" }
	chunks = slices.Clone(chunks)
	for len(chunks) > 0 {
		if blank(chunks[0]) && len(lines) > 0 {
			chunks = chunks[1:]
		}
		var line []string
		size := 0
		for len(chunks) > 0 {
			n := utf8.RuneCountInString(chunks[0])
			if size+n > width {
				break
			}
			line, size, chunks = append(line, chunks[0]), size+n, chunks[1:]
		}
		if len(chunks) > 0 && utf8.RuneCountInString(chunks[0]) > width {
			switch {
			case breakLong:
				head := firstRunes(chunks[0], width-size)
				if i := strings.LastIndexByte(head, '-'); hyphens && i > 0 && strings.Trim(head[:i], "-") != "" {
					head = head[:i+1]
				}
				line, chunks[0] = append(line, head), chunks[0][len(head):]
			case line == nil:
				line, chunks = append(line, chunks[0]), chunks[1:]
			}
		}
		if n := len(line); n > 0 && blank(line[n-1]) {
			line = line[:n-1]
		}
		if len(line) > 0 {
			lines = append(lines, strings.Join(line, ""))
		}
	}
	return lines
}
