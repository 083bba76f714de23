package layouts

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

const (
	benchCols    = 1536
	benchDensity = 0.35
	dramBytes    = 256 << 20
)

// denseAhead are the prefetch distances to compare for dense matrices; 0
// prefetches nothing new, 16rows is a group of tiles.
var denseAhead = []struct {
	name  string
	bytes int
}{{"plain", 0}, {"prefetch2K", 2 << 10}, {"prefetch4K", 4 << 10}, {"prefetch16rows", tileRows * benchCols / blockCols * ggufBlock}}

// sparseLookahead are the prefetch distances to compare for experts.
var sparseLookahead = []struct {
	name    string
	neurons int
}{{"plain", 0}, {"prefetch1", 1}, {"prefetch3", 3}}

// gigabytes reports the rate of reading n bytes in each iteration.
func gigabytes(b *testing.B, n int) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
}

// BenchmarkDense multiplies whole matrices by a vector.
func BenchmarkDense(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	const rows = 256
	w := randomGGUF(rng, rows, benchCols)
	x := quantize(randomVector(rng, benchCols))
	for _, at := range []struct {
		name string
		n    int // copies of the rows
	}{{"DRAM", dramBytes / len(w)}, {"L2", 1}} {
		for _, l := range denseLayouts {
			packed := bytes.Repeat(l.pack(w, benchCols), at.n)
			y := make([]float32, rows*at.n)
			for _, ahead := range denseAhead {
				b.Run(at.name+"/"+l.name+"/"+ahead.name, func(b *testing.B) {
					for b.Loop() {
						l.dot(&fast, y, packed, x, ahead.bytes)
					}
					gigabytes(b, len(packed))
				})
			}
		}
	}
}

// BenchmarkPrefill multiplies a matrix in the cache by 8 vectors.
func BenchmarkPrefill(b *testing.B) {
	rng := rand.New(rand.NewPCG(7, 8))
	const rows = 256
	w := randomGGUF(rng, rows, benchCols)
	x := quantize(randomVectors(rng, batch, benchCols)...)
	y := make([]float32, batch*rows)
	for _, l := range denseLayouts {
		if l.mul == nil {
			continue
		}
		packed := l.pack(w, benchCols)
		b.Run(l.name, func(b *testing.B) {
			for b.Loop() {
				l.mul(&fast, y, packed, x)
			}
			macs := float64(rows * benchCols * batch)
			b.ReportMetric(macs*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
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
	for _, at := range []struct {
		name    string
		neurons int
		bytes   int
	}{{"DRAM", ffn, dramBytes}, {"L2", ffn / 3, 1}} {
		rng := rand.New(rand.NewPCG(9, 10))
		up, down := randomGGUF(rng, at.neurons, benchCols), randomGGUF(rng, at.neurons, benchCols)
		x := quantize(randomVector(rng, benchCols))
		for _, l := range sparseLayouts {
			one := l.pack(up, down, benchCols)
			n := (at.bytes + len(one) - 1) / len(one)
			experts := bytes.Repeat(one, n)
			active := make([][]int, n)
			for i := range active {
				active[i] = rng.Perm(at.neurons)[:int(benchDensity*float64(at.neurons))]
				slices.Sort(active[i])
			}
			gate := randomVector(rng, len(active[0]))
			y := make([]float32, benchCols)
			for _, look := range sparseLookahead {
				b.Run(at.name+"/"+l.name+"/"+look.name, func(b *testing.B) {
					clear(y)
					i := 0
					for b.Loop() {
						e := &expert{neurons: at.neurons, cols: benchCols, w: experts[i*len(one):][:len(one)]}
						l.run(&fast, y, e, x, active[i], gate, look.neurons)
						i = (i + 1) % n
					}
					gigabytes(b, len(gate)*2*rowSize(benchCols))
					whole := benchDensity * ffn / float64(len(gate))
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)*whole, "ns/expert")
				})
			}
		}
	}
}
