package toolcall

import "strings"

// enter begins a section of calls after its marker, which is empty for a call without one.
func (p *Parser) enter(marker string) {
	p.raw = []byte(p.space + marker)
	p.space, p.any, p.bare, p.state = "", false, marker == "", section
}

// between takes a byte between calls: brackets and commas of a list, or the marker that ends the section.
func (p *Parser) between(b byte) {
	end := p.o.Form.End
	if p.o.Form.Separator != "" {
		p.betweenNamed(b)
		return
	}
	switch {
	case p.pending == "" && b == '{':
		p.beginReader()
		p.call(b)
		return
	case p.pending == "" && (isSpace(b) || strings.IndexByte("[],;", b) >= 0):
		p.raw = append(p.raw, b)
		return
	}
	p.pending += string([]byte{b})
	switch {
	case end != "" && p.pending == end && p.any:
		p.pending, p.raw, p.state, p.dropped = "", nil, said, true
	case end == "" || !strings.HasPrefix(end, p.pending) || p.pending == end: // no call came before the end
		p.noCall()
		p.again()
	}
}

// beginReader begins a call.
func (p *Parser) beginReader() { p.reader, p.state = p.o.Form.newReader(), inCall }

// betweenNamed is between for forms whose calls are no JSON objects.
func (p *Parser) betweenNamed(b byte) {
	f := p.o.Form
	open := f.Open
	if open == "" { // the marker opens every call
		if open = f.Begin; !p.any && p.pending == "" {
			p.beginReader()
			p.call(b)
			return
		}
	}
	if p.pending == "" && isSpace(b) {
		p.raw = append(p.raw, b)
		return
	}
	p.pending += string([]byte{b})
	closing := strings.TrimSpace(f.Close)
	switch pending := p.pending; {
	case pending == open:
		p.raw, p.pending = append(p.raw, pending...), ""
		p.beginReader()
	case pending == closing && p.any:
		p.pending = ""
	case f.End != "" && pending == f.End && p.any:
		p.pending, p.raw, p.state, p.dropped = "", nil, said, true
	case !strings.HasPrefix(open, pending) && !(p.any && (strings.HasPrefix(closing, pending) || strings.HasPrefix(f.End, pending))):
		p.noCall()
		p.again()
	}
}

// noCall makes content of what is not a call in a section. Signs between calls are none.
func (p *Parser) noCall() {
	text := string(p.raw)
	if p.any {
		text = strings.TrimLeft(text, " \n\t\r],;")
	}
	p.raw, p.state = nil, content
	p.say(text)
}

// call takes a byte of a call.
func (p *Parser) call(b byte) {
	status := p.reader.next(p, b)
	switch {
	case status != broken && !p.reader.called():
		p.raw = append(p.raw, b)
	case status == broken && p.reader.called():
		p.reader.end(p)
	}
	switch {
	case status == more:
	case p.reader.called():
		p.raw, p.any, p.state = nil, true, section
		if status == broken {
			p.step(b)
		}
	default:
		p.noCall()
		if status == broken {
			p.step(b)
		}
	}
}
