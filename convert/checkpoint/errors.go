package checkpoint

import (
	"errors"
	"fmt"
	"strconv"
)

// Kinds of errors. An [Error] is one of them.
var (
	// ErrEmpty, ErrWebPage, ErrText and ErrPacked, and format.ErrPointer and format.ErrXetPointer, are about what clones, downloads and browsers leave
	// in the place of a file.
	ErrEmpty   = errors.New("the file is empty")
	ErrWebPage = errors.New("a web page, not the file itself")
	ErrText    = errors.New("a short text, not the file itself")
	ErrPacked  = errors.New("a compressed file or an archive")
	// ErrZeros is about a file of which there is nothing but zeros where its header should be.
	ErrZeros = errors.New("begins with zeros")
	// ErrPartial is about a file that a download program says is not complete.
	ErrPartial = errors.New("the download is not complete")
	// ErrTruncated is about a file that is shorter than it says.
	ErrTruncated = errors.New("cut off")
	// ErrMalformed is about a file that contradicts its format or itself.
	ErrMalformed = errors.New("malformed")
	// ErrOldTorch is about a torch file that is older than torch 1.6, which is no zip file.
	ErrOldTorch = errors.New("in the format of torch before 1.6")
	// ErrTorch is about a sound torch file that is no plain state dict of little-endian tensors.
	ErrTorch = errors.New("not a plain state dict")
	// ErrRepacked is about a torch file whose zip file another program than torch has written.
	ErrRepacked = errors.New("compressed or encrypted")
	// ErrShard is about files of a set that are not there.
	ErrShard = errors.New("shards are missing")
	// ErrIndex is about an index and files that do not belong together.
	ErrIndex = errors.New("the index and the shards disagree")
	// ErrNoWeights is about a directory without weights.
	ErrNoWeights = errors.New("no weights here")
	// ErrLoose is about a directory of several weight files, which is one without weights that could be taken.
	ErrLoose = errors.New("several weight files, and no index says which of them belong together")
	// ErrTooMany is about a file that names more tensors than a model has.
	ErrTooMany = errors.New("too many tensors")
	// ErrDType is about weights of a type that is not read.
	ErrDType = errors.New("cannot be read")
	// ErrUnknown is about a file that is none of weights, by its name and by what it begins with.
	ErrUnknown = errors.New("not a weight file")
)

// Error is about one file of a checkpoint, or one tensor in it.
type Error struct {
	Kind   error  // one of the above, a pointer of package format, or what the operating system said
	Path   string // of the file or directory
	Tensor string // "": it is about the file
	Err    error  // what is wrong, in words
}

func (e *Error) Error() string {
	if e.Tensor == "" {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s: tensor %s: %v", e.Path, quote(e.Tensor), e.Err)
}

func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// fileError is about a file.
func fileError(kind error, path, format string, args ...any) error {
	return &Error{Kind: kind, Path: path, Err: fmt.Errorf(format, args...)}
}

// tensorError is about a tensor of a file.
func tensorError(kind error, path, tensor, format string, args ...any) error {
	return &Error{Kind: kind, Path: path, Tensor: tensor, Err: fmt.Errorf(format, args...)}
}

// errRead is the kind of errors that say what the operating system said.
var errRead = errors.New("cannot be read")

// Names and messages that come out of a file may be megabytes long or hold line breaks; errors are one readable line.
const maxShown = 200

// quote shows text from a file in an error.
func quote(s string) string {
	if len(s) > maxShown {
		return strconv.Quote(s[:maxShown]) + "…"
	}
	return strconv.Quote(s)
}

// oneLine shows the message of another package's error, which may cite text from a file.
func oneLine(err error) string {
	q := quote(err.Error())
	if len(err.Error()) > maxShown {
		return q
	}
	return q[1 : len(q)-1]
}
