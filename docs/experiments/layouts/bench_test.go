package layouts

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const (
	benchRows    = 256
	benchCols    = 1536
	benchDensity = 0.35
	dramBytes    = 256 << 20
	dramStep     = 16 // copies of the rows that are timed together
)

// denseAhead are the prefetch distances to compare for dense matrices; 0
// prefetches nothing new.
var denseAhead = []struct {
	name  string
	bytes int
}{{"plain", 0}, {"prefetch2K", 2 << 10}, {"prefetch4K", 4 << 10}}

// sparseLookahead are the prefetch distances to compare for experts.
var sparseLookahead = []struct {
	name    string
	neurons int
}{{"plain", 0}, {"prefetch1", 1}, {"prefetch3", 3}}

// median runs f with 0, 1, 2 and so on and returns the seconds that the median
// of these runs took, which it also reports as ns/op: runs in which another
// process had the core do not count. Every run is short beside a scheduler's
// time slice.
func median(b *testing.B, f func(i int)) float64 {
	var times []time.Duration
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		f(i)
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	seconds := times[len(times)/2].Seconds()
	b.ReportMetric(seconds*1e9, "ns/op")
	return seconds
}

// gigabytes reports the rate of reading n bytes in the given time.
func gigabytes(b *testing.B, n int, seconds float64) {
	b.ReportMetric(float64(n)/seconds/1e9, "GB/s")
}

// BenchmarkDense multiplies matrices by a vector: in DRAM step by step one
// that is far larger than the caches, in L2 a small one over and over.
func BenchmarkDense(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	w := randomGGUF(rng, benchRows, benchCols)
	x := quantize(randomVector(rng, benchCols))
	b.Run("DRAM", func(b *testing.B) {
		steps := dramBytes / (dramStep * len(w))
		matrices := make([][]byte, len(denseLayouts))
		for i, l := range denseLayouts {
			matrices[i] = bytes.Repeat(l.pack(w, benchCols), steps*dramStep)
		}
		y := make([]float32, dramStep*benchRows)
		for _, ahead := range denseAhead {
			for i, l := range denseLayouts {
				b.Run(l.name+"/"+ahead.name, func(b *testing.B) {
					size := len(matrices[i]) / steps
					gigabytes(b, size, median(b, func(step int) {
						l.dot(&fast, y, matrices[i][step%steps*size:][:size], x, ahead.bytes)
					}))
				})
			}
		}
	})
	b.Run("L2", func(b *testing.B) {
		y := make([]float32, benchRows)
		for _, l := range denseLayouts {
			packed := l.pack(w, benchCols)
			b.Run(l.name, func(b *testing.B) {
				gigabytes(b, len(packed), median(b, func(int) { l.dot(&fast, y, packed, x, 0) }))
			})
		}
	})
}

// BenchmarkPrefill multiplies a matrix in the cache by 8 vectors.
func BenchmarkPrefill(b *testing.B) {
	rng := rand.New(rand.NewPCG(7, 8))
	w := randomGGUF(rng, benchRows, benchCols)
	x := quantize(randomVectors(rng, batch, benchCols)...)
	y := make([]float32, batch*benchRows)
	for _, l := range denseLayouts {
		if l.mul == nil {
			continue
		}
		packed := l.pack(w, benchCols)
		b.Run(l.name, func(b *testing.B) {
			seconds := median(b, func(int) { l.mul(&fast, y, packed, x) })
			b.ReportMetric(benchRows*benchCols*batch/seconds/1e9, "GMAC/s")
		})
	}
}

// BenchmarkSparse runs experts with a random third of their neurons active.
// In DRAM every iteration takes the next of many whole experts. A whole
// expert's active part does not leave room for anything else in a 512 KB L2,
// so there it is a third of an expert, over and over. Either way GB/s counts
// active weights and ns/expert is for a whole expert's active neurons.
func BenchmarkSparse(b *testing.B) {
	const ffn = 768
	b.Run("DRAM", func(b *testing.B) {
		benchExperts(b, ffn, ffn, dramBytes)
	})
	b.Run("L2", func(b *testing.B) {
		benchExperts(b, ffn, ffn/3, 1)
	})
}

// benchExperts runs experts of so many neurons out of ffn, as many as fill
// size bytes.
func benchExperts(b *testing.B, ffn, neurons, size int) {
	rng := rand.New(rand.NewPCG(9, 10))
	up, down := randomGGUF(rng, neurons, benchCols), randomGGUF(rng, neurons, benchCols)
	x := quantize(randomVector(rng, benchCols))
	n := (size + len(up) + len(down) - 1) / (len(up) + len(down))
	experts := make([][]byte, len(sparseLayouts)) // n in a row
	for i, l := range sparseLayouts {
		experts[i] = bytes.Repeat(l.pack(up, down, benchCols), n)
	}
	active := make([][]int, n)
	for i := range active {
		active[i] = rng.Perm(neurons)[:int(benchDensity*float64(neurons))]
		slices.Sort(active[i])
	}
	gate := randomVector(rng, len(active[0]))
	y := make([]float32, benchCols)
	for _, look := range sparseLookahead {
		for i, l := range sparseLayouts {
			b.Run(l.name+"/"+look.name, func(b *testing.B) {
				clear(y)
				one := len(experts[i]) / n
				seconds := median(b, func(j int) {
					e := &expert{neurons: neurons, cols: benchCols, w: experts[i][j%n*one:][:one]}
					l.run(&fast, y, e, x, active[j%n], gate, look.neurons)
				})
				gigabytes(b, len(gate)*2*rowSize(benchCols), seconds)
				b.ReportMetric(seconds*1e9*benchDensity*float64(ffn)/float64(len(gate)), "ns/expert")
			})
		}
		if n == 1 {
			break // nothing to prefetch
		}
	}
}
