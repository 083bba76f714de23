// Package lru keeps values that are expensive to make, such as grammars that are compiled, by what they are made of:
//
//	c := lru.New(1, 64<<20, (*grammar.Compiled).Size)
//	compiled, err := c.Get(ctx, key, func() (*grammar.Compiled, error) { … })
//
// A [Cache] bounds both the work and the memory: so many values are made at a time and the others wait, and the values used least recently are
// dropped when all of them together take more bytes than the limit. It exists beside the well-known LRU libraries because those bound the number
// of values, and not how many are made at the same time.
package lru
