package checkpoint

import (
	"errors"
	"strings"
	"testing"
)

// TestHostileNames: whatever a file calls a tensor, the error is one line of bounded length.
func TestHostileNames(t *testing.T) {
	for _, name := range []string{"a\nb", "\x1b[31m", strings.Repeat("x", 1<<20)} {
		err := tensorError(ErrMalformed, "f", name, "%s", oneLine(errors.New(name)))
		wantError(t, err, "f: tensor")
		if strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 3*maxShown {
			t.Errorf("error %q", err)
		}
	}
}

func TestZipBudget(t *testing.T) {
	b := &budget{&memFile{data: make([]byte, 100)}, 50}
	_, err := b.ReadAt(make([]byte, 50), 0)
	must(t, err)
	_, err = b.ReadAt(make([]byte, 1), 0)
	wantError(t, err, "too large")
}
