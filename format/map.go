package format

import (
	"fmt"
	"os"

	mmap "github.com/edsrzf/mmap-go"
)

// mappable is a File that the operating system can map into memory.
type mappable interface{ osFile() *os.File }

func (f osFile) osFile() *os.File { return f.File }

// mapFuncs map a file, read-only. Some file systems refuse mappings that are shared with others (9p, FUSE with direct I/O) and allow
// private ones. Tests put others in their place.
var mapFuncs = []func(*os.File) (mmap.MMap, error){
	func(f *os.File) (mmap.MMap, error) { return mmap.Map(f, mmap.RDONLY, 0) },
	mapPrivate,
}

// Map maps the whole file into memory and returns it; rec's bytes are [rec.Offset, rec.Offset+rec.Length). The mapping is
// read-only and lives until Close. The error about a file that cannot be mapped wraps [ErrCannotMap]: it can be read all the same.
func (r *Reader) Map() ([]byte, error) {
	r.mapOnce.Do(func() {
		m, ok := r.file.(mappable)
		if !ok {
			r.mapErr = fmt.Errorf("%s %w", r.path, ErrCannotMap)
			return
		}
		var errs []error
		for _, try := range mapFuncs {
			mapped, err := try(m.osFile())
			if err == nil {
				r.mapped = mapped
				return
			}
			errs = append(errs, err)
		}
		r.mapErr = fmt.Errorf("%s %w: %w", r.path, ErrCannotMap, errs[0])
	})
	return r.mapped, r.mapErr
}

// OSFile returns the open file, or nil if the Reader's is not one of the operating system. It stays the Reader's.
func (r *Reader) OSFile() *os.File {
	if m, ok := r.file.(mappable); ok {
		return m.osFile()
	}
	return nil
}
