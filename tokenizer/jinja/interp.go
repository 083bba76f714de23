package jinja

import (
	"context"
	"strings"
)

// Template is a parsed template. It may be used by any number of goroutines at
// a time.
type Template struct {
	body   []stmt
	blocks map[string]*blockStmt
	size   int // of the source
}

// Render returns what the template writes, given its variables. A variable is
//
//   - nil, a bool, a number of any type, a json.Number, or a string
//   - a []any, or a map[string]any, whose keys are sorted
//   - a Dict, or a json.RawMessage, which keep the order of their keys
//   - a Func
//   - anything else that encoding/json can marshal
//
// An error wraps one of the errors of this package, or the cause of the
// context's end.
func (t *Template) Render(ctx context.Context, vars map[string]any) (s string, err error) {
	defer recoverFailure(&err)
	c := &converter{}
	globals := make(map[string]any, len(vars))
	for name, v := range vars {
		value, err := c.value(v)
		if err != nil {
			return "", &Error{1, ErrValue, "the variable " + name + ": " + err.Error()}
		}
		globals[name] = value
	}
	out := &strings.Builder{}
	in := &interp{budget: newBudget(ctx, c.bytes+t.size), vars: globals, blocks: t.blocks, out: out}
	in.step(stepsPerCheck + 1)
	in.root = &scope{}
	in.body(t.body, in.root)
	return out.String(), nil
}

// interp renders one template once.
type interp struct {
	budget
	vars   map[string]any
	blocks map[string]*blockStmt
	root   *scope
	out    *strings.Builder // of the template, or what is captured
}

// write appends to the output.
func (in *interp) write(s string) {
	if in.out.Len()+len(s) > in.value {
		fail(in.line, ErrLimit, "the template writes more than %d bytes", in.value)
	}
	in.scan(len(s))
	in.out.WriteString(s)
}

// capture returns what f writes.
func (in *interp) capture(f func() control) (string, control) {
	outer := in.out
	in.out = &strings.Builder{}
	c := f()
	s := in.out.String()
	in.out = outer
	in.alloc(len(s))
	return s, c
}

// scope holds the variables of a block of the template.
type scope struct {
	parent *scope // nil for that of the template
	names  []string
	values []any
	index  map[string]int // of the names, if there are many
}

const smallScope = 16

// find returns the index of a name, or -1.
func (s *scope) find(name string) int {
	if s.index != nil {
		if i, ok := s.index[name]; ok {
			return i
		}
		return -1
	}
	for i, n := range s.names {
		if n == name {
			return i
		}
	}
	return -1
}

func (s *scope) set(name string, value any) {
	if i := s.find(name); i >= 0 {
		s.values[i] = value
		return
	}
	s.names, s.values = append(s.names, name), append(s.values, value)
	switch n := len(s.names); {
	case n == smallScope:
		s.index = make(map[string]int, 2*smallScope)
		for i, name := range s.names {
			s.index[name] = i
		}
	case n > smallScope:
		s.index[name] = n - 1
	}
}

// lookup returns the value of a variable.
func (in *interp) lookup(s *scope, name string) any {
	for ; s != nil; s = s.parent {
		if i := s.find(name); i >= 0 {
			if _, ok := s.values[i].(missing); ok {
				return &undefined{name: name}
			}
			return s.values[i]
		}
	}
	if name == "self" {
		return &selfValue{}
	}
	if v, ok := in.vars[name]; ok {
		return v
	}
	if v, ok := globals[name]; ok {
		return v
	}
	return &undefined{name: name}
}

func (in *interp) eval(e expr, s *scope) any {
	in.enter()
	v := e.eval(in, s)
	in.leave()
	return v
}

// body executes statements until one of them breaks.
func (in *interp) body(stmts []stmt, s *scope) control {
	in.enter()
	defer in.leave()
	for _, st := range stmts {
		in.step(1)
		if c := st.exec(in, s); c != controlNone {
			return c
		}
	}
	return controlNone
}

func (st *textStmt) exec(in *interp, _ *scope) control {
	in.write(st.text)
	return controlNone
}

