package weightstats

import "math"

// SketchSize is the number of buckets of a sketch.
const SketchSize = 4096

// sketch is a random projection of a long vector of weights, such as an expert: a count sketch (Charikar, Chen and Farach-Colton
// 2002). Every weight is added to a bucket, or subtracted from it. The signs are random but a function of the weight's position
// alone, so that sketches of two vectors can be compared: the mean of their product is the vectors' product. Blocks of weights go to
// the buckets in turn.
type sketch struct {
	buckets [SketchSize]float64
	blocks  int // of the matrices before the one that is being added
}

// place returns where a row's blocks go: block b to bucket (first + b) mod SketchSize.
func (s *sketch) place(row, blocks int) (first int) { return s.blocks + row*blocks }

// signs is a sequence of random bits, 64 for each block of a row: SplitMix64 (Steele, Lea and Flood 2014). Set bits change the signs of
// weights; signBit tells whose.
type signs uint64

const gamma = 0x9e3779b97f4a7c15 // step of SplitMix64

// rowSigns returns the sequence of a row. matrix numbers the matrices of a vector.
func rowSigns(matrix, row int) signs { return (signs(matrix)<<48 | signs(row)<<20) * gamma }

// next returns the bits of the next block.
func (s *signs) next() uint64 {
	*s += gamma
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// signBit tells which of the bits of a block belongs to its weight j. The order is the one that gives both block formats their masks
// cheaply.
func signBit(j int) int { return 8*(j&7) + 4*(j>>4) + j>>3&1 }

// usedSigns are the bits that belong to a weight.
const usedSigns = 0x3333333333333333

// standardError is that of an estimated cosine of two vectors of so many blocks, as for the correlation of as many pairs of normal
// numbers as there are buckets: (1 − c²)/√n.
func standardError(cosine float64, blocks int) float64 {
	return (1 - cosine*cosine) / math.Sqrt(float64(max(1, min(blocks, SketchSize))))
}

// cosines calls f for every pair a < b of vectors with their estimated cosine. A vector that is zero is like no other.
func cosines(sketches []*sketch, f func(a, b int, cosine float64)) {
	norms := make([]float64, len(sketches))
	for a, s := range sketches {
		norms[a] = math.Sqrt(dot(&s.buckets, &s.buckets))
		for b := range a {
			if n := norms[a] * norms[b]; n > 0 {
				f(b, a, max(-1, min(1, dot(&s.buckets, &sketches[b].buckets)/n)))
			}
		}
	}
}

func dot(a, b *[SketchSize]float64) float64 {
	var s0, s1, s2, s3 float64
	for i := 0; i < SketchSize; i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	return s0 + s1 + s2 + s3
}
