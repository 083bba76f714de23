package server

import (
	"context"
	"errors"
	"testing"
)

// A pull that is asked for after the server has ended is not begun.
func TestPullAfterClose(t *testing.T) {
	var p pulls
	p.close()
	err := p.follow(t.Context(), "name", func(context.Context, string, func(done, total int64)) error {
		t.Error("a pull was begun")
		return nil
	}, func(int64, int64) {})
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