func (st *outputStmt) exec(in *interp, s *scope) control {
	in.line = st.line
	v := in.eval(st.x, s)
	if t, ok := text(v); ok {
		in.write(t)
	} else {
		in.write(in.str(v))
	}
	return controlNone
}

func (st *ifStmt) exec(in *interp, s *scope) control {
	for i, test := range st.tests {
		if truth(in.eval(test, s)) {
			return in.body(st.bodies[i], s)
		}
	}
	return in.body(st.other, s)
}

func (st *setStmt) exec(in *interp, s *scope) control {
	in.assign(st.target, in.eval(st.value, s), s)
	return controlNone
}

func (st *setBlock) exec(in *interp, s *scope) control {
	inner := &scope{parent: s}
	captured, c := in.capture(func() control { return in.body(st.body, inner) })
	if c != controlNone {
		return c
	}
	var v any = captured
	if st.filter != nil {
		v = in.applyFilters(st.filter, v, inner)
	}
	in.assign(st.target, v, s)
	return controlNone
}

// assign sets what a target names.
func (in *interp) assign(t target, v any, s *scope) {
	switch {
	case t.tuple:
		next := in.iterate(v)
		for i, part := range t.parts {
			item, ok := next()
			if !ok {
				in.fail("%d values to unpack, expected %d", i, len(t.parts))
			}
			in.assign(part, item, s)
		}
		if _, more := next(); more {
			in.fail("more values to unpack than the %d expected", len(t.parts))
		}
	case t.attr != "":
		in.line = t.line
		ns, ok := in.lookup(s, t.name).(*namespace)
		if !ok {
			in.fail("cannot set an attribute of %s: it is not a namespace", t.name)
		}
		in.set(ns.attrs, t.attr, v)
	default:
		s.set(t.name, v)
	}
}

func (st *macroDef) exec(in *interp, s *scope) control {
	s.set(st.name, &macro{st, s})
	return controlNone
}

func (st *callBlock) exec(in *interp, s *scope) control {
	args := in.arguments(&st.call.args, s)
	f := in.eval(st.call.f, s)
	args.names, args.named = append(args.names, "caller"), append(args.named, any(&macro{st.macro, s}))
	in.line = st.call.line
	in.write(in.str(in.call(f, args)))
	return controlNone
}

func (st *filterBlock) exec(in *interp, s *scope) control {
	inner := &scope{parent: s}
	captured, c := in.capture(func() control { return in.body(st.body, inner) })
	if c == controlNone {
		in.write(in.str(in.applyFilters(st.filter, captured, inner)))
	}
	return c
}

// applyFilters applies the filters of a filter block to v.
func (in *interp) applyFilters(f *filterExpr, v any, s *scope) any {
	if f.x != nil {
		v = in.applyFilters(f.x.(*filterExpr), v, s)
	}
	return f.apply(in, v, s)
}

func (st *withStmt) exec(in *interp, s *scope) control {
	inner := &scope{parent: s}
	for i, value := range st.values {
		in.assign(st.targets[i], in.eval(value, s), inner)
	}
	return in.body(st.body, inner)
}

func (st *scopeStmt) exec(in *interp, s *scope) control { return in.body(st.body, &scope{parent: s}) }

func (st *escapeStmt) exec(in *interp, s *scope) control {
	if truth(in.eval(st.on, s)) {
		fail(st.line, ErrUnsupported, "autoescape is not supported")
	}
	return in.body(st.body, &scope{parent: s})
}

func (st *blockStmt) exec(in *interp, s *scope) control {
	if st.required {
		fail(st.line, ErrValue, "the required block %q is not filled", st.name)
	}
	if !st.scoped {
		s = in.root
	}
	in.block(st, s)
	return controlNone
}

// block renders a block in a scope.
func (in *interp) block(b *blockStmt, s *scope) {
	in.enterCall("the block " + b.name)
	in.body(b.body, &scope{parent: s, names: []string{"super"}, values: []any{&undefined{hint: "there is no parent block of " + b.name}}})
	in.leaveCall()
}

func (st *controlStmt) exec(*interp, *scope) control { return st.control }

func (st *unsupportedStmt) exec(*interp, *scope) control {
	fail(st.line, ErrUnsupported, "%s is not supported: a chat template is alone", st.what)
	return controlNone
}
