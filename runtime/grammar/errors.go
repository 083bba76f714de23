package grammar

import "errors"

// Errors of this package, to be found with [errors.Is].
var (
	// ErrSyntax says that a grammar's text is not one.
	ErrSyntax = errors.New("the grammar is not well-formed")

	// ErrLeftRecursion says that a rule begins with itself.
	ErrLeftRecursion = errors.New("left recursion")

	// ErrEmpty says that no text is in a grammar: a rule needs itself without end, what is asked for contradicts itself, or the vocabulary lacks its characters.
	ErrEmpty = errors.New("no text is in the grammar")

	// ErrTooLarge says that a grammar needs more states than are supported.
	ErrTooLarge = errors.New("the grammar is too large")

	// ErrTooComplex says that a text has too many readings, so the next tokens would take too long to find.
	ErrTooComplex = errors.New("the grammar is too ambiguous")

	// ErrToken says that a grammar names a token that the vocabulary does not have.
	ErrToken = errors.New("the vocabulary has no such token")

	// ErrNotAllowed says that a token or a text is not what the grammar allows.
	ErrNotAllowed = errors.New("the grammar does not allow it")

	// ErrDeadEnd says that no token goes on where a text cannot end: the vocabulary lacks bytes that the grammar needs.
	ErrDeadEnd = errors.New("no token of the vocabulary goes on within the grammar")
)
