package engine

import "testing"

// A Mac has some GiB, of which a part is allowed.
func TestAllowedMemory(t *testing.T) {
	if bytes, from := AllowedMemory(); bytes < 1<<30 || bytes > 1<<43 || from == "" {
		t.Errorf("%d bytes by %q", bytes, from)
	}
}
