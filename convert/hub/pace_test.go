package hub

import (
	"math"
	"testing"
	"time"
)

// TestPace: the number of requests follows what a line gives: a rate for each of them, up to a rate of all.
func TestPace(t *testing.T) {
	for _, tt := range []struct {
		name      string
		each, all float64 // bytes per second
		low, high int     // requests at the end
	}{
		{"a line that each request fills", 1e9, 1e6, 3, 4},
		{"a server that gives every request its share", 1e6, 1e9, MaxConnections, MaxConnections},
		{"six requests fill the line", 1e6, 6e6, 6, 9},
	} {
		now := time.Unix(0, 0)
		p := newPace(now)
		for range 15 {
			now = now.Add(time.Second)
			p.came(int64(min(tt.each*float64(p.limit), tt.all)), p.limit, now)
		}
		if p.limit < tt.low || p.limit > tt.high {
			t.Errorf("%s: %d requests, want %d to %d", tt.name, p.limit, tt.low, tt.high)
		}
		before := p.limit
		p.slower(now)
		if p.limit != max(1, before/2) {
			t.Errorf("%s: %d requests after the server wanted fewer than %d", tt.name, p.limit, before)
		}
		// Nothing is learned of the line while whoever takes the bytes is slower.
		slow := p
		for range 100 {
			now = now.Add(time.Second)
			slow.hindered()
			slow.came(1, slow.limit, now)
		}
		if slow.limit != p.limit {
			t.Errorf("%s: %d requests, and %d after rounds that tell nothing", tt.name, p.limit, slow.limit)
		}
	}
}

// TestWait: no wait is longer than the configuration allows, whatever the server asks for, and none is negative.
func TestWait(t *testing.T) {
	c := New(Config{FirstWait: time.Millisecond, LongestWait: time.Minute})
	for _, asked := range []time.Duration{0, time.Second, time.Hour, math.MaxInt64} {
		for failed := 1; failed < 100; failed += 7 {
			if d := c.wait(failed, &againError{ErrUnreachable, asked}); d < min(asked, time.Minute) || d > time.Minute {
				t.Errorf("after %d failures, asked for %s: %s", failed, asked, d)
			}
		}
	}
}
