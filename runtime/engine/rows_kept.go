package engine

import "st/format"

// mostKept is the memory for rows that a rowReader keeps: 642 of the 4B model's. Texts repeat their tokens, and a row that is not kept waits for the disk
// while nothing can be computed.
const mostKept = 1 << 20

// keptRows are rows as they lie in the file: of a table whose units have several, with the others of its unit. Each has two places where it may lie, and
// replaces the row there that was used longer ago.
type keptRows struct {
	size int     // of a row
	ids  []int32 // by place: one more than the row's number; 0: none
	last []uint8 // by pair of places: which was used last
	data []byte
}

// keptSize returns the bytes of a row that is kept, and how many pairs of places there are.
func keptSize(t *format.Tensor) (size, pairs int) {
	from, to := t.RowSpan(0)
	size = int(to - from)
	return size, min(mostKept/(2*(size+5)), (t.Rows+1)/2)
}

// keptBytes returns the memory that kept rows take.
func keptBytes(t *format.Tensor) int64 {
	size, pairs := keptSize(t)
	return 2 * int64(pairs) * int64(size+5) // with ids and last
}

func newKeptRows(t *format.Tensor) *keptRows {
	size, n := keptSize(t)
	return &keptRows{size: size, ids: make([]int32, 2*n), last: make([]uint8, n), data: make([]byte, 2*n*size)}
}

// row returns a row; nil: it is not kept.
func (k *keptRows) row(id int32) []byte {
	if len(k.last) == 0 {
		return nil
	}
	pair := int(id) % len(k.last)
	for i, other := range k.ids[2*pair:][:2] {
		if other == id+1 {
			k.last[pair] = uint8(i)
			return k.place(2*pair + i)
		}
	}
	return nil
}

// keep keeps a row that was not.
func (k *keptRows) keep(id int32, row []byte) {
	if len(k.last) == 0 {
		return
	}
	pair := int(id) % len(k.last)
	i := 1 - int(k.last[pair])
	k.last[pair], k.ids[2*pair+i] = uint8(i), id+1
	copy(k.place(2*pair+i), row)
}

func (k *keptRows) place(i int) []byte { return k.data[i*k.size:][:k.size] }
