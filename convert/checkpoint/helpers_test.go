package checkpoint

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// memFile is a file in memory that can be made to fail.
type memFile struct {
	data    []byte
	readErr error // for every read, if set
	short   bool  // reads return one byte less than asked for, and no error
	closed  *int  // counts calls of Close, if set
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if f.readErr != nil {
		return 0, f.readErr
	}
	if off < 0 || off > int64(len(f.data)) {
		return 0, errors.New("read outside the file")
	}
	n := copy(p, f.data[off:])
	if f.short && n > 0 {
		return n - 1, nil
	}
	return n, nil
}

func (f *memFile) Size() int64 { return int64(len(f.data)) }

func (f *memFile) Close() error {
	if f.closed != nil {
		*f.closed++
	}
	return nil
}

// mustOpen opens a checkpoint for the length of a test.
func mustOpen(t *testing.T, path string) *Checkpoint {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// readTensor returns all elements of a tensor.
func readTensor(t *testing.T, c *Checkpoint, name string) []float32 {
	t.Helper()
	tensor, ok := c.Lookup(name)
	if !ok {
		t.Fatalf("no tensor %q", name)
	}
	out := make([]float32, tensor.Rows()*tensor.Cols())
	if err := tensor.ReadRows(out, 0, tensor.Rows()); err != nil {
		t.Fatal(err)
	}
	return out
}

// ramp returns 0, 1, 2 … n-1, which F16 and BF16 hold exactly up to 256.
func ramp(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(i)
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, data []byte, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	must(t, os.WriteFile(path, data, 0o644))
	return path
}

// wantError checks that err is one line that holds each of the words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("error of several lines: %q", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
