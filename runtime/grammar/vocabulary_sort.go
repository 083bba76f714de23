package grammar

import (
	"bytes"
	"cmp"
	"encoding/binary"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// keyed is a token with the first eight bytes of its text as a number: most texts differ there, so that comparing them touches no other memory.
type keyed struct {
	key uint64
	id  int32
}

// sortTokens sorts tokens by text, and those of one text by id. The tokens of each first byte are sorted by themselves, on all processors.
func sortTokens(tokens [][]byte, order []int32) {
	var begin [257]int
	for _, id := range order {
		begin[int(tokens[id][0])+1]++
	}
	for b := range 256 {
		begin[b+1] += begin[b]
	}
	all := make([]keyed, len(order))
	at := begin
	for _, id := range order {
		b := tokens[id][0]
		all[at[b]] = keyed{prefix(tokens[id]), id}
		at[b]++
	}
	var next atomic.Int32
	var sorting sync.WaitGroup
	for range min(goruntime.GOMAXPROCS(0), 256) {
		sorting.Go(func() {
			for b := next.Add(1) - 1; b < 256; b = next.Add(1) - 1 {
				slices.SortFunc(all[begin[b]:begin[b+1]], func(x, y keyed) int {
					if x.key != y.key {
						return cmp.Compare(x.key, y.key)
					}
					return cmp.Or(bytes.Compare(tokens[x.id], tokens[y.id]), cmp.Compare(x.id, y.id))
				})
			}
		})
	}
	sorting.Wait()
	for i, k := range all {
		order[i] = k.id
	}
}

// prefix returns the first bytes of a text as a number: of two texts whose numbers differ, the one with the smaller number comes first. A text
// shorter than that is filled up with zeros.
func prefix(text []byte) uint64 {
	if len(text) >= 8 {
		return binary.BigEndian.Uint64(text)
	}
	var b [8]byte
	copy(b[:], text)
	return binary.BigEndian.Uint64(b[:])
}
