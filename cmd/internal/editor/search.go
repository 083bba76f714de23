package editor

// search is a search back through the history (Ctrl-R).
type search struct {
	history *History
	text    string
	at      int // the entry that was found; len(entries): none yet
	failed  bool
}

// find goes to the last entry with an index below before that has the text in it. If there is none it stays.
func (s *search) find(before int) {
	i := s.history.search(s.text, before)
	if s.failed = i < 0; !s.failed {
		s.at = i
	}
}

// found returns the entry that was found.
func (s *search) found() string {
	if s.at == len(s.history.entries) {
		return ""
	}
	return s.history.entries[s.at]
}

func (s *search) lay(width int) layout {
	prompt := "(search) "
	if s.failed {
		prompt = "(not found) "
	}
	l := lay(prompt, "", &text{s: s.text, at: len(s.text)}, width)
	found := lay("", "", &text{s: s.found()}, width)
	l.rows = append(l.rows, found.rows...)
	return l
}

// handleSearch does what a key asks for during a search. It returns false for keys that end the search: they are for what was found.
func (s *session) handleSearch(k key) bool {
	switch k.op {
	case opNone:
	case opInsert, opPaste:
		s.search.text += k.text
		s.search.find(min(s.search.at+1, len(s.search.history.entries)))
	case opSearch:
		s.search.find(s.search.at)
	case opBackspace:
		t := text{s: s.search.text, at: len(s.search.text)}
		t.edit(k)
		s.search.text = t.s
		s.search.find(len(s.search.history.entries))
	case opCancel, opInterrupt:
		s.search = nil
	default:
		if entry := s.search.found(); entry != "" {
			s.text.set(entry)
			s.browser.at = s.search.at
		}
		s.search = nil
		return false
	}
	return true
}
