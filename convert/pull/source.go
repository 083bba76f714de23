package pull

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"st/convert/checkpoint"
	"st/convert/hub"
	"st/format"
)

// maxSmall is the most that a file besides weights may have.
const maxSmall = 256 << 20

// repoFiles are the files of a repository, as package checkpoint reads files: the directory is called as the repository is. What the Hub's cache
// has is read from there.
type repoFiles struct {
	ctx  context.Context
	repo *hub.Repository

	damaged map[string]bool // files that the cache has, but not as they are; nil: none

	mu    sync.Mutex
	small map[string][]byte    // files that were read whole, by path in the repository
	heads map[string]*headFile // weight files that were opened
}

func newRepoFiles(ctx context.Context, repo *hub.Repository) *repoFiles {
	return &repoFiles{ctx: ctx, repo: repo, small: map[string][]byte{}, heads: map[string]*headFile{}}
}

// path returns what a path is called here: it begins with the name of the repository.
func (r *repoFiles) path(inRepo string) string {
	return filepath.Join(filepath.FromSlash(r.repo.ID), filepath.FromSlash(inRepo))
}

// inRepo is the reverse of path. "": the repository itself.
func (r *repoFiles) inRepo(p string) (string, bool) {
	p = filepath.ToSlash(p)
	if p == r.repo.ID {
		return "", true
	}
	return strings.CutPrefix(p, r.repo.ID+"/")
}

func (r *repoFiles) lookup(op, p string) (*hub.File, error) {
	if name, ok := r.inRepo(p); ok {
		if f, ok := r.repo.Lookup(name); ok {
			return f, nil
		}
	}
	return nil, &fs.PathError{Op: op, Path: p, Err: fs.ErrNotExist}
}

// info is what there is to know of a file or a folder.
type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string               { return i.name }
func (i info) Size() int64                { return i.size }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) IsDir() bool                { return i.dir }
func (i info) Sys() any                   { return nil }
func (i info) Type() fs.FileMode          { return i.Mode().Type() }
func (i info) Info() (fs.FileInfo, error) { return i, nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

// Stat tells of a file or a folder.
func (r *repoFiles) Stat(p string) (fs.FileInfo, error) {
	f, err := r.lookup("stat", p)
	if err == nil {
		return info{name: path.Base(f.Path), size: f.Size}, nil
	}
	if entries, _ := r.ReadDir(p); len(entries) > 0 {
		return info{name: filepath.Base(p), dir: true}, nil
	}
	return nil, err
}

// Lstat is Stat: there are no links.
func (r *repoFiles) Lstat(p string) (fs.FileInfo, error) { return r.Stat(p) }

// ReadDir lists a folder.
func (r *repoFiles) ReadDir(p string) ([]fs.DirEntry, error) {
	name, ok := r.inRepo(p)
	var entries []fs.DirEntry
	if name != "" {
		name += "/"
	}
	seen := map[string]bool{}
	for i := range r.repo.Files {
		f := &r.repo.Files[i]
		rest, within := strings.CutPrefix(f.Path, name)
		if !ok || !within {
			continue
		}
		base, _, folder := strings.Cut(rest, "/")
		if !seen[base] {
			seen[base] = true
			e := info{name: base, dir: folder}
			if !folder {
				e.size = f.Size
			}
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 {
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// ReadFile returns a small file, checked against its hash.
func (r *repoFiles) ReadFile(p string) ([]byte, error) {
	f, err := r.lookup("open", p)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	data, ok := r.small[f.Path]
	r.mu.Unlock()
	if ok {
		return data, nil
	}
	if local, ok := r.repo.Cached(f); ok {
		if data, err = os.ReadFile(local); err == nil {
			h := hub.NewHasher(f)
			h.Write(data)
			err = h.Check(local)
		}
	}
	if data == nil || err != nil { // what the cache has is not it
		if data, err = r.repo.ReadFile(r.ctx, f.Path, maxSmall); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	r.small[f.Path] = data
	r.mu.Unlock()
	return data, nil
}

// sourceFile tells of a small file that was read.
func (r *repoFiles) sourceFile(p string) (format.SourceFile, error) {
	data, err := r.ReadFile(p)
	sum := sha256.Sum256(data)
	return format.SourceFile{Name: filepath.Base(p), Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}, err
}

// Open opens a weight file, or an index.
func (r *repoFiles) Open(p string) (checkpoint.File, error) {
	f, err := r.lookup("open", p)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(f.Path, ".json") {
		data, err := r.ReadFile(p)
		return wholeFile{bytes.NewReader(data)}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.heads[f.Path]
	if h == nil {
		h = &headFile{all: r, file: f}
		if !r.damaged[f.Path] {
			h.local, _ = r.repo.Cached(f)
		}
		r.heads[f.Path] = h
	}
	return h, nil
}

// wholeFile is a file that was read.
type wholeFile struct{ *bytes.Reader }

func (wholeFile) Close() error { return nil }

// headFile is a weight file of which the beginning is read, before all of it comes. What was read is remembered: the bytes that come later must be
// the same, for those are checked against the hash.
type headFile struct {
	all   *repoFiles
	file  *hub.File
	local string // where the cache has it; "": nowhere

	mu   sync.Mutex
	head []byte
}

const (
	// firstHead and nextHead are how much is read at once of a beginning.
	firstHead = 256 << 10
	nextHead  = 2 << 20
	// maxHead is the largest header that there is.
	maxHead = 128 << 20
)

func (h *headFile) Size() int64  { return h.file.Size }
func (h *headFile) Close() error { return nil }

// ReadAt reads from the beginning, and rarely from elsewhere.
func (h *headFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= h.file.Size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), h.file.Size-off))
	h.mu.Lock()
	defer h.mu.Unlock()
	switch end := off + int64(n); {
	case end <= int64(len(h.head)):
		copy(p[:n], h.head[off:])
	case off <= int64(len(h.head))+nextHead && end <= maxHead:
		piece := h.all.repo.Client().PieceBytes()
		more := max(min(firstHead, piece), min(nextHead, piece, int64(len(h.head))))
		add := make([]byte, min(max(end-int64(len(h.head)), more), h.file.Size-int64(len(h.head))))
		if err := h.fetch(add, int64(len(h.head))); err != nil {
			return 0, err
		}
		h.head = append(h.head, add...)
		copy(p[:n], h.head[off:])
	default:
		if err := h.fetch(p[:n], off); err != nil {
			return 0, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *headFile) fetch(p []byte, off int64) error {
	if h.local == "" {
		return h.all.repo.Fetch(h.all.ctx, h.file, off, p)
	}
	f, err := os.Open(h.local)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.ReadAt(p, off)
	return err
}

// check compares bytes that came with the beginning that the plan was made of.
func (h *headFile) check(data []byte, off int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if off >= int64(len(h.head)) {
		return nil
	}
	n := min(len(data), len(h.head)-int(off))
	if !bytes.Equal(data[:n], h.head[off:][:n]) {
		return fmt.Errorf("%s %w: its beginning is not what it was", h.all.repo.Name(h.file), hub.ErrChanged)
	}
	return nil
}
