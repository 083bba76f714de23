package disk

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	mmap "github.com/edsrzf/mmap-go"
)

const (
	// measureTime bounds what [Measure] takes, but for the last reads.
	measureTime = 400 * time.Millisecond
	// probeTime is for how long one depth and size is measured, at least.
	probeTime = 10 * time.Millisecond

	maxDepth    = 32
	maxInFlight = 16 << 20 // bytes

	// gain is what more reads in flight must bring: less is chance.
	gain = 1.05
	// hopeless is the share of the best speed below which a depth and size is not worth a second look.
	hopeless = 0.6
	// unknownError is the error of what was measured once, as a share.
	unknownError = 0.05
)

// sizes are the lengths of reads that are measured: one of them, as there is no time for all.
var sizes = []int64{128 << 10, 512 << 10, 2 << 20, largestSize}

const largestSize = 4 << 20

// Size returns the length of the reads with which a disk is measured for records of a length: the shortest that is not shorter than these, or the longest.
func Size(record int64) int64 {
	i, _ := slices.BinarySearch(sizes, record)
	return sizes[min(i, len(sizes)-1)]
}

// smallest is the length of a file from which on a disk is measured: with less, the same bytes would be read again, which some disk or host keeps.
const smallest = 64 << 20

// Measurable reports whether a file of so many bytes is long enough to measure its disk with.
func Measurable(size int64) bool { return size >= smallest }

// Measure measures what a disk gives, by reading parts of a file on it for less than half a second, for records of a length. A disk that is slow is
// measured with fewer depths in that time; one read is not interrupted.
func Measure(ctx context.Context, f io.ReaderAt, size, record int64) (*Speeds, error) {
	if size < largestSize {
		return nil, fmt.Errorf("a file of %d bytes is too short to measure a disk with", size)
	}
	memory, err := mmap.MapRegion(nil, maxInFlight, mmap.RDWR, mmap.ANON, 0) // it is in no heap, which would go on to count it
	if err != nil {
		return nil, err
	}
	defer memory.Unmap()
	m := &meter{ctx: ctx, file: f, size: size, memory: memory, begin: time.Now(), random: rand.New(rand.NewPCG(1, 2))}
	if err := m.measure(record); err != nil {
		return nil, err
	}
	s := &Speeds{Source: Measured}
	for _, p := range m.probes {
		s.Speeds = append(s.Speeds, Speed{p.size, p.depth, p.speed(), p.standardError()})
	}
	return s, nil
}

// measure makes the probes that tell most about reads of records of a length. It ends with the first error.
func (m *meter) measure(record int64) error {
	if err := m.climb(Size(record)); err != nil {
		return err
	}
	return m.repeat()
}

// meter measures one disk.
type meter struct {
	ctx    context.Context
	file   io.ReaderAt
	size   int64
	memory []byte
	begin  time.Time
	place  int64 // how many reads there were
	probes []*probe
	random *rand.Rand
}

// probe is what was measured of a depth and size.
type probe struct {
	size  int64
	depth int
	runs  []float64 // bytes a second
}

// speed returns the median of the runs: a disk that others use stalls now and then.
func (p *probe) speed() float64 {
	runs := slices.Sorted(slices.Values(p.runs))
	n := len(runs)
	return (runs[(n-1)/2] + runs[n/2]) / 2
}

// standardError returns that of the speed, as a share of it.
func (p *probe) standardError() float64 {
	if len(p.runs) < 2 {
		return unknownError
	}
	mean, sum := 0., 0.
	for _, v := range p.runs {
		mean += v / float64(len(p.runs))
	}
	for _, v := range p.runs {
		sum += (v - mean) * (v - mean)
	}
	return min(1, math.Sqrt(sum/float64(len(p.runs)-1)/float64(len(p.runs)))/mean)
}

// best returns the highest speed of the probes; 0: there are none.
func (m *meter) best() (v float64) {
	for _, p := range m.probes {
		v = max(v, p.speed())
	}
	return v
}

// climb measures reads of one size, twice as many in flight each time, until two steps have brought nothing. The first probe of all is made whatever the
// disk takes for it.
func (m *meter) climb(size int64) error {
	top, idle := 0., 0
	for depth := 1; depth <= maxDepth && int64(depth)*size <= maxInFlight && idle < 2; depth *= 2 {
		p := &probe{size: size, depth: depth}
		if len(m.probes) > 0 && !m.affordable(p) {
			return nil
		}
		if err := m.run(p); err != nil {
			return err
		}
		m.probes = append(m.probes, p)
		if v := p.speed(); v > gain*top {
			top, idle = v, 0
		} else {
			idle++
		}
	}
	return nil
}

// affordable reports whether there is time for a probe, by what the disk gave so far.
func (m *meter) affordable(p *probe) bool {
	guess := time.Duration(float64(int64(p.reads())*p.size) / m.best() * float64(time.Second))
	return time.Since(m.begin)+max(guess, probeTime) <= measureTime
}

// reads returns how many reads tell something of a probe, at least: those after the first ones, which find the disk idle.
func (p *probe) reads() int { return max(3, 2*p.depth) }

// repeat measures again what may be chosen, in turn, while there is time: one probe of a few milliseconds is as good as chance on a disk that others use.
func (m *meter) repeat() error {
	for {
		top := m.best()
		likely := slices.DeleteFunc(slices.Clone(m.probes), func(p *probe) bool { return len(p.runs) > 1 && p.speed() < hopeless*top })
		// In a new order every time: a disk that may give more for a moment than in the long run gives it to those after the cheapest ones.
		for _, i := range m.random.Perm(len(likely)) {
			if !m.affordable(likely[i]) {
				return nil
			}
			if err := m.run(likely[i]); err != nil {
				return err
			}
		}
	}
}

// run measures a probe and adds to what is known of it: the time from the end of the first reads, as many as are in flight, to that of the last.
func (m *meter) run(p *probe) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var ended int
	var first, last time.Time
	var failed error
	begin := time.Now()
	issued := 0
	for w := range p.depth {
		buf := m.memory[int64(w)*p.size:][:p.size]
		wg.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for failed == nil && m.ctx.Err() == nil && (issued < p.reads() || time.Since(begin) < probeTime) {
				issued++
				at := m.next(p.size)
				mu.Unlock()
				_, err := m.file.ReadAt(buf, at)
				now := time.Now()
				mu.Lock()
				if err != nil {
					failed = err
				}
				if ended++; ended <= p.depth {
					first = now
				}
				last = now
			}
		})
	}
	wg.Wait()
	if failed == nil {
		failed = m.ctx.Err()
	}
	if failed != nil {
		return failed
	}
	p.runs = append(p.runs, float64(int64(ended-p.depth)*p.size)/max(1e-9, last.Sub(first).Seconds()))
	return nil
}

// next returns where the next read is: places that lie far apart, none of them twice while there are others.
func (m *meter) next(size int64) int64 {
	const unit = largestSize
	units := m.size / unit
	step := units*5/8 | 1 // the golden section, about
	for gcd(step, units) != 1 {
		step += 2
	}
	m.place++
	at := m.place * step % units * unit
	// Once all units were read from, other parts of them are.
	return at + m.place/units*size%unit/size*size
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
