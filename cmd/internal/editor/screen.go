package editor

import (
	"fmt"
	"io"
	"strings"
)

// screen draws rows below what is on a terminal already, and again when they change. It lets no row run over the right edge, and it
// wraps nothing itself, so that it knows where everything stands. What is taller than the terminal scrolls.
type screen struct {
	out           io.Writer
	width, height int

	drawn []row // what is on the terminal
	at    int   // the row of it that the cursor is in
	col   int
	top   int // the first row that is shown
}

// draw shows a layout.
func (s *screen) draw(l layout) {
	s.top = min(s.top, max(0, len(l.rows)-s.height))
	s.top = min(max(s.top, l.cursor-s.height+1), l.cursor)
	s.show(l.rows[s.top:min(s.top+s.height, len(l.rows))], l.cursor-s.top, l.col)
}

// show draws rows that fit.
func (s *screen) show(rows []row, cursor, col int) {
	var b strings.Builder
	b.WriteString("\x1b[?25l\x1b[?7l\r") // no cursor, no wrapping
	up(&b, s.at)
	for i, r := range rows {
		if i > 0 {
			b.WriteString("\r\n")
		}
		if i < len(s.drawn) && s.drawn[i] == r {
			continue
		}
		if r.disputed || i < len(s.drawn) && s.drawn[i].disputed {
			b.WriteString("\x1b[K")
		}
		b.WriteString(r.text)
		if r.columns < s.width {
			b.WriteString("\x1b[K")
		}
	}
	last := len(rows) - 1
	if len(s.drawn) > len(rows) {
		b.WriteString("\r\n\x1b[J")
		last++
	}
	b.WriteByte('\r')
	up(&b, last-cursor)
	if col > 0 {
		fmt.Fprintf(&b, "\x1b[%dC", col)
	}
	b.WriteString("\x1b[?7h\x1b[?25h")
	io.WriteString(s.out, b.String())
	s.drawn, s.at, s.col = append(s.drawn[:0], rows...), cursor, col
}

// finish leaves a text on the terminal as a whole. What is written next comes below.
func (s *screen) finish(l layout) {
	if len(l.rows) > s.height { // some of it was never shown
		s.erase()
		var b strings.Builder
		b.WriteString("\x1b[?7l")
		for _, r := range l.rows {
			b.WriteString(r.text + "\r\n")
		}
		b.WriteString("\x1b[?7h")
		io.WriteString(s.out, b.String())
	} else {
		s.show(l.rows, len(l.rows)-1, 0)
		io.WriteString(s.out, "\r\n")
	}
	s.forget()
}

// erase removes what was drawn.
func (s *screen) erase() {
	var b strings.Builder
	b.WriteByte('\r')
	up(&b, s.at)
	b.WriteString("\x1b[J")
	io.WriteString(s.out, b.String())
	s.forget()
}

// forget makes the next draw begin where the cursor is.
func (s *screen) forget() { s.drawn, s.at, s.col, s.top = nil, 0, 0, 0 }

// resize tells the size of the terminal. If it is another, what was drawn is removed: a terminal that became narrower has cut its rows into several.
func (s *screen) resize(width, height int) {
	if width == s.width && height == s.height {
		return
	}
	if s.drawn != nil {
		at := s.col / width
		for _, r := range s.drawn[:s.at] {
			at += max(1, (r.columns+width-1)/width)
		}
		s.at = min(at, height-1)
		s.erase()
	}
	s.width, s.height = width, height
}

// clear empties the terminal.
func (s *screen) clear() {
	io.WriteString(s.out, "\x1b[H\x1b[2J")
	s.forget()
}

func up(b *strings.Builder, rows int) {
	if rows > 0 {
		fmt.Fprintf(b, "\x1b[%dA", rows)
	}
}
