package engine

import (
	"fmt"
	"testing"
)

// Query heads are cut so that no thread waits long for another: not at all where there are as many parts of the context as threads, and in pairs where
// only the KV heads could be shared out.
func TestAttentionCuts(t *testing.T) {
	for _, c := range []struct {
		heads, kvHeads, window int
		positions              []int // of the sequences, one token each
		threads, want          int
	}{
		{12, 2, 0, []int{160}, 1, 1},
		{12, 2, 0, []int{160}, 2, 1},
		{12, 2, 0, []int{160}, 3, 1}, // six tasks on three threads would widen everything three times
		{12, 2, 0, []int{160}, 4, 2},
		{12, 2, 0, []int{160}, 8, 3},
		{12, 2, 0, []int{160}, 16, 3},
		{12, 2, 0, []int{600}, 8, 3},  // the second part is short
		{12, 2, 0, []int{1024}, 8, 2}, // two long parts for each KV head
		{12, 2, 0, []int{4096}, 8, 1},
		{12, 2, 128, []int{4096}, 8, 3}, // as few as a window lets through
		{12, 2, 0, []int{160, 159, 158, 40}, 8, 1},
		{12, 2, 0, []int{160, 159, 158, 40}, 16, 2},
		{28, 4, 0, []int{160}, 2, 1},
		{28, 4, 0, []int{160}, 16, 4},
		{28, 4, 0, []int{1600}, 16, 1},
		{4, 4, 0, []int{160}, 16, 1}, // one query head for each KV head
		{4, 1, 0, []int{160}, 8, 2},
	} {
		t.Run(fmt.Sprintf("%d:%d heads, window %d, positions %d, %d threads", c.heads, c.kvHeads, c.window, c.positions, c.threads), func(t *testing.T) {
			a := &attention{heads: c.heads, kvHeads: c.kvHeads, window: c.window}
			for _, n := range c.positions {
				a.segs = append(a.segs, segment{start: n - 1, n: 1})
			}
			if got := a.cuts(c.threads); got != c.want {
				t.Errorf("%d pieces, want %d", got, c.want)
			}
		})
	}
}
