package experts

import (
	"cmp"
	"math"
	"slices"
)

// chanceWidth is the distance from the border between chosen and not at which an expert counts for ⅛ less or more than at it, in standard deviations of
// a token's logits.
const chanceWidth = 0.3

// Chances estimates from a token's router logits of a layer how likely each expert is to be among the topK of the next tokens, 0 to 1. Half of it is
// whether it was chosen, the other half how near it came to that or to the contrary: (1 + z/(1+|z|)) / 2 at z chanceWidths from the border, which lies in
// the middle between the last logit that is chosen and the first that is not. So the fifth of four counts for about ¼, and the last for little.
//
// scratch has room for topK + 1 logits; dst, which is returned, for all. It returns nil where the logits say nothing: they are all equal, or not all
// are numbers.
func Chances(dst, scratch, logits []float32, topK int) []float32 {
	n := len(logits)
	best := scratch[:0] // the topK + 1 highest
	for _, v := range logits {
		if i, _ := slices.BinarySearchFunc(best, v, func(a, b float32) int { return cmp.Compare(b, a) }); i <= topK {
			best = slices.Insert(best[:min(len(best), topK)], i, v)
		}
	}
	border := (best[topK-1] + best[len(best)-1]) / 2 // the last one itself, if all are chosen
	var mean, square float64
	for _, v := range logits {
		mean += float64(v)
	}
	mean /= float64(n)
	for _, v := range logits {
		square += (float64(v) - mean) * (float64(v) - mean)
	}
	scale := float32(1 / (chanceWidth * math.Sqrt(square/float64(n))))
	if !(scale > 0) || math.IsInf(float64(scale), 0) {
		return nil
	}
	dst = dst[:0]
	for _, v := range logits {
		z := (v - border) * scale
		chance := 0.25 + 0.25*z/(1+max(z, -z))
		if z >= 0 {
			chance += 0.5
		}
		dst = append(dst, chance)
	}
	return dst
}
