package engine_test

import (
	"fmt"
	"strings"
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

// The parts that a refusal names are whole MiB, and add up to the total that it names.
func TestPartsAddUp(t *testing.T) {
	for n := range int64(40) {
		b := engine.Budget{Other: n*100_003 + 1, Dense: n * 300_007, KV: n * 70_001, Working: 900_000, Reserve: 5 << 20, SmallestExperts: n * 1_000_003}
		var sum int64
		for _, part := range strings.Split(b.String(), ", ") {
			var size int64
			if _, err := fmt.Sscanf(part[strings.LastIndex(part, " ")+1:], "%dMiB", &size); err != nil || size < 1 {
				t.Fatalf("%q: %v", part, err)
			}
			sum += size
		}
		if want := (b.Other + b.Dense + b.KV + b.Working + b.Reserve + b.SmallestExperts + 1<<20 - 1) >> 20; sum != want {
			t.Errorf("%s: %d MiB, want %d", &b, sum, want)
		}
	}
}
