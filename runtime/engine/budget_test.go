package engine_test

import (
	"testing"

	"st/runtime/engine"
)

// A size is told as it was asked for.
func TestFormatBytes(t *testing.T) {
	for _, tt := range []struct {
		bytes int64
		want  string
	}{
		{1 << 30, "1GiB"}, {3 << 29, "1536MiB"}, {1e6, "1MB"}, {1.5e9, "1500MB"}, {2e9, "2GB"}, {200e3, "200kB"}, {5 << 10, "5KiB"}, {1<<20 + 1, "2MiB"}, {12, "12B"}, {0, "0B"},
	} {
		if got := engine.FormatBytes(tt.bytes); got != tt.want {
			t.Errorf("%d: %s, want %s", tt.bytes, got, tt.want)
		}
	}
}
