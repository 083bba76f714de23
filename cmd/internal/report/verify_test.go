package report_test

import (
	"errors"
	"os"
	"testing"

	"st/cmd/internal/report"
	"st/cmd/internal/report/reporttest"
	"st/format"
)

// A file that is written over while it is open is neither whole nor damaged: what is there is not what was to be verified.
func TestVerifyChanged(t *testing.T) {
	r, _ := read(t, reporttest.Write(t, reporttest.Dense()))
	if v, err := report.Verify(t.Context(), r, nil); err != nil || !v.OK {
		t.Fatalf("%+v, %v", v, err)
	}
	f, err := os.OpenFile(r.Path(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, r.Size()), 0); err != nil {
		t.Fatal(err)
	}
	if v, err := report.Verify(t.Context(), r, nil); !errors.Is(err, format.ErrChanged) {
		t.Errorf("%+v, %v", v, err)
	}
}
