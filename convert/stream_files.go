package convert

import (
	"sort"
	"sync"

	"st/convert/checkpoint"
)

// streamFiles are the files of a stream. Until it runs they are read where they are, header by header; afterwards weights come out of the window
// of bytes that are at hand.
type streamFiles struct {
	checkpoint.Files

	mu      sync.RWMutex
	sizes   map[string]int64 // of files that were opened
	base    map[string]int64 // where each weight file begins, in all of them
	total   int64
	running bool
	window  []windowPart // in their order
}

type windowPart struct {
	from, to int64
	portion  Portion
}

func newStreamFiles(files checkpoint.Files) *streamFiles {
	return &streamFiles{Files: files, sizes: map[string]int64{}, base: map[string]int64{}}
}

// streamFile is a file of them.
type streamFile struct {
	checkpoint.File
	all  *streamFiles
	path string
}

// Open opens a file.
func (s *streamFiles) Open(path string) (checkpoint.File, error) {
	f, err := s.Files.Open(path)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes[path] = f.Size()
	return streamFile{f, s, path}, nil
}

// order says in which order the weight files come.
func (s *streamFiles) order(paths []string) {
	for _, p := range paths {
		s.base[p] = s.total
		s.total += s.sizes[p]
	}
}

// ReadAt reads from where the bytes are.
func (f streamFile) ReadAt(p []byte, off int64) (int, error) {
	f.all.mu.RLock()
	running := f.all.running
	f.all.mu.RUnlock()
	if !running {
		return f.File.ReadAt(p, off)
	}
	return f.all.read(p, f.path, off)
}

// read copies from the window.
func (s *streamFiles) read(p []byte, path string, off int64) (int, error) {
	at := s.base[path] + off
	n := 0
	for n < len(p) {
		s.mu.RLock()
		i := sort.Search(len(s.window), func(i int) bool { return s.window[i].to > at+int64(n) })
		var part windowPart
		found := i < len(s.window) && s.window[i].from <= at+int64(n)
		if found {
			part = s.window[i]
		}
		s.mu.RUnlock()
		if !found {
			return n, errBefore(path, off, off+int64(len(p)))
		}
		n += copy(p[n:], part.portion.Data[at+int64(n)-part.from:])
	}
	return n, nil
}

// add puts bytes into the window.
func (s *streamFiles) add(from int64, p Portion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window = append(s.window, windowPart{from, from + int64(len(p.Data)), p})
}

// drop takes out what ends before a position.
func (s *streamFiles) drop(position int64) {
	s.mu.Lock()
	n := 0
	for n < len(s.window) && s.window[n].to <= position {
		n++
	}
	gone := s.window[:n]
	s.window = append([]windowPart(nil), s.window[n:]...)
	s.mu.Unlock()
	for _, w := range gone {
		w.portion.Release()
	}
}
