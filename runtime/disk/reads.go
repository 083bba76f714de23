package disk

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Reads is how records are read from a disk, each with one read.
type Reads struct {
	// Depth is how many reads are in flight.
	Depth int `json:"depth"`
	// Source is where that comes from.
	Source Source `json:"source"`
}

// Source is where [Reads] come from.
type Source string

// The sources. Default is what suits most disks, for one that was not or could not be measured.
const (
	Default    Source = "default"
	Measured   Source = "measured"
	Remembered Source = "remembered"
)

// Speed is what a disk gave with reads of one size, so many of them in flight.
type Speed struct {
	Size           int64   `json:"bytes"`
	Depth          int     `json:"depth"`
	BytesPerSecond float64 `json:"bytes_per_second"`
	// Error is the standard error of that, as a share of it.
	Error float64 `json:"error"`
}

// Speeds is what was measured of a disk.
type Speeds struct {
	Speeds []Speed `json:"speeds"`
	Source Source  `json:"-"` // Measured or Remembered
}

// Check reports speeds that no measurement gives: what was remembered may be damaged.
func (s *Speeds) Check() error {
	if len(s.Speeds) == 0 {
		return fmt.Errorf("no speeds")
	}
	for _, x := range s.Speeds {
		if x.Depth < 1 || x.Depth > maxDepth || !slices.Contains(sizes, x.Size) || !(x.BytesPerSecond > 0) || !(x.Error >= 0 && x.Error <= 1) {
			return fmt.Errorf("%+v is no speed of a disk", x)
		}
	}
	return nil
}

// enough is the share of the best speed that is as good: more in flight makes what is urgent wait longer. What is not slower than that for certain, by
// the standard error of the difference, is not.
const enough = 0.95

// Reads returns how records of a length are read: of what gives the disk's full speed that which has the fewest in flight, since so much is ahead of a read
// that is urgent.
func (s *Speeds) Reads(record int64) Reads {
	size := s.sizeOf(record)
	speeds := slices.DeleteFunc(s.smooth(), func(x Speed) bool { return x.Size != size })
	var top, best Speed
	for _, x := range speeds {
		if x.BytesPerSecond > top.BytesPerSecond {
			top = x
		}
	}
	for _, x := range speeds {
		if x.BytesPerSecond >= (enough-math.Hypot(x.Error, top.Error))*top.BytesPerSecond && (best.Depth == 0 || x.Depth < best.Depth) {
			best = x
		}
	}
	return Reads{Depth: best.Depth, Source: s.Source}
}

// sizeOf returns the size that was measured which is most like that of a record: the smallest that is not shorter, or the largest.
func (s *Speeds) sizeOf(record int64) int64 {
	var least, most int64
	for _, x := range s.Speeds {
		if x.Size >= record && (least == 0 || x.Size < least) {
			least = x.Size
		}
		most = max(most, x.Size)
	}
	if least == 0 {
		return most
	}
	return least
}

// smooth returns the speeds by size and depth, without what chance does to them: with more reads in flight a disk is no slower, or no faster either, so
// where a speed falls it is that of both together (isotonic regression by pooling adjacent violators). Otherwise the best of several speeds that
// are about the same would be the luckiest.
func (s *Speeds) smooth() []Speed {
	all := slices.Clone(s.Speeds)
	slices.SortFunc(all, func(a, b Speed) int { return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.Depth, b.Depth)) })
	type pool struct {
		size     int64
		sum, err float64
		n        int
	}
	mean := func(p pool) float64 { return p.sum / float64(p.n) }
	var pools []pool
	for _, x := range all {
		p := pool{x.Size, x.BytesPerSecond, x.Error * x.Error, 1}
		for last := len(pools) - 1; last >= 0 && pools[last].size == p.size && mean(pools[last]) > mean(p); last-- {
			p.sum, p.err, p.n = p.sum+pools[last].sum, p.err+pools[last].err, p.n+pools[last].n
			pools = pools[:last]
		}
		pools = append(pools, p)
	}
	i := 0
	for _, p := range pools {
		for range p.n {
			all[i].BytesPerSecond, all[i].Error = mean(p), math.Sqrt(p.err)/float64(p.n)
			i++
		}
	}
	return all
}
