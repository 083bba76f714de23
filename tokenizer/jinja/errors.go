package jinja

import (
	"errors"
	"fmt"
)

// What can be wrong with a template; an Error wraps one of them.
var (
	ErrSyntax      = errors.New("malformed template")               // found by Parse
	ErrUndefined   = errors.New("undefined value")                  // used otherwise than printed, tested or iterated
	ErrValue       = errors.New("operation does not fit its value") // Python's TypeError, ValueError, ZeroDivisionError, …
	ErrUnsafe      = errors.New("unsafe operation")                 // what the sandbox forbids
	ErrRaised      = errors.New("raised by the template")           // raise_exception
	ErrLimit       = errors.New("template exceeds a limit")         // see limits.go
	ErrUnsupported = errors.New("unsupported")                      // what this package leaves out
)

// Error says what is wrong with a template and where.
type Error struct {
	Line    int    // of the source, from 1
	Kind    error  // one of the errors above, or the cause of the context's end
	Message string // what is wrong; for ErrRaised the message of the template
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

func (e *Error) Unwrap() error { return e.Kind }

// failure is what the parser and the interpreter panic with. Parse and Render
// recover it: no other panic is theirs.
type failure struct{ err *Error }

func fail(line int, kind error, format string, args ...any) {
	panic(failure{&Error{line, kind, fmt.Sprintf(format, args...)}})
}

func recoverFailure(err *error) {
	switch r := recover().(type) {
	case nil:
	case failure:
		*err = r.err
	default:
		panic(r)
	}
}
