package gguf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// File is an open GGUF file, or the set of files that one was split into. It does not change after [Open], so any number of goroutines may use
// one at a time.
type File struct {
	Version   int
	Alignment int64
	Metadata  Metadata  // of the first file of a set
	Tensors   []*Tensor // in the order of the files

	shards []*shard
	byName map[string]*Tensor
}

// shard is one of the files.
type shard struct {
	path string
	src  io.ReaderAt
	size int64
	*header
}

// Open opens the file at path and reads its header. If it is one of a split set (NAME-00001-of-00003.gguf), the others are opened too: all have
// to be there. It fails if that is no GGUF file, is cut short, or says what cannot be. Tensors whose type is not supported are no error before
// they are read.
func Open(path string) (*File, error) { return OpenWith(path, openFile) }

// OpenWith is Open for files that are elsewhere than on the disk: open opens them. The error of one that is not there is fs.ErrNotExist.
func OpenWith(path string, open func(path string) (src io.ReaderAt, size int64, err error)) (*File, error) {
	first, err := openShard(path, open)
	if err != nil {
		return nil, err
	}
	shards, err := first.set(open)
	if err == nil {
		var f *File
		if f, err = newFile(shards); err == nil {
			return f, nil
		}
	}
	for _, s := range shards {
		if s != nil {
			s.close()
		}
	}
	return nil, err
}

// Close closes the files.
func (f *File) Close() error {
	var errs []error
	for _, s := range f.shards {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// Paths returns the files' paths, in their order.
func (f *File) Paths() []string {
	var paths []string
	for _, s := range f.shards {
		paths = append(paths, s.path)
	}
	return paths
}

// Lookup returns the tensor of that name.
func (f *File) Lookup(name string) (*Tensor, bool) {
	t, ok := f.byName[name]
	return t, ok
}

// newFile puts the shards of a set together.
func newFile(shards []*shard) (*File, error) {
	first := shards[0]
	f := &File{Version: first.version, Alignment: first.alignment, Metadata: first.metadata, shards: shards, byName: map[string]*Tensor{}}
	for _, s := range shards {
		if err := s.place(); err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		for _, t := range s.tensors {
			if other, ok := f.byName[t.Name]; ok {
				return nil, fmt.Errorf("%s: tensor %q is in %s too: %s", s.path, t.Name, other.shard.path, setAdvice)
			}
			f.byName[t.Name] = t
		}
		f.Tensors = append(f.Tensors, s.tensors...)
	}
	return f, nil
}

// place gives the shard's tensors their places in the file, and checks that these lie in it and apart from each other.
func (s *shard) place() error {
	start := (s.end + s.alignment - 1) / s.alignment * s.alignment
	for _, t := range s.tensors {
		t.shard = s
		if t.offset%s.alignment != 0 {
			return fmt.Errorf("tensor %q: offset %d is no multiple of the alignment, %d: %s", t.Name, t.offset, s.alignment, damaged)
		}
		if s.size < start || t.offset > s.size-start || t.size > s.size-start-t.offset {
			return fmt.Errorf("tensor %q reaches beyond the end of the file, which is %d bytes long: an incomplete download? download it again",
				t.Name, s.size)
		}
		t.offset += start
	}
	sorted := slices.Clone(s.tensors)
	slices.SortStableFunc(sorted, func(a, b *Tensor) int { return cmp.Compare(a.offset, b.offset) })
	for i := 1; i < len(sorted); i++ {
		if a, b := sorted[i-1], sorted[i]; a.offset+a.size > b.offset {
			return fmt.Errorf("tensors %q and %q overlap: %s", a.Name, b.Name, damaged)
		}
	}
	return nil
}

// openShard opens one file.
func openShard(path string, open opener) (*shard, error) {
	src, size, err := open(path)
	if err != nil {
		return nil, err
	}
	s, err := newShard(path, src, size)
	if c, ok := src.(io.Closer); ok && err != nil {
		c.Close()
	}
	return s, err
}

type opener = func(path string) (src io.ReaderAt, size int64, err error)

// openFile opens one on the disk.
func openFile(path string) (io.ReaderAt, int64, error) {
	// To open a pipe would wait for somebody to write to it.
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open %s: %w", path, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open %s: %w", path, cause(err))
	}
	if info, err = file.Stat(); err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("open %s: %w", path, cause(err))
	}
	return file, info.Size(), nil
}

func newShard(path string, src io.ReaderAt, size int64) (*shard, error) {
	h, err := readHeader(io.NewSectionReader(src, 0, size), size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &shard{path, src, size, h}, nil
}

func (s *shard) close() error {
	if c, ok := s.src.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// cause drops the operation and path of a *PathError: the error around it names the file.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
