package jinja

import "slices"

func (p *parser) expression() expr { return p.conditional() }

// conditional parses: then if test else otherwise.
func (p *parser) conditional() expr {
	p.enter()
	defer p.leave()
	line := p.peek().line
	unknown := len(p.unknown)
	x := p.or()
	for n := 0; p.isName("if"); n++ {
		p.limitChain(n)
		p.unknown = p.unknown[:unknown] // what x names is missing only if it is reached
		p.pos++
		p.soft++
		c := &condExpr{then: x, line: line, test: p.or()}
		if p.skipName("else") {
			c.otherwise = p.conditional()
		}
		p.soft--
		x = c
	}
	return x
}

// limitChain bounds the operators in a row, for they nest in the tree.
func (p *parser) limitChain(n int) {
	if n > maxChain {
		fail(p.peek().line, ErrLimit, "an expression has more than %d operators in a row", maxChain)
	}
}

func (p *parser) or() expr {
	x := p.and()
	for n := 0; p.skipName("or"); n++ {
		p.limitChain(n)
		x = &logicExpr{false, x, p.and()}
	}
	return x
}

func (p *parser) and() expr {
	x := p.not()
	for n := 0; p.skipName("and"); n++ {
		p.limitChain(n)
		x = &logicExpr{true, x, p.not()}
	}
	return x
}

func (p *parser) not() expr {
	if p.skipName("not") {
		p.enter()
		defer p.leave()
		return &notExpr{p.not()}
	}
	return p.compare()
}

func (p *parser) compare() expr {
	c := &compareExpr{first: p.sum(), line: p.peek().line}
	for {
		op := ""
		switch t := p.peek(); {
		case t.kind == tokenOperator:
			switch t.text {
			case "==", "!=", "<", "<=", ">", ">=":
				op = t.text
			}
		case p.isName("in"):
			op = "in"
		case p.isName("not") && p.look().kind == tokenName && p.look().text == "in":
			p.pos++
			op = "notin"
		}
		if op == "" {
			break
		}
		p.pos++
		c.ops = append(c.ops, op)
		c.rest = append(c.rest, p.sum())
	}
	if c.ops == nil {
		return c.first
	}
	return c
}

// binary parses operands joined by one of ops, from the left.
func (p *parser) binary(operand func() expr, ops ...string) expr {
	x := operand()
	for n := 0; ; n++ {
		t := p.peek()
		if t.kind != tokenOperator || !slices.Contains(ops, t.text) {
			return x
		}
		p.limitChain(n)
		p.pos++
		x = &binaryExpr{t.text, x, operand(), t.line}
	}
}

func (p *parser) sum() expr { return p.binary(p.concat, "+", "-") }

func (p *parser) concat() expr {
	c := &concatExpr{parts: []expr{p.product()}, line: p.peek().line}
	for p.skipOp("~") {
		c.parts = append(c.parts, p.product())
	}
	if len(c.parts) == 1 {
		return c.parts[0]
	}
	return c
}

func (p *parser) product() expr { return p.binary(p.power, "*", "/", "//", "%") }

func (p *parser) power() expr { return p.binary(func() expr { return p.unary(true) }, "**") }

func (p *parser) unary(filters bool) expr {
	t := p.peek()
	var x expr
	if t.kind == tokenOperator && (t.text == "-" || t.text == "+") {
		p.pos++
		p.enter()
		x = &unaryExpr{t.text[0], p.unary(false), t.line}
		p.leave()
	} else {
		x = p.primary()
	}
	x = p.postfix(x)
	if filters {
		x = p.filterTail(x)
	}
	return x
}

func (p *parser) primary() expr {
	t := p.peek()
	switch {
	case t.kind == tokenName:
		p.pos++
		switch t.text {
		case "true", "True":
			return &constant{true}
		case "false", "False":
			return &constant{false}
		case "none", "None":
			return &constant{nil}
		}
		p.use(t.text)
		return &name{t.text}
	case t.kind == tokenString:
		text := p.next().text
		for p.peek().kind == tokenString {
			text += p.next().text
		}
		return &constant{text}
	case t.kind == tokenNumber:
		p.pos++
		return &constant{t.value}
	case p.skipOp("("):
		x := p.parenthesized()
		p.expectOp(")")
		return x
	case p.skipOp("["):
		x := &listExpr{p.sequence("]", p.expression)}
		return x
	case p.skipOp("{"):
		d := &dictExpr{}
		p.sequence("}", func() expr {
			key := p.expression()
			p.expectOp(":")
			d.keys, d.values = append(d.keys, key), append(d.values, p.expression())
			return nil
		})
		return d
	}
	p.failToken("expected an expression")
	return nil
}

// sequence parses items between commas up to a closing bracket.
func (p *parser) sequence(closing string, item func() expr) []expr {
	var items []expr
	for !p.isOp(closing) {
		if len(items) > 0 {
			p.expectOp(",")
			if p.isOp(closing) {
				break
			}
		}
		items = append(items, item())
	}
	p.pos++
	return items
}

func (p *parser) parenthesized() expr {
	if p.isOp(")") {
		return &tupleExpr{}
	}
	return p.tuple(true, nil)
}

