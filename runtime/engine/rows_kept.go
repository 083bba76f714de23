package engine

// keptBytes is the memory for rows that a rowReader keeps: 642 of the 4B model's. Texts repeat their tokens, and a row that is not kept waits for the disk
// while nothing can be computed.
const keptBytes = 1 << 20

// keptRows are rows as they lie in the file. Each has two places where it may lie, and replaces the row there that was used longer ago.
type keptRows struct {
	size int     // of a row
	ids  []int32 // by place: one more than the row's number; 0: none
	last []uint8 // by pair of places: which was used last
	data []byte
}

// keptPairs returns how many pairs of places there are for rows of a size.
func keptPairs(size int) int { return keptBytes / (2 * size) }

func newKeptRows(size int) *keptRows {
	n := keptPairs(size)
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
