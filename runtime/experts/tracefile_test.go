package experts

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"st/format/outfile"
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
		f, err := CreateTrace(path, shape, outfile.Options{})
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
	if err := late.Close(); !errors.Is(err, outfile.ErrExists) {
		t.Errorf("a trace that another run made: %v", err)
	}
	if _, err := CreateTrace(path, shape, outfile.Options{}); !errors.Is(err, outfile.ErrExists) {
		t.Errorf("a trace that exists: %v", err)
	}
	again, err := CreateTrace(path, shape, outfile.Options{Replace: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Batch(Batch{N: 2, Experts: []int32{3, 2, 1, 0}}); err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Errorf("a trace that may be replaced: %v", err)
	}
	if replaced, err := os.ReadFile(path); err != nil || string(replaced) == string(trace) {
		t.Errorf("the trace is what it was: %v", err)
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
	if _, err := CreateTrace(filepath.Join(dir, "no", "x"), shape, outfile.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}
