package pull_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"st/convert"
	"st/convert/hub"
	"st/convert/hub/hubtest"
	"st/format"
)

// TestKeep: files are kept where huggingface_hub keeps them, and used from there, with requests or without.
func TestKeep(t *testing.T) {
	dir := model(t, 1)
	h, repo := start(t, dir)
	commit := repo.Commit(files(t, dir))
	c := config(h)
	c.Cache = filepath.Join(t.TempDir(), "hub")
	opts := options(h)
	opts.Client, opts.Keep = hub.New(c), true
	_, want := pulled(t, h, ref, opts)
	folder := filepath.Join(c.Cache, "models--Tiiny--SmallThinker")
	if text, err := os.ReadFile(filepath.Join(folder, "refs", "main")); err != nil || string(text) != commit {
		t.Errorf("refs/main is %q, %v", text, err)
	}
	snapshot := filepath.Join(folder, "snapshots", commit)
	for path := range files(t, dir) {
		a, err := os.ReadFile(filepath.Join(snapshot, path))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if b, err := os.ReadFile(filepath.Join(dir, path)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs", path)
		}
		if target, err := os.Readlink(filepath.Join(snapshot, path)); err != nil || !strings.HasPrefix(filepath.ToSlash(target), "../../blobs/") {
			t.Errorf("%s leads to %q, %v", path, target, err)
		}
	}
	sameData(t, want, dir, opts.Convert)
	_, before := h.Sent()
	for _, offline := range []bool{false, true} {
		c.Offline = offline
		opts.Client, opts.Keep = hub.New(c), false
		if _, got := pulled(t, h, ref, opts); !bytes.Equal(got, want) {
			t.Errorf("with requests %t another file comes of it than with Keep", !offline)
		}
	}
	if _, after := h.Sent(); after != before {
		t.Errorf("%d bytes came although all are there", after-before)
	}
	// A part of it is used, too, if the rest has to come.
	ok(t, os.Remove(filepath.Join(snapshot, "model-00002-of-00003.safetensors")))
	ok(t, os.RemoveAll(filepath.Join(folder, "blobs", blobOf(t, files(t, dir)["model-00002-of-00003.safetensors"]))))
	c.Offline = false
	opts.Client = hub.New(c)
	result, got := pulled(t, h, ref, opts)
	sameData(t, got, dir, opts.Convert)
	if n := files(t, dir)["model-00002-of-00003.safetensors"].Size(); result.Downloaded != n {
		t.Errorf("%d bytes came, want %d", result.Downloaded, n)
	}
}

func blobOf(t *testing.T, c hubtest.Content) string {
	h := hubtest.New()
	defer h.Close()
	h.Add("a/b").Commit(map[string]hubtest.Content{"x.safetensors": c})
	r, err := hub.New(config(h)).Open(t.Context(), hub.Ref{Org: "a", Name: "b"})
	ok(t, err)
	return r.Files[0].ETag()
}

// sameData compares records with those that the same source on the disk becomes.
func sameData(t *testing.T, data []byte, src string, opts convert.Options) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.stm")
	ok(t, os.WriteFile(path, data, 0o666))
	a, err := format.Open(path)
	ok(t, err)
	defer a.Close()
	other := filepath.Join(t.TempDir(), "b.stm")
	_, err = convert.Run(t.Context(), src, other, opts)
	ok(t, err)
	b, err := format.Open(other)
	ok(t, err)
	defer b.Close()
	if diff := cmp.Diff(a.Records(), b.Records()); diff != "" {
		t.Error(diff)
	}
}
