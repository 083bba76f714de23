//go:build !unix

package format

import (
	"errors"
	"os"

	mmap "github.com/edsrzf/mmap-go"
)

// mapPrivate: there is one kind of mapping.
func mapPrivate(*os.File) (mmap.MMap, error) { return nil, errors.ErrUnsupported }
