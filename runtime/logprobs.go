package runtime

import "math"

// logProbs are the logarithms of the probabilities of tokens: their logits less log Σ exp(logits).
type logProbs struct {
	logits []float32
	sum    float64 // log Σ exp(logits)
	top    []TokenLogProb
}

// newLogProbs keeps the logits.
func newLogProbs(logits []float32, top int) *logProbs {
	p := &logProbs{logits: logits}
	best := logits[argmax(logits)]
	for _, v := range logits {
		if v == v {
			p.sum += weight(v, best)
		}
	}
	p.sum = math.Log(p.sum) + float64(best)
	if top > 0 {
		s := Sampler{}
		s.likeliest(logits, min(top, len(logits)))
		for _, c := range s.cands {
			p.top = append(p.top, TokenLogProb{c.id, p.of(c.id)})
		}
	}
	return p
}

func (p *logProbs) of(id int32) float64 { return float64(p.logits[id]) - p.sum }
