package terminal

import (
	"bytes"
	"testing"
	"time"
)

func TestStatus(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(100, 0)
	s := NewStatus(&out, false)
	s.now = func() time.Time { return now }
	for _, tt := range []struct {
		after time.Duration
		kind  string
		tenth int
		text  string
	}{
		{0, "a", 0, "first"}, {100 * time.Millisecond, "a", 1, "too early"}, {time.Second, "a", 1, "a tenth"}, {time.Second, "a", 1, "the same tenth"},
		{0, "b", 1, "another kind"}, {lineAtLeast, "b", 1, "after a while"},
	} {
		now = now.Add(tt.after)
		s.Show(tt.kind, tt.tenth, tt.text)
	}
	s.Clear()
	if got, want := out.String(), "first\na tenth\nanother kind\nafter a while\n"; got != want {
		t.Errorf("lines:\n%swant:\n%s", got, want)
	}
	out.Reset()
	s = NewStatus(&out, true)
	s.wide = func() int { return 10 }
	s.Show("a", 0, "0123456789")
	s.Clear()
	s.Clear()
	if got, want := out.String(), "\r\x1b[K01234567…\r\x1b[K"; got != want {
		t.Errorf("terminal: %q, want %q", got, want)
	}
	var none *Status // what --quiet makes
	none.Show("a", 0, "nothing")
	none.Clear()
}
