package terminal

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProgressLines(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name, unit string
		total      int64
		steps      []int64 // done at every second
		want       string
	}{
		{"a line every tenth", "B", 100 * mib, []int64{4 * mib, 8 * mib, 12 * mib, 16 * mib, 24 * mib},
			"convert:  12 %, 12 MiB of 100 MiB, 4.0 MiB/s, 22s left\n" +
				"convert:  24 %, 24 MiB of 100 MiB, 4.8 MiB/s, 16s left\n"},
		{"not faster than once a second", "B", 100 * mib, []int64{50 * mib, 100 * mib},
			"convert:  50 %, 50 MiB of 100 MiB, 50 MiB/s, 1s left\n" +
				"convert: 100 %, 100 MiB of 100 MiB, 50 MiB/s\n"},
		{"slow work", "B", 10000 * mib, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 * mib, 16 * mib},
			"convert:   0 %, 15 MiB of 9.8 GiB, 1.0 MiB/s, 2h46m25s left\n"},
		{"what came late is ignored", "B", 100 * mib, []int64{40 * mib, 20 * mib, 30 * mib},
			"convert:  40 %, 40 MiB of 100 MiB, 40 MiB/s, 2s left\n"},
		{"tokens", "tokens", 2048, []int64{512, 1024},
			"convert:  25 %, 512 of 2,048 tokens, 512.0 tokens/s, 3s left\n" +
				"convert:  50 %, 1,024 of 2,048 tokens, 512.0 tokens/s, 2s left\n"},
	} {
		var out bytes.Buffer
		now := time.Unix(0, 0)
		p := &Progress{out: &out, label: "convert", unit: tt.unit, now: func() time.Time { return now }, start: now, lastAt: now}
		for _, done := range tt.steps {
			now = now.Add(time.Second)
			p.Update(done, tt.total)
		}
		p.Finish()
		if got := out.String(); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
	var quiet *Progress // what --quiet makes
	quiet.Update(1, 2)
	quiet.Finish()
}

// On a terminal the work begins when the progress is made, not at its first update, which may come many seconds later.
func TestProgressBar(t *testing.T) {
	const mib = 1 << 20
	type step struct {
		after       time.Duration
		done, total int64
		want        string // "": nothing is drawn
	}
	for _, tt := range []struct {
		name, unit string
		wide       int
		base       int64
		steps      []step
	}{
		{"no rate at first", "tokens", 100, 0, []step{
			{0, 0, 2641, "work:   0 % |                              | 0 of 2,641 tokens"},
			{16 * time.Second, 512, 2641, "work:  19 % |█████▉                        | 512 of 2,641 tokens, 32.0 tokens/s, 1m7s left"},
			{4 * time.Second, 2641, 2641, "work: 100 % |██████████████████████████████| 2,641 of 2,641 tokens, 132.1 tokens/s"},
		}},
		{"what was soon", "B", 100, 0, []step{
			{time.Millisecond, 255 << 10, 748 * mib, "work:   0 % |▏                             | 255 KiB of 748 MiB"},
			{time.Millisecond, mib, 748 * mib, ""},
		}},
		{"what was done before", "B", 100, 50 * mib, []step{
			{0, 50 * mib, 100 * mib, "work:  50 % |███████████████               | 50 MiB of 100 MiB"},
			{10 * time.Second, 60 * mib, 100 * mib, "work:  60 % |██████████████████            | 60 MiB of 100 MiB, 1.0 MiB/s, 40s left"},
		}},
		{"a narrow terminal", "B", 40, 0, []step{{10 * time.Second, 10 * mib, 100 * mib, "work:  10 %, 10 MiB of 100 MiB, 1.0 Mi…"}}},
	} {
		var out bytes.Buffer
		now := time.Unix(0, 0)
		p := NewProgress(&out, true, "work", tt.unit)
		p.now, p.start, p.lastAt = func() time.Time { return now }, now, now
		p.status.wide = func() int { return tt.wide }
		p.Begin(tt.base)
		for _, s := range tt.steps {
			out.Reset()
			now = now.Add(s.after)
			p.Update(s.done, s.total)
			if got := strings.TrimPrefix(out.String(), "\r\x1b[K"); got != s.want {
				t.Errorf("%s: %q\nwant %q", tt.name, got, s.want)
			}
		}
		out.Reset()
		p.Finish()
		if got := out.String(); got != "\r\x1b[K" {
			t.Errorf("%s: the bar is left behind: %q", tt.name, got)
		}
	}
}
