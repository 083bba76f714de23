package toolcall

import (
	"encoding/json"
	"slices"
)

// status is what became of a byte.
type status uint8

const (
	more   status = iota // it belongs to what is read, which goes on
	last                 // it is the last byte
	broken               // it does not belong there
)

// object reads the JSON object of a call, byte by byte. It emits the call as soon as its name is known, and the arguments as they come. Their syntax
// is not checked, but for where they end.
type object struct {
	at    place
	value scanner
	text  []byte // of the string that is read: a key, the name, or arguments that are JSON in a string
	key   string

	name  string
	args  []byte // that came before the name
	has   bool   // arguments came
	begun bool   // the call was emitted
	ended bool
}

// place is where in an object a byte stands.
type place uint8

const (
	opening place = iota
	beforeKey
	inKey
	afterKey
	beforeValue
	inValue
	afterValue
)

func (o *object) called() bool { return o.begun }

// next takes a byte.
func (o *object) next(p *Parser, b byte) status {
	switch o.at {
	case opening:
		o.at = beforeKey
		return more
	case inKey:
		o.text = append(o.text, b)
		if o.value.next(b) == more {
			return more
		}
		o.at = afterKey
		return unquote(o.text, &o.key)
	case inValue:
		return o.inValue(p, b)
	}
	switch {
	case isSpace(b):
		return more
	case o.at == beforeKey && b == '"':
		o.at, o.value, o.text = inKey, scanner{}, o.text[:0]
		return o.next(p, b)
	case o.at == afterKey && b == ':':
		o.at = beforeValue
		return more
	case o.at == beforeValue:
		return o.beginValue(p, b)
	case o.at == afterValue && b == ',':
		o.at = beforeKey
		return more
	case (o.at == afterValue || o.at == beforeKey) && b == '}':
		return o.complete(p)
	}
	return broken
}

// isName and isArguments tell what the value is.
func (o *object) isName() bool      { return o.key == "name" }
func (o *object) isArguments() bool { return o.key == "arguments" || o.key == "parameters" }

// isText says that a value is read as a string.
func (o *object) isText() bool { return len(o.text) > 0 }

// beginValue takes the first byte of a value.
func (o *object) beginValue(p *Parser, b byte) status {
	switch {
	case slices.Contains([]byte(",:]}"), b), o.isName() && (o.name != "" || b != '"'), o.isArguments() && o.has:
		return broken
	case o.isArguments():
		if o.has = true; o.name != "" {
			o.begin(p)
		}
	}
	o.at, o.value, o.text = inValue, scanner{}, o.text[:0]
	if b == '"' && (o.isName() || o.isArguments()) {
		o.text = append(o.text, b)
		return o.value.next(b)
	}
	return o.inValue(p, b)
}

// inValue takes a byte of a value.
func (o *object) inValue(p *Parser, b byte) status {
	status := o.value.next(b)
	switch {
	case status == broken: // the value ended before it
	case o.isText():
		o.text = append(o.text, b)
	case o.isArguments():
		o.argue(p, string([]byte{b}))
	}
	if status == more {
		return more
	}
	o.at = afterValue
	if o.isText() {
		text := string(o.text)
		bad := unquote(o.text, &text) == broken
		o.text = o.text[:0]
		switch {
		case o.isArguments():
			o.argue(p, text)
		case bad || !o.named(p, text):
			return broken
		}
	}
	if status == broken {
		return o.next(p, b)
	}
	return more
}

// named takes the name. It reports whether it may be that of a call.
func (o *object) named(p *Parser, name string) bool {
	if name == "" || p.bare && !slices.Contains(p.o.Functions, name) {
		return false
	}
	if o.name = name; o.has {
		o.begin(p)
	}
	return true
}

// begin emits the call.
func (o *object) begin(p *Parser) {
	o.begun = true
	p.beginCall(o.name)
	p.emit(Arguments, string(o.args))
	o.args = nil
}

// argue takes a part of the arguments.
func (o *object) argue(p *Parser, text string) {
	if o.begun {
		p.emit(Arguments, text)
	} else {
		o.args = append(o.args, text...)
	}
}

// complete takes the bracket that ends the object. Without a name it is no call.
func (o *object) complete(p *Parser) status {
	if o.name == "" {
		return last
	}
	if !o.begun {
		o.begin(p)
	}
	o.end(p)
	return last
}

// end emits that nothing more of the call comes. What is left of arguments in a string that is cut off is emitted as it is.
func (o *object) end(p *Parser) {
	if o.ended {
		return
	}
	o.ended = true
	if o.isArguments() && o.at == inValue {
		p.emit(Arguments, string(o.text))
	}
	if !o.has {
		p.emit(Arguments, "{}")
	}
	p.emit(End, "")
}

// unquote decodes a JSON string.
func unquote(quoted []byte, to *string) status {
	if json.Unmarshal(quoted, to) != nil {
		return broken
	}
	return more
}

// scanner finds the end of a JSON value.
type scanner struct {
	depth         int
	quoted, slash bool // in a string, and after a backslash in it
}

// next takes a byte: more, last for the last one of the value, or broken for one that follows a value without brackets.
func (s *scanner) next(b byte) status {
	switch {
	case s.slash:
		s.slash = false
	case s.quoted && b == '\\':
		s.slash = true
	case b == '"':
		if s.quoted = !s.quoted; !s.quoted && s.depth == 0 {
			return last
		}
	case s.quoted:
	case b == '{' || b == '[':
		s.depth++
	case s.depth == 0 && (isSpace(b) || b == ',' || b == '}' || b == ']'):
		return broken
	case b == '}' || b == ']':
		if s.depth--; s.depth == 0 {
			return last
		}
	}
	return more
}
