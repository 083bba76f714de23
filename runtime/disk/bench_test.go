package disk

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"st/format"
)

var file = flag.String("file", "", "a model file on the disk that BenchmarkDisk measures")

// BenchmarkDisk measures a disk as a run does, several times, and compares what is chosen with the best of all depths, each measured for
// longer:
//
//	go test ./runtime/disk -run '^$' -bench Disk -benchtime 1x -file model.stm
func BenchmarkDisk(b *testing.B) {
	if *file == "" {
		b.Skip("no -file")
	}
	r, err := format.Open(*file)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	f, direct, err := r.Direct()
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if !direct {
		b.Fatal("the file cannot be read past the page cache")
	}
	const record = 1990656
	var chosen []Reads
	for range b.N {
		for range 5 {
			begin := time.Now()
			s, err := Measure(b.Context(), f, r.Size(), record)
			if err != nil {
				b.Fatal(err)
			}
			x := s.Reads(record)
			fmt.Printf("%.2f s: %d in flight\n", time.Since(begin).Seconds(), x.Depth)
			for _, v := range s.Speeds {
				fmt.Printf("  %dx%dK %.2f", v.Depth, v.Size>>10, v.BytesPerSecond/1e9)
			}
			fmt.Println()
			chosen = append(chosen, x)
		}
		// In turn, so that what others do to the disk meanwhile meets all of them.
		var grid []*probe
		for depth := 1; depth <= maxDepth && int64(depth)*Size(record) <= maxInFlight; depth *= 2 {
			grid = append(grid, &probe{size: Size(record), depth: depth})
		}
		m := &meter{ctx: b.Context(), file: f, size: r.Size(), memory: format.AlignedBytes(maxInFlight)}
		for range 60 {
			for _, i := range rand.Perm(len(grid)) {
				if err := m.run(grid[i]); err != nil {
					b.Fatal(err)
				}
			}
		}
		best, of := 0., map[int]float64{}
		for _, p := range grid {
			v := p.speed() / 1e9
			fmt.Printf("%2d reads of %4d KiB: %.2f GB/s\n", p.depth, p.size>>10, v)
			best = max(best, v)
			of[p.depth] = v
		}
		for _, c := range chosen {
			fmt.Printf("chosen: %d: %.1f %% of the best\n", c.Depth, 100*of[c.Depth]/best)
		}
	}
}
