package activity

import (
	"cmp"
	"math"
	"slices"
)

// entropy returns −Σ q·log2 q, in bits.
func entropy(q []float64) float64 {
	var h float64
	for _, v := range q {
		if v > 0 {
			h -= v * math.Log2(v)
		}
	}
	return h
}

// distribution returns each count's share of all.
func distribution(counts []int64) []float64 {
	q := make([]float64, len(counts))
	var sum int64
	for _, n := range counts {
		sum += n
	}
	if sum > 0 {
		for i, n := range counts {
			q[i] = float64(n) / float64(sum)
		}
	}
	return q
}

// hotSet returns the fewest indices whose counts add up to at least so many percent of all: the largest first, then the lowest index.
func hotSet(counts []int64, percent int64) []int {
	order := make([]int, len(counts))
	var sum int64
	for i, n := range counts {
		order[i] = i
		sum += n
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(counts[b], counts[a]) })
	var have int64
	for i, e := range order {
		if have*100 >= sum*percent {
			return order[:i]
		}
		have += counts[e]
	}
	return order
}

// overlap returns |a ∩ b| / |a ∪ b|; 1 if both are empty.
func overlap(a, b []int) float64 {
	both := 0
	for _, e := range a {
		if slices.Contains(b, e) {
			both++
		}
	}
	if len(a)+len(b) == 0 {
		return 1
	}
	return float64(both) / float64(len(a)+len(b)-both)
}

// totalVariation returns ½ Σ |a − b|.
func totalVariation(a, b []float64) float64 {
	var sum float64
	for i := range a {
		sum += math.Abs(a[i] - b[i])
	}
	return sum / 2
}

// jensenShannon returns the divergence of two distributions, in bits.
func jensenShannon(a, b []float64) float64 {
	middle := make([]float64, len(a))
	for i := range a {
		middle[i] = (a[i] + b[i]) / 2
	}
	return max(0, entropy(middle)-(entropy(a)+entropy(b))/2) // rounding may leave something below zero
}

// chanceVariation returns the expected total variation of two samples of so many tokens, each of which chooses k experts with the same
// frequencies p.
func chanceVariation(p []float64, k int, tokensA, tokensB int64) float64 {
	var sum float64
	for _, v := range p {
		sum += math.Sqrt(v * (1 - v))
	}
	return sum / 2 / float64(k) * math.Sqrt(2/math.Pi*(1/float64(tokensA)+1/float64(tokensB)))
}

// Density is the distribution of the share of an expert's neurons that were active, over tokens and the experts they chose.
type Density struct {
	Mean   float64 `json:"mean"`
	Min    float64 `json:"min"`
	Q25    float64 `json:"q25"`
	Median float64 `json:"median"`
	Q75    float64 `json:"q75"`
	Q95    float64 `json:"q95"`
	Max    float64 `json:"max"`
}

// newDensity makes it of the histogram of active neurons, 0 to the number of an expert's neurons; nil without one.
func newDensity(histogram []int64) *Density {
	if histogram == nil {
		return nil
	}
	var total, sum int64
	for active, n := range histogram {
		total += n
		sum += n * int64(active)
	}
	neurons := float64(len(histogram) - 1)
	if total == 0 || neurons == 0 {
		return &Density{}
	}
	quantile := func(percent int64) float64 {
		var below int64
		for active, n := range histogram {
			if below += n; below > 0 && below*100 >= total*percent {
				return float64(active) / neurons
			}
		}
		return 1
	}
	return &Density{Mean: float64(sum) / float64(total) / neurons, Min: quantile(0), Q25: quantile(25), Median: quantile(50),
		Q75: quantile(75), Q95: quantile(95), Max: quantile(100)}
}
