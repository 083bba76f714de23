package server

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"st/runtime"
)

const (
	// diskCacheLeast is how many tokens a sequence must have to be worth a file, and how many more than memory's a file must save.
	diskCacheLeast  = 128
	diskCacheSuffix = ".seq"
)

// diskCache has the sequences of one model on disk: what the cache in memory had no room for, and what it had when the server ended. All models share
// one directory and one bound.
type diskCache struct {
	model *runtime.Model
	dir   string
	limit int64 // bytes of all files in the directory
	log   *slog.Logger

	ctx    context.Context // ends when there is no time to write any more
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	files []cachedFile
}

// cachedFile is a sequence on disk.
type cachedFile struct {
	path   string
	tokens []int32
	prompt int // see idleSequence
}

// cachedNote is what a file tells of a sequence besides its tokens.
type cachedNote struct {
	Prompt int `json:"prompt"`
}

// openDiskCache reads which sequences of a model a directory has. Files that are none, or of another model, are left alone.
func openDiskCache(m *runtime.Model, dir string, limit int64, log *slog.Logger) (*diskCache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d := &diskCache{model: m, dir: dir, limit: limit, log: log}
	d.ctx, d.cancel = context.WithCancelCause(context.Background())
	paths, err := d.paths()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // opening a pipe could wait for ever
			continue
		}
		if s, err := m.ReadSnapshot(path); err == nil {
			var n cachedNote
			if json.Unmarshal(s.Note, &n) != nil || n.Prompt < 1 { // without a note, all tokens count as the prompt
				n.Prompt = len(s.Tokens)
			}
			d.files = append(d.files, cachedFile{path, s.Tokens, n.Prompt})
		}
	}
	return d, nil
}

// paths returns the files of all models. It is no filepath.Glob, because the directory may have a name that is a pattern.
func (d *diskCache) paths() (paths []string, err error) {
	entries, err := os.ReadDir(d.dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), diskCacheSuffix) {
			paths = append(paths, filepath.Join(d.dir, e.Name()))
		}
	}
	return paths, err
}

// take returns a sequence that shares more tokens with a prompt than some that are at hand; nil if there is none that is worth reading.
func (d *diskCache) take(ctx context.Context, prompt []int32, have int) *runtime.Sequence {
	d.mu.Lock()
	best, most := -1, have+diskCacheLeast-1
	for i := range d.files {
		if n := commonTokens(d.files[i].tokens, prompt); n > most {
			best, most = i, n
		}
	}
	if best < 0 {
		d.mu.Unlock()
		return nil
	}
	path := d.files[best].path
	d.mu.Unlock()
	begin := time.Now()
	q, _, err := d.model.LoadSequence(ctx, path)
	if err != nil {
		if ctx.Err() == nil {
			d.forget(path, errors.Is(err, runtime.ErrSnapshotCorrupt))
			d.log.Warn("a kept prompt was not read", "file", path, "error", err)
		}
		return nil
	}
	if q.Shared(prompt) <= have { // a sliding window has lost what it needs
		q.Close()
		return nil
	}
	_ = os.Chtimes(path, time.Time{}, begin) // it is used: others go first
	d.log.Info("read a kept prompt", "tokens", q.Len(), "seconds", time.Since(begin).Seconds())
	return q
}

// until has what is not written when ctx ends be given up. The function that it returns is called when all is written.
func (d *diskCache) until(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { d.cancel(context.Cause(ctx)) })
}

// wants reports whether a sequence is worth a file: it is long, and no file begins with it.
func (d *diskCache) wants(tokens []int32) bool {
	return len(tokens) >= diskCacheLeast && !d.has(tokens)
}

// put writes a sequence to a file. It is not needed if there is a file that begins with it. Files whose prompt it begins with go: it repeats that prompt or
// continues it, and the next request that does so is served by this file as well. What a model answered does not count, for each run of the same prompt may
// have another answer, and would leave a file behind.
func (d *diskCache) put(q idleSequence) {
	tokens := slices.Clone(q.Tokens())
	if !d.wants(tokens) {
		return
	}
	note, err := json.Marshal(cachedNote{q.prompt})
	if err != nil { // it is a number
		return
	}
	id := d.model.Fingerprint()
	path := filepath.Join(d.dir, fmt.Sprintf("%x-%016x%s", id[:4], hashTokens(tokens), diskCacheSuffix))
	if err := q.SaveContext(d.ctx, path, note); err != nil {
		d.log.Warn("a prompt was not kept", "file", path, "error", err)
		return
	}
	if info, err := os.Stat(path); err == nil && info.Size() > d.limit { // others would go for it, and then it would, too
		os.Remove(path)
		d.log.Warn("a prompt was not kept", "because", "it is larger than all that may be kept", "tokens", len(tokens), "size", runtime.FormatBytes(info.Size()),
			"limit", runtime.FormatBytes(d.limit))
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files = slices.DeleteFunc(d.files, func(f cachedFile) bool {
		// The last token of a prompt is run in any case, and may differ where a text goes on. Texts that begin with other tokens have nothing in common.
		again := commonTokens(f.tokens, tokens) >= max(1, min(f.prompt, len(f.tokens))-1)
		if again && f.path != path && os.Remove(f.path) == nil {
			d.log.Info("a kept prompt was replaced", "file", f.path, "because", "another one begins with it", "tokens", len(f.tokens), "now", len(tokens))
		}
		return again
	})
	d.files = append(d.files, cachedFile{path, tokens, q.prompt})
	d.bound()
}

// has reports whether a file begins with these tokens.
func (d *diskCache) has(tokens []int32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.files, func(f cachedFile) bool { return commonTokens(f.tokens, tokens) == len(tokens) })
}

// bound removes the files that were used least recently until those that are left keep to the limit.
func (d *diskCache) bound() {
	type file struct {
		path string
		info os.FileInfo
	}
	var files []file
	var total int64
	paths, _ := d.paths()
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			files = append(files, file{path, info})
			total += info.Size()
		}
	}
	slices.SortFunc(files, func(a, b file) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, f := range files {
		if total <= d.limit {
			return
		}
		if os.Remove(f.path) == nil {
			total -= f.info.Size()
			d.log.Info("a kept prompt was removed", "file", f.path, "because", "the directory has its size, and this one was used least recently")
			d.files = slices.DeleteFunc(d.files, func(g cachedFile) bool { return g.path == f.path })
		}
	}
}

// forget drops a file that could not be read.
func (d *diskCache) forget(path string, remove bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files = slices.DeleteFunc(d.files, func(f cachedFile) bool { return f.path == path })
	if remove {
		os.Remove(path)
	}
}

// commonTokens returns how many tokens a and b begin with in common.
func commonTokens(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func hashTokens(tokens []int32) uint64 {
	var b []byte
	for _, id := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	return xxh3.Hash(b)
}
