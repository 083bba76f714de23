package eval

import (
	"math"
	"testing"
)

// Divergence is that of the definition, and infinite sums are no part of it.
func TestLeaveOut(t *testing.T) {
	inf := float32(math.Inf(-1))
	logits := logs(0.5, 0.1, 0.3, 0.1)
	for _, tt := range []struct {
		predicted []float32
		next      int
		want      leftOut
	}{
		{logits, 1, leftOut{rows: 4}},
		{[]float32{logits[0], inf, logits[2], inf}, 2, leftOut{rows: 2, kl: -math.Log(0.8)}},
		{[]float32{inf, logits[1], logits[2], inf}, 0, leftOut{rows: 2, top: true, next: true, kl: -math.Log(0.4)}},
		{[]float32{inf, inf, inf, logits[3]}, 3, leftOut{rows: 1, top: true, kl: -math.Log(0.1)}},
	} {
		q := &position{logits: logits, predicted: tt.predicted, next: int32(tt.next)}
		q.score()
		tt.want.vocab = 4
		kl := q.rows.kl
		if q.rows.kl = tt.want.kl; q.rows != tt.want || math.Abs(kl-tt.want.kl) > 1e-6 {
			t.Errorf("%v: %+v with %v, want %+v", tt.predicted, q.rows, kl, tt.want)
		}
		// What is drawn from diverges from all logits by as much.
		all, some, sum := softmax(toFloat64(logits)), softmax(toFloat64(tt.predicted)), 0.
		for i, p := range some {
			if p > 0 {
				sum += p * math.Log(p/all[i])
			}
		}
		if math.Abs(sum-kl) > 1e-6 {
			t.Errorf("%v: %v, by definition %v", tt.predicted, kl, sum)
		}
	}
	// Far from the largest logit, what is left over is not rounded to nothing.
	q := &position{logits: []float32{0, -2000}, predicted: []float32{inf, -2000}}
	if q.score(); q.rows.kl != 2000 {
		t.Errorf("%+v", q.rows)
	}
}

func TestHeadReport(t *testing.T) {
	var h headRows
	if h.report() != nil {
		t.Error("a report of nothing")
	}
	for _, r := range []leftOut{{10, 100, true, true, 3}, {20, 100, false, true, 1}, {30, 100, false, false, 0.5}, {40, 100, false, true, 0.1}} {
		h.add(&r)
	}
	r := h.report()
	if math.Abs(r.Rows-25) > 1e-9 || r.TopMissed != 25 || r.NextMissed != 75 || math.Abs(r.KLMean-1.15) > 1e-12 || r.KLMedian != 0.75 || r.KLMax != 3 ||
		math.Abs(r.TopMissedError-25) > 1e-9 {
		t.Errorf("%+v", r)
	}
}
