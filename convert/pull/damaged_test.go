package pull_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert/hub"
	"st/convert/pull"
)

// TestDamagedCache: what the cache has, but not as it was, is downloaded instead; where it cannot be, the error names it, and there is no file.
func TestDamagedCache(t *testing.T) {
	dir := model(t, 1)
	h, repo := start(t, dir)
	commit := repo.Commit(files(t, dir))
	c := config(h)
	c.Cache = filepath.Join(t.TempDir(), "hub")
	opts := options(h)
	opts.Client, opts.Keep = hub.New(c), true
	pulled(t, h, ref, opts)
	const name = "model-00002-of-00003.safetensors"
	path := filepath.Join(c.Cache, "models--Tiiny--SmallThinker", "snapshots", commit, name)
	whole, err := os.ReadFile(path)
	ok(t, err)
	for _, tt := range []struct {
		name string
		at   int // of the bytes that are others
		with []byte
	}{
		{"a header", 8, []byte("[")}, {"a weight", len(whole) - 100, []byte{^whole[len(whole)-100]}}, {"a weight that is none", len(whole) - 100, []byte{0xff, 0xff, 0xff, 0xff}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := append([]byte(nil), whole...)
			copy(data[tt.at:], tt.with)
			ok(t, os.WriteFile(path, data, 0o666))
			var notes []string
			opts := options(h)
			opts.Client, opts.Note = hub.New(c), func(text string) { notes = append(notes, text) }
			result, got := pulled(t, h, ref, opts)
			sameData(t, got, dir, opts.Convert)
			if text := strings.Join(notes, "\n"); result.Downloaded != int64(len(whole)) || !strings.Contains(text, name) {
				t.Errorf("%d bytes came, want %d; notes: %s", result.Downloaded, len(whole), text)
			}
			for _, offline := range []bool{false, true} {
				c := c
				c.Offline = offline
				opts.Client, opts.Keep = hub.New(c), true
				out := filepath.Join(t.TempDir(), "m.stm")
				_, err := pull.Model(t.Context(), ref, out, opts)
				if err == nil || !strings.Contains(err.Error(), name) || tt.name != "a header" && !errors.Is(err, hub.ErrDamaged) {
					t.Errorf("offline %v: error is %v", offline, err)
				}
				only(t, out)
			}
		})
	}
}
