package engine

import (
	"sync/atomic"

	"st/runtime/kernel"
)

// orderedSum adds slices of a row, which threads compute in any order, while they are computed: no job of its own does. They are added as a tree: four
// that follow each other to the first of them, by the thread that has computed the last one, then four such sums, and so on, until four or fewer are left,
// which are added to the row. So the bits do not depend on which thread was first. A thread that computes slices which follow each other adds what its own
// caches hold; were they added to the row one by one, the row and half of them would go from core to core.
type orderedSum struct {
	n, cols int
	nodes   int           // of the tree, without slices
	slices  []float32     // [rows, n, cols]; the sum of a node is where its first slice was
	zeros   []float32     // [cols] in place of the first part of a node, which is where its sum is, and of those that the last node of a level lacks
	arrived []lineCounter // [rows, nodes] how many of a node's parts are there, level by level from the slices; 0 again when they were added
	dst     []float32     // [rows, cols] what they are added to
}

// lineCounter is a number in lines of its own: threads count in nodes beside each other.
type lineCounter struct {
	atomic.Int32
	_ [lines - 4]byte
}

// sumParts is the number of slices or sums that are added together.
const sumParts = 4

// newOrderedSum makes room for the n slices of so many rows, with memory of the arena.
func newOrderedSum(rows, n, cols int, a *arena) *orderedSum {
	s := &orderedSum{n: n, cols: cols, nodes: 1}
	for level := n; level > sumParts; {
		level = above(level)
		s.nodes += level
	}
	s.slices, s.arrived = take[float32](a, rows*n*cols), make([]lineCounter, rows*s.nodes)
	s.zeros = make([]float32, cols) // not of the arena, where others write after the last layer
	return s
}

// above returns how many nodes add so many parts.
func above(parts int) int { return (parts + sumParts - 1) / sumParts }

// begin has slices added to rows of dst.
func (s *orderedSum) begin(dst []float32) { s.dst = dst }

// slice returns where slice i of a row lies.
func (s *orderedSum) slice(row, i int) []float32 { return s.slices[(row*s.n+i)*s.cols:][:s.cols] }

// add tells that slice i of a row is there.
func (s *orderedSum) add(row, i int) {
	arrived := s.arrived[row*s.nodes:][:s.nodes]
	for parts, span := s.n, 1; ; parts, span = above(parts), span*sumParts { // parts of a level, and how many slices one is
		k := i / sumParts
		if int(arrived[k].Add(1)) < min(sumParts, parts-k*sumParts) {
			return
		}
		arrived[k].Store(0)
		ones, src := [sumParts]float32{1, 1, 1, 1}, [sumParts][]float32{s.zeros, s.zeros, s.zeros, s.zeros}
		for j := k * sumParts; j < min(parts, (k+1)*sumParts); j++ {
			src[j-k*sumParts] = s.slice(row, j*span)
		}
		if parts <= sumParts {
			kernel.Axpy4(s.dst[row*s.cols:][:s.cols], &ones, &src)
			return
		}
		sum := src[0]
		src[0] = s.zeros
		kernel.Axpy4(sum, &ones, &src)
		arrived, i = arrived[above(parts):], k
	}
}

// reset forgets what a job that failed has left.
func (s *orderedSum) reset() {
	for i := range s.arrived {
		if s.arrived[i].Load() != 0 { // what is written has to be fetched from the core that wrote it last
			s.arrived[i].Store(0)
		}
	}
}
