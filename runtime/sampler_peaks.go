package runtime

import (
	"math"
	"slices"

	"st/runtime/kernel"
)

// changed brings the peak of a token's run up to date, if it was given.
func (s *Sampler) changed(logits []float32, id int32) {
	if s.given != nil {
		run := int(id) / kernel.PeakRun
		kernel.Peaks(s.given[run:], logits[run*kernel.PeakRun:min((run+1)*kernel.PeakRun, len(logits))])
	}
}

// argmax returns the first of the largest logits.
func (s *Sampler) argmax(logits []float32) int32 {
	peaks := s.findPeaks(logits)
	run := argmax(peaks)
	first := run * kernel.PeakRun
	if math.IsInf(float64(peaks[run]), -1) { // there may be NaN alone
		return int32(argmax(logits))
	}
	return int32(first + argmax(logits[first:min(first+kernel.PeakRun, len(logits))]))
}

func argmax(logits []float32) int {
	best := 0
	for i, v := range logits {
		if v > logits[best] || logits[best] != logits[best] {
			best = i
		}
	}
	return best
}

// findPeaks returns the runs' largest logits. A vocabulary has more than a hundred thousand, and few of them matter.
func (s *Sampler) findPeaks(logits []float32) []float32 {
	if s.given != nil {
		return s.given
	}
	s.peaks = slices.Grow(s.peaks[:0], len(logits)/kernel.PeakRun+1)
	s.peaks = s.peaks[:kernel.Peaks(s.peaks[:cap(s.peaks)], logits)]
	return s.peaks
}
