package toolcall

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Tags of a call whose arguments are no JSON. A value stands in lines of its own.
const (
	parameterOpen  = "<parameter="
	parameterClose = "</parameter>"
	functionClose  = "</function>"
)

// tagged reads a call whose parameters stand in tags, and emits its arguments as JSON. Strings are emitted as they come. Other values, whose types
// the model's text does not tell, when they are complete.
type tagged struct {
	at   taggedPlace
	text []byte // what is being read: a name, a tag, or what of a value was not emitted yet
	name string // of the function
	key  string // of the parameter

	begun, ended bool
	any          bool // a parameter came
	stream       bool // the value is a string, which is emitted as it comes
	line         bool // the value has begun: the line end before it was left out
}

type taggedPlace uint8

const (
	inFunction taggedPlace = iota // in the name of the function
	betweenTags
	inParameter // in the name of a parameter
	inText      // in its value
)

func (t *tagged) called() bool { return t.begun }

func (t *tagged) next(p *Parser, b byte) status {
	switch t.at {
	case inFunction, inParameter:
		if b != '>' {
			t.text = append(t.text, b)
			return within(len(t.text), maxName)
		}
		name := strings.TrimSpace(string(t.text))
		t.text = t.text[:0]
		if name == "" {
			return broken
		}
		if t.at == inFunction {
			t.name, t.begun, t.at = name, true, betweenTags
			p.beginCall(name)
			return more
		}
		t.openParameter(p, name)
	case betweenTags:
		if len(t.text) == 0 && isSpace(b) {
			return more
		}
		t.text = append(t.text, b)
		switch tag := string(t.text); {
		case tag == parameterOpen:
			t.at, t.text = inParameter, t.text[:0]
		case tag == functionClose:
			t.close(p)
			return last
		case !strings.HasPrefix(parameterOpen, tag) && !strings.HasPrefix(functionClose, tag):
			return broken
		}
	case inText:
		t.value(p, b)
	}
	return more
}

// openParameter emits a parameter's key.
func (t *tagged) openParameter(p *Parser, key string) {
	begin := `, `
	if !t.any {
		begin = `{`
	}
	t.key, t.at, t.any, t.line = key, inText, true, false
	if t.stream = p.o.Strings != nil && p.o.Strings(t.name, key); t.stream {
		p.emit(Arguments, begin+quote(key)+`: "`)
	} else {
		p.emit(Arguments, begin+quote(key)+`: `)
	}
}

// value takes a byte of a value.
func (t *tagged) value(p *Parser, b byte) {
	if !t.line {
		if t.line = true; b == '\n' {
			return
		}
	}
	t.text = append(t.text, b)
	if rest, ok := bytes.CutSuffix(t.text, []byte(parameterClose)); ok {
		rest = bytes.TrimSuffix(rest, []byte("\n"))
		if t.stream {
			p.emit(Arguments, escape(rest)+`"`)
		} else {
			p.emit(Arguments, jsonValue(string(rest)))
		}
		t.at, t.text = betweenTags, t.text[:0]
		return
	}
	if t.stream {
		sure := len(t.text) - heldBack(t.text)
		p.emit(Arguments, escape(t.text[:sure]))
		t.text = append(t.text[:0], t.text[sure:]...)
	}
}

// heldBack returns how many bytes at the end of a text may belong to the tag that ends it, with the line end before it.
func heldBack(text []byte) int {
	const end = "\n" + parameterClose
	for n := min(len(text), len(end)-1); n > 0; n-- {
		tail := string(text[len(text)-n:])
		if strings.HasPrefix(end, tail) || strings.HasPrefix(parameterClose, tail) {
			return n
		}
	}
	return 0
}

// escape returns bytes the way that they stand in a JSON string. A character may be cut: the rest comes with the next bytes.
func escape(text []byte) string {
	var b strings.Builder
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b.Write([]byte{'\\', c})
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// jsonValue returns the JSON of a value whose type is not known to be string: what reads as JSON or as a constant of Python is that.
func jsonValue(text string) string {
	switch trimmed := strings.TrimSpace(text); trimmed {
	case "True", "False":
		return strings.ToLower(trimmed)
	case "None":
		return "null"
	default:
		if json.Valid([]byte(trimmed)) {
			return trimmed
		}
	}
	return `"` + escape([]byte(text)) + `"`
}

// close completes the arguments.
func (t *tagged) close(p *Parser) {
	if !t.any {
		p.emit(Arguments, "{}")
	} else {
		p.emit(Arguments, "}")
	}
	t.ended = true
	p.emit(End, "")
}

// end emits what is left of a call that is cut off, as it is.
func (t *tagged) end(p *Parser) {
	if t.ended {
		return
	}
	t.ended = true
	switch {
	case t.at == inText && t.stream:
		p.emit(Arguments, escape(t.text))
	case t.at == inText:
		p.emit(Arguments, string(t.text))
	case !t.any:
		p.emit(Arguments, "{}")
	}
	p.emit(End, "")
}

// writeTagged returns arguments, a JSON object, as parameters in tags. What is no object is one line.
func writeTagged(arguments string) string {
	var b strings.Builder
	d := json.NewDecoder(strings.NewReader(arguments))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return arguments + "\n"
	}
	for d.More() {
		key, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return arguments + "\n"
		}
		text := string(value)
		var s string
		if json.Unmarshal(value, &s) == nil && text != "null" {
			text = s
		}
		fmt.Fprintf(&b, "%s%s>\n%s\n%s\n", parameterOpen, key, text, parameterClose)
	}
	return b.String()
}
