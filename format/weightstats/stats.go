package weightstats

import "math"

// OutlierSigma is how many times the RMS of its matrix an outlier exceeds.
const OutlierSigma = 6

// Stats describes a matrix or, merged, several.
type Stats struct {
	// Weights is the number of weights, and NonFinite that of NaNs and infinities among them.
	Weights, NonFinite int64
	// SumSquares and MaxAbs are of the finite ones.
	SumSquares float64
	MaxAbs     float32
	// Peak is the largest |w| over the RMS of its own matrix, and Outliers counts the weights beyond OutlierSigma times it.
	Peak     float64
	Outliers int64
	// MinScale and MaxScale bound the magnitudes of the block scales that are finite and not zero; both are 0 if there are none.
	MinScale, MaxScale float32
	// ZeroRows is the number of rows, as stored, whose weights are all zero.
	ZeroRows int64
}

// RMS returns the root mean square of the finite weights; 0 if there are none.
func (s *Stats) RMS() float64 {
	if n := s.Weights - s.NonFinite; n > 0 {
		return math.Sqrt(s.SumSquares / float64(n))
	}
	return 0
}

// OutlierShare returns the share of weights that are outliers.
func (s *Stats) OutlierShare() float64 { return float64(s.Outliers) / float64(max(1, s.Weights)) }

// Merge adds another matrix.
func (s *Stats) Merge(o *Stats) {
	s.Weights += o.Weights
	s.NonFinite += o.NonFinite
	s.SumSquares += o.SumSquares
	s.MaxAbs = max(s.MaxAbs, o.MaxAbs)
	s.Peak = max(s.Peak, o.Peak)
	s.Outliers += o.Outliers
	if o.MaxScale > 0 {
		s.addScale(o.MinScale)
		s.addScale(o.MaxScale)
	}
	s.ZeroRows += o.ZeroRows
}

// addScale counts the magnitude of a block scale in.
func (s *Stats) addScale(d float32) {
	if d == 0 {
		return
	}
	if s.MinScale == 0 || d < s.MinScale {
		s.MinScale = d
	}
	s.MaxScale = max(s.MaxScale, d)
}
