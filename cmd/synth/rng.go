package main

import (
	"hash/fnv"
	"math"
)

// quantile is the inverse of the normal distribution function.
func quantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// normals holds the normal quantiles of 65536 equal slices of probability: one random uint64 gives four draws, which is
// as fast as the conversion to bf16 that follows and has tails up to 4.3 standard deviations.
var normals = func() *[1 << 16]float32 {
	var t [1 << 16]float32
	for i := range t {
		t[i] = float32(quantile((float64(i) + 0.5) / float64(len(t))))
	}
	return &t
}()

// rng is a splitmix64 generator: its state is a counter, so any row of any tensor can be drawn on its own and the bytes
// do not depend on how the work was split over cores.
type rng uint64

// stream returns the generator of one row of one named tensor.
func stream(seed uint64, name string, row int) rng {
	h := fnv.New64a()
	h.Write([]byte(name))
	r := rng(seed ^ h.Sum64())
	r = rng(r.next() + uint64(row)*0xd1342543de82ef95)
	return rng(r.next())
}

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *rng) intn(n int) int { return int(r.next() >> 1 % uint64(n)) }

// normal fills dst with draws of mean 0 and the given standard deviation.
func (r *rng) normal(dst []float32, std float32) {
	for len(dst) >= 4 {
		v := r.next()
		d := dst[:4]
		d[0] = std * normals[uint16(v)]
		d[1] = std * normals[uint16(v>>16)]
		d[2] = std * normals[uint16(v>>32)]
		d[3] = std * normals[uint16(v>>48)]
		dst = dst[4:]
	}
	v := r.next()
	for i := range dst {
		dst[i] = std * normals[uint16(v>>(16*i))]
	}
}

// perm returns a random permutation of 0..n-1.
func (r *rng) perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		j := r.intn(i + 1)
		p[i], p[j] = p[j], i
	}
	return p
}
