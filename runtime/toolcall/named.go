package toolcall

import "strings"

// reader reads one call, byte by byte.
type reader interface {
	next(p *Parser, b byte) status
	called() bool  // the call was emitted: its name is known
	end(p *Parser) // nothing more of it comes
}

// newReader returns what reads a call of the form, after Open.
func (f *Form) newReader() reader {
	switch {
	case f.Tagged:
		return &tagged{}
	case f.Separator != "":
		return &named{}
	}
	return &object{}
}

// maxName bounds the names of functions and parameters that stand outside of JSON, in bytes: what goes on without end is no name.
const maxName = 256

// named reads a call whose name stands before its arguments, which are JSON.
type named struct {
	text         []byte // the name, with the separator
	value        scanner
	begun, ended bool
	has          bool // arguments came
}

func (n *named) called() bool { return n.begun }

func (n *named) next(p *Parser, b byte) status {
	if !n.begun {
		n.text = append(n.text, b)
		name, ok := strings.CutSuffix(string(n.text), p.o.Form.Separator)
		if !ok {
			return within(len(n.text), maxName+len(p.o.Form.Separator))
		}
		name, _, _ = strings.Cut(name, CallID)
		if name = strings.TrimSpace(name); name == "" {
			return broken
		}
		n.begun = true
		p.beginCall(name)
		return more
	}
	if !n.has && isSpace(b) {
		return more
	}
	if !n.has && b != '{' {
		return broken
	}
	n.has = true
	p.emit(Arguments, string([]byte{b}))
	s := n.value.next(b)
	if s == last {
		n.end(p)
	}
	return s
}

// CallID is what Mistral's models write between a name and the id of a call, which is not read: a caller gives calls ids.
const CallID = "[CALL_ID]"

// within is more for a length that is not too long.
func within(n, most int) status {
	if n > most {
		return broken
	}
	return more
}

func (n *named) end(p *Parser) {
	if n.ended {
		return
	}
	n.ended = true
	if !n.has {
		p.emit(Arguments, "{}")
	}
	p.emit(End, "")
}

// beginCall emits that a call begins.
func (p *Parser) beginCall(name string) {
	p.calls++
	p.emit(Begin, name)
}
