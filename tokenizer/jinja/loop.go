package jinja

func (st *forStmt) exec(in *interp, s *scope) control {
	in.line = st.line
	iterable := in.eval(st.iterable, s)
	in.line = st.line
	if !st.recursive {
		return st.run(in, s, iterable, 0)
	}
	in.write(st.recurse(in, s, iterable, 0))
	return controlNone
}

// recurse renders a recursive loop.
func (st *forStmt) recurse(in *interp, s *scope, iterable any, depth int) string {
	in.enterCall("loop")
	text, _ := in.capture(func() control { return st.run(in, s, iterable, depth) })
	in.leaveCall()
	return text
}

func (st *forStmt) run(in *interp, s *scope, iterable any, depth int) control {
	loop := &loopState{in: in, source: iterable, next: in.iterate(iterable), depth: depth, index: -1}
	if st.test != nil {
		loop.source, loop.next = nil, st.filtered(in, s, loop.next)
	}
	if st.recursive {
		loop.recurse = func(v any) string { return st.recurse(in, s, v, depth+1) }
	}
	finished := false // whether the body ran to its end once: that is what Jinja asks before it runs else
	for {
		item, ok := loop.advance()
		if !ok {
			break
		}
		in.step(4) // for the scope
		inner := &scope{parent: s, names: make([]string, 0, 4), values: make([]any, 0, 4)}
		inner.set("loop", loop)
		in.assign(st.target, item, inner)
		c := in.body(st.body, inner)
		if c == controlBreak {
			break
		}
		finished = finished || c == controlNone
	}
	if !finished && st.other != nil {
		return in.body(st.other, &scope{parent: s})
	}
	return controlNone
}

// filtered yields the items that pass the loop's test.
func (st *forStmt) filtered(in *interp, s *scope, next iterator) iterator {
	return func() (any, bool) {
		for {
			item, ok := next()
			if !ok {
				return nil, false
			}
			inner := &scope{parent: s}
			in.assign(st.target, item, inner)
			if truth(in.eval(st.test, inner)) {
				return item, true
			}
		}
	}
}

// loopState is the variable loop.
type loopState struct {
	in      *interp
	source  any // what is iterated, if its length is known
	next    iterator
	index   int // from 0; -1 before the first item
	depth   int // from 0
	recurse func(v any) string

	item, previous any
	ahead          any // the next item, if peeked is set
	peeked, ended  bool
	size           int // of all, if sized is set
	sized          bool
	changed        *tuple // last arguments of changed()
}

func (l *loopState) advance() (any, bool) {
	if !l.peek() {
		return nil, false
	}
	l.peeked = false
	l.index++
	l.previous, l.item = l.item, l.ahead
	return l.item, true
}

// peek makes the next item known, if there is one.
func (l *loopState) peek() bool {
	if !l.peeked && !l.ended {
		l.ahead, l.peeked = l.next()
		l.ended = !l.peeked
	}
	return l.peeked
}

func (l *loopState) length() int {
	if !l.sized {
		n, ok := 0, false
		if l.source != nil {
			n, ok = length(l.source)
		}
		if !ok {
			rest := l.in.list(&generator{next: l.next})
			l.next = sliceIterator(rest)
			n = l.index + 1 + len(rest)
			if l.peeked {
				n++
			}
		}
		l.size, l.sized = n, true
	}
	return l.size
}

// attribute returns an attribute of the variable loop.
func (l *loopState) attribute(name string) (any, bool) {
	switch name {
	case "index":
		return int64(l.index + 1), true
	case "index0":
		return int64(l.index), true
	case "revindex":
		return int64(l.length() - l.index), true
	case "revindex0":
		return int64(l.length() - l.index - 1), true
	case "first":
		return l.index == 0, true
	case "last":
		return !l.peek(), true
	case "length":
		return int64(l.length()), true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if l.index == 0 {
			return &undefined{hint: "there is no previous item"}, true
		}
		return l.previous, true
	case "nextitem":
		if !l.peek() {
			return &undefined{hint: "there is no next item"}, true
		}
		return l.ahead, true
	case "cycle":
		return &function{builtin: loopCycle, self: l, method: true}, true
	case "changed":
		return &function{builtin: loopChanged, self: l, method: true}, true
	}
	return nil, false
}

var loopCycle = variadic("cycle", func(in *interp, self any, a callArgs) any {
	if len(a.positional) == 0 {
		in.fail("cycle: no items")
	}
	return a.positional[self.(*loopState).index%len(a.positional)]
})

var loopChanged = variadic("changed", func(in *interp, self any, a callArgs) any {
	l, now := self.(*loopState), &tuple{items: a.positional}
	if l.changed != nil && in.equal(l.changed, now) {
		return false
	}
	l.changed = now
	return true
})
