package format

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/zeebo/xxh3"
)

// identity is what tells that a file is still what was opened.
type identity struct {
	header []byte
	// modified is when the file was last seen to have the header. A file changes without a new one when the use of experts is
	// recorded in it.
	modified time.Time
}

// Changed reports that the file was overwritten in place, or cut, since it was opened: the error wraps [ErrChanged]. A file that was
// replaced by another is still there for those who have opened it. It costs little if the file has not changed: one call of the
// operating system.
func (r *Reader) Changed() error {
	f, ok := r.file.(mappable)
	if !ok {
		return nil
	}
	size, modified, err := sizeAndTime(f.osFile())
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, cause(err))
	}
	r.identityMu.Lock()
	defer r.identityMu.Unlock()
	if size == r.size && modified.Equal(r.identity.modified) {
		return nil
	}
	if size != r.size || !r.sameHeader(f.osFile()) {
		return fmt.Errorf("%s: %w", r.path, ErrChanged)
	}
	r.identity.modified = modified
	return nil
}

// sameHeader reports whether a file has the header that was read when the Reader was made. It holds the checksum of the directory, which
// holds those of all weights.
func (r *Reader) sameHeader(f *os.File) bool {
	b := make([]byte, len(r.identity.header))
	_, err := f.ReadAt(b, 0)
	return err == nil && bytes.Equal(b, r.identity.header)
}

// Fingerprint identifies the file by its header, which holds the checksum of the directory, which holds those of all weights: files of one
// fingerprint compute the same.
func (r *Reader) Fingerprint() [16]byte { return xxh3.Hash128(r.identity.header).Bytes() }
