package pull_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestArchitectures: a model of every architecture, with experts or without, becomes what st convert makes of it. The end of a file without
// experts lies elsewhere.
func TestArchitectures(t *testing.T) {
	const root = "../../testdata/architectures"
	entries, err := os.ReadDir(root)
	ok(t, err)
	tested := 0
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		tested++
		t.Run(e.Name(), func(t *testing.T) {
			dir := filepath.Join(root, e.Name())
			h, _ := start(t, dir)
			opts := options(h)
			_, got := pulled(t, h, ref, opts)
			sameData(t, got, dir, opts.Convert)
		})
	}
	if tested < 4 {
		t.Errorf("%d architectures were tested", tested)
	}
}
