package kernel

import "math"

// PeakRun is the number of numbers that have a peak together.
const PeakRun = 64

// Peaks stores the largest number of every PeakRun of x in dst, of which the last run may be short, and returns how many there are. NaN is
// less than every number: a run of nothing else has −∞.
func Peaks(dst, x []float32) int {
	n := len(x) / PeakRun
	peaks(dst[:n], x[:n*PeakRun])
	if rest := x[n*PeakRun:]; len(rest) > 0 {
		dst[n] = peak(rest)
		n++
	}
	return n
}

func peaksGeneric(dst, x []float32) {
	for i := range dst {
		dst[i] = peak(x[i*PeakRun:][:PeakRun])
	}
}

func peak(x []float32) float32 {
	top := float32(math.Inf(-1))
	for _, v := range x {
		if v > top {
			top = v
		}
	}
	return top
}
