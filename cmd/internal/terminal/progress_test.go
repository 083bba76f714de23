package terminal

import (
	"bytes"
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

func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	p := &Progress{out: &out, label: "convert", unit: "B", bar: true, now: time.Now, start: time.Now()}
	p.Update(1<<20, 4<<20)
	if !bytes.Contains(out.Bytes(), []byte("25%")) || bytes.ContainsRune(out.Bytes(), '\n') {
		t.Errorf("%q", out.String())
	}
	p.Finish()
	if lines := bytes.Split(out.Bytes(), []byte("\r")); len(bytes.TrimSpace(lines[len(lines)-1])) > 0 {
		t.Errorf("the bar is left behind: %q", out.String())
	}
}
