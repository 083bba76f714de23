package eval

import (
	"math"
	"slices"
)

// moments sums up numbers for their mean.
type moments struct {
	n            int
	sum, squares float64
}

func (m *moments) add(x float64) {
	m.n++
	m.sum += x
	m.squares += x * x
}

func (m *moments) mean() float64 { return m.sum / float64(m.n) }

// standardError returns the standard error of the mean, √((mean(x²) − mean(x)²)/(n−1)); 0 for a single number.
func (m *moments) standardError() float64 {
	variance := m.squares/float64(m.n) - m.mean()*m.mean()
	if m.n < 2 || variance <= 0 {
		return 0
	}
	return math.Sqrt(variance / float64(m.n-1))
}

// exp returns the exponential of the mean, such as perplexity out of negative log-likelihoods, and its standard error.
func (m *moments) exp() (value, standardError float64) {
	value = math.Exp(m.mean())
	return value, value * m.standardError()
}

// divergence sums up how a model's predictions differ from a base's, with the definitions of llama-perplexity --kl-divergence,
// which however leaves tokens out of Σ that the base finds less probable than exp(−16). At every scored position there are the
// distributions of the next token that the base predicts, P, and the model, Q, and the token t that follows in the text.
type divergence struct {
	base         moments   // −log P(t)
	ratio        moments   // log P(t) − log Q(t): the exponential of its mean is the ratio of perplexities, the model's to the base's
	kl           moments   // Σ P·(log P − log Q), over the vocabulary
	kls          []float64 // each of them
	delta        moments   // Δp = Q(t) − P(t)
	deltaSquares moments   // Δp²
	sameTop      int       // positions where the most likely token of P is that of Q
}

func (d *divergence) add(q *position) {
	d.base.add(q.baseNLL)
	d.ratio.add(q.nll - q.baseNLL)
	d.kl.add(q.kl)
	d.kls = append(d.kls, q.kl)
	delta := math.Exp(-q.nll) - math.Exp(-q.baseNLL)
	d.delta.add(delta)
	d.deltaSquares.add(delta * delta)
	if q.sameTop {
		d.sameTop++
	}
}

// report needs one position at least.
func (d *divergence) report() *Divergence {
	slices.Sort(d.kls)
	r := &Divergence{
		KLMean: d.kl.mean(), KLStandardError: d.kl.standardError(),
		KLMin: quantile(d.kls, 0), KLMedian: quantile(d.kls, 0.5), KL90: quantile(d.kls, 0.9), KL99: quantile(d.kls, 0.99),
		KL999: quantile(d.kls, 0.999), KLMax: quantile(d.kls, 1),
		DeltaP: 100 * d.delta.mean(), DeltaPError: 100 * d.delta.standardError(),
	}
	r.BasePerplexity, r.BaseStandardError = d.base.exp()
	r.Ratio, r.RatioStandardError = d.ratio.exp()
	// That of a share p of n is √(p(1−p)/(n−1)), which is what moments make of zeros and ones.
	top := moments{d.kl.n, float64(d.sameTop), float64(d.sameTop)}
	r.SameTop, r.SameTopError = 100*top.mean(), 100*top.standardError()
	// The error of a root is that of the square, divided by twice the root.
	if rms := math.Sqrt(d.deltaSquares.mean()); rms > 0 {
		r.DeltaPRMS, r.DeltaPRMSError = 100*rms, 100*d.deltaSquares.standardError()/(2*rms)
	}
	return r
}

// quantile returns the number below which the share q of sorted numbers lies. Between two numbers it interpolates: that of
// index i has the share i/(n−1).
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
