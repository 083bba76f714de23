package runtime

import "strings"

// stopMatcher looks for stop texts in a text that comes in pieces, some of which are not shown. It holds back what may be the beginning
// of one.
type stopMatcher struct {
	stops  []string
	found  string // the one that came
	held   string
	hidden []bool // which bytes of held are not shown
}

func newStopMatcher(stops []string) (m stopMatcher) {
	for _, s := range stops {
		if s != "" {
			m.stops = append(m.stops, s)
		}
	}
	return m
}

// push takes the next piece. It returns what can be shown, and whether a stop text was found: then that is all that comes before it.
func (m *stopMatcher) push(piece string, hidden bool) (show string, found bool) {
	if piece == "" {
		return "", false
	}
	m.held += piece
	for range len(piece) {
		m.hidden = append(m.hidden, hidden)
	}
	first := -1
	for _, s := range m.stops {
		if i := strings.Index(m.held, s); i >= 0 && (first < 0 || i < first) {
			first, m.found = i, s
		}
	}
	if first >= 0 {
		show = m.take(first)
		m.held, m.hidden = "", nil
		return show, true
	}
	hold := 0
	for _, s := range m.stops {
		for n := min(len(s)-1, len(m.held)); n > hold; n-- {
			if strings.HasSuffix(m.held, s[:n]) {
				hold = n
			}
		}
	}
	return m.take(len(m.held) - hold), false
}

// take removes n bytes and returns those of them that are shown.
func (m *stopMatcher) take(n int) string {
	var show strings.Builder
	for i := range n {
		if !m.hidden[i] {
			show.WriteByte(m.held[i])
		}
	}
	m.held, m.hidden = m.held[n:], append(m.hidden[:0], m.hidden[n:]...)
	return show.String()
}

// flush returns what is held back, when no more text comes.
func (m *stopMatcher) flush() string { return m.take(len(m.held)) }
