package engine

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// Slices that threads compute in any order are added as one tree: to the bit what one thread would get, which adds four by four.
func TestOrderedSum(t *testing.T) {
	const rows, cols, threads = 3, 70, 4
	for _, n := range []int{1, 4, 6, 21, 24, 70} {
		r := rand.New(rand.NewPCG(1, uint64(n)))
		s := newOrderedSum(rows, n, cols, &arena{data: make([]byte, 1<<20)})
		for range 20 {
			x, want := make([]float32, rows*cols), make([]float32, rows*cols)
			for i := range x {
				x[i] = r.Float32() - 0.5
			}
			copy(want, x)
			values := make([][]float32, rows*n)
			for i := range values {
				values[i] = make([]float32, cols)
				for j := range values[i] {
					values[i][j] = float32(math.Ldexp(r.Float64()-0.5, r.IntN(20))) // whose sum depends on the order
				}
			}
			for row := range rows {
				sums := values[row*n:][:n]
				for len(sums) > 4 {
					var next [][]float32
					for four := range slices.Chunk(sums, 4) {
						next = append(next, inOrder(make([]float32, cols), four))
					}
					sums = next
				}
				inOrder(want[row*cols:][:cols], sums)
			}
			s.begin(x)
			order := make(chan int, len(values))
			for _, i := range r.Perm(len(values)) {
				order <- i
			}
			close(order)
			var wg sync.WaitGroup
			for range threads {
				wg.Go(func() {
					for i := range order {
						copy(s.slice(i/n, i%n), values[i])
						s.add(i/n, i%n)
					}
				})
			}
			if wg.Wait(); !slices.Equal(x, want) {
				t.Fatalf("%d slices: other sums", n)
			}
		}
	}
}

// inOrder adds rows to sum, one after the other.
func inOrder(sum []float32, rows [][]float32) []float32 {
	for _, row := range rows {
		for j, v := range row {
			sum[j] += v
		}
	}
	return sum
}

// What a job that failed has left is forgotten.
func TestOrderedSumReset(t *testing.T) {
	s := newOrderedSum(1, 5, 2, &arena{data: make([]byte, 1<<10)})
	x := []float32{1, 2}
	s.begin(x)
	s.add(0, 1)
	s.add(0, 4)
	s.reset()
	for i := range 5 {
		copy(s.slice(0, i), []float32{1, 10})
		s.add(0, i)
	}
	if !slices.Equal(x, []float32{6, 52}) {
		t.Errorf("the sum is %v", x)
	}
}
