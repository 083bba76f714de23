package editor

import (
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"st/cmd/internal/terminal"
)

// clusters calls f for each grapheme cluster of a line, with the columns that it takes, until f returns false.
func clusters(line string, f func(cluster string, columns int) bool) {
	state := -1
	for line != "" {
		var cluster string
		var columns int
		if n, c := plain(line); n > 0 {
			cluster, columns, line, state = line[:n], c, line[n:], -1
		} else {
			cluster, line, columns, state = uniseg.FirstGraphemeClusterInString(line, state)
		}
		if !f(cluster, columns) {
			return
		}
	}
}

// plain returns the length and the columns of the first character, if it and the next one are of those that are a cluster by themselves
// before others of their kind. Most are, and uniseg takes half a microsecond for each.
func plain(s string) (length, columns int) {
	r, n := utf8.DecodeRuneInString(s)
	if columns = plainColumns(r); columns == 0 {
		return 0, 0
	}
	if n < len(s) {
		if next, _ := utf8.DecodeRuneInString(s[n:]); plainColumns(next) == 0 {
			return 0, 0
		}
	}
	return n, columns
}

// plainColumns returns how many columns a character takes; 0: it may join others.
func plainColumns(r rune) int {
	switch {
	case r >= ' ' && r < 0x7f,
		r >= 0xc0 && r <= 0x2ff, r >= 0x38e && r <= 0x482, r >= 0x48a && r <= 0x52f: // Latin, Greek, Cyrillic
		return 1
	case r >= 0x3041 && r <= 0x3096, r >= 0x30a1 && r <= 0x30fa, // Hiragana, Katakana
		r >= 0x3400 && r <= 0x4dbf, r >= 0x4e00 && r <= 0x9fff, r >= 0xac00 && r <= 0xd7a3: // ideographs, Hangul syllables
		return 2
	}
	return 0
}

// shown returns what stands for a cluster on the screen. Tabs depend on the column.
func shown(cluster string, columns int) (string, int) {
	if columns > 0 || cluster == "" {
		return cluster, columns
	}
	visible := terminal.Show(cluster)
	if visible == cluster {
		return cluster, columns
	}
	return visible, len(visible) // it is ASCII
}

// disputed reports whether terminals differ in how many columns a cluster takes: emoji of several characters, flags, and scripts that
// compose.
func disputed(cluster string) bool {
	const firstDisputed = 0x900 // Devanagari; accents and other combining marks before it are drawn alike everywhere
	_, n := utf8.DecodeRuneInString(cluster)
	if n == len(cluster) {
		return false
	}
	return strings.IndexFunc(cluster, func(r rune) bool { return r >= firstDisputed }) >= 0
}
