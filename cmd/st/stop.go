package main

import "strings"

// stopMatcher looks for stop strings in a text that comes in pieces. It holds back what may be the beginning of one.
type stopMatcher struct {
	stops []string
	held  string
}

// push takes the next piece. It returns what can be shown, and whether a stop string was found: then that is all that
// comes before it.
func (m *stopMatcher) push(piece string) (show string, found bool) {
	text := m.held + piece
	first := -1
	for _, s := range m.stops {
		if i := strings.Index(text, s); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		m.held = ""
		return text[:first], true
	}
	hold := 0
	for _, s := range m.stops {
		for n := min(len(s)-1, len(text)); n > hold; n-- {
			if strings.HasSuffix(text, s[:n]) {
				hold = n
			}
		}
	}
	m.held = text[len(text)-hold:]
	return text[:len(text)-hold], false
}

// flush returns what is held back, when no more text comes.
func (m *stopMatcher) flush() string {
	held := m.held
	m.held = ""
	return held
}
