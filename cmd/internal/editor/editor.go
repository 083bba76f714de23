package editor

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
)

// ErrInterrupt is returned for Ctrl-C when nothing was typed.
var ErrInterrupt = errors.New("interrupted")

// Options says what an editor works with. In must be a terminal.
type Options struct {
	In       *os.File
	Out      io.Writer // the same terminal
	History  *History  // nil: what is entered is forgotten at the end
	Commands []string  // what Tab completes at the beginning of a message
	Plain    bool      // the terminal knows no escape sequences (TERM=dumb): it edits lines itself
}

// Editor reads messages. Its methods are for one goroutine, but for Close.
type Editor struct {
	o      Options
	tty    *tty
	chunks chan []byte // what was typed; closed at the end
	keys   []key       // that came after the end of a message
	decoder
	screen  screen
	killed  string // by Ctrl-K and others in earlier messages
	started bool   // chunks come
}

// New takes over the terminal.
func New(o Options) (*Editor, error) {
	if o.History == nil {
		o.History = &History{}
	}
	t, err := openTTY(o.In, o.Out, o.Plain)
	if err != nil {
		return nil, err
	}
	e := &Editor{o: o, tty: t, chunks: make(chan []byte, 1024)}
	e.screen.out = o.Out
	return e, nil
}

// Close gives the terminal back as it was. It may be called more than once, by any goroutine, and while Read is running.
func (e *Editor) Close() { e.tty.close() }

// receive reads what is typed, until the terminal is gone. It does so between two messages too, so that no more than a terminal's buffer
// is lost.
func (e *Editor) receive() {
	defer close(e.chunks)
	for {
		p := make([]byte, 64<<10)
		n, err := e.o.In.Read(p)
		if n > 0 {
			e.chunks <- p[:n]
		}
		if err != nil {
			return
		}
	}
}

// Read returns the next message. It returns [io.EOF] for Ctrl-D when nothing was typed and at the end of the input, [ErrInterrupt] for
// Ctrl-C when nothing was typed, and the cause of a context that ends. After [ErrLineCut] the next message can be read. The prompt is ASCII. What is
// entered becomes part of the history.
func (e *Editor) Read(ctx context.Context, prompt string) (string, error) {
	return e.read(ctx, prompt, e.o.History)
}

// Ask is Read for the answer to a question, which is no part of the history and finds none.
func (e *Editor) Ask(ctx context.Context, prompt string) (string, error) {
	return e.read(ctx, prompt, &History{})
}

func (e *Editor) read(ctx context.Context, prompt string, history *History) (string, error) {
	if !e.started {
		e.started = true
		go e.receive()
	}
	if e.o.Plain {
		return e.readPlain(ctx, prompt, history)
	}
	if err := e.tty.set(modeRead); err != nil {
		return "", err
	}
	defer e.tty.set(modeQuiet)
	s := session{Editor: e, prompt: prompt, more: more(prompt), history: history, browser: history.browse()}
	s.text.killed = e.killed
	defer func() { e.killed = s.text.killed }()
	e.screen.forget()
	message, err := s.run(ctx)
	if err == nil && message != "" {
		history.Add(s.text.s)
	}
	return message, err
}

// more returns the prompt of the lines after the first, which is as wide: dots in place of its characters.
func more(prompt string) string {
	n := len(strings.TrimRight(prompt, " "))
	return strings.Repeat(".", n) + prompt[n:]
}

// session is the reading of one message.
type session struct {
	*Editor
	prompt, more string
	text         text
	history      *History
	browser      browser
	search       *search // nil: none goes on
}

func (s *session) run(ctx context.Context) (string, error) {
	for {
		for len(s.keys) > 0 {
			k := s.keys[0]
			s.keys = s.keys[1:]
			if message, done, err := s.handle(k); done {
				s.finish()
				return message, err
			}
		}
		if len(s.chunks) == 0 { // else more is there already
			s.draw()
		}
		select {
		case chunk, ok := <-s.chunks:
			if !ok {
				s.finish()
				return "", io.EOF
			}
			s.keys = s.decode(chunk)
		case <-s.tty.changed:
			if s.tty.continued() {
				s.screen.forget()
			}
		case <-ctx.Done():
			s.finish()
			return "", context.Cause(ctx)
		}
	}
}

