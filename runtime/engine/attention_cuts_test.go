package engine

import (
	"fmt"
	"testing"
)

// Query heads are cut so that no thread waits long for another: not at all where there are as many parts of the context as threads, and in pairs where
// only the KV heads could be shared out.
func TestAttentionCuts(t *testing.T) {
	for _, c := range []struct{ heads, kvHeads, window, positions, threads, want int }{
		{12, 2, 0, 160, 1, 1},
		{12, 2, 0, 160, 2, 1},
		{12, 2, 0, 160, 3, 1}, // six tasks on three threads would widen everything three times
		{12, 2, 0, 160, 4, 2},
		{12, 2, 0, 160, 8, 3},
		{12, 2, 0, 160, 16, 3},
		{12, 2, 0, 600, 8, 3},  // the second part is short
		{12, 2, 0, 1024, 8, 2}, // two long parts for each KV head
		{12, 2, 0, 4096, 8, 1},
		{12, 2, 128, 4096, 8, 3}, // as few as a window lets through
		{28, 4, 0, 160, 2, 1},
		{28, 4, 0, 160, 16, 4},
		{4, 4, 0, 160, 16, 1}, // one query head for each KV head
		{4, 1, 0, 160, 8, 2},
	} {
		t.Run(fmt.Sprintf("%d:%d heads, %d positions, %d threads", c.heads, c.kvHeads, c.positions, c.threads), func(t *testing.T) {
			a := &attention{heads: c.heads, kvHeads: c.kvHeads, window: c.window, segs: []segment{{start: c.positions - 1, n: 1}}}
			if got := a.cuts(c.threads); got != c.want {
				t.Errorf("%d parts for each KV head, want %d", got, c.want)
			}
		})
	}
}
