package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// parser builds the tree of a template by recursive descent.
type parser struct {
	tokens  []token
	pos     int
	nesting int
	soft    int           // > 0 within if: an unknown filter or test fails when it is reached
	unknown []*Error      // unknown filters and tests elsewhere
	loops   int           // loops around, which break and continue end
	inLoops int           // loops around, also outside of a macro
	macros  []*macroNames // macros around
	blocks  map[string]*blockStmt
	tags    []string // tags around, for errors
}

// macroNames finds out which of the names caller, kwargs and varargs a macro
// uses and does not define before.
type macroNames struct{ used, defined map[string]bool }

func (p *parser) peek() *token { return &p.tokens[p.pos] }

func (p *parser) look() *token { return &p.tokens[min(p.pos+1, len(p.tokens)-1)] }

func (p *parser) next() *token {
	t := &p.tokens[p.pos]
	if t.kind != tokenEOF {
		p.pos++
	}
	return t
}

func (p *parser) isOp(text string) bool {
	t := p.peek()
	return t.kind == tokenOperator && t.text == text
}

func (p *parser) isName(text string) bool {
	t := p.peek()
	return t.kind == tokenName && t.text == text
}

func (p *parser) skipOp(text string) bool {
	if p.isOp(text) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) skipName(text string) bool {
	if p.isName(text) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expectOp(text string) *token {
	if !p.isOp(text) {
		p.failToken("expected '" + text + "'")
	}
	return p.next()
}

func (p *parser) expectName() string {
	if p.peek().kind != tokenName {
		p.failToken("expected a name")
	}
	return p.next().text
}

func (p *parser) expectKind(kind tokenKind) {
	if p.peek().kind != kind {
		p.failToken("expected " + (&token{kind: kind}).describe())
	}
	p.pos++
}

func (p *parser) failToken(expected string) {
	p.fail("%s, got %s", expected, p.peek().describe())
}

func (p *parser) fail(format string, args ...any) {
	fail(p.peek().line, ErrSyntax, format, args...)
}

// enter and leave surround what may nest.
func (p *parser) enter() {
	if p.nesting++; p.nesting > maxNesting {
		fail(p.peek().line, ErrLimit, "the template nests more than %d deep", maxNesting)
	}
}

func (p *parser) leave() { p.nesting-- }

func (p *parser) template() []stmt {
	body := p.statements()
	if p.peek().kind != tokenEOF {
		p.failToken("expected the end of the template")
	}
	return body
}

// statements parses up to one of the tags in ends, whose name is the next
// token then, or up to the end of the template if there are none.
func (p *parser) statements(ends ...string) []stmt {
	p.enter()
	defer p.leave()
	var body []stmt
	for {
		switch t := p.peek(); t.kind {
		case tokenEOF:
			if len(ends) > 0 {
				p.fail("the template ends within %q, which needs %s", p.tags[len(p.tags)-1], strings.Join(ends, " or "))
			}
			return body
		case tokenData:
			p.pos++
			body = append(body, &textStmt{t.text})
		case tokenVariableBegin:
			p.pos++
			body = append(body, &outputStmt{p.tuple(true, nil), t.line})
			p.expectKind(tokenVariableEnd)
		case tokenBlockBegin:
			p.pos++
			tag := p.peek()
			if tag.kind != tokenName {
				p.failToken("expected the name of a tag")
			}
			if slices.Contains(ends, tag.text) {
				return body
			}
			p.tags = append(p.tags, tag.text)
			p.pos++
			body = append(body, p.statement(tag, ends)...)
			p.tags = p.tags[:len(p.tags)-1]
			p.expectKind(tokenBlockEnd)
		default:
			p.failToken("expected a statement")
		}
	}
}

// body parses the end of a tag and statements up to one of the tags in ends,
// whose name it returns.
func (p *parser) body(ends ...string) ([]stmt, string) {
	p.skipOp(":")
	p.expectKind(tokenBlockEnd)
	body := p.statements(ends...)
	return body, p.next().text
}

func (p *parser) statement(tag *token, ends []string) []stmt {
	one := func(s stmt) []stmt { return []stmt{s} }
	switch tag.text {
	case "for":
		return one(p.forStatement(tag))
	case "if":
		return one(p.ifStatement())
	case "set":
		return one(p.setStatement())
	case "macro":
		def := &macroDef{name: p.expectName(), line: tag.line}
		p.define(def.name)
		p.macro(def, true, "endmacro")
		return one(def)
	case "call":
		return one(p.callStatement(tag))
	case "filter":
		filter := p.filters(nil, true).(*filterExpr)
		body, _ := p.body("endfilter")
		return one(&filterBlock{filter, body})
	case "with":
		return one(p.withStatement())
	case "block":
		return one(p.blockStatement(tag))
	case "print":
		return p.printStatement(tag)
	case "autoescape":
		on := p.expression()
		body, _ := p.body("endautoescape")
		return one(&escapeStmt{on, body, tag.line})
	case "generation":
		return one(p.generationStatement())
	case "break", "continue":
		return one(p.controlStatement(tag))
	case "include", "import", "extends", "from":
		return one(p.unsupportedStatement(tag))
	}
	if len(ends) > 0 {
		fail(tag.line, ErrSyntax, "unknown tag %q within %q, which needs %s", tag.text, p.tags[len(p.tags)-2], strings.Join(ends, " or "))
	}
	fail(tag.line, ErrSyntax, "unknown tag %q", tag.text)
	return nil
}

func (p *parser) printStatement(tag *token) []stmt {
	var all []stmt
	for p.peek().kind != tokenBlockEnd {
		if all != nil {
			p.expectOp(",")
		}
		all = append(all, &outputStmt{p.expression(), tag.line})
	}
	return all
}

// generationStatement parses the body of {% generation %}. Transformers makes it
// a call: break does not lead out of it.
func (p *parser) generationStatement() stmt {
	loops := p.loops
	p.loops = 0
	body, _ := p.body("endgeneration")
	p.loops = loops
	return &scopeStmt{body}
}

func (p *parser) controlStatement(tag *token) stmt {
	if p.loops == 0 {
		fail(tag.line, ErrSyntax, "%s outside of a loop", tag.text)
	}
	if tag.text == "break" {
		return &controlStmt{controlBreak}
	}
	return &controlStmt{controlContinue}
}

// unsupportedStatement skips a tag that fails only if it is reached.
func (p *parser) unsupportedStatement(tag *token) stmt {
	if p.peek().kind == tokenBlockEnd {
		p.failToken("expected an expression")
	}
	for p.peek().kind != tokenBlockEnd {
		p.pos++
	}
	return &unsupportedStmt{"the tag " + tag.text, tag.line}
}

func (p *parser) forStatement(tag *token) stmt {
	p.inLoops++
	defer func() { p.inLoops-- }()
	f := &forStmt{line: tag.line, target: p.target(false, "in")}
	p.checkLoop(f.target)
	if !p.skipName("in") {
		p.failToken("expected 'in'")
	}
	f.iterable = p.tuple(false, []string{"recursive"})
	if p.skipName("if") {
		f.test = p.expression()
	}
	f.recursive = p.skipName("recursive")
	p.loops++
	body, end := p.body("endfor", "else")
	p.loops--
	f.body = body
	if end == "else" {
		f.other, _ = p.body("endfor")
	}
	return f
}

func (p *parser) ifStatement() stmt {
	s := &ifStmt{}
	p.soft++
	defer func() { p.soft-- }()
	for {
		s.tests = append(s.tests, p.tuple(false, nil))
		body, end := p.body("elif", "else", "endif")
		s.bodies = append(s.bodies, body)
		switch end {
		case "elif":
			continue
		case "else":
			s.other, _ = p.body("endif")
		}
		return s
	}
}

func (p *parser) setStatement() stmt {
	to := p.target(true)
	p.checkLoop(to)
	if p.skipOp("=") {
		s := &setStmt{to, p.tuple(true, nil)}
		p.defineTarget(to)
		return s
	}
	s := &setBlock{target: to}
	if f := p.filters(nil, false); f != nil {
		s.filter = f.(*filterExpr)
	}
	s.body, _ = p.body("endset")
	p.defineTarget(to)
	return s
}

// checkLoop refuses to assign to the variable loop within a loop.
func (p *parser) checkLoop(t target) {
	if p.inLoops > 0 && t.name == "loop" && t.attr == "" {
		fail(t.line, ErrSyntax, "cannot assign to loop within a loop")
	}
	for _, part := range t.parts {
		p.checkLoop(part)
	}
}

// macro parses the parameters, if signature is set, and the body of a macro or
// a call block.
func (p *parser) macro(m *macroDef, signature bool, end string) {
	if signature {
		p.signature(m)
	}
	p.macroBody(m, end)
}

func (p *parser) signature(m *macroDef) {
	p.expectOp("(")
	for !p.isOp(")") {
		if len(m.params) > 0 {
			p.expectOp(",")
		}
		param := p.expectName()
		p.checkName(param)
		if slices.Contains(m.params, param) {
			p.fail("parameter %q appears twice", param)
		}
		m.params = append(m.params, param)
		switch {
		case p.skipOp("="):
			m.defaults = append(m.defaults, p.expression())
		case len(m.defaults) > 0:
			p.fail("the parameter %q without a default follows one with a default", param)
		}
		p.define(param)
	}
	p.expectOp(")")
}

func (p *parser) macroBody(m *macroDef, end string) {
	names := &macroNames{map[string]bool{}, map[string]bool{}}
	p.macros = append(p.macros, names)
	loops, soft := p.loops, p.soft
	p.loops, p.soft = 0, 0
	m.body, _ = p.body(end)
	p.loops, p.soft = loops, soft
	p.macros = p.macros[:len(p.macros)-1]
	if i := slices.Index(m.params, "caller"); i >= 0 && i < len(m.params)-len(m.defaults) && names.used["caller"] {
		fail(m.line, ErrSyntax, `the parameter "caller" of the macro %s needs a default`, m.name)
	}
	special := func(name string) bool { return names.used[name] && !slices.Contains(m.params, name) }
	m.caller, m.varargs, m.kwargs = special("caller"), special("varargs"), special("kwargs")
}

// define and use note where the body of a macro defines and uses names.
func (p *parser) define(name string) {
	for _, m := range p.macros {
		m.defined[name] = true
	}
}

func (p *parser) defineTarget(t target) {
	if t.attr == "" && !t.tuple {
		p.define(t.name)
	}
	for _, part := range t.parts {
		p.defineTarget(part)
	}
}

func (p *parser) use(name string) {
	for _, m := range p.macros {
		if !m.defined[name] {
			m.used[name] = true
		}
	}
}

func (p *parser) callStatement(tag *token) stmt {
	m := &macroDef{name: "caller", line: tag.line}
	if p.isOp("(") {
		p.signature(m)
	}
	call, ok := p.expression().(*callExpr)
	if !ok {
		fail(tag.line, ErrSyntax, "the tag call needs a call")
	}
	p.macroBody(m, "endcall")
	return &callBlock{call, m}
}

func (p *parser) withStatement() stmt {
	w := &withStmt{}
	for p.peek().kind != tokenBlockEnd && !p.isOp(":") {
		if len(w.targets) > 0 {
			p.expectOp(",")
		}
		w.targets = append(w.targets, p.target(false))
		p.expectOp("=")
		w.values = append(w.values, p.expression())
	}
	w.body, _ = p.body("endwith")
	return w
}

func (p *parser) blockStatement(tag *token) stmt {
	b := &blockStmt{name: p.expectName(), line: tag.line}
	if p.blocks[b.name] != nil {
		fail(tag.line, ErrSyntax, "the block %q is defined twice", b.name)
	}
	b.scoped = p.skipName("scoped")
	b.required = p.skipName("required")
	p.blocks[b.name] = b
	loops, macros := p.loops, p.macros
	p.loops, p.macros = 0, nil
	b.body, _ = p.body("endblock")
	p.loops, p.macros = loops, macros
	p.skipName(b.name)
	return b
}

// target parses what is assigned to: names, or attributes of namespaces where
// that is allowed. A tuple without brackets ends at the name end.
func (p *parser) target(namespace bool, end ...string) target {
	line := p.peek().line
	first := p.targetPart(namespace)
	if !p.isOp(",") {
		return first
	}
	t := target{tuple: true, line: line, parts: []target{first}}
	for p.skipOp(",") {
		next := p.peek()
		if next.kind == tokenBlockEnd || next.kind == tokenVariableEnd || p.isOp(")") || len(end) > 0 && p.isName(end[0]) {
			break
		}
		t.parts = append(t.parts, p.targetPart(namespace))
	}
	return t
}

func (p *parser) targetPart(namespace bool) target {
	p.enter()
	defer p.leave()
	t := target{line: p.peek().line}
	if p.skipOp("(") {
		if p.skipOp(")") {
			t.tuple = true
			return t
		}
		t = p.target(false)
		p.expectOp(")")
		return t
	}
	t.name = p.expectName()
	p.checkName(t.name)
	if namespace && p.skipOp(".") {
		t.attr = p.expectName()
	}
	return t
}

func (p *parser) checkName(name string) {
	switch name {
	case "true", "false", "none", "True", "False", "None":
		p.fail("cannot assign to %s", name)
	}
}

// Parse parses the source of a template. It is an error that wraps ErrSyntax if
// the source is malformed or names a tag, filter or test that does not exist,
// and one that wraps ErrLimit if it is too large or nests too deep.
func Parse(src string) (t *Template, err error) {
	defer recoverFailure(&err)
	p := &parser{tokens: lex(src), blocks: map[string]*blockStmt{}}
	body := p.template()
	if len(p.unknown) > 0 {
		return nil, p.unknown[0]
	}
	return &Template{body, p.blocks, len(src)}, nil
}

// missing notes a filter or a test that does not exist.
func (p *parser) missing(line int, kind, name string) {
	if p.soft == 0 {
		p.unknown = append(p.unknown, &Error{line, ErrSyntax, unknown(kind, name)})
	}
}

func unknown(kind, name string) string { return fmt.Sprintf("no %s is named %q", kind, name) }
