package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// overwriter is standard output that, with the first text, writes a file over another one in place, as dd conv=notrunc does.
type overwriter struct {
	t        *testing.T
	from, to string
	done     bool
}

func (o *overwriter) Write(p []byte) (int, error) {
	if !o.done {
		o.done = true
		data, err := os.ReadFile(o.from)
		if err != nil {
			o.t.Fatal(err)
		}
		f, err := os.OpenFile(o.to, os.O_WRONLY, 0)
		if err != nil {
			o.t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(data, 0); err != nil {
			o.t.Fatal(err)
		}
	}
	return len(p), nil
}

// A model that is overwritten in place by another one of the same size while it generates ends with an error, mapped and within a budget, and
// nothing is recorded in the new one.
func TestOverwrittenModel(t *testing.T) {
	dir := t.TempDir()
	other, model := filepath.Join(dir, "other.stm"), filepath.Join(dir, "model.stm")
	must(t, "quantize", full(t), other, "--encoder", "rtn", "--quiet")
	want, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"--memory", "1GiB"}, {"--record-experts"}, {"--memory", "1GiB", "--record-experts"}} {
		must(t, "quantize", full(t), model, "--encoder", "search", "--quiet", "--force")
		if info, err := os.Stat(model); err != nil || info.Size() != int64(len(want)) {
			t.Fatalf("the models differ in size: %v, %v", info, err)
		}
		var stderr strings.Builder
		out := &overwriter{t: t, from: other, to: model}
		code := run(append([]string{"generate", model, "-p", "To be", "-n", "60", "--temp", "0", "--quiet"}, args...), strings.NewReader(""), out, &stderr)
		if code != exitFailure || !strings.Contains(stderr.String(), model+": the file was changed while it was in use") {
			t.Errorf("%v: exit code %d: %s", args, code, stderr.String())
		}
		if got, err := os.ReadFile(model); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: the new model was written to, %v", args, err)
		}
	}
}
