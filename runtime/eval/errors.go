package eval

import (
	"errors"
	"fmt"
)

// Errors of this package, to be found with [errors.Is]. The error that is returned names the file and says what was wrong.
var (
	// ErrNoLogits says that a file holds no saved logits.
	ErrNoLogits = errors.New("the file holds no logits")
	// ErrVersion says that saved logits have another version than this package reads.
	ErrVersion = errors.New("the logits have another version")
	// ErrDamaged says that saved logits are damaged or truncated.
	ErrDamaged = errors.New("the logits are damaged")
	// ErrOtherModel says that a model has other tokens than the one whose logits were saved.
	ErrOtherModel = errors.New("the logits are of a model with other tokens")
	// ErrContext says that a model's context is shorter than the windows of saved logits.
	ErrContext = errors.New("the model's context is shorter than a window")
	// ErrOtherText says that a text is not the one whose logits were saved.
	ErrOtherText = errors.New("the logits are of another text")
	// ErrShortText says that a text is too short to be scored.
	ErrShortText = errors.New("the text is too short")
)

// kindError is an error of one of these kinds.
type kindError struct {
	kind error
	text string
}

func (e *kindError) Error() string { return e.text }
func (e *kindError) Unwrap() error { return e.kind }

func errorf(kind error, format string, args ...any) error {
	return &kindError{kind, fmt.Sprintf(format, args...)}
}

// plural writes a number and its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
