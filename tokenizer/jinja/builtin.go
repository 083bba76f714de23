package jinja

import (
	"strconv"
	"strings"
)

// builtin is a filter, a test, a method or a function.
type builtin struct {
	name   string
	params []param
	// f gets the arguments in the order of the parameters. The first parameter
	// of a filter, test or method is what it is applied to.
	f func(in *interp, args []any) any
	// variadic is called instead of f, with all the arguments.
	variadic func(in *interp, self any, a callArgs) any
}

type param struct {
	name       string
	required   bool
	positional bool // cannot be named
	value      any  // if it is not given
}

// define makes a builtin of a signature: the names of its parameters, each with
// its default after '='. Those before a '/' cannot be named.
func define(name, signature string, f func(in *interp, args []any) any) *builtin {
	b := &builtin{name: name, f: f}
	for _, field := range strings.Fields(signature) {
		if field == "/" {
			for i := range b.params {
				b.params[i].positional = true
			}
			continue
		}
		n, value, optional := strings.Cut(field, "=")
		p := param{name: n, required: !optional}
		if optional {
			p.value = defaultValue(value)
		}
		b.params = append(b.params, p)
	}
	return b
}

func defaultValue(s string) any {
	switch s {
	case "None":
		return nil
	case "True":
		return true
	case "False":
		return false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f
	}
	return strings.Trim(s, "'")
}

// variadic makes a builtin that takes any arguments.
func variadic(name string, f func(in *interp, self any, a callArgs) any) *builtin {
	return &builtin{name: name, variadic: f}
}

// method returns a bound method that takes no arguments: what it belongs to is in its closure.
func method(name string, f func(in *interp, args []any) any) *function {
	return &function{builtin: define(name, "", f)}
}

// table makes a map of builtins.
func table(all ...*builtin) map[string]*builtin {
	m := make(map[string]*builtin, len(all))
	for _, b := range all {
		m[b.name] = b
	}
	return m
}

// call binds arguments to parameters. If withSelf is set, self is the first.
func (b *builtin) call(in *interp, self any, withSelf bool, a callArgs) any {
	if b.variadic != nil {
		return b.variadic(in, self, a)
	}
	args := make([]any, len(b.params))
	given := make([]bool, len(b.params))
	n := 0
	if withSelf {
		args[0], given[0] = self, true
		n = 1
	}
	if n+len(a.positional) > len(b.params) {
		in.fail("%s takes at most %d arguments, got %d", b.name, len(b.params)-n, len(a.positional))
	}
	for _, v := range a.positional {
		args[n], given[n] = v, true
		n++
	}
	for i, name := range a.names {
		at := -1
		for j, p := range b.params {
			if p.name == name && !p.positional {
				at = j
			}
		}
		switch {
		case at < 0:
			in.fail("%s takes no argument named %q", b.name, name)
		case given[at]:
			in.fail("%s: the argument %q is given twice", b.name, name)
		}
		args[at], given[at] = a.named[i], true
	}
	for i, p := range b.params {
		if given[i] {
			continue
		}
		if p.required {
			in.fail("%s: the argument %q is missing", b.name, p.name)
		}
		args[i] = p.value
	}
	return b.f(in, args)
}

// Arguments of builtins.

func (in *interp) argString(who string, v any) string {
	s, ok := text(v)
	if !ok {
		in.failOn(v, "%s needs a string, not a %s", who, typeName(v))
	}
	return s
}

func (in *interp) argInt(who string, v any) int {
	n, ok := index(v)
	if !ok {
		in.failOn(v, "%s needs an integer, not a %s", who, typeName(v))
	}
	return n
}
