package pull_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"st/convert/pull"
)

// What is known of a pull that was interrupted is how far it came.
func TestReadInterrupted(t *testing.T) {
	dir := model(t, 1)
	h, _ := start(t, dir)
	out := filepath.Join(t.TempDir(), "m.stm")
	if i, ok := pull.ReadInterrupted(out); ok {
		t.Errorf("nothing was pulled yet: %+v", i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opts := options(h)
	total := int64(0)
	opts.Progress = func(p pull.Progress) {
		if p.Stage == pull.Pulling {
			total = p.Total
		}
		if p.Stage == pull.Finishing { // all of it came
			cancel()
		}
	}
	if _, err := pull.Model(ctx, ref, out, opts); !errors.Is(err, context.Canceled) {
		t.Fatalf("an interrupted pull: %v", err)
	}
	i, ok := pull.ReadInterrupted(out)
	if !ok || i.Ref != ref.String() || i.Total != total || i.Done <= 0 || i.Done > total || i.Commit == "" {
		t.Errorf("%+v, %t; the source has %d bytes", i, ok, total)
	}
	if err := os.Remove(out + pull.Suffix); err != nil {
		t.Fatal(err)
	}
	if i, ok := pull.ReadInterrupted(out); !ok || i.Ref != ref.String() || i.Done != 0 {
		t.Errorf("of a file that was removed: %+v, %t", i, ok)
	}
}
