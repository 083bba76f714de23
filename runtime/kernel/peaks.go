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
		dst[n] = maxGeneric(rest, float32(math.Inf(-1)))
		n++
	}
	return n
}

// Max returns the largest of m and the numbers of x. NaN is less than every number.
func Max(x []float32, m float32) float32 { return maxOf(x, m) }

// Scale stores f·src in dst, which may be src.
func Scale(dst []float32, f float32, src []float32) { scale(dst[:len(src)], f, src) }

func maxGeneric(x []float32, m float32) float32 {
	for _, v := range x {
		if v > m { // several times as fast as max, which minds NaN
			m = v
		}
	}
	return m
}

func scaleGeneric(dst []float32, f float32, src []float32) {
	for i, v := range src {
		dst[i] = v * f
	}
}

func peaksGeneric(dst, x []float32) {
	for i := range dst {
		dst[i] = maxGeneric(x[i*PeakRun:][:PeakRun], float32(math.Inf(-1)))
	}
}
