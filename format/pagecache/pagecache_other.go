//go:build !linux

package pagecache

import (
	"context"
	"errors"
	"os"
)

// Piece is the size of a large piece.
const Piece = 2 << 20

// Prefer does nothing here.
func Prefer([]byte) {}

// Share knows nothing here: ok is false.
func Share([]byte) (cached, large float64, ok bool) { return 0, 0, false }

// ShareOf knows nothing here: ok is false.
func ShareOf(*os.File, int64, int64) (cached, large float64, ok bool) { return 0, 0, false }

// Whole returns nothing here.
func Whole([]byte) (from, to int) { return 0, 0 }

// Replace does nothing here.
func Replace(*os.File, int64, []byte) error { return errors.ErrUnsupported }

// Mapped knows nothing here.
func Mapped([]byte) (present, large int64, err error) { return 0, 0, errors.ErrUnsupported }

// Unmap does nothing here.
func Unmap([]byte) {}

// Forget does nothing here.
func Forget(*os.File, int64, int64) error { return errors.ErrUnsupported }

// Read does nothing here.
func Read(context.Context, *os.File, int64, int64) error { return errors.ErrUnsupported }
