package eval

import (
	"math"
	"slices"
)

// Head tells what leaving rows of the language-model head out does to a model's predictions. At every scored position Q is what the whole head
// predicts, and R are the tokens whose rows are computed. Then Q restricted to R, Q(t)/Q(R), is what tokens are drawn from. Its divergence from Q is
// Σ Q(t)/Q(R)·log(1/Q(R)) = −log Q(R): how improbable the whole head finds it that R has the token. In the other direction divergence is infinite.
// After a mean stands its standard error.
type Head struct {
	// Rows is the share of the rows that are computed.
	Rows float64 `json:"rows_percent"`
	// TopMissed is the share of the positions where the token that Q finds most probable is not in R, and NextMissed that of the positions where the
	// token that follows in the text is not.
	TopMissed       float64 `json:"top_missed_percent"`
	TopMissedError  float64 `json:"top_missed_percent_standard_error"`
	NextMissed      float64 `json:"next_missed_percent"`
	NextMissedError float64 `json:"next_missed_percent_standard_error"`
	// KLMean is the mean of −log Q(R), in nats.
	KLMean          float64 `json:"kl_mean"`
	KLStandardError float64 `json:"kl_mean_standard_error"`
	KLMedian        float64 `json:"kl_median"`
	KL90            float64 `json:"kl_p90"`
	KL99            float64 `json:"kl_p99"`
	KLMax           float64 `json:"kl_max"`
}

// leftOut is what there is to know of one position where rows are left out.
type leftOut struct {
	rows, vocab int
	top, next   bool    // they are left out
	kl          float64 // −log Q(R)
}

// leaveOut compares the logits of the whole head, whose logSumExp is lse and whose largest has the index top, with those of predicted rows, which are
// −∞ where rows are left out. The sum is of the whole head's logits, so that another order of summation in the others does not count as divergence.
func leaveOut(logits, predicted []float32, lse float64, top, next int) leftOut {
	out := func(i int) bool { return math.IsInf(float64(predicted[i]), -1) }
	r := leftOut{vocab: len(logits), top: out(top), next: out(next)}
	largest := math.Inf(-1)
	for i, v := range logits {
		if !out(i) {
			r.rows++
			largest = max(largest, float64(v))
		}
	}
	if r.rows == len(logits) {
		return r
	}
	sum := 0.
	for i, v := range logits {
		if !out(i) {
			sum += math.Exp(float64(v) - largest)
		}
	}
	r.kl = max(0, lse-largest-math.Log(sum))
	return r
}

// headRows sums them up.
type headRows struct {
	rows, top, next, kl moments
	kls                 []float64 // each
}

func (h *headRows) add(r *leftOut) {
	one := func(is bool) float64 {
		if is {
			return 1
		}
		return 0
	}
	h.rows.add(float64(r.rows) / float64(r.vocab))
	h.top.add(one(r.top))
	h.next.add(one(r.next))
	h.kl.add(r.kl)
	h.kls = append(h.kls, r.kl)
}

// report returns nil if nothing was added.
func (h *headRows) report() *Head {
	if h.kl.n == 0 {
		return nil
	}
	slices.Sort(h.kls)
	return &Head{
		Rows: 100 * h.rows.mean(), TopMissed: 100 * h.top.mean(), TopMissedError: 100 * h.top.standardError(),
		NextMissed: 100 * h.next.mean(), NextMissedError: 100 * h.next.standardError(),
		KLMean: h.kl.mean(), KLStandardError: h.kl.standardError(),
		KLMedian: quantile(h.kls, 0.5), KL90: quantile(h.kls, 0.9), KL99: quantile(h.kls, 0.99), KLMax: quantile(h.kls, 1),
	}
}
