package jinja

import "slices"

// macro is a macro, or the body of a call block, with the scope around it.
type macro struct {
	def   *macroDef
	outer *scope
}

// callMacro binds arguments as Jinja does and returns what the macro writes.
func (in *interp) callMacro(m *macro, a callArgs) any {
	in.enterCall("the macro " + m.def.name)
	in.step(8)
	s := &scope{parent: m.outer}
	in.bindArguments(m.def, a, s)
	in.setDefaults(m.def, s)
	text, _ := in.capture(func() control { return in.body(m.def.body, s) })
	in.leaveCall()
	return text
}

// bindArguments sets the parameters of a macro, which are missing{} if there is
// no argument, and what it has besides: caller, kwargs and varargs.
func (in *interp) bindArguments(def *macroDef, a callArgs, s *scope) {
	n := min(len(a.positional), len(def.params))
	foundCaller := n == len(def.params) && slices.Contains(def.params, "caller")
	named := &dict{}
	for i, name := range a.names {
		in.set(named, name, a.named[i])
	}
	take := func(name string) (any, bool) {
		v, ok := named.getString(name)
		if ok {
			named = named.without(name)
		}
		return v, ok
	}
	for i, param := range def.params {
		var v any = missing{}
		if i < n {
			v = a.positional[i]
		} else {
			if given, ok := take(param); ok {
				v = given
			}
			foundCaller = foundCaller || param == "caller"
		}
		s.set(param, v)
	}
	if def.caller && !foundCaller {
		v, _ := take("caller")
		if v == nil {
			v = &undefined{hint: "no caller is defined", name: "caller"}
		}
		s.set("caller", v)
	}
	if def.kwargs {
		s.set("kwargs", named)
	} else if len(named.entries) > 0 {
		in.fail("the macro %s takes no argument named %v", def.name, named.entries[0].key)
	}
	if def.varargs {
		s.set("varargs", &tuple{items: a.positional[n:]})
	} else if len(a.positional) > n {
		in.fail("the macro %s takes at most %d arguments, got %d", def.name, len(def.params), len(a.positional))
	}
}

// setDefaults evaluates the defaults of the parameters that are missing. One
// default may use the parameters before it.
func (in *interp) setDefaults(def *macroDef, s *scope) {
	for i, param := range def.params {
		if _, ok := s.values[i].(missing); !ok {
			continue
		}
		if d := i - (len(def.params) - len(def.defaults)); d >= 0 {
			s.set(param, in.eval(def.defaults[d], s))
		} else {
			s.set(param, &undefined{hint: "the parameter '" + param + "' was not provided", name: param})
		}
	}
}

// without returns the entries of d but that of a name.
func (d *dict) without(name string) *dict {
	rest := &dict{}
	for _, e := range d.entries {
		if e.key != name {
			rest.set(e.key, e.value)
		}
	}
	return rest
}
