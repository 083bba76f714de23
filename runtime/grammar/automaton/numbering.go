package automaton

// Numbering numbers the states of an automaton that is being built: each stands for a key, and has the next number when it is first met.
type Numbering[K comparable] struct {
	Keys   []K // by number
	number map[K]int32
}

// Of returns the number of a key.
func (n *Numbering[K]) Of(k K) int32 {
	i, ok := n.number[k]
	if !ok {
		if n.number == nil {
			n.number = map[K]int32{}
		}
		i = int32(len(n.Keys))
		n.number[k] = i
		n.Keys = append(n.Keys, k)
	}
	return i
}
