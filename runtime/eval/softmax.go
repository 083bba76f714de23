package eval

import (
	"encoding/binary"
	"math"
)

// Logits are kept as codes of 16 bits: by how many steps of 1/2048 nat a logit is less than the largest one of its position,
// rounded, and no more than 65535 (32 nats, a probability of 1e-14 beside the largest). The error of a log-probability is at most
// 1/4096 and uniformly spread, by which a softmax of codes diverges from the true one by half its variance: 1e-8 nats.
const (
	codeSteps = 2048
	maxCode   = math.MaxUint16
)

// expHigh and expLow hold exp(−256·i/codeSteps) and exp(−i/codeSteps): their products are the weights of all codes.
var expHigh, expLow = func() (high, low [256]float64) {
	for i := range high {
		high[i] = math.Exp(-256 * float64(i) / codeSteps)
		low[i] = math.Exp(-float64(i) / codeSteps)
	}
	return high, low
}()

// weight returns exp(−code/codeSteps).
func weight(code uint16) float64 { return expHigh[code>>8] * expLow[code&255] }

// rounder rounds what is added to it, and has the integer in its lowest bits.
const rounder = 1 << 52

// logSumExp returns log Σ exp(logits), and the first index of the largest. It writes their codes, little-endian, to codes, unless
// that is nil. The sum is in float64. So are the exponentials, at half the cost of math.Exp: the weight of a code, times the
// series of what the code leaves, which is less than 1/4096. The result is NaN if a logit is.
func logSumExp(logits []float32, codes []byte) (lse float64, top int) {
	first := logits[0]
	for i, v := range logits {
		if v > first {
			first, top = v, i
		}
	}
	largest, sum := float64(first), 0.
	for i, v := range logits {
		x := float64(v) - largest
		code := uint16(maxCode)
		if x > -maxCode/float64(codeSteps) {
			rounded := rounder - codeSteps*x
			code = uint16(math.Float64bits(rounded))
			r := x + (rounded-rounder)*(1./codeSteps)
			sum += weight(code) * (1 + r*(1+r*(1./2+r*(1./6))))
		} else {
			sum += math.Exp(x)
		}
		if codes != nil {
			binary.LittleEndian.PutUint16(codes[2*i:], code)
		}
	}
	return largest + math.Log(sum), top
}

// klDivergence returns the Kullback-Leibler divergence of P, the softmax of codes, to Q, the softmax of logits, whose logSumExp
// is lse: Σ P·(log P − log Q), in nats.
func klDivergence(codes []byte, logits []float32, lse float64) float64 {
	// log P is −c − log Σw, where c is a code in nats and w its weight, and log Q is l − lse: one pass is enough.
	var sum, cross float64
	for i, v := range logits {
		code := binary.LittleEndian.Uint16(codes[2*i:])
		w := weight(code)
		sum += w
		cross += w * (float64(code)*(-1./codeSteps) - float64(v))
	}
	return cross/sum - math.Log(sum) + lse
}
