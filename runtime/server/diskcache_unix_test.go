//go:build unix

package server

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe among the kept prompts, which nobody writes to, does not keep a model from being loaded.
func TestKeptPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.seq"), 0o600); err != nil {
		t.Skip(err)
	}
	c := start(t, Options{CacheDir: dir})
	if a := get[completion](t, c, "/v1/completions", `{"model": "tiny", "prompt": "a", "max_tokens": 1}`); len(a.Choices) != 1 {
		t.Errorf("%+v", a)
	}
}
