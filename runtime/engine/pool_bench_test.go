package engine

import (
	goruntime "runtime"
	"testing"
	"time"
)

// BenchmarkPool times jobs: empty ones, which are the price of a meeting of the threads, and such as a token has, with parts of about 3 µs. "alone" is what
// the tasks of one part take.
//
//	go test -run '^$' -bench BenchmarkPool ./runtime/engine -cpu 1,2,4,8,16
func BenchmarkPool(b *testing.B) {
	spin := func(n int) (x uint64) {
		x = 1
		for range n {
			x = x*6364136223846793005 + 1442695040888963407
		}
		return x
	}
	took := time.Hour // for a million steps
	for range 20 {
		begin := time.Now()
		spin(1 << 20)
		took = min(took, time.Since(begin))
	}
	part := int(3 * time.Microsecond << 20 / took) // steps that take 3 µs
	var sink [64 * 16]uint64
	for _, bb := range []struct {
		name         string
		tasks, grain int // tasks: for each thread
		steps        int
	}{
		{"empty, each", 1, 0, 0},
		{"empty, 4 parts a thread", 16, 4, 0},
		{"3 µs a thread", 1, 0, part},
		{"3 µs a thread in 12 tasks", 12, 4, part / 12},
		{"36 µs a thread in 48 tasks", 48, 4, part / 4},
	} {
		b.Run(bb.name, func(b *testing.B) {
			threads := goruntime.GOMAXPROCS(0)
			p := newPool(threads)
			defer p.close()
			do := task(func(thread, from, to int) {
				if bb.steps > 0 {
					sink[16*thread] += spin(bb.steps * (to - from))
				}
			})
			for b.Loop() {
				var err error
				if bb.grain == 0 {
					err = p.each(bb.tasks*threads, &do)
				} else {
					err = p.split(bb.tasks*threads, bb.grain, &do)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			if bb.steps > 0 {
				b.ReportMetric(float64(bb.tasks*bb.steps)/float64(part)*3000, "ns/alone")
			}
		})
	}
}
