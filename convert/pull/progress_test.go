package pull

import (
	"testing"
	"time"
)

// The first bytes, which come while connections are being made, tell nothing of the time that the others take.
func TestRate(t *testing.T) {
	const mib = 1 << 20
	now := time.Unix(0, 0)
	var got Progress
	r := report{clock: func() time.Time { return now }, tell: func(p Progress) { got = p }}
	r.begin(Pulling, 600*mib, 100*mib)
	for _, tt := range []struct {
		after time.Duration
		bytes int64
		rate  float64
		left  time.Duration
	}{
		{200 * time.Millisecond, mib, 0, 0},
		{1800 * time.Millisecond, 39 * mib, 20 * mib, 23 * time.Second},
		{4 * time.Second, 120 * mib, 30 * mib, 11300 * time.Millisecond}, // of the last seconds
	} {
		now = now.Add(tt.after)
		r.add(tt.bytes)
		r.say()
		if got.Rate != tt.rate || got.Left.Round(100*time.Millisecond) != tt.left {
			t.Errorf("after %d MiB: %+v, want a rate of %.0f and %s left", (got.Done-100*mib)/mib, got, tt.rate, tt.left)
		}
	}
	r.begin(Finishing, 0, 0)
	if got.Rate != 0 || got.Left != 0 {
		t.Errorf("the next stage begins with %+v", got)
	}
}
