package toolcall

import (
	"slices"
	"strings"
)

// Kind is what a delta is.
type Kind uint8

// The kinds of deltas.
const (
	Content   Kind = iota // Text is a part of what the model says
	Reasoning             // Text is a part of what it thinks
	Begin                 // a call begins; Text is the function's name
	Arguments             // Text is a part of a call's arguments
	End                   // a call is complete
)

// Delta is a part of an answer.
type Delta struct {
	Kind Kind
	Call int // which one, counted from 0: of Begin, Arguments and End
	Text string
	ID   string // of Begin: left to those who give calls ids
}

// Options say what a parser looks for.
type Options struct {
	Form *Form // of calls; nil: none are looked for
	// Functions are the names of those that may be called. Only a call without a marker needs to be one of them, for other objects of JSON are
	// content.
	Functions []string
	// Strings reports whether a parameter of a function is a string; nil: that is not known. It matters to forms that are Tagged.
	Strings   func(function, parameter string) bool
	Reasoning Tags // around reasoning; the zero value: none is looked for
	// Thinking says that the prompt has opened the reasoning already.
	Thinking bool
}

// Parser reads an answer that comes in pieces. One goroutine uses it.
type Parser struct {
	o     Options
	state state
	out   []Delta
	text  []byte // of the last delta in out, if that has a text
	calls int    // that have begun

	pending string // may become a marker
	space   string // white space that is content if more content follows
	dropped bool   // white space is none, before content that follows reasoning or calls
	raw     []byte // what the section of calls has, from its beginning or the last call on: content, if no call comes
	any     bool   // the section has a call
	bare    bool   // the section has no marker
	reader  reader
}

// state is where a parser is.
type state uint8

const (
	beginning state = iota // before anything but white space
	thinking
	said    // after reasoning, before anything but white space
	content // in content
	section // among calls, between markers
	inCall  // in the object of a call
)

// NewParser returns a parser of one answer.
func NewParser(o Options) *Parser {
	p := &Parser{o: o}
	if o.Thinking && o.Reasoning.Close != "" {
		p.state, p.dropped = thinking, true
	}
	return p
}

// Push takes the next piece of an answer, and returns what is known by now. Pieces of whole characters give texts of whole characters.
func (p *Parser) Push(text string) []Delta {
	for i := range len(text) {
		p.step(text[i])
	}
	return p.take()
}

// Close returns the rest when the answer has ended. It is called once.
func (p *Parser) Close() []Delta {
	switch p.state {
	case thinking:
		if p.pending != "" {
			p.reason(p.pending)
		}
	case inCall:
		if p.reader.called() {
			p.reader.end(p)
		} else {
			p.noCall()
		}
	case section:
		if !p.any {
			p.noCall()
			p.say(p.pending)
		}
	default:
		p.say(p.space + p.pending)
	}
	return p.take()
}

// Thinking reports whether the answer is within reasoning.
func (p *Parser) Thinking() bool { return p.state == thinking }

func (p *Parser) take() []Delta {
	p.seal()
	out := p.out
	p.out = nil
	return out
}

// seal completes the text of the last delta.
func (p *Parser) seal() {
	if n := len(p.out); n > 0 && len(p.text) > 0 {
		p.out[n-1].Text = string(p.text)
	}
	p.text = p.text[:0]
}

// emit adds to what comes out. Texts of one kind are one.
func (p *Parser) emit(kind Kind, text string) {
	if text == "" && kind != End {
		return
	}
	call := 0
	if kind >= Begin {
		call = p.calls - 1
	}
	if n := len(p.out); n == 0 || p.out[n-1].Kind != kind || p.out[n-1].Call != call || kind == Begin {
		p.seal()
		p.out = append(p.out, Delta{Kind: kind, Call: call})
	}
	p.text = append(p.text, text...)
}

// say emits content.
func (p *Parser) say(text string) {
	p.emit(Content, text)
	p.dropped = false
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

// step takes one byte.
func (p *Parser) step(b byte) {
	switch p.state {
	case beginning:
		p.start(b, p.o.Reasoning.Open, p.begin())
	case said:
		p.start(b, p.begin())
	case thinking:
		p.think(b)
	case content:
		p.content(b)
	case section:
		p.between(b)
	case inCall:
		p.call(b)
	}
}

// begin returns the marker with which calls begin.
func (p *Parser) begin() string {
	if p.o.Form == nil {
		return ""
	}
	return p.o.Form.Begin
}

// start looks for the marker that an answer begins with.
func (p *Parser) start(b byte, markers ...string) {
	if p.pending == "" && isSpace(b) {
		if !p.dropped {
			p.space += string(b)
		}
		return
	}
	if p.pending == "" && b == '{' && p.o.Form != nil && p.o.Form.Bare {
		p.enter("")
		p.between(b)
		return
	}
	p.pending += string([]byte{b})
	for _, m := range markers {
		if m != "" && p.pending == m {
			p.pending = ""
			if m == p.begin() {
				p.enter(m)
			} else {
				p.state, p.space, p.dropped = thinking, "", true
			}
			return
		}
	}
	if !slices.ContainsFunc(markers, func(m string) bool { return strings.HasPrefix(m, p.pending) }) {
		p.state = content
		p.again()
	}
}

// again takes what was pending once more, in another state.
func (p *Parser) again() {
	text := p.pending
	p.pending = ""
	for i := range len(text) {
		p.step(text[i])
	}
}

// think takes a byte of reasoning. White space around it is left out.
func (p *Parser) think(b byte) {
	if isSpace(b) {
		if p.pending != "" {
			p.reason(p.pending)
			p.pending = ""
		}
		if !p.dropped {
			p.space += string(b)
		}
		return
	}
	p.pending += string([]byte{b})
	if p.pending == p.o.Reasoning.Close {
		p.pending, p.space, p.state, p.dropped = "", "", said, true
		return
	}
	for !strings.HasPrefix(p.o.Reasoning.Close, p.pending) {
		p.reason(p.pending[:1])
		p.pending = p.pending[1:]
	}
}

// reason emits reasoning, with the white space before it.
func (p *Parser) reason(text string) {
	p.emit(Reasoning, p.space+text)
	p.space, p.dropped = "", false
}

// content takes a byte of content. White space before calls is left out.
func (p *Parser) content(b byte) {
	begin := p.begin()
	if begin != "" && isSpace(b) {
		if p.pending != "" {
			p.say(p.space + p.pending)
			p.space, p.pending = "", ""
		}
		p.space += string(b)
		return
	}
	p.pending += string([]byte{b})
	if begin != "" && p.pending == begin {
		p.pending = ""
		p.enter(begin)
		return
	}
	for !strings.HasPrefix(begin, p.pending) {
		p.say(p.space + p.pending[:1])
		p.space, p.pending = "", p.pending[1:]
	}
}
