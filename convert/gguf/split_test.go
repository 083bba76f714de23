package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeSet writes a model of three files, and returns their paths. edit may change the metadata and tensors of each.
func writeSet(t *testing.T, edit func(i int, metadata *Metadata, tensors *[]Info)) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i := range 3 {
		metadata := Metadata{{"split.no", uint16(i)}, {"split.count", uint16(3)}, {"split.tensors.count", int32(4)}}
		tensors := []Info{{fmt.Sprintf("t%d", i), []int{2, 32}, Q8_0}}
		if i == 0 {
			metadata = append(Metadata{{"general.architecture", "qwen3"}}, metadata...)
			tensors = append(tensors, Info{"first", []int{4}, F32})
		}
		if edit != nil {
			edit(i, &metadata, &tensors)
		}
		path := filepath.Join(dir, fmt.Sprintf("model-q8-%05d-of-00003.gguf", i+1))
		if err := os.WriteFile(path, written(t, metadata, tensors), 0o666); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// Any of the files opens the set.
func TestSplit(t *testing.T) {
	paths := writeSet(t, nil)
	for _, path := range paths {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var names []string
		for _, w := range f.Tensors {
			names = append(names, w.Name)
			if err := w.ReadRows(t.Context(), make([]float32, w.Cols()), 0, 1); err != nil {
				t.Error(err)
			}
		}
		if _, ok := f.Metadata.Lookup("general.architecture"); !ok || !slices.Equal(names, []string{"t0", "first", "t1", "t2"}) || !slices.Equal(f.Paths(), paths) {
			t.Errorf("opened by %s: %v in %v", path, names, f.Paths())
		}
		if w, ok := f.Lookup("t2"); !ok || w.File() != paths[2] {
			t.Errorf("t2 is in %s", w.File())
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	set := func(metadata *Metadata, key string, value any) {
		for i := range *metadata {
			if (*metadata)[i].Key == key {
				(*metadata)[i].Value = value
			}
		}
	}
	for name, tt := range map[string]struct {
		edit   func(i int, metadata *Metadata, tensors *[]Info)
		break_ func(paths []string) string // returns what to open
		want   string
	}{
		"the last is missing":  {nil, func(p []string) string { os.Remove(p[2]); return p[0] }, "model-q8-00003-of-00003.gguf is missing: model-q8-00001-of-00003.gguf is one of 3"},
		"the first is missing": {nil, func(p []string) string { os.Remove(p[0]); return p[1] }, "model-q8-00001-of-00003.gguf is missing"},
		"renamed": {nil, func(p []string) string {
			to := filepath.Join(filepath.Dir(p[0]), "model.gguf")
			os.Rename(p[0], to)
			return to
		}, "file 1 of 3 of a split model: it must be called NAME-00001-of-00003.gguf"},
		"renumbered": {nil, func(p []string) string { os.Rename(p[0], p[1]); return p[1] }, "file 1 of 3 of a split model: it must be called NAME-00001-of-00003"},
		"two alike": {nil, func(p []string) string {
			data, _ := os.ReadFile(p[1])
			os.WriteFile(p[2], data, 0o666)
			return p[0]
		}, "model-q8-00003-of-00003.gguf says that it is file 2 of 3"},
		"another set": {func(i int, m *Metadata, _ *[]Info) {
			if i == 2 {
				set(m, "split.count", uint16(7))
			}
		}, nil, "says that it is file 3 of 7"},
		"not split": {func(i int, m *Metadata, _ *[]Info) {
			if i == 1 {
				*m = nil
			}
		}, nil, "says that it is file 1 of 1"},
		"tensors": {func(i int, m *Metadata, _ *[]Info) { set(m, "split.tensors.count", int32(5)) }, nil, "tells of 5 tensors in all, but the 3 files have 4"},
		"a tensor in two": {func(i int, _ *Metadata, tensors *[]Info) {
			if i == 2 {
				(*tensors)[0].Name = "t1"
			}
		}, nil, `tensor "t1" is in `},
		"number":    {func(i int, m *Metadata, _ *[]Info) { set(m, "split.no", uint16(3)) }, nil, "split.no is 3, but split.count is 3"},
		"many":      {func(i int, m *Metadata, _ *[]Info) { set(m, "split.count", uint16(65535)) }, nil, "split.count is 65535"},
		"no number": {func(i int, m *Metadata, _ *[]Info) { set(m, "split.count", "three") }, nil, `split.count is "three"`},
		"cut":       {nil, func(p []string) string { os.Truncate(p[1], 100); return p[0] }, "model-q8-00002-of-00003.gguf: "},
	} {
		t.Run(name, func(t *testing.T) {
			paths := writeSet(t, tt.edit)
			path := paths[0]
			if tt.break_ != nil {
				path = tt.break_(paths)
			}
			f, err := Open(path)
			if err == nil {
				f.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
			if strings.Contains(tt.want, "missing") != errors.Is(err, fs.ErrNotExist) {
				t.Errorf("fs.ErrNotExist in %v", err)
			}
		})
	}
}
