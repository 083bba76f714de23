//go:build linux

// Package activepages measures what it takes to read an expert in two steps, its gate and then the pages that hold active neurons, beside reading it
// whole.
package activepages

import (
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	file     = flag.String("file", "", "a large file on the disk to measure, such as a model")
	gate     = flag.Int("gate", 640<<10, "bytes of an expert's gate")
	neurons  = flag.Int("neurons", 768, "of an expert")
	neuron   = flag.Int("neuron", 1728, "bytes of a neuron's up row and down column")
	experts  = flag.Int("experts", 64, "to read for a density")
	misses   = flag.Int("misses", 4, "experts that are read at the same time")
	inflight = flag.Int("inflight", 16, "reads of pages in flight")
)

const page = 4096

type part struct{ at, n int64 }

// parts returns the runs of pages that hold some of the neurons.
func parts(active []bool) (runs []part) {
	for i, on := range active {
		if !on {
			continue
		}
		from := int64(i**neuron) / page * page
		to := (int64((i+1)**neuron) + page - 1) / page * page
		if last := len(runs) - 1; last >= 0 && from <= runs[last].at+runs[last].n {
			runs[last].n = max(runs[last].n, to-runs[last].at)
			continue
		}
		runs = append(runs, part{from, to - from})
	}
	return runs
}

// TestActivePages prints milliseconds an expert, whole and in two steps, alternating, by the share of active neurons.
func TestActivePages(t *testing.T) {
	if *file == "" {
		t.Skip("no -file")
	}
	f, err := os.OpenFile(*file, os.O_RDONLY|syscall.O_DIRECT, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	size := int64(*gate) + (int64(*neurons**neuron)+page-1)/page*page
	rng := rand.New(rand.NewPCG(1, 2))
	random := func() int64 { return rng.Int64N((info.Size()-2*size)/page) * page }
	// read reads parts of an expert with so many reads in flight.
	read := func(base int64, all []part, flight int) {
		var next atomic.Int64
		var wg sync.WaitGroup
		for range min(flight, len(all)) {
			wg.Go(func() {
				buf, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
				if err != nil {
					t.Error(err)
					return
				}
				defer syscall.Munmap(buf)
				for i := next.Add(1) - 1; int(i) < len(all); i = next.Add(1) - 1 {
					if _, err := f.ReadAt(buf[:all[i].n], base+all[i].at); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	// together runs f for several experts at the same time, as the misses of a token are, and returns how long an expert takes.
	together := func(f func(base int64, random *rand.Rand)) time.Duration {
		begin := time.Now()
		var wg sync.WaitGroup
		for range *misses {
			base, own := random(), rand.New(rand.NewPCG(rng.Uint64(), 1))
			wg.Go(func() { f(base, own) })
		}
		wg.Wait()
		return time.Since(begin) / time.Duration(*misses)
	}
	middle := func(times []time.Duration) float64 {
		slices.Sort(times)
		return 1e3 * times[len(times)/2].Seconds()
	}
	for _, density := range []float64{0.02, 0.05, 0.1, 0.2, 0.35} {
		var bytes, reads atomic.Int64
		var whole, steps []time.Duration
		for range *experts / *misses {
			whole = append(whole, together(func(base int64, _ *rand.Rand) { read(base, []part{{0, size}}, 1) }))
			steps = append(steps, together(func(base int64, random *rand.Rand) {
				active := make([]bool, *neurons)
				for i := range active {
					active[i] = random.Float64() < density
				}
				runs := parts(active)
				read(base, []part{{0, int64(*gate)}}, 1)
				read(base+int64(*gate), runs, *inflight)
				bytes.Add(int64(*gate))
				for _, r := range runs {
					bytes.Add(r.n)
				}
				reads.Add(int64(len(runs)))
			}))
		}
		n := int64(*experts / *misses * *misses)
		w, s := middle(whole), middle(steps)
		t.Logf("%2.0f %% active: whole %.2f ms, in two steps %.2f ms, %.2f of it; %.0f %% of the bytes, %d reads after the gate", 100*density, w, s, s/w,
			100*float64(bytes.Load())/float64(size*n), reads.Load()/n)
	}
}
