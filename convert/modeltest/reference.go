package modeltest

import (
	"fmt"
	"math"
	"sort"
)

// Logits runs the model over tokens and returns the logits of every position. Nothing is kept from one position to the next,
// nothing is blocked or skipped: each formula of the architecture (arXiv 2507.20984) is one loop.
func (m *Model) Logits(tokens []int32) [][]float32 {
	s := m.Shape
	x := make([][]float64, len(tokens))
	for t, id := range tokens {
		x[t] = make([]float64, s.Hidden)
		for i := range x[t] {
			x[t][i] = float64(m.Tensor("model.embed_tokens.weight").Data[int(id)*s.Hidden+i])
		}
	}
	for l := range s.Layers {
		m.layer(l, x)
	}
	head := "model.embed_tokens.weight"
	if s.Untied {
		head = "lm_head.weight"
	}
	out := make([][]float32, len(tokens))
	for t := range x {
		for _, v := range m.mul(head, m.norm("model.norm.weight", x[t])) {
			out[t] = append(out[t], float32(v))
		}
	}
	return out
}

func (m *Model) layer(l int, x [][]float64) {
	s := m.Shape
	p := fmt.Sprintf("model.layers.%d.", l)
	router := make([][]float64, len(x)) // of the raw input of the layer
	q, k, v := make([][]float64, len(x)), make([][]float64, len(x)), make([][]float64, len(x))
	for t := range x {
		router[t] = m.mul(p+"block_sparse_moe.primary_router.weight", x[t])
		n := m.norm(p+"input_layernorm.weight", x[t])
		q[t] = m.mul(p+"self_attn.q_proj.weight", n)
		k[t] = m.mul(p+"self_attn.k_proj.weight", n)
		v[t] = m.mul(p+"self_attn.v_proj.weight", n)
		if s.RoPE[l] == 1 {
			m.rotate(q[t], t)
			m.rotate(k[t], t)
		}
	}
	for t := range x {
		first := 0
		if s.Sliding[l] == 1 {
			first = max(0, t-s.Window+1)
		}
		mixed := make([]float64, s.Heads*s.HeadDim)
		for h := range s.Heads {
			g := h / (s.Heads / s.KVHeads)
			weights := make([]float64, t+1)
			var sum float64
			for j := first; j <= t; j++ {
				for i := range s.HeadDim {
					weights[j] += q[t][h*s.HeadDim+i] * k[j][g*s.HeadDim+i]
				}
				weights[j] = math.Exp(weights[j] / math.Sqrt(float64(s.HeadDim)))
				sum += weights[j]
			}
			for j := first; j <= t; j++ {
				for i := range s.HeadDim {
					mixed[h*s.HeadDim+i] += weights[j] / sum * v[j][g*s.HeadDim+i]
				}
			}
		}
		for i, o := range m.mul(p+"self_attn.o_proj.weight", mixed) {
			x[t][i] += o
		}
		m.experts(p, x[t], router[t])
	}
}

// experts adds the chosen experts' outputs to h.
func (m *Model) experts(prefix string, h, router []float64) {
	s := m.Shape
	order := make([]int, s.Experts)
	for e := range order {
		order[e] = e
	}
	sort.SliceStable(order, func(i, j int) bool { return router[order[i]] > router[order[j]] })
	weights := make([]float64, s.TopK)
	var sum float64
	for i := range weights {
		if s.Softmax {
			weights[i] = math.Exp(router[order[i]])
		} else {
			weights[i] = 1 / (1 + math.Exp(-router[order[i]]))
		}
		sum += weights[i]
	}
	z := m.norm(prefix+"post_attention_layernorm.weight", h)
	for i, w := range weights {
		p := fmt.Sprintf("%sblock_sparse_moe.experts.%d.", prefix, order[i])
		gate, up := m.mul(p+"gate.weight", z), m.mul(p+"up.weight", z)
		for j := range gate {
			up[j] *= max(0, gate[j])
		}
		for j, d := range m.mul(p+"down.weight", up) {
			h[j] += w / sum * d
		}
	}
}

// mul multiplies a matrix [out, in] with a vector.
func (m *Model) mul(name string, x []float64) []float64 {
	t := m.Tensor(name)
	out := make([]float64, t.Shape[0])
	for r := range out {
		for i, v := range x {
			out[r] += float64(t.Data[r*len(x)+i]) * v
		}
	}
	return out
}

func (m *Model) norm(name string, x []float64) []float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	scale := 1 / math.Sqrt(sum/float64(len(x))+1e-6)
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v * scale * float64(m.Tensor(name).Data[i])
	}
	return out
}

// rotate applies RoPE, in its "rotate half" form, to every head of a position.
func (m *Model) rotate(x []float64, position int) {
	d := m.Shape.HeadDim
	for h := 0; h < len(x); h += d {
		for i := range d / 2 {
			angle := float64(position) / math.Pow(1e4, 2*float64(i)/float64(d))
			a, b := x[h+i], x[h+i+d/2]
			x[h+i] = a*math.Cos(angle) - b*math.Sin(angle)
			x[h+i+d/2] = a*math.Sin(angle) + b*math.Cos(angle)
		}
	}
}
