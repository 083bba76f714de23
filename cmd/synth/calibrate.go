package main

import (
	"math"
	"slices"
)

// response adds a multiple of mean to every row of w so that w·mean becomes target: the one edit by which calibration
// shifts a pre-activation without a bias. A nil target is 0.
func response(w, mean, target []float32) {
	inv := 1 / dot(mean, mean)
	for r := range len(w) / len(mean) {
		row := w[r*len(mean) : (r+1)*len(mean)]
		d := -dot(row, mean)
		if target != nil {
			d += target[r]
		}
		axpy(row, d*inv, mean)
	}
}

func axpy(y []float32, a float32, x []float32) {
	for i, v := range x {
		y[i] += a * v
	}
}

// meanRow is the mean over the tokens of x.
func meanRow(x []float32, cols int) []float32 {
	m := make([]float32, cols)
	for t := 0; t < len(x); t += cols {
		axpy(m, float32(cols)/float32(len(x)), x[t:t+cols])
	}
	return m
}

// deviations is the standard deviation over tokens of every column of x.
func deviations(x []float32, cols int) []float32 {
	m, v := meanRow(x, cols), make([]float32, cols)
	for i, a := range x {
		d := a - m[i%cols]
		v[i%cols] += d * d
	}
	for i := range v {
		v[i] = float32(math.Sqrt(float64(v[i]) * float64(cols) / float64(len(x))))
	}
	return v
}

// rms is the root of the mean square.
func rms(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return math.Sqrt(s / float64(len(x)))
}

// densities gives every layer's share of active neurons: it climbs from firstDensity of the mean in layer 0 to a plateau
// over the first tenth of the layers, the plateau being what makes the mean come out.
func densities(layers int, mean float64) []float64 {
	n := max(layers/10, 1)
	if layers == 1 {
		return []float64{mean}
	}
	first := firstDensity * mean
	var climb float64 // layers' worth of plateau missing in the ramp
	for l := range n {
		climb += 1 - float64(l)/float64(n)
	}
	top := min((mean*float64(layers)-first*climb)/(float64(layers)-climb), 0.95) // few layers may not reach a high mean
	d := make([]float64, layers)
	for l := range d {
		d[l] = first + (top-first)*min(float64(l)/float64(n), 1)
	}
	return d
}

// popularity gives the share of tokens that each of n experts is to be active for: a hot quarter takes coverage of all
// uses, spread evenly by ±30 %, the cold ones share the rest log-normally. The order is random.
func popularity(n, k int, coverage float64, r *rng) []float64 {
	hot := max(n/4, 1)
	f := make([]float64, n)
	var cold float64
	for i := range f {
		if i >= hot {
			f[i] = math.Exp(coldSpread * quantile((float64(i-hot)+0.5)/float64(n-hot)))
			cold += f[i]
		}
	}
	for i := range f {
		if i < hot {
			f[i] = coverage * float64(k) / float64(hot) * (0.7 + 0.6*(float64(i)+0.5)/float64(hot))
		} else {
			f[i] *= (1 - coverage) * float64(k) / cold
		}
		f[i] = min(max(f[i], 0.005), 0.95)
	}
	p := make([]float64, n)
	for i, j := range r.perm(n) {
		p[i] = f[j]
	}
	return p
}

// balance finds offsets to the experts' logits with which each expert is in the top k for its share of the tokens. Each
// sweep sets every offset in turn to the quantile of what the expert lacks to the k-th best of the others.
func balance(logits []float32, k int, share []float64) []float32 {
	n := len(share)
	tokens := len(logits) / n
	offset := make([]float32, n)
	for e, f := range share {
		offset[e] = float32(quantile(f))
	}
	lack, sum := make([]float32, tokens), make([]float32, n)
	for range 12 {
		for e, f := range share {
			for t := range lack {
				row := logits[t*n : (t+1)*n]
				for i, v := range row {
					sum[i] = v + offset[i]
				}
				sum[e] = float32(math.Inf(-1))
				lack[t] = sum[topK(sum, k)[k-1]] - row[e]
			}
			slices.Sort(lack)
			at := f*float64(tokens) - 0.5
			i := min(max(int(at), 0), tokens-2)
			w := float32(min(max(at-float64(i), 0), 1))
			offset[e] = lack[i]*(1-w) + lack[i+1]*w
		}
	}
	// A common shift changes no choice; centered offsets leave the sigmoid in its working range.
	var mean float32
	for _, o := range offset {
		mean += o / float32(n)
	}
	for e := range offset {
		offset[e] -= mean
	}
	return offset
}