// tuple parses an expression, or several with commas between them, which are
// a tuple. It may end before one of the names in ends.
func (p *parser) tuple(conditional bool, ends []string) expr {
	item := p.or
	if conditional {
		item = p.conditional
	}
	atEnd := func() bool {
		t := p.peek()
		return t.kind == tokenVariableEnd || t.kind == tokenBlockEnd || p.isOp(")") ||
			t.kind == tokenName && slices.Contains(ends, t.text)
	}
	if atEnd() {
		p.failToken("expected an expression")
	}
	first := item()
	if !p.isOp(",") {
		return first
	}
	items := []expr{first}
	for p.skipOp(",") && !atEnd() {
		items = append(items, item())
	}
	return &tupleExpr{items}
}

func (p *parser) postfix(x expr) expr {
	for n := 0; ; n++ {
		p.limitChain(n)
		t := p.peek()
		switch {
		case p.skipOp("."):
			attr := p.next()
			switch {
			case attr.kind == tokenName:
				x = &attrExpr{x, attr.text, t.line}
			case attr.kind == tokenNumber:
				if _, ok := attr.value.(float64); ok {
					fail(attr.line, ErrSyntax, "expected a name or an integer after '.'")
				}
				x = &itemExpr{x, &constant{attr.value}, t.line}
			default:
				fail(attr.line, ErrSyntax, "expected a name or an integer after '.', got %s", attr.describe())
			}
		case p.skipOp("["):
			x = p.subscript(x, t.line)
		case p.isOp("("):
			x = &callExpr{x, p.arguments(), t.line}
		default:
			return x
		}
	}
}

func (p *parser) subscript(x expr, line int) expr {
	var keys []expr
	comma := false
	for !p.isOp("]") {
		if comma {
			p.expectOp(",")
		}
		keys = append(keys, p.subscriptKey(line))
		comma = true
	}
	p.pos++
	if len(keys) != 1 {
		return &itemExpr{x, &tupleExpr{keys}, line}
	}
	if s, ok := keys[0].(*sliceExpr); ok {
		s.x = x
		return s
	}
	return &itemExpr{x, keys[0], line}
}

func (p *parser) subscriptKey(line int) expr {
	s := &sliceExpr{line: line}
	if !p.isOp(":") {
		if s.start = p.expression(); !p.isOp(":") {
			return s.start
		}
	}
	p.pos++
	if !p.isOp(":") && !p.isOp("]") && !p.isOp(",") {
		s.stop = p.expression()
	}
	if p.skipOp(":") && !p.isOp("]") && !p.isOp(",") {
		s.step = p.expression()
	}
	return s
}

func (p *parser) arguments() arguments {
	var a arguments
	line := p.expectOp("(").line
	ensure := func(ok bool) {
		if !ok {
			fail(line, ErrSyntax, "the arguments of the call are in a wrong order")
		}
	}
	for comma := false; !p.isOp(")"); comma = true {
		if comma {
			p.expectOp(",")
			if p.isOp(")") {
				break
			}
		}
		switch next := p.look(); {
		case p.skipOp("*"):
			ensure(a.list == nil && a.dict == nil)
			a.list = p.expression()
		case p.skipOp("**"):
			ensure(a.dict == nil)
			a.dict = p.expression()
		case p.peek().kind == tokenName && next.kind == tokenOperator && next.text == "=":
			ensure(a.dict == nil)
			key := p.next().text
			p.pos++
			if slices.Contains(a.names, key) {
				p.fail("the argument %q appears twice", key)
			}
			a.names = append(a.names, key)
			a.named = append(a.named, p.expression())
		default:
			ensure(a.list == nil && a.dict == nil && a.named == nil)
			a.positional = append(a.positional, p.expression())
		}
	}
	p.pos++
	return a
}

// filterTail parses the filters, tests and calls after an operand.
func (p *parser) filterTail(x expr) expr {
	for n := 0; ; n++ {
		p.limitChain(n)
		switch t := p.peek(); {
		case p.isOp("|"):
			x = p.filters(x, false)
		case p.skipName("is"):
			x = p.test(x, t.line)
		case p.isOp("("):
			x = &callExpr{x, p.arguments(), t.line}
		default:
			return x
		}
	}
}

// filters parses x|f|g(1)…; the first bar is missing if inline is set. It
// returns x if there is no filter.
func (p *parser) filters(x expr, inline bool) expr {
	for n := 0; inline || p.skipOp("|"); n++ {
		p.limitChain(n)
		inline = false
		f := &filterExpr{x: x, line: p.peek().line, name: p.dottedName()}
		if f.f = filters[f.name]; f.f == nil {
			p.missing(f.line, "filter", f.name)
		}
		if p.isOp("(") {
			f.args = p.arguments()
		}
		x = f
	}
	return x
}

func (p *parser) dottedName() string {
	name := p.expectName()
	for p.skipOp(".") {
		name += "." + p.expectName()
	}
	return name
}

func (p *parser) test(x expr, line int) expr {
	t := &testExpr{x: x, line: line, negate: p.skipName("not")}
	t.name = p.dottedName()
	if t.f = tests[t.name]; t.f == nil {
		p.missing(line, "test", t.name)
	}
	switch next := p.peek(); {
	case p.isOp("("):
		t.args = p.arguments()
	case next.kind == tokenName && next.text != "else" && next.text != "or" && next.text != "and",
		next.kind == tokenString, next.kind == tokenNumber, p.isOp("["), p.isOp("{"):
		if p.isName("is") {
			p.fail("tests with is cannot follow one another")
		}
		t.args.positional = []expr{p.postfix(p.primary())}
	}
	return t
}
