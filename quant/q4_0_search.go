package quant

import "math"

// Candidates for a block's scale: those that make the weight of largest magnitude, m, this many steps. At −8 nothing is cut
// off, which is what rounding to nearest does; fewer steps than 7 cut the largest off for the good of the others, and a positive
// number lets the side of m have the seven steps. A finer grid, or an exact search, lowers the squared error by less than
// 0.3 % more.
var searchSteps = [numSearch]float32{
	-9, -8.75, -8.5, -8.25, -8, -7.75, -7.5, -7.25, -7, -6.75, -6.5, -6, 8, 7.75, 7.5, 7.25, 7, 6.75, 6.5, 6,
}

// weightedSteps are the candidates if importance differs: the largest weight may be one that hardly counts.
var weightedSteps = [numSearch]float32{
	-11, -10, -9, -8.5, -8, -7.5, -7, -6.5, -6, -5, -4, -3, 9, 8, 7.5, 7, 6.5, 6, 5, 4,
}

const numSearch = 20

// searchQ4 encodes blocks with the scale that minimises Σ v·(w − d·l)², where l are the levels −8…7 and v the importance of the
// weights' columns. For given levels the best scale is d = Σ v·w·l / Σ v·l² and what it explains of Σ v·w² is
// (Σ v·w·l)² / Σ v·l²; the candidate that explains most wins. Its d is rounded to a float16 and the levels are chosen once
// more for that.
func searchQ4(quants, scales []byte, src, importance []float32) {
	var clean [BlockSize]float32
	column := 0
	for b := 0; b*BlockSize < len(src); b++ {
		x, _, m := sanitized((*[BlockSize]float32)(src[b*BlockSize:]), &clean, Q4_0.Max())
		var d float32
		if importance != nil {
			d = searchScale(x, m, &weightedSteps, (*[BlockSize]float32)(importance[column:]))
			if column += BlockSize; column == len(importance) {
				column = 0
			}
		}
		if d == 0 { // or nothing counts
			d = searchScale(x, m, &searchSteps, &equal)
		}
		d = max(-maxHalf, min(maxHalf, d))
		le.PutUint16(scales[2*b:], packQ4((*[16]byte)(quants[b*16:]), x, d))
	}
}

// equal is the importance of weights that all count the same.
var equal = func() (v [BlockSize]float32) {
	for i := range v {
		v[i] = 1
	}
	return v
}()

// searchScale returns the scale of the candidate that explains most of a block, whose weight of largest magnitude is m; 0 if
// none explains anything.
func searchScale(x *[BlockSize]float32, m float32, steps *[numSearch]float32, v *[BlockSize]float32) (d float32) {
	var id, xl, ll [numSearch]float32
	inv := inverse(m)
	for c, s := range steps {
		id[c] = s * inv
	}
	explain(&xl, &ll, &id, x, v)
	var best float32
	for c := range id {
		if ll[c] > 0 {
			if e := xl[c] * xl[c] / ll[c]; e > best && e <= math.MaxFloat32 {
				best, d = e, xl[c]/ll[c]
			}
		}
	}
	return d
}

// level rounds to the nearest level, ties to even. Adding and taking away 1.5·2²³ leaves no digits after the point.
func level(w float32) float32 {
	const shift = 3 << 22
	return min(7, max(-8, w)) + shift - shift
}

// explainGeneric computes Σ v·x·l and Σ v·l² for every candidate's levels l = level(id·x). Sums are made as eight lanes make
// them.
func explainGeneric(xl, ll, id *[numSearch]float32, x, v *[BlockSize]float32) {
	for c, id := range id {
		var sx, sl [8]float32
		for i := 0; i < BlockSize; i += 8 {
			for j := range sx {
				l := level(float32(x[i+j] * id))
				sx[j] += float32(float32(v[i+j]*x[i+j]) * l)
				sl[j] += float32(float32(v[i+j]*l) * l)
			}
		}
		xl[c], ll[c] = sumLanes(&sx), sumLanes(&sl)
	}
}

func sumLanes(s *[8]float32) float32 {
	return (s[0] + s[1] + (s[2] + s[3])) + (s[4] + s[5] + (s[6] + s[7]))
}

// packQ4Generic rounds d to a float16, whose bits it returns, and stores the levels of a block for that.
func packQ4Generic(q *[16]byte, x *[BlockSize]float32, d float32) (half uint16) {
	half = FloatToHalf(d)
	id := inverse(halves[half])
	for j := range q {
		lo, hi := int32(level(float32(x[j]*id))), int32(level(float32(x[j+16]*id)))
		q[j] = byte(lo+8) | byte(hi+8)<<4
	}
	return half
}
