package main

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls f(0..n-1) from as many goroutines as there are cores and returns the first error. Each call writes only
// its own results, which keeps every sum in one fixed order whatever the number of cores.
func parallel(n int, f func(i int) error) error {
	var (
		next atomic.Int64
		once sync.Once
		wg   sync.WaitGroup
		err  error
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if e := f(i); e != nil {
					once.Do(func() { err = e })
					return
				}
			}
		})
	}
	wg.Wait()
	return err
}

// rowsPerTask is the grain at which a matrix is split over cores.
const rowsPerTask = 64

// project is y = x·wᵀ for all tokens of x, in parallel: x is [n, cols], w is [rows, cols], y is [n, rows].
func project(x, w []float32, cols int) []float32 {
	n, rows := len(x)/cols, len(w)/cols
	y := make([]float32, n*rows)
	_ = parallel((rows+rowsPerTask-1)/rowsPerTask, func(i int) error {
		matmul(y, x, w, cols, i*rowsPerTask, min((i+1)*rowsPerTask, rows))
		return nil
	})
	return y
}

// matmul computes rows [from, to) of y = x·wᵀ, two rows by four tokens at a time so that each loaded value is used more
// than once. Every product is one running sum over the columns: the result does not depend on the tiling.
func matmul(y, x, w []float32, cols, from, to int) {
	n, rows := len(x)/cols, len(w)/cols
	t := 0
	for ; t+4 <= n; t += 4 {
		x0, x1 := x[t*cols:(t+1)*cols], x[(t+1)*cols:(t+2)*cols]
		x2, x3 := x[(t+2)*cols:(t+3)*cols], x[(t+3)*cols:(t+4)*cols]
		r := from
		for ; r+2 <= to; r += 2 {
			w0, w1 := w[r*cols:(r+1)*cols], w[(r+1)*cols:(r+2)*cols]
			w1, x0, x1, x2, x3 := w1[:len(w0)], x0[:len(w0)], x1[:len(w0)], x2[:len(w0)], x3[:len(w0)]
			var a0, a1, a2, a3, b0, b1, b2, b3 float32
			for c, u := range w0 {
				v := w1[c]
				p, q, s, z := x0[c], x1[c], x2[c], x3[c]
				a0 += u * p
				a1 += u * q
				a2 += u * s
				a3 += u * z
				b0 += v * p
				b1 += v * q
				b2 += v * s
				b3 += v * z
			}
			y[t*rows+r], y[(t+1)*rows+r], y[(t+2)*rows+r], y[(t+3)*rows+r] = a0, a1, a2, a3
			y[t*rows+r+1], y[(t+1)*rows+r+1], y[(t+2)*rows+r+1], y[(t+3)*rows+r+1] = b0, b1, b2, b3
		}
		for ; r < to; r++ {
			for i := range 4 {
				y[(t+i)*rows+r] = dot(w[r*cols:(r+1)*cols], x[(t+i)*cols:])
			}
		}
	}
	for ; t < n; t++ {
		for r := from; r < to; r++ {
			y[t*rows+r] = dot(w[r*cols:(r+1)*cols], x[t*cols:])
		}
	}
}

func dot(a, b []float32) float32 {
	var s float32
	b = b[:len(a)]
	for i, v := range a {
		s += v * b[i]
	}
	return s
}

// rmsNorm normalizes every token of x.
func rmsNorm(x, weight []float32, eps float64) []float32 {
	y := make([]float32, len(x))
	for t := 0; t < len(x); t += len(weight) {
		row := x[t : t+len(weight)]
		s := float32(1 / math.Sqrt(float64(dot(row, row))/float64(len(row))+eps))
		for i, v := range row {
			y[t+i] = v * s * weight[i]
		}
	}
	return y
}

// rotate applies RoPE (the rotate-half form) to all heads of tokens that lie in sequences of length seq.
func rotate(v []float32, width, headDim, seq int, theta float64) {
	half := headDim / 2
	for t := range len(v) / width {
		for i := range half {
			sin, cos := math.Sincos(float64(t%seq) * math.Pow(theta, -float64(i)/float64(half)))
			for h := t * width; h < (t+1)*width; h += headDim {
				a, b := float64(v[h+i]), float64(v[h+half+i])
				v[h+i], v[h+half+i] = float32(a*cos-b*sin), float32(b*cos+a*sin)
			}
		}
	}
}

// attend is causal grouped-query attention inside sequences of length seq, over the last window positions.
func attend(q, k, v []float32, c *config, seq, window int) []float32 {
	d, qw, kw := c.HeadDim, c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	out := make([]float32, len(q))
	scale := 1 / math.Sqrt(float64(d))
	_ = parallel(len(q)/qw, func(t int) error {
		first := max(t/seq*seq, t-window+1)
		p := make([]float64, t-first+1)
		for h := range c.Heads {
			g := h / (c.Heads / c.KVHeads) * d
			qh, oh := q[t*qw+h*d:t*qw+(h+1)*d], out[t*qw+h*d:t*qw+(h+1)*d]
			top := math.Inf(-1)
			for i := range p {
				p[i] = float64(dot(qh, k[(first+i)*kw+g:])) * scale
				top = max(top, p[i])
			}
			var sum float64
			for i := range p {
				p[i] = math.Exp(p[i] - top)
				sum += p[i]
			}
			for i := range p {
				w := float32(p[i] / sum)
				for j, x := range v[(first+i)*kw+g : (first+i)*kw+g+d] {
					oh[j] += w * x
				}
			}
		}
		return nil
	})
	return out
}

// choice is the routing of one token: experts by falling logit, and their weights.
type choice struct {
	experts []int
	weights []float32
}

// route picks the top-k of one token's router logits.
func route(logits []float32, c *config) choice {
	r := choice{topK(logits, c.TopK), make([]float32, c.TopK)}
	var sum float64
	for i, e := range r.experts {
		w := 1 / (1 + math.Exp(-float64(logits[e])))
		if c.Softmax || c.qwen() {
			w = math.Exp(float64(logits[e] - logits[r.experts[0]]))
		}
		r.weights[i] = float32(w)
		sum += w
	}
	for i := range r.weights {
		r.weights[i] /= float32(sum)
	}
	return r
}

// topK returns the indices of the k largest values, largest first; the lower index wins a tie.
func topK(v []float32, k int) []int {
	best := make([]int, 0, k+1)
	for i := range v {
		j := len(best)
		for j > 0 && v[i] > v[best[j-1]] {
			j--
		}
		if j < k {
			best = append(best, 0)
			copy(best[j+1:], best[j:])
			best[j] = i
			best = best[:min(len(best), k)]
		}
	}
	return best
}

// reglu turns gate pre-activations into the neurons' outputs and returns how many are active.
func reglu(gate, up []float32) (active int) {
	for i, g := range gate {
		if g > 0 {
			active++
			gate[i] = g * up[i]
		} else {
			gate[i] = 0
		}
	}
	return active
}

// swiglu is reglu with SiLU, of which every neuron acts.
func swiglu(gate, up []float32) (active int) {
	for i, g := range gate {
		gate[i] = g / (1 + float32(math.Exp(-float64(g)))) * up[i]
	}
	return len(gate)
}
