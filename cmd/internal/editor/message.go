package editor

import "strings"

const quotes = `"""`

// messageOf returns the message that a text is. It is not complete if its last line ends with \, or if it begins with """ and does not end
// with """.
func messageOf(s string) (message string, ok bool) {
	trimmed := strings.TrimSpace(s)
	if quoted, ok := strings.CutPrefix(trimmed, quotes); ok {
		quoted, ok = strings.CutSuffix(quoted, quotes)
		return strings.TrimSuffix(strings.TrimPrefix(quoted, "\n"), "\n"), ok
	}
	return s, !strings.HasSuffix(s, `\`)
}
