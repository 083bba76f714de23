package grammar

import "math/bits"

// Bitset is a set of tokens: bit id%64 of word id/64.
type Bitset []uint64

// NewBitset returns an empty set with room for n tokens.
func NewBitset(n int) Bitset { return make(Bitset, (n+63)/64) }

// Has reports whether a token is in the set.
func (b Bitset) Has(id int32) bool {
	return id >= 0 && int(id/64) < len(b) && b[id/64]>>(id%64)&1 != 0
}

// Set adds a token.
func (b Bitset) Set(id int32) { b[id/64] |= 1 << (id % 64) }

// Remove takes a token out.
func (b Bitset) Remove(id int32) { b[id/64] &^= 1 << (id % 64) }

// Count returns the number of tokens.
func (b Bitset) Count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// All yields the tokens in ascending order.
func (b Bitset) All(yield func(id int32) bool) {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			if !yield(int32(i*64 + bits.TrailingZeros64(w))) {
				return
			}
		}
	}
}

// or adds the tokens of another set of the same size.
func (b Bitset) or(c Bitset) {
	for i, w := range c {
		b[i] |= w
	}
}
