package tokenizer

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// merge says that the tokens left and right join to the token result. Its
// place in the list of merges is its rank: the lower, the earlier applied.
type merge struct {
	left, right, result int32
}

// noRank is the rank of a pair that does not merge; above every real rank.
const noRank = 1<<31 - 1

// pairTable finds the merge of two adjacent tokens. It is an open-addressing
// hash table, which is built several times faster than a Go map: loading a
// tokenizer is mostly building this.
type pairTable struct {
	slots []pairSlot
	shift uint
	seed  uint64 // random, so that no file can be made to collide
}

type pairSlot struct {
	key    uint64 // left+1 and right: 0 marks a free slot
	rank   int32
	result int32
}

func pairKey(left, right int32) uint64 {
	return uint64(left+1)<<32 | uint64(uint32(right))
}

// newPairTable returns the table of merges. Of merges with the same pair the
// last one counts, as in the tokenizers library.
func newPairTable(merges []merge) pairTable {
	log := uint(bits.Len(uint(len(merges)*3/2 + 1)))
	t := pairTable{slots: make([]pairSlot, 1<<log), shift: 64 - log, seed: rand.Uint64() | 1}
	mask := uint64(len(t.slots) - 1)
	for rank, m := range merges {
		key := pairKey(m.left, m.right)
		i := key * t.seed >> t.shift
		for t.slots[i].key != 0 && t.slots[i].key != key {
			i = (i + 1) & mask
		}
		t.slots[i] = pairSlot{key, int32(rank), m.result}
	}
	return t
}

// find returns the rank and the result of the merge of left and right, the
// rank being noRank if there is none.
func (t *pairTable) find(left, right int32) (rank, result int32) {
	key := pairKey(left, right)
	mask := uint64(len(t.slots) - 1)
	for i := key * t.seed >> t.shift; t.slots[i].key != 0; i = (i + 1) & mask {
		if t.slots[i].key == key {
			return t.slots[i].rank, t.slots[i].result
		}
	}
	return noRank, 0
}

// longPiece is the number of symbols from which a heap beats scanning all pairs.
const longPiece = 64

// hugePiece is the length in bytes from which the buffers of a piece are its own.
const hugePiece = 1 << 20

// merger applies merges to one piece at a time; its buffers are reused.
type merger struct {
	ids   []int32
	ranks []int32 // of ids[i] with ids[i+1] (or with its next symbol)
	prev  []int32
	next  []int32
	heap  rankHeap
}

// appendMerged appends the tokens of piece: its bytes or characters, joined by
// the merge of the lowest rank, the leftmost among equals, until none is left.
func (m *merger) appendMerged(dst []int32, t *Tokenizer, piece string) []int32 {
	m.ids = m.ids[:0]
	if len(piece) > hugePiece {
		// Exactly as much as is needed, and not kept: a piece of megabytes is
		// noise, after which words come again.
		*m = merger{ids: make([]int32, 0, len(piece))}
		defer func() { *m = merger{} }()
	}
	if t.options.Bytes {
		for i := range len(piece) {
			m.ids = append(m.ids, t.byteIDs[piece[i]])
		}
	} else {
		m.ids = t.appendCharacters(m.ids, piece)
	}
	if len(m.ids) < longPiece {
		m.mergeShort(&t.pairs)
	} else {
		m.mergeLong(&t.pairs)
	}
	return append(dst, m.ids...)
}

// mergeShort looks for the best pair by scanning: quadratic, but the fastest
// for a word.
func (m *merger) mergeShort(pairs *pairTable) {
	ids, ranks := m.ids, m.ranks[:0]
	for i := 1; i < len(ids); i++ {
		rank, _ := pairs.find(ids[i-1], ids[i])
		ranks = append(ranks, rank)
	}
	m.ranks = ranks
	for {
		best, at := int32(noRank), 0
		for i, rank := range ranks {
			if rank < best {
				best, at = rank, i
			}
		}
		if best == noRank {
			break
		}
		_, ids[at] = pairs.find(ids[at], ids[at+1])
		ids = append(ids[:at+1], ids[at+2:]...)
		ranks = append(ranks[:at], ranks[at+1:]...)
		if at > 0 {
			ranks[at-1], _ = pairs.find(ids[at-1], ids[at])
		}
		if at < len(ranks) {
			ranks[at], _ = pairs.find(ids[at], ids[at+1])
		}
	}
	m.ids = ids
}

// mergeLong keeps the pairs in a heap over a linked list of symbols, so that a
// piece of n bytes takes O(n log n), however it merges.
func (m *merger) mergeLong(pairs *pairTable) {
	n := int32(len(m.ids))
	m.prev, m.next, m.ranks = slices.Grow(m.prev[:0], int(n)), slices.Grow(m.next[:0], int(n)), slices.Grow(m.ranks[:0], int(n))
	m.heap = slices.Grow(m.heap[:0], int(n))
	m.prev, m.next, m.ranks, m.heap = m.prev[:0], m.next[:0], m.ranks[:0], m.heap[:0]
	for i := range n {
		m.prev = append(m.prev, i-1)
		m.next = append(m.next, i+1)
		m.ranks = append(m.ranks, noRank)
	}
	// update looks up the pair that begins at symbol i and queues it.
	update := func(i int32) {
		m.ranks[i] = noRank
		if m.next[i] < n {
			if m.ranks[i], _ = pairs.find(m.ids[i], m.ids[m.next[i]]); m.ranks[i] != noRank {
				m.heap.push(m.ranks[i], i)
			}
		}
	}
	for i := range n {
		update(i)
	}
	for len(m.heap) > 0 {
		rank, i := m.heap.pop()
		if m.ranks[i] != rank {
			continue // an earlier merge took one of the two symbols
		}
		j := m.next[i]
		_, m.ids[i] = pairs.find(m.ids[i], m.ids[j])
		m.next[i] = m.next[j]
		if m.next[j] < n {
			m.prev[m.next[j]] = i
		}
		m.ranks[j] = noRank
		update(i)
		if m.prev[i] >= 0 {
			update(m.prev[i])
		}
	}
	kept := m.ids[:0]
	for i := int32(0); i < n; i = m.next[i] {
		kept = append(kept, m.ids[i])
	}
	m.ids = kept
}

// rankHeap is a binary min-heap of (rank, position), packed so that their
// order is the order of the integers.
type rankHeap []uint64

func (h *rankHeap) push(rank, pos int32) {
	x := uint64(rank)<<32 | uint64(uint32(pos))
	a := append(*h, x)
	i := len(a) - 1
	for i > 0 && a[(i-1)/2] > x {
		a[i] = a[(i-1)/2]
		i = (i - 1) / 2
	}
	a[i] = x
	*h = a
}

func (h *rankHeap) pop() (rank, pos int32) {
	a := *h
	top, x := a[0], a[len(a)-1]
	a = a[:len(a)-1]
	*h = a
	for i := 0; len(a) > 0; {
		c := 2*i + 1
		if c+1 < len(a) && a[c+1] < a[c] {
			c++
		}
		if c >= len(a) || a[c] >= x {
			a[i] = x
			break
		}
		a[i] = a[c]
		i = c
	}
	return int32(top >> 32), int32(uint32(top))
}
