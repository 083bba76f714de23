package jsonschema

import (
	"errors"
	"fmt"
)

// ErrSchema is wrapped by all errors of this package: a schema is not one, or needs what is not supported.
var ErrSchema = errors.New("the JSON Schema cannot be followed")

// Error names the place in a schema that is wrong or not supported.
type Error struct {
	Pointer string // a JSON Pointer, such as #/properties/age
	Reason  string
}

func (e *Error) Error() string { return fmt.Sprintf("JSON Schema, at %s: %s", e.Pointer, e.Reason) }

func (e *Error) Unwrap() error { return ErrSchema }

// errorf returns an error at a place.
func errorf(at *value, format string, args ...any) error {
	return &Error{pointer(at), fmt.Sprintf(format, args...)}
}
