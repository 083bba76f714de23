package server

import (
	"context"
	"encoding/binary"
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
	// keptLeast is how many tokens a sequence must have to be worth a file, and how many more than memory's a file must save.
	keptLeast  = 128
	keptSuffix = ".seq"
)

// kept are the sequences of one model on disk: what the cache in memory had no room for, and what it had when the server ended. All models share
// one directory and one bound.
type kept struct {
	model *runtime.Model
	dir   string
	limit int64 // bytes of all files in the directory
	log   *slog.Logger

	ctx    context.Context // ends when there is no time to write any more
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	files []keptFile
}

// keptFile is a sequence on disk.
type keptFile struct {
	path   string
	tokens []int32
}

// openKept reads which sequences of a model a directory has. Files that are none, or of another model, are left alone.
func openKept(m *runtime.Model, dir string, limit int64, log *slog.Logger) (*kept, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	k := &kept{model: m, dir: dir, limit: limit, log: log}
	k.ctx, k.cancel = context.WithCancelCause(context.Background())
	paths, err := k.paths()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // opening a pipe could wait for ever
			continue
		}
		if s, err := m.ReadSnapshot(path); err == nil {
			k.files = append(k.files, keptFile{path, s.Tokens})
		}
	}
	return k, nil
}

// paths returns the files of all models. It is no filepath.Glob, because the directory may have a name that is a pattern.
func (k *kept) paths() (paths []string, err error) {
	entries, err := os.ReadDir(k.dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), keptSuffix) {
			paths = append(paths, filepath.Join(k.dir, e.Name()))
		}
	}
	return paths, err
}

// take returns a sequence that shares more tokens with a prompt than some that are at hand; nil if there is none that is worth reading.
func (k *kept) take(ctx context.Context, prompt []int32, have int) *runtime.Sequence {
	k.mu.Lock()
	best, most := -1, have+keptLeast-1
	for i := range k.files {
		if n := sharedTokens(k.files[i].tokens, prompt); n > most {
			best, most = i, n
		}
	}
	if best < 0 {
		k.mu.Unlock()
		return nil
	}
	path := k.files[best].path
	k.mu.Unlock()
	begin := time.Now()
	q, _, err := k.model.LoadSequence(ctx, path)
	if err != nil {
		if ctx.Err() == nil {
			k.forget(path, errors.Is(err, runtime.ErrSnapshotCorrupt))
			k.log.Warn("a kept prompt was not read", "file", path, "error", err)
		}
		return nil
	}
	if q.Shared(prompt) <= have { // a sliding window has lost what it needs
		q.Close()
		return nil
	}
	_ = os.Chtimes(path, time.Time{}, begin) // it is used: others go first
	k.log.Info("read a kept prompt", "tokens", q.Len(), "seconds", time.Since(begin).Seconds())
	return q
}

// until has what is not written when ctx ends be given up. The function that it returns is called when all is written.
func (k *kept) until(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { k.cancel(context.Cause(ctx)) })
}

// wants reports whether a sequence is worth a file: it is long, and no file begins with it.
func (k *kept) wants(tokens []int32) bool { return len(tokens) >= keptLeast && !k.has(tokens) }

// put writes a sequence to a file. Those that it begins with are not needed any more; nor is it, if there is one that begins with it.
func (k *kept) put(q *runtime.Sequence) {
	tokens := slices.Clone(q.Tokens())
	if !k.wants(tokens) {
		return
	}
	id := k.model.Fingerprint()
	path := filepath.Join(k.dir, fmt.Sprintf("%x-%016x%s", id[:4], hashTokens(tokens), keptSuffix))
	if err := q.SaveContext(k.ctx, path, nil); err != nil {
		k.log.Warn("a prompt was not kept", "file", path, "error", err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.files = slices.DeleteFunc(k.files, func(f keptFile) bool {
		inside := sharedTokens(f.tokens, tokens) == len(f.tokens)
		if inside && f.path != path {
			os.Remove(f.path)
		}
		return inside
	})
	k.files = append(k.files, keptFile{path, tokens})
	k.bound()
}

// has reports whether a file begins with these tokens.
func (k *kept) has(tokens []int32) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.files, func(f keptFile) bool { return sharedTokens(f.tokens, tokens) == len(tokens) })
}

// bound removes the files that were used least recently until those that are left keep to the limit.
func (k *kept) bound() {
	type file struct {
		path string
		info os.FileInfo
	}
	var files []file
	var total int64
	paths, _ := k.paths()
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			files = append(files, file{path, info})
			total += info.Size()
		}
	}
	slices.SortFunc(files, func(a, b file) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, f := range files {
		if total <= k.limit {
			return
		}
		if os.Remove(f.path) == nil {
			total -= f.info.Size()
			k.files = slices.DeleteFunc(k.files, func(g keptFile) bool { return g.path == f.path })
		}
	}
}

// forget drops a file that could not be read.
func (k *kept) forget(path string, remove bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.files = slices.DeleteFunc(k.files, func(f keptFile) bool { return f.path == path })
	if remove {
		os.Remove(path)
	}
}

// sharedTokens returns how many tokens a and b begin with in common.
func sharedTokens(a, b []int32) int {
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
