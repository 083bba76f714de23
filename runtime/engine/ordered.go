package engine

import (
	"sync/atomic"

	"st/runtime/kernel"
)

// orderedSum adds slices of a row, which threads compute in any order, to the row's sum in theirs, while they are computed: no job of its own does. Four
// slices that follow each other are added together, by the thread that has computed the last of them or, if the four before them are not added yet, by
// the one that adds these. So the bits do not depend on which thread was first, and what is left to do at the end is the last four.
type orderedSum struct {
	n, cols int
	slices  []float32      // [rows, n rounded up to fours, cols]; those that no row has are zero
	here    []atomic.Int32 // [rows, fours] how many of a four are there, counting the sum up to it; 0 again when it was added
	dst     []float32      // [rows, cols] what they are added to
}

// sumSlices is the number of slices that are added together.
const sumSlices = 4

// newOrderedSum makes room for the n slices of so many rows, with memory of the arena.
func newOrderedSum(rows, n, cols int, a *arena) *orderedSum {
	s := &orderedSum{n: n, cols: cols}
	s.slices, s.here = take[float32](a, rows*s.fours()*sumSlices*cols), make([]atomic.Int32, rows*s.fours())
	return s
}

func (s *orderedSum) fours() int { return (s.n + sumSlices - 1) / sumSlices }

// begin makes the first rows ready for slices that are added to rows of dst.
func (s *orderedSum) begin(dst []float32, rows int) {
	s.dst = dst
	if missing := s.fours()*sumSlices - s.n; missing > 0 {
		for t := range rows {
			clear(s.slice(t, s.n)[:missing*s.cols])
		}
	}
}

// slice returns where slice i of a row lies, and those after it.
func (s *orderedSum) slice(row, i int) []float32 {
	return s.slices[(row*s.fours()*sumSlices+i)*s.cols:]
}

// add tells that slice i of a row is there.
func (s *orderedSum) add(row, i int) {
	fours := s.fours()
	for k := i / sumSlices; k < fours; k++ {
		all := min(sumSlices, s.n-k*sumSlices)
		if k > 0 {
			all++
		}
		here := &s.here[row*fours+k]
		if int(here.Add(1)) < all {
			return
		}
		here.Store(0)
		ones, src := [sumSlices]float32{1, 1, 1, 1}, [sumSlices][]float32{}
		for j := range src {
			src[j] = s.slice(row, k*sumSlices+j)[:s.cols]
		}
		kernel.Axpy4(s.dst[row*s.cols:][:s.cols], &ones, &src)
	}
}

// reset forgets what a job that failed has left.
func (s *orderedSum) reset() {
	for i := range s.here {
		s.here[i].Store(0)
	}
}
