package kernel

// Scratch is working memory for one thread.
type Scratch struct {
	up       []float32 // a row of up, or of another matrix
	down     []float32 // a row of down
	ups      []float32 // products with up of sixteen neurons
	eights   []uint64  // interleaved vectors
	packed   packed
	block    *batch
	tile     []byte    // two groups of scattered rows
	products []float32 // with scattered rows
	dots     *[floatBlocks]dotSums
}

func (s *Scratch) row(n int) []float32 { return grow(&s.up, n) }

// ReserveBatch takes what [Expert.Batch] needs whatever the expert's shape is: some 84 KB, which would be taken otherwise when the thread is first
// given one, however late that is.
func (s *Scratch) ReserveBatch() { s.batch() }

// batch returns what [Expert.Batch] needs.
func (s *Scratch) batch() *batch {
	if s.block == nil {
		s.block = &batch{used: make([]int32, 0, chunkRows)}
	}
	return s.block
}

func grow[T any](b *[]T, n int) []T {
	if cap(*b) < n {
		*b = make([]T, n)
	}
	return (*b)[:n]
}
