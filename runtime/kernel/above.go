package kernel

import "math/bits"

// ListAbove lists in order, in list, every number i of [first, end) for which one of the rows of x, which are stride apart, has at i more than
// threshold, or NaN, and returns how many they are. first is a multiple of [PeakRun]; list has room for all. There is no branch on a number of x.
func ListAbove(list []int32, x []float32, rows, stride, first, end int, threshold float32) (n int) {
	list = list[:end-first]
	var masks [64]uint64
	for first < end {
		numbers := min(end-first, PeakRun*len(masks))
		whole := numbers / PeakRun
		clear(masks[:])
		for t := range rows {
			part := x[t*stride+first:][:numbers]
			above(masks[:whole], part, threshold)
			if rest := part[whole*PeakRun:]; len(rest) > 0 {
				aboveGeneric(&masks[whole], rest, threshold)
			}
		}
		for k, m := range &masks {
			for ; m != 0; m &= m - 1 {
				list[n] = int32(first + k*PeakRun + bits.TrailingZeros64(m))
				n++
			}
		}
		first += numbers
	}
	return n
}

// aboveGeneric sets the bits of the numbers of x, PeakRun at most, that are above threshold or NaN.
func aboveGeneric(mask *uint64, x []float32, threshold float32) {
	for i, v := range x {
		var bit uint64
		if !(v <= threshold) {
			bit = 1
		}
		*mask |= bit << i
	}
}

// aboveEach is aboveGeneric for every PeakRun numbers of x and their mask.
func aboveEach(masks []uint64, x []float32, threshold float32) {
	for i := range masks {
		aboveGeneric(&masks[i], x[i*PeakRun:][:PeakRun], threshold)
	}
}
