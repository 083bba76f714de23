package experts

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestTraceFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.trace")
	shape := Shape{Layers: 2, Experts: 4, TopK: 1}
	names := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	create := func() *TraceFile {
		f, err := CreateTrace(path, shape)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	// Without tokens there is no trace.
	if err := create().Close(); err != nil || len(names()) != 0 {
		t.Errorf("%v, left are %v", err, names())
	}
	f := create()
	if err := f.Batch(Batch{N: 2, Experts: []int32{0, 1, 2, 3}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// A trace that another run made meanwhile stays.
	trace, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	late := create()
	if err := late.Batch(Batch{N: 1, Experts: []int32{3, 2}}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, trace, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := late.Close(); !errors.Is(err, ErrTraceExists) {
		t.Errorf("a trace that another run made: %v", err)
	}
	if _, err := CreateTrace(path, shape); !errors.Is(err, ErrTraceExists) {
		t.Errorf("a trace that exists: %v", err)
	}
	if got := names(); len(got) != 1 {
		t.Errorf("left are %v", got)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if trace, err := ReadTrace(file); err != nil || len(trace.Tokens) != 2 || trace.Shape != shape {
		t.Errorf("%+v, %v", trace, err)
	}
	if _, err := CreateTrace(filepath.Join(dir, "no", "x"), shape); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}
