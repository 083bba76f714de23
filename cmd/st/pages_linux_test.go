package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"st/format/outfile"
	"st/runtime/bench"
)

var pagesModel = flag.String("pages-model", "", "an .stm `file` of 1 GB or more, of which copies are measured in each state of the page cache")

// Whatever happened to a model file before, it is measured in large pages: after convert (which writes as outfile does), after a copy, after the
// page cache was dropped, after a run with --memory, and on a file system of memory, which has small pages. The speeds are logged, not held
// against anything.
//
//	go test ./cmd/st -run TestPagesOfAFile -v -args -pages-model /tmp/4b.stm
func TestPagesOfAFile(t *testing.T) {
	if *pagesModel == "" {
		t.Skip("there is no -pages-model")
	}
	model := filepath.Join(filepath.Dir(*pagesModel), "pages-of-a-file.stm")
	inMemory := "/dev/shm/pages-of-a-file.stm"
	t.Cleanup(func() { os.Remove(model); os.Remove(inMemory) })
	for _, state := range []struct {
		name, file string
		prepare    func()
	}{
		{"after convert", model, func() { writeAsConvert(t, model) }},
		{"after cp", model, func() { os.Remove(model); copyModel(t, model) }},
		{"after a drop", model, func() { drop(t, model) }},
		{"after --memory", model, func() {
			drop(t, model)
			benchJSON(t, model, "--memory", strconv.FormatInt(size64(t, model)/2, 10))
		}},
		{"on tmpfs", inMemory, func() { copyModel(t, inMemory) }},
	} {
		state.prepare()
		r := benchJSON(t, state.file)
		share := -1.0
		if r.LargePages != nil {
			share = *r.LargePages
		}
		t.Logf("%-15s %5.1f tokens/s, %3.0f %% in large pages, %d MiB copied, loaded in %.2f s", state.name, r.GenPerSecond, 100*share, r.CopiedPages>>20, r.LoadSeconds)
		if share < 0.9 {
			t.Errorf("%s: %.2f of the file is in large pages, want 0.9", state.name, share)
		}
	}
}

func benchJSON(t *testing.T, args ...string) (r bench.Report) {
	t.Helper()
	var out, err bytes.Buffer
	args = append([]string{"bench", "--json", "--quiet", "--prompt", "16", "--gen", "64", "--repeat", "3"}, args...)
	if code := run(args, nil, &out, &err); code != 0 {
		t.Fatalf("exit code %d: %s", code, err.String())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func size64(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// copyModel copies the model as cp does.
func copyModel(t *testing.T, to string) {
	t.Helper()
	in, err := os.Open(*pagesModel)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	// No io.Copy: where the file system can, it would share the bytes.
	if _, err := io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 1<<17)); err != nil {
		t.Fatal(err)
	}
}

// writeAsConvert writes the model as convert writes files.
func writeAsConvert(t *testing.T, to string) {
	t.Helper()
	in, err := os.Open(*pagesModel)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := outfile.Create(to, outfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(struct{ io.Writer }{out}, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Commit(); err != nil {
		t.Fatal(err)
	}
}

// drop lets a file leave the page cache.
func drop(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}