func (s *session) draw() {
	s.screen.resize(s.tty.size())
	if s.search != nil {
		s.screen.draw(s.search.lay(s.screen.width))
		return
	}
	s.screen.draw(lay(s.prompt, s.more, &s.text, s.screen.width))
}

// finish leaves what was typed on the screen.
func (s *session) finish() {
	s.screen.resize(s.tty.size())
	s.search = nil
	s.screen.finish(lay(s.prompt, s.more, &s.text, s.screen.width))
}

// handle does what a key asks for. It reports whether that ends the message.
func (s *session) handle(k key) (message string, done bool, err error) {
	if s.search != nil && s.handleSearch(k) {
		return "", false, nil
	}
	empty := s.text.s == ""
	switch k.op {
	case opEnter:
		message, ok := messageOf(s.text.s)
		if ok {
			return message, true, nil
		}
		s.text.at = len(s.text.s)
		if strings.HasSuffix(message, `\`) {
			s.text.remove(s.text.at-1, s.text.at)
		}
		s.text.insert("\n")
	case opInterrupt:
		if empty {
			return "", true, ErrInterrupt
		}
		s.finish()
		s.text.set("")
		s.browser = s.history.browse()
	case opEnd:
		if empty {
			return "", true, io.EOF
		}
		s.text.edit(key{op: opDelete})
	case opTab:
		if !s.completeCommand() {
			s.text.edit(key{opInsert, "\t"})
		}
	case opUp:
		if !s.vertical(-1) {
			s.recall(-1)
		}
	case opDown:
		if !s.vertical(1) {
			s.recall(1)
		}
	case opPrevious:
		s.recall(-1)
	case opNext:
		s.recall(1)
	case opSearch:
		s.search = &search{history: s.history, at: len(s.history.entries)}
	case opClearScreen:
		s.screen.clear()
	case opSuspend:
		if s.tty.canSuspend() {
			s.finish()
			s.tty.suspend(true)
		}
	default:
		s.text.edit(k)
	}
	return "", false, nil
}

// vertical moves the cursor a row up or down, as near to its column as it can. It reports whether there is one.
func (s *session) vertical(by int) bool {
	width, _ := s.tty.size()
	l := lay(s.prompt, s.more, &s.text, width)
	if to := l.cursor + by; to < 0 || to >= len(l.rows) {
		return false
	}
	s.text.at = locate(s.prompt, s.more, &s.text, width, l.cursor+by, l.col)
	return true
}

// recall shows another entry of the history.
func (s *session) recall(by int) {
	if entry, ok := s.browser.move(by, s.text.s); ok {
		s.text.set(entry)
	}
}

// completeCommand completes a command, as far as it is clear which is meant. It reports whether one is being typed.
func (s *session) completeCommand() bool {
	if !strings.HasPrefix(s.text.s, "/") || s.text.at != len(s.text.s) || strings.ContainsAny(s.text.s, " \t\n") {
		return false
	}
	matching := s.matching()
	switch common := commonPrefix(matching); {
	case len(common) > len(s.text.s):
		s.text.set(common)
	case len(matching) > 1:
		s.screen.erase()
		io.WriteString(s.o.Out, strings.Join(matching, "  ")+"\r\n")
	}
	return true
}

// commonPrefix returns what all of some commands, which are ASCII, begin with.
func commonPrefix(commands []string) (common string) {
	for i, c := range commands {
		if i == 0 {
			common = c
		}
		for !strings.HasPrefix(c, common) {
			common = common[:len(common)-1]
		}
	}
	return common
}

// matching returns the commands that begin with what was typed.
func (s *session) matching() (commands []string) {
	for _, c := range s.o.Commands {
		if strings.HasPrefix(c, s.text.s) {
			commands = append(commands, c)
		}
	}
	return commands
}
