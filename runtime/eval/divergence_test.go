package eval

import (
	"math"
	"slices"
	"testing"
)

// scored returns the results of a position, in which a model that predicts logits is compared with a base.
func scored(logits, base []float32, next int32) *position {
	b := &position{logits: base, next: next, save: make(record, recordSize(len(base)))}
	b.score()
	q := &position{logits: logits, next: next, base: b.save}
	q.score()
	return q
}

func logs(p ...float64) []float32 {
	x := make([]float32, len(p))
	for i, v := range p {
		x[i] = float32(math.Log(v))
	}
	return x
}

func TestScore(t *testing.T) {
	q := scored(logs(0.25, 0.5, 0.25), logs(0.5, 0.25, 0.25), 0)
	// Σ P·log(P/Q) is 0.5·log 2 − 0.25·log 2.
	if math.Abs(q.nll-math.Log(4)) > 1e-6 || math.Abs(q.baseNLL-math.Ln2) > 1e-6 || math.Abs(q.kl-0.25*math.Ln2) > 1e-3 || q.sameTop || q.damaged {
		t.Errorf("%+v", q)
	}
	for _, tt := range []struct {
		base []float32
		same bool
	}{{logs(0.2, 0.6, 0.2), true}, {logs(0.4, 0.4, 0.2), false}, {logs(0.2, 0.4, 0.4), true}} {
		if q := scored(logs(0.25, 0.5, 0.25), tt.base, 2); q.sameTop != tt.same {
			t.Errorf("base %v: same top is %v", tt.base, q.sameTop)
		}
	}
	q.base[0] ^= 1
	if q.score(); !q.damaged {
		t.Error("a damaged record is not found")
	}
}

// The statistics are those of their definitions.
func TestDivergenceReport(t *testing.T) {
	var d divergence
	var p, q, kls []float64 // of the tokens that follow; divergences
	same := 0.
	for i, pair := range [][2][]float32{
		{logs(0.7, 0.2, 0.1), logs(0.6, 0.3, 0.1)},
		{logs(0.1, 0.1, 0.8), logs(0.2, 0.1, 0.7)},
		{logs(0.3, 0.4, 0.3), logs(0.5, 0.4, 0.1)},
		{logs(0.98, 0.01, 0.01), logs(0.9, 0.05, 0.05)},
		{logs(0.25, 0.5, 0.25), logs(0.25, 0.5, 0.25)},
	} {
		next := int32(i % 3)
		d.add(scored(pair[0], pair[1], next))
		model, base := softmax(toFloat64(pair[0])), softmax(toFloat64(pair[1]))
		p, q = append(p, base[next]), append(q, model[next])
		kl := 0.
		for j := range base {
			kl += base[j] * math.Log(base[j]/model[j])
		}
		kls = append(kls, kl)
		if i != 2 {
			same++
		}
	}
	n := float64(len(p))
	mean := func(f func(i int) float64) (mean, standardError float64) {
		var variance float64
		for i := range p {
			mean += f(i) / n
		}
		for i := range p {
			variance += (f(i) - mean) * (f(i) - mean) / n
		}
		return mean, math.Sqrt(variance / (n - 1))
	}
	basePPL, basePPLError := mean(func(i int) float64 { return -math.Log(p[i]) })
	ratio, ratioError := mean(func(i int) float64 { return math.Log(p[i] / q[i]) })
	kl, klError := mean(func(i int) float64 { return kls[i] })
	delta, deltaError := mean(func(i int) float64 { return q[i] - p[i] })
	square, squareError := mean(func(i int) float64 { return (q[i] - p[i]) * (q[i] - p[i]) })
	slices.Sort(kls)
	r := d.report()
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"base", r.BasePerplexity, math.Exp(basePPL)},
		{"its error", r.BaseStandardError, math.Exp(basePPL) * basePPLError},
		{"ratio", r.Ratio, math.Exp(ratio)},
		{"its error", r.RatioStandardError, math.Exp(ratio) * ratioError},
		{"KL", r.KLMean, kl},
		{"its error", r.KLStandardError, klError},
		{"min", r.KLMin, kls[0]},
		{"median", r.KLMedian, kls[2]},
		{"90 %", r.KL90, kls[3] + 0.6*(kls[4]-kls[3])},
		{"99 %", r.KL99, kls[3] + 0.96*(kls[4]-kls[3])},
		{"99.9 %", r.KL999, kls[3] + 0.996*(kls[4]-kls[3])},
		{"max", r.KLMax, kls[4]},
		{"same top", r.SameTop, 100 * same / n},
		{"its error", r.SameTopError, 100 * math.Sqrt(same/n*(1-same/n)/(n-1))},
		{"Δp", r.DeltaP, 100 * delta},
		{"its error", r.DeltaPError, 100 * deltaError},
		{"RMS", r.DeltaPRMS, 100 * math.Sqrt(square)},
		{"its error", r.DeltaPRMSError, 100 * squareError / (2 * math.Sqrt(square))},
	} {
		// Logits are float32, and divergence is that of codes.
		if math.Abs(tt.got-tt.want) > 1e-6+1e-3*math.Abs(tt.want) {
			t.Errorf("%s is %.8g, want %.8g", tt.name, tt.got, tt.want)
		}
	}
}

// What is divided by the number of positions less one, or by a difference, is no NaN where that is 0.
func TestDivergenceOfOne(t *testing.T) {
	var d divergence
	d.add(scored(logs(0.5, 0.5), logs(0.5, 0.5), 1))
	r := d.report()
	if r.SameTop != 100 || r.Ratio != 1 || r.SameTopError != 0 || r.RatioStandardError != 0 || r.DeltaPRMSError != 0 || r.KLMax != r.KLMin {
		t.Errorf("%+v", r)
	}
}

func TestMoments(t *testing.T) {
	var m moments
	for _, probability := range []float64{1. / 2, 1. / 4} {
		m.add(-math.Log(probability))
	}
	// The mean of ln 2 and ln 4 is 1.5 ln 2; their standard deviation about it is 0.5 ln 2, over √(n−1) = 1.
	value, standardError := m.exp()
	if math.Abs(m.mean()-1.5*math.Ln2) > 1e-12 || math.Abs(value-math.Pow(2, 1.5)) > 1e-12 || math.Abs(standardError-value*0.5*math.Ln2) > 1e-9 {
		t.Errorf("mean %v, perplexity %v ± %v", m.mean(), value, standardError)
	}
}
