package npy

import (
	"bytes"
	"testing"
)

// The bytes are those that numpy.save writes for the same array.
func TestWriter(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][]float32{{1}, {-2.5}} {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	want := "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }" +
		"                                                          \n" + "\x00\x00\x80\x3f\x00\x00\x20\xc0"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
