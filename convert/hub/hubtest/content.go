package hubtest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Content is what a file of a repository holds.
type Content interface {
	Size() int64
	// Open returns the bytes. Whoever opens closes, if that can be.
	Open() (io.ReaderAt, error)
}

type memory []byte

// Bytes is a content in memory.
func Bytes[T string | []byte](b T) Content { return memory(b) }

func (m memory) Size() int64                { return int64(len(m)) }
func (m memory) Open() (io.ReaderAt, error) { return bytes.NewReader(m), nil }

type disk struct {
	path string
	size int64
}

func (d disk) Size() int64                { return d.size }
func (d disk) Open() (io.ReaderAt, error) { return os.Open(d.path) }

// Directory returns the files in a directory.
func Directory(dir string) (map[string]Content, error) {
	files := map[string]Content{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = disk{path, info.Size()}
		return err
	})
	return files, err
}

// file is a content with its hashes, which are computed once.
type file struct {
	Content
	path   string
	large  bool
	hashes func() (sha256, blob string)
}

// largeBytes is from which size on a file goes to the storage; those of weights always do.
const largeBytes = 64 << 10

func newFile(path string, c Content) *file {
	f := &file{Content: c, path: path, large: c.Size() >= largeBytes}
	for _, suffix := range []string{".safetensors", ".gguf", ".bin", ".pt"} {
		f.large = f.large || strings.HasSuffix(path, suffix)
	}
	f.hashes = sync.OnceValues(func() (string, string) {
		all, blob := sha256.New(), sha1.New()
		fmt.Fprintf(blob, "blob %d\x00", c.Size())
		src, err := c.Open()
		if err != nil {
			panic(err) // a test's own files
		}
		if _, err := io.Copy(io.MultiWriter(all, blob), io.NewSectionReader(src, 0, c.Size())); err != nil {
			panic(err)
		}
		closeIt(src)
		return hex.EncodeToString(all.Sum(nil)), hex.EncodeToString(blob.Sum(nil))
	})
	return f
}

func closeIt(v any) {
	if c, ok := v.(io.Closer); ok {
		c.Close()
	}
}

// etag is how the Hub calls the content.
func (f *file) etag() string {
	large, small := f.hashes()
	if f.large {
		return large
	}
	return small
}
